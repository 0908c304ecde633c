//! Stitching: writes results into canvases, full canvases into final images, and then the outcomes.
//!
//! * `rules`: the settings.
//! * `assigned`: the partitions whose results come here.
//! * `open`: the canvases that are open.
//! * `write`: writes one result into its canvas.
//! * `mosaic`: paints the tiles that are back as a small picture.
//! * `publish`: publishes boards and mosaics.
//! * `finishing`, `finish`: encode full canvases into final images.
//! * `failures`: ends jobs that have to fail.
//! * `ended`: whether a job has ended.
//! * `sweep`: deletes canvases that are no longer needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::assigned::Assigned;
use self::ended::has_ended;
use self::failures::Failures;
use self::finishing::{Finished, Finishing};
use self::open::OpenCanvases;
use self::publish::Publisher;
pub use self::rules::{Preview, Rules};
use self::sweep::Sweeper;
use self::write::Write;
use super::canvas::Scratch;
use super::pool::Pool;
use super::{PortError, Troubles};
use crate::blocking;
use crate::causes;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId};
use crate::model::tile::TileResult;
use crate::queue::{Consumer, Delivery, Event, Topic};
use crate::state::{REPUBLISH_EVERY, State};
use crate::storage::{ResultStorage, StorageError};

mod assigned;
mod ended;
mod failures;
mod finish;
mod finishing;
mod mosaic;
mod open;
mod publish;
mod rules;
mod sweep;
mod write;

/// How long to wait after a port has failed, since results that were not acked are delivered again at once.
const BACK_OFF: Duration = Duration::from_millis(500);
/// The time between two looks for canvases that are no longer needed and were not announced.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// The most results that are written to canvases between two publications of the boards.
const BATCH: usize = 64;

/// A collector.
pub struct Collector {
    state: Arc<dyn State>,
    storage: Arc<dyn ResultStorage>,
    /// The failed attempts at one tile after which its job fails.
    max_attempts: u32,
    assigned: Assigned,
    open: OpenCanvases,
    /// Active jobs whose plans only a newer program reads. They are left to one.
    too_new: BTreeSet<JobId>,
    publisher: Publisher,
    finishing: Finishing,
    failures: Failures,
    sweeper: Sweeper,
}

impl Collector {
    /// Collects into canvases in `scratch` and encodes in `pool`; its partitions are published through `told`.
    pub fn new(
        state: Arc<dyn State>,
        storage: Arc<dyn ResultStorage>,
        scratch: Scratch,
        pool: Arc<Pool>,
        rules: Rules,
        told: watch::Sender<Vec<u32>>,
    ) -> Self {
        Self {
            max_attempts: rules.max_attempts,
            assigned: Assigned::new(told),
            open: OpenCanvases::new(scratch.clone(), rules.preview),
            publisher: Publisher::new(Arc::clone(&state)),
            finishing: Finishing::new(Arc::clone(&storage), pool),
            failures: Failures::new(Arc::clone(&state), Arc::clone(&storage)),
            sweeper: Sweeper::new(scratch, Arc::clone(&storage)),
            too_new: BTreeSet::new(),
            state,
            storage,
        }
    }

