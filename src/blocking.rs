//! Runs what may block on threads that may.

use std::any::Any;

use tokio::task::spawn_blocking;

/// Runs `work` on a thread where blocking is allowed, and waits for it.
///
/// A panic goes on in the caller. When the runtime shuts down before the work began, this never
/// returns: the caller is about to be dropped.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    caught(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The same for work that may panic.
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
