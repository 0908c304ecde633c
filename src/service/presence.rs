//! Says that a process runs, whatever else it is waiting for.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::health::Health;
use crate::model::process::Process;
use crate::state::{REPUBLISH_EVERY, State};

/// Says so until `shutdown`, and then that it has ended; with the partitions that it `collects`, at once
/// when these change, and with what `health` tells.
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
        // Once is enough: it is tried every two seconds.
        if let (Err(error), true) = (&said, known) {
            let error = error as &dyn std::error::Error;
            warn!(role = process.role.command(), error, "could not say that this process runs");
        }
        known = said.is_ok();
    }
    // Nobody hears of it before the key expires, then.
    let _ = state.end(&process).await;
}
