//! How many tiles the fleet can work on at a time.

use std::sync::Arc;
use std::time::Duration;

use super::window::Bounds;
use crate::model::worker::Liveness;
use crate::state::{State, StateError};

/// The bounds of all windows, which follow the fleet.
pub(super) struct Capacity {
    state: Arc<dyn State>,
    /// The silence after which a worker is late, and not counted.
    late_after: Duration,
    bounds: Bounds,
}

impl Capacity {
    /// The capacity of a fleet that is not known yet.
    pub(super) fn new(state: Arc<dyn State>, late_after: Duration, bounds: Bounds) -> Self {
        Self { state, late_after, bounds }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Adjusts the bounds to the workers that are there now.
    pub(super) async fn measure(&mut self) -> Result<(), StateError> {
        let fleet = self.state.workers(self.late_after).await?;
        let working = fleet.iter().filter(|worker| worker.state == Liveness::Live);
        let threads = working.clone().map(|worker| worker.heartbeat.threads).sum();
        self.bounds.serve(u32::try_from(working.count()).unwrap_or(u32::MAX), threads);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Report;
    use crate::model::worker::{Heartbeat, Phase, WorkerId};
    use crate::state::embedded::EmbeddedState;

    fn heartbeat(id: &str, phase: Phase) -> Heartbeat {
        Heartbeat {
            id: WorkerId::new(id),
            host: "here".into(),
            threads: 16,
            in_flight: 0,
            done: 0,
            failed: 0,
            rate: 0.0,
            version: "1".into(),
            phase,
            report: Report::default(),
        }
    }

    #[tokio::test]
    async fn only_workers_that_take_tiles_count() {
        let (state, minute) = (Arc::new(EmbeddedState::default()), Duration::from_mins(1));
        let bounds = Bounds::new(1000, u64::MAX);
        let mut capacity = Capacity::new(Arc::clone(&state) as Arc<dyn State>, minute, bounds);
        for (worker, phase, least) in [
            ("a", Phase::Working, 20),
            ("b", Phase::Leaving, 20),
            ("b", Phase::Working, 64),
            ("a", Phase::Gone, 20),
        ] {
            state.beat(heartbeat(worker, phase), minute).await.unwrap();
            capacity.measure().await.unwrap();
            assert_eq!(capacity.bounds().min_tiles, least, "{worker} {phase:?}");
        }
    }
}
