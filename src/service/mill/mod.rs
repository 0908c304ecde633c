//! A worker: turns tasks into results. It is one member of the group, and filters as many tiles at once as it has
//! threads.
//!
//! * `filter`: filters one tile.
//! * `tally`: counts tiles, for heartbeats.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use self::filter::filter_tile;
use self::tally::{Answer, Rate, TileTally};
use super::pool::{Pool, Unfinished};
use crate::causes;
use crate::config::Seconds;
use crate::health::Health;
use crate::model::tile::{Retry, TileFailure, TileResult, TileTask};
use crate::model::worker::{Heartbeat, Phase, WorkerId};
use crate::queue::{Delivery, Event, QueueError, Topic};
use crate::raster::pixels::Pixels;

mod filter;
mod tally;

/// Tiles in hand for each thread: one in work, and one so that the thread does not wait for the next.
const TILES_PER_THREAD: usize = 2;

/// The fraction of its time that a stopping worker has for the tiles in hand; the rest is for leaving the group.
const FOR_TILES: f64 = 0.8;

/// The pause after a result could not be sent: before its tile is filtered again, or a refused result is sent again.
const SEND_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries to send a refused result.
const LONGEST_SEND_PAUSE: Duration = Duration::from_secs(4);

/// A worker.
pub struct Mill {
    id: WorkerId,
    host: String,
    pool: Arc<Pool>,
    results: Arc<dyn Topic<TileResult>>,
    /// The most time that filtering one tile may take.
    timeout: Seconds,
    health: Health,
    tally: TileTally,
}

impl Mill {
    /// A worker that filters in `pool`, each tile for at most `timeout`, sends to `results`, and reports `health` in
    /// its heartbeats.
    pub fn new(
        id: WorkerId,
        host: String,
        pool: Arc<Pool>,
        results: Arc<dyn Topic<TileResult>>,
        timeout: Seconds,
        health: Health,
    ) -> Self {
        Self { id, host, pool, results, timeout, health, tally: TileTally::default() }
    }

