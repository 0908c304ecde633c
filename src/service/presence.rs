//! Announces in the state that a process runs, whatever else it is waiting for.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::causes;
use crate::health::Health;
use crate::model::process::Process;
use crate::state::{REPUBLISH_EVERY, State};

/// Announces the process until `shutdown`, and then its end. An announcement carries the partitions that the process
/// `collects`, which are announced at once when they change, and its `health`.
pub async fn announce(
    state: Arc<dyn State>,
    mut process: Process,
    mut collects: watch::Receiver<Vec<u32>>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut clock = tokio::time::interval(REPUBLISH_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = true;
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            Ok(()) = collects.changed() => {}
            () = shutdown.cancelled() => break,
        }
        process.collects.clone_from(&collects.borrow_and_update());
        process.report = health.report();
        let said = state.keep_alive(&process).await;
        // Logged once only, since it is tried every two seconds.
        if let (Err(error), true) = (&said, known) {
            let error = causes::field(error);
            warn!(role = process.role.command(), error, "could not announce this process");
        }
        known = said.is_ok();
    }
    // If that fails, the end is known when the key expires.
    let _ = state.end(&process).await;
}
