//! Runs blocking work on threads where blocking is allowed.

use std::any::Any;

use tokio::task::spawn_blocking;

/// Runs `work` on a thread where blocking is allowed, and waits for it.
///
/// A panic of `work` resumes in the caller. If the runtime shuts down before the work begins, this
/// never returns: the caller is about to be dropped.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    caught(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Like [`run`], but a panic of `work` is an error.
pub(crate) async fn caught<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<dyn Any + Send>> {
    match spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(panic),
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