    /// Takes tasks until `shutdown`, then finishes those in hand and leaves the group, within `grace`, of
    /// which a part is for leaving. A tile that is not done by then goes back to the others, and does not
    /// count as having killed this worker.
    ///
    /// A worker whose results are refused leaves the group, too, and joins it again when one is accepted:
    /// until then it would filter the same tiles again and again, and keep them from others.
    pub async fn run(
        self: Arc<Self>,
        tasks: Arc<dyn Topic<TileTask>>,
        grace: Duration,
        shutdown: CancellationToken,
    ) -> Result<(), QueueError> {
        loop {
            let refused = Arc::clone(&self).work(&*tasks, grace, &shutdown).await?;
            let Some(refused) = refused else { return Ok(()) };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.until_taken(refused) => {}
            }
        }
    }

    /// Works as a member of the group until `shutdown`, or until a result is refused, which it returns.
    async fn work(
        self: Arc<Self>,
        tasks: &dyn Topic<TileTask>,
        grace: Duration,
        shutdown: &CancellationToken,
    ) -> Result<Option<Refused>, QueueError> {
        let mut consumer = tasks.join(self.id.as_str()).await?;
        let permits = Arc::new(Semaphore::new(self.pool.threads() * TILES_PER_THREAD));
        let in_hand = TaskTracker::new();
        let (refuse, mut refused) = mpsc::channel(1);
        let blocked = loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned();
                let permit = permit.await.expect("the semaphore is never closed");
                consumer.next().await.map(|event| (event, permit))
            };
            let (event, permit) = tokio::select! {
                // A worker that is about to leave takes nothing more.
                biased;
                () = shutdown.cancelled() => break None,
                Some(refused) = refused.recv() => break Some(refused),
                next = next => next?,
            };
            match event {
                Event::Assigned(partitions) => debug!(worker = %self.id, ?partitions, "assigned"),
                Event::Delivery(delivery) => {
                    let handled = Arc::clone(&self).handle(delivery, permit, refuse.clone());
                    in_hand.spawn(handled);
                }
            }
        };
        in_hand.close();
        if timeout(grace.mul_f64(FOR_TILES), in_hand.wait()).await.is_err() {
            let tiles = in_hand.len();
            warn!(worker = %self.id, tiles, "not finished in time: others do it (`shutdown_timeout`)");
        }
        consumer.leave().await;
        Ok(blocked)
    }

    /// Sends a refused result again, with growing pauses, until it is accepted or fails otherwise.
    async fn until_taken(&self, Refused { partition, result }: Refused) {
        let mut pause = SEND_PAUSE;
        warn!(
            worker = %self.id,
            "results are refused: this worker takes no tiles until one can be sent"
        );
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_SEND_PAUSE);
            match self.results.send(partition, result.clone()).await {
                Err(QueueError::Refused(_)) => {}
                Ok(_) | Err(_) => return info!(worker = %self.id, "taking tiles again"),
            }
        }
    }

    /// Filters one tile; acks its task only when the result is in the queue.
    async fn handle(
        self: Arc<Self>,
        delivery: Delivery<TileTask>,
        permit: OwnedSemaphorePermit,
        refuse: mpsc::Sender<Refused>,
    ) {
        self.tally.begin();
        let task = Arc::clone(delivery.message());
        let mut result = self.filter(Arc::clone(&task)).await;
        result.taken_over = delivery.is_taken_over();
        let answer = if result.pixels.is_ok() { Answer::Pixels } else { Answer::Failure };
        if self.is_answered(&task, result, refuse).await {
            self.tally.answered(answer);
            delivery.ack();
        }
        self.tally.end();
        drop(permit);
    }

    /// Sends a result. If this returns false, the task must go back to the queue.
    async fn is_answered(
        &self,
        task: &TileTask,
        result: TileResult,
        refuse: mpsc::Sender<Refused>,
    ) -> bool {
        let partition = task.results_partition;
        // A clone shares the pixels.
        let Err(error) = self.results.send(partition, result.clone()).await else { return true };
        let (job, tile) = (task.job, task.tile);
        warn!(%job, tile, error = causes::field(&error), "could not send a result");
        match error {
            QueueError::Unavailable(_) => tokio::time::sleep(SEND_PAUSE).await,
            // One refused result is enough to try when results are accepted again.
            QueueError::Refused(_) => drop(refuse.try_send(Refused { partition, result })),
            // The topic was made anew, and no collector waits for the result.
            QueueError::NoSuchPartition { .. } => return true,
        }
        false
    }

    async fn filter(&self, task: Arc<TileTask>) -> TileResult {
        let (id, work) = (self.id.clone(), Arc::clone(&task));
        let work = self.pool.run_within(self.timeout.duration(), move || {
            let start = Instant::now();
            (filter_tile(&work, &id), start.elapsed())
        });
        let (pixels, elapsed) = work
            .await
            .unwrap_or_else(|unfinished| (Err(self.failure(&unfinished)), Duration::ZERO));
        self.result(&task, pixels, elapsed)
    }

    fn result(
        &self,
        task: &TileTask,
        pixels: Result<Pixels, TileFailure>,
        elapsed: Duration,
    ) -> TileResult {
        let TileTask { job, tile, attempt, .. } = *task;
        let (worker, taken_over) = (self.id.clone(), false);
        TileResult { job, tile, attempt, worker, elapsed, taken_over, pixels }
    }

    fn failure(&self, unfinished: &Unfinished) -> TileFailure {
        let cause = match unfinished {
            Unfinished::Panicked(panicked) => panicked.to_string(),
            Unfinished::TimedOut => {
                format!("not filtered within {} (`tile.timeout`)", self.timeout)
            }
        };
        TileFailure { cause, retry: Retry::Useful }
    }

    /// The heartbeat of this worker now; `rate` is in tiles per second.
    #[must_use]
    pub fn heartbeat(&self, phase: Phase, rate: f64) -> Heartbeat {
        Heartbeat {
            id: self.id.clone(),
            host: self.host.clone(),
            threads: u32::try_from(self.pool.threads()).unwrap_or(u32::MAX),
            in_flight: self.tally.in_flight(),
            done: self.tally.done(),
            failed: self.tally.failed(),
            rate,
            version: env!("CARGO_PKG_VERSION").into(),
            phase,
            report: self.health.report(),
        }
    }

    /// Sends a heartbeat at once, every `period`, at `shutdown`, and when the worker has `left`, which is the last one.
    pub async fn beat(
        self: Arc<Self>,
        heartbeats: Arc<dyn Topic<Heartbeat>>,
        period: Duration,
        shutdown: CancellationToken,
        left: CancellationToken,
    ) {
        let mut clock = tokio::time::interval(period);
        // After an outage one heartbeat is enough.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rate = Rate::new();
        let mut phase = Phase::Working;
        loop {
            tokio::select! {
                biased;
                () = left.cancelled() => phase = Phase::Gone,
                () = shutdown.cancelled(), if phase == Phase::Working => phase = Phase::Leaving,
                _ = clock.tick() => {}
            }
            let rate = rate.measure(self.tally.done());
            let sent = heartbeats.send(0, self.heartbeat(phase, rate)).await;
            if let Err(error) = sent {
                warn!(error = causes::field(&error), "could not send a heartbeat");
            }
            if phase == Phase::Gone {
                return;
            }
        }
    }
}

