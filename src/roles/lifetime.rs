//! Runs services until they are told to stop, and notifies the service manager.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{DONE, FAILED, StopSignal};
use crate::app::Services;

/// Notifies systemd, if it started this process.
pub(super) fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        debug!(%error, "systemd could not be notified");
    }
}

/// Runs `services` until a signal, then gives them `grace` to finish the work in hand. `left` says
/// in the log what becomes of the rest. Returns the exit code.
pub(super) async fn run(
    services: &Services,
    mut stop: StopSignal,
    shutdown: &CancellationToken,
    grace: Duration,
    left: &str,
) -> u8 {
    tell(NotifyState::Ready);
    tokio::select! {
        () = stop.received() => info!("stopping: finishing the work in hand"),
        () = shutdown.cancelled() => {}
    }
    shutdown.cancel();
    finish(services, grace, left).await
}

/// Waits for at most `grace` until services that were told to stop have done so. Returns the exit code.
pub(super) async fn finish(services: &Services, grace: Duration, left: &str) -> u8 {
    tell(NotifyState::Stopping);
    if tokio::time::timeout(grace, services.stopped()).await.is_err() {
        warn!("not everything was finished in time (`shutdown_timeout`); {left}");
    }
    info!("stopped");
    if services.have_failed() { FAILED } else { DONE }
}
