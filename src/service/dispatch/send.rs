//! Cuts the next tiles, and sends them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};

use super::active::{Active, NextTile};
use super::flights::Flight;
use super::partitions::Partitions;
use super::pick::{BATCH, Pick, Turns};
use super::resting::Refusals;
use super::window::Bounds;
use crate::meters::Meters;
use crate::model::tile::TileTask;
use crate::queue::{QueueError, Topic};
use crate::service::decoding;
use crate::service::pool::Pool;

/// Sends tiles.
pub(super) struct TaskSender {
    tasks: Arc<dyn Topic<TileTask>>,
    pool: Arc<Pool>,
    meters: Meters,
    turns: Turns,
    partitions: Partitions,
    refusals: Refusals,
}

/// Why a tile was not sent.
enum SendError {
    /// The decoded image cannot be read again.
    Cut(io::Error),
    /// The queue did not take it.
    Queue(QueueError),
}

impl TaskSender {
    /// Sends to `tasks` what is cut in `pool`.
    pub(super) fn new(tasks: Arc<dyn Topic<TileTask>>, pool: Arc<Pool>, meters: Meters) -> Self {
        let (turns, partitions) = (Turns::default(), Partitions::default());
        Self { tasks, pool, meters, turns, partitions, refusals: Refusals::default() }
    }

    /// Asks how many partitions the topic has now.
    pub(super) async fn count_partitions(&mut self) -> Result<(), QueueError> {
        self.partitions.set_count(self.tasks.partitions().await?);
        Ok(())
    }

    /// Chooses tiles to send now; none for a while after the queue has refused one.
    pub(super) fn pick(&mut self, jobs: &mut [Active], bounds: &Bounds) -> Vec<Pick> {
        if !self.refusals.allow(Instant::now()) {
            return Vec::new();
        }
        self.turns.pick(jobs, bounds, &self.partitions)
    }

    /// Cuts tiles and sends them, several at a time. Jobs whose image cannot be read have to fail; an error of the
    /// queue is returned.
    pub(super) async fn send(
        &mut self,
        jobs: &mut [Active],
        picks: Vec<Pick>,
    ) -> Result<(), QueueError> {
        let sends: Vec<_> =
            picks.into_iter().map(|pick| self.cut_and_send(&jobs[pick.job], pick)).collect();
        let mut sent = stream::iter(sends).buffer_unordered(BATCH);
        let mut failed = Ok(());
        while let Some((pick, result)) = sent.next().await {
            let active = &mut jobs[pick.job];
            match result {
                Ok(flight) => {
                    self.took(pick.partition);
                    active.sent(pick.next.tile, flight);
                }
                Err(error) => {
                    active.put_back(pick.next.tile);
                    match error {
                        SendError::Cut(error) => active.fail(decoding::unkept(&error)),
                        SendError::Queue(error) => {
                            self.refused(pick.partition, &error);
                            failed = Err(error);
                        }
                    }
                }
            }
        }
        failed
    }

    fn took(&mut self, partition: u32) {
        self.refusals = Refusals::default();
        self.partitions.took(partition);
        self.meters.sent();
    }

    fn refused(&mut self, partition: u32, error: &QueueError) {
        // This tile and all others would be refused until a person fixes the cause.
        if matches!(error, QueueError::Refused(_)) {
            self.refusals.note(Instant::now());
        }
        self.partitions.refused(partition);
    }

    fn cut_and_send(
        &self,
        active: &Active,
        pick: Pick,
    ) -> impl Future<Output = (Pick, Result<Flight, SendError>)> + use<> {
        let NextTile { tile, attempt, put_off, bytes } = pick.next;
        let cut = active.cut(tile, attempt);
        let results_partition = active.results_partition();
        let (pool, tasks) = (Arc::clone(&self.pool), Arc::clone(&self.tasks));
        async move {
            let cut = cut.expect("tiles are picked from jobs with an image");
            let cut = pool.run(cut).await.expect("windows of a plan lie in its image");
            let sent_at = Instant::now();
            let sent = match cut {
                Ok(task) => tasks.send(pick.partition, task).await.map_err(SendError::Queue),
                Err(error) => Err(SendError::Cut(error)),
            };
            let flight = sent.map(|offset| Flight {
                sent_at,
                partition: pick.partition,
                offset,
                attempt,
                put_off,
                bytes,
                results_partition,
                results_end: None,
            });
            (pick, flight)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::queue::embedded::EmbeddedTopic;

    #[tokio::test]
    async fn tiles_that_were_sent_are_in_flight_and_those_that_were_not_are_picked_again() {
        let pool = Arc::new(Pool::new("codec", NonZeroUsize::MIN).unwrap());
        let tasks = Arc::new(EmbeddedTopic::new(1));
        let mut sender = TaskSender::new(tasks, pool, Meters::default());
        let (mut jobs, bounds) = ([Active::example()], Bounds::new(2, u64::MAX));
        let mut picks = sender.pick(&mut jobs, &bounds);
        picks[1].partition = 7;
        assert!(sender.send(&mut jobs, picks).await.is_err(), "there is no such partition");
        assert_eq!(jobs[0].in_flight().tiles, 1);
        let picks = sender.pick(&mut jobs, &bounds);
        let tiles: Vec<u32> = picks.iter().map(|pick| pick.next.tile).collect();
        assert_eq!(tiles, [1]);
    }
}