/// A result that the queue refused.
struct Refused {
    partition: u32,
    result: TileResult,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use async_trait::async_trait;

    use super::filter::tests::task;
    use super::*;
    use crate::queue::{Consumer, Progress, Receipt};

    /// Fails the first send, and accepts those after it.
    #[derive(Default)]
    struct Results(AtomicBool);

    #[async_trait]
    impl Topic<TileResult> for Results {
        async fn partitions(&self) -> Result<u32, QueueError> {
            Ok(1)
        }

        async fn send(&self, _partition: u32, _result: TileResult) -> Result<u64, QueueError> {
            let away = || QueueError::Unavailable("gone".into());
            self.0.swap(true, Relaxed).then_some(0).ok_or_else(away)
        }

        async fn join(&self, _member: &str) -> Result<Box<dyn Consumer<TileResult>>, QueueError> {
            unreachable!("this test has no collector")
        }

        async fn progress(&self) -> Result<Vec<Progress>, QueueError> {
            unreachable!("this test has no collector")
        }

        async fn members(&self) -> Result<usize, QueueError> {
            unreachable!("this test has no collector")
        }
    }

    struct NoReceipt;

    impl Receipt for NoReceipt {
        fn ack(self: Box<Self>) {}
        fn give_back(self: Box<Self>) {}
    }

    #[tokio::test]
    async fn a_tile_is_done_once_its_result_is_in_the_queue() {
        let pool = Arc::new(Pool::new("filter", NonZeroUsize::MIN).unwrap());
        let (id, results) = (WorkerId::new("w"), Arc::new(Results::default()));
        let (timeout, health) = (Seconds::new(60), Health::default());
        let mill = Arc::new(Mill::new(id, "here".into(), pool, results, timeout, health));
        let (refuse, _refused) = mpsc::channel(1);
        let permits = Arc::new(Semaphore::new(1));
        for done in [0, 1] {
            let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
            let delivery = Delivery::new(Arc::new(task("invert")), 0, 0, Box::new(NoReceipt));
            Arc::clone(&mill).handle(delivery, permit, refuse.clone()).await;
            let heartbeat = mill.heartbeat(Phase::Working, 0.0);
            assert_eq!((heartbeat.done, heartbeat.failed, heartbeat.in_flight), (done, 0, 0));
        }
    }
}
