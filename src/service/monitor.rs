//! The monitor: turns heartbeats into a view of the fleet, by the times of their arrival.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::causes;
use crate::model::event::Look;
use crate::model::worker::{Heartbeat, Phase};
use crate::queue::{Event, QueueError, Topic};
use crate::state::State;

/// Writes heartbeats to the state until `shutdown`; a worker silent for `dead_after` is dead.
pub async fn run(
    heartbeats: Arc<dyn Topic<Heartbeat>>,
    state: Arc<dyn State>,
    dead_after: Duration,
    shutdown: CancellationToken,
) -> Result<(), QueueError> {
    let mut consumer = heartbeats.join("monitor").await?;
    loop {
        let event = tokio::select! {
            event = consumer.next() => event?,
            () = shutdown.cancelled() => break,
        };
        let Event::Delivery(delivery) = event else {
            continue;
        };
        let heartbeat = Heartbeat::clone(delivery.message());
        if heartbeat.phase == Phase::Gone {
            info!(worker = %heartbeat.id, "worker left");
        }
        // No retry: the next heartbeat carries everything that a lost one did.
        let noted = state.beat(heartbeat, dead_after).await;
        if let Err(error) = noted.and(state.signal(Look::Workers).await) {
            warn!(error = causes::field(&error), "could not note a heartbeat");
        }
        delivery.ack();
    }
    consumer.leave().await;
    Ok(())
}