    /// Collects until `shutdown`. A port that fails is retried at the next look. Fails if this member cannot
    /// belong to the group, or if the storage was replaced by another.
    pub async fn run(
        mut self,
        member: &str,
        results: Arc<dyn Topic<TileResult>>,
        shutdown: CancellationToken,
    ) -> Result<(), PortError> {
        let mut consumer = results.join(member).await?;
        let mut looks = self.state.looks();
        let mut clock = tokio::time::interval(REPUBLISH_EVERY);
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        // After an outage, a missed tick is made up for once only.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => {
                    self.discard_finished().await;
                    self.finishing.forgive().await;
                    consumer.leave().await;
                    return Ok(());
                }
                event = consumer.next() => self.receive(event?, &mut *consumer).await,
                look = looks.recv() => match look {
                    Ok(Look::Job(job)) => {
                        let refreshed = self.refresh().await;
                        self.sweep(Some(job)).await;
                        refreshed
                    }
                    Err(RecvError::Lagged(_)) => self.refresh().await,
                    Ok(_) | Err(RecvError::Closed) => Ok(()),
                },
                Some(finished) = self.finishing.next() => self.close(finished).await,
                _ = clock.tick() => self.look_again().await,
                _ = sweeps.tick() => {
                    self.sweep(None).await;
                    match self.storage.is_same().await {
                        Ok(false) => return Err(other_files()),
                        same => same.map(drop).map_err(PortError::from),
                    }
                }
            };
            if let Err(error) = done {
                warn!(error = causes::field(&error), "collecting was interrupted");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    /// Deletes canvases, of one job or of all, that are no longer needed.
    async fn sweep(&self, job: Option<JobId>) {
        self.sweeper.sweep(job, |job| self.open.has(job)).await;
    }

    async fn look_again(&mut self) -> Result<(), PortError> {
        let recorded = self.failures.record().await;
        let refreshed = self.refresh().await;
        let published = self.publish(self.open.jobs()).await;
        recorded.and(refreshed).and(published)
    }

    /// Opens the canvases of active jobs whose results come here, and closes others.
    async fn refresh(&mut self) -> Result<(), PortError> {
        let active = self.state.active().await?.into_iter();
        let routes: BTreeMap<JobId, u32> = active
            .filter(|job| job.storage == *self.storage.id())
            .map(|job| (job.id, job.results_partition))
            .collect();
        let mut troubles = Troubles::default();
        troubles.note(self.let_go(&routes).await)?;
        self.too_new.retain(|job| routes.contains_key(job));
        for (job, partition) in routes {
            let known = self.open.has(job) || self.failures.has(job) || self.too_new.contains(&job);
            if !known && self.assigned.has(partition) {
                troubles.note(self.open(job, partition).await)?;
            }
        }
        troubles.end()
    }

    /// Closes the canvases of jobs that have ended or are gone, and of those whose results go to another
    /// collector now. A job that is only missing from the active ones, because the state forgot it, stays open.
    async fn let_go(&mut self, routes: &BTreeMap<JobId, u32>) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for job in self.open.jobs() {
            match routes.get(&job) {
                None => troubles.note(self.drop_if_ended(job).await)?,
                Some(partition) if self.assigned.has(*partition) => {
                    self.open.go_through(job, *partition);
                }
                Some(_) => self.open.close(job),
            }
        }
        troubles.end()
    }

    async fn open(&mut self, job: JobId, partition: u32) -> Result<(), PortError> {
        if self.storage.outcome(job).await?.is_some() {
            return Ok(());
        }
        let plan = match self.storage.plan(job).await {
            Ok(plan) => Arc::new(plan),
            Err(StorageError::NotFound(..)) => return Ok(()),
            Err(error @ StorageError::Newer(..)) => {
                warn!(%job, error = causes::field(&error), "left a job to others");
                self.too_new.insert(job);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match self.open.open(plan, partition).await {
            Ok(()) => self.publish(vec![job]).await,
            Err(failure) => {
                self.fail(job, failure).await;
                Ok(())
            }
        }
    }

    async fn drop_if_ended(&mut self, job: JobId) -> Result<(), PortError> {
        if has_ended(&*self.storage, job).await? {
            self.discard(job).await;
        }
        Ok(())
    }

    async fn receive(
        &mut self,
        event: Event<TileResult>,
        consumer: &mut dyn Consumer<TileResult>,
    ) -> Result<(), PortError> {
        let mut batch = Vec::new();
        let mut next = Some(event);
        while let Some(event) = next.take() {
            match event {
                Event::Assigned(partitions) => self.assign(partitions).await?,
                Event::Delivery(delivery) => batch.push(delivery),
            }
            if batch.len() < BATCH {
                next = consumer.next().now_or_never().transpose()?;
            }
        }
        self.take_in(batch).await
    }

    async fn assign(&mut self, partitions: Vec<u32>) -> Result<(), PortError> {
        self.assigned.replace(partitions);
        // Another collector has the other partitions now; it adopts the canvas file, if it can see it.
        self.open.close_others(|partition| self.assigned.has(partition));
        self.assigned.tell();
        self.refresh().await
    }

    /// Writes results to their canvases, publishes the boards, and only then acks.
    async fn take_in(&mut self, batch: Vec<Delivery<TileResult>>) -> Result<(), PortError> {
        let known = batch.iter().all(|delivery| self.open.has(delivery.message().job));
        // An error of a single job comes up again at the next look.
        if !known
            && let Err(error) = self.refresh().await
            && error.is_away()
        {
            return Err(error);
        }
        let writes: Vec<_> = batch.iter().filter_map(|delivery| self.write(delivery)).collect();
        let jobs: BTreeSet<JobId> = writes.iter().map(|write| write.result.job).collect();
        let max_attempts = self.max_attempts;
        let failures = blocking::run(move || {
            writes.iter().filter_map(|write| write.put(max_attempts)).collect::<Vec<_>>()
        });
        for (job, failure) in failures.await {
            self.fail(job, failure).await;
        }
        // If this fails, the results are dropped without an ack, and are delivered again.
        self.publish(jobs.into_iter().collect()).await?;
        batch.into_iter().for_each(Delivery::ack);
        Ok(())
    }

    /// What is to be written for a delivery; `None` for a job that is not active.
    fn write(&self, delivery: &Delivery<TileResult>) -> Option<Write> {
        let result = Arc::clone(delivery.message());
        Some(self.open.get(result.job)?.write(result))
    }

    /// Publishes boards, and begins to finish the jobs whose boards are complete.
    async fn publish(&mut self, jobs: Vec<JobId>) -> Result<(), PortError> {
        for job in jobs {
            let Some(open) = self.open.get_mut(job) else { continue };
            let board = open.board();
            let is_complete = board.is_complete();
            let published = self.publisher.publish(job, board, open.painter()).await;
            // Not before the mosaic is whole: when the job has ended, the server counts the times of its tiles by that.
            // A state that is away stops no job.
            if is_complete && let Some(open) = self.open.get_mut(job) {
                self.finishing.begin(open.full());
            }
            published?;
        }
        Ok(())
    }

    /// Closes a job that was finished. After an error, the next look tries again.
    async fn close(&mut self, (job, result): Finished) -> Result<(), PortError> {
        match result {
            Ok(Some(outcome)) => info!(%job, status = ?outcome.status(), "ended"),
            Ok(None) => info!(%job, "encoding was stopped: the job has ended"),
            Err(error) => return Err(error),
        }
        // If the job has not ended after all, encoding begins again at the next look.
        self.drop_if_ended(job).await?;
        self.state.signal(Look::Job(job)).await?;
        Ok(())
    }

    /// Ends a job, now or at a later look. Its canvas is deleted first: the outcome may need its room.
    async fn fail(&mut self, job: JobId, failure: Failure) {
        self.discard(job).await;
        self.failures.add(job, failure).await;
    }

    /// Stops the encoding of a job that has ended, and deletes its canvas.
    async fn discard(&mut self, job: JobId) {
        self.finishing.stop(job);
        self.open.discard(job).await;
    }

    /// Deletes the canvases of jobs that were finished just now.
    async fn discard_finished(&mut self) {
        while let Some(job) = self.finishing.ended() {
            self.discard(job).await;
        }
    }
}

/// Why a collector cannot go on: its storage was replaced, and its jobs are gone.
fn other_files() -> PortError {
    let text = "the server has other files than when this collector started; restart the collector";
    StorageError::Unavailable(text.into()).into()
}
