//! Finds tiles that the queue no longer holds although they are not on the board.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::active::Active;
use super::standing::Standing;
use crate::meters::{Meters, Resent};
use crate::model::tile::{TileResult, TileTask};
use crate::queue::{QueueError, Topic};
use crate::service::PortError;
use crate::state::State;

/// A pending answer to where the groups stand.
type Asked = AbortOnDropHandle<Result<Standing, QueueError>>;

/// The search for lost tiles, one question at a time.
pub(super) struct LostTiles {
    tasks: Arc<dyn Topic<TileTask>>,
    results: Arc<dyn Topic<TileResult>>,
    state: Arc<dyn State>,
    meters: Meters,
    asked: Option<Asked>,
}

impl LostTiles {
    pub(super) fn new(
        tasks: Arc<dyn Topic<TileTask>>,
        results: Arc<dyn Topic<TileResult>>,
        state: Arc<dyn State>,
        meters: Meters,
    ) -> Self {
        Self { tasks, results, state, meters, asked: None }
    }

    /// Asks where the groups stand, if there are tiles in flight and nothing is asked. Nothing waits for the answer: it
    /// does not come as long as a partition has no leader. Nothing may be being sent at this moment, so that everything
    /// that was sent before is in the topic.
    pub(super) fn ask(&mut self, jobs: &[Active]) {
        if self.asked.is_some() || jobs.iter().all(|active| active.in_flight().tiles == 0) {
            return;
        }
        let (tasks, results) = (Arc::clone(&self.tasks), Arc::clone(&self.results));
        let now = Instant::now();
        let asked = tokio::spawn(async move { Standing::ask(&*tasks, &*results, now).await });
        self.asked = Some(AbortOnDropHandle::new(asked));
    }

    /// The answer, as soon as it is there; waits for ever if nothing was asked.
    pub(super) async fn answer(&mut self) -> Result<Standing, QueueError> {
        let Some(asked) = &mut self.asked else { return future::pending().await };
        let answer = asked.await;
        self.asked = None;
        answer.unwrap_or_else(|gone| Err(QueueError::Unavailable(gone.into())))
    }

    /// Has the tiles sent again that are lost by an answer and the boards as they are after it.
    pub(super) async fn find(
        &self,
        jobs: &mut [Active],
        standing: &Standing,
    ) -> Result<(), PortError> {
        for active in jobs {
            active.settle(standing);
            let Some(board) = self.state.board(active.id()).await? else { continue };
            let lost = active.find_lost(&board, standing);
            if lost > 0 {
                self.meters.resent(Resent::Lost, lost);
                warn!(job = %active.id(), tiles = lost, "sending lost tiles again");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::model::board::Board;
    use crate::queue::embedded::EmbeddedTopic;
    use crate::service::dispatch::flights::Flight;
    use crate::state::embedded::EmbeddedState;

    #[tokio::test]
    async fn a_tile_that_is_in_no_topic_and_on_no_board_is_lost() {
        let state = Arc::new(EmbeddedState::default());
        let (tasks, results) = (EmbeddedTopic::new(1), EmbeddedTopic::new(1));
        let ports = (Arc::new(tasks), Arc::new(results), Arc::clone(&state) as Arc<dyn State>);
        let mut lost = LostTiles::new(ports.0, ports.1, ports.2, Meters::default());
        let mut jobs = [Active::example()];
        lost.ask(&jobs);
        let short = Duration::from_millis(20);
        assert!(timeout(short, lost.answer()).await.is_err(), "nothing is in flight");
        jobs[0].sent(
            0,
            Flight {
                sent_at: Instant::now(),
                partition: 0,
                offset: 7,
                attempt: 1,
                put_off: 0,
                bytes: 10,
                results_partition: 0,
                results_end: None,
            },
        );
        lost.ask(&jobs);
        let standing = lost.answer().await.unwrap();
        lost.find(&mut jobs, &standing).await.unwrap();
        assert_eq!(jobs[0].in_flight().tiles, 1, "its board is not known");
        let board = Board::new(jobs[0].plan().tiles());
        state.publish_board(jobs[0].id(), board).await.unwrap();
        lost.find(&mut jobs, &standing).await.unwrap();
        assert_eq!(jobs[0].in_flight().tiles, 0);
    }
}
