//! Runs what may block on threads that may.

use tokio::task::spawn_blocking;

/// Runs `work` on a thread where blocking is allowed, and waits for it.
///
/// A panic goes on in the caller. When the runtime shuts down before the work began, this never
/// returns: the caller is about to be dropped.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
