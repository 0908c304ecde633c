//! Stitching: writes results into canvases, full canvases into final images, and then the outcomes.
//!
//! * `write`: writes one result into its canvas.
//! * `mosaic`: paints the tiles that are back as a small picture.
//! * `finish`: encodes a full canvas into the final image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::finish::Finish;
use self::mosaic::Painter;
use self::write::Write;
use super::canvas::{self, Canvas, Scratch};
use super::pool::Pool;
use super::{PortError, Troubles};
use crate::blocking;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome, Plan, Step};
use crate::model::tile::TileResult;
use crate::queue::{Consumer, Delivery, Event, Topic};
use crate::state::{REPUBLISH_EVERY, State};
use crate::storage::{ResultStorage, StorageError};

mod finish;
mod mosaic;
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
    scratch: Scratch,
    pool: Arc<Pool>,
    rules: Rules,
    partitions: BTreeSet<u32>,
    /// Publishes `partitions` to others.
    told: watch::Sender<Vec<u32>>,
    open: BTreeMap<JobId, Open>,
    finishing: JoinSet<(JobId, Result<Option<Outcome>, PortError>)>,
    /// Jobs that have to fail and whose failure is not recorded yet.
    failures: BTreeMap<JobId, Failure>,
}

/// The settings of a collector.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The failed attempts at one tile after which its job fails.
    pub max_attempts: u32,
    /// Whether small pictures of a job are made.
    pub preview: Preview,
}

/// Whether the small pictures of a job are made: its mosaic and its thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// They are made.
    Painted,
    /// They are not made, since there is no page to show them.
    Omitted,
}

/// A job whose canvas is open.
struct Open {
    plan: Arc<Plan>,
    /// The partition that its results go through.
    partition: u32,
    canvas: Arc<Canvas>,
    painter: Option<Arc<Painter>>,
    /// When the first tile was seen in the canvas.
    filtering_since: Option<Instant>,
    /// Stops the encoding of the result, if that has begun.
    finishing: Option<CancellationToken>,
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
            state,
            storage,
            scratch,
            pool,
            rules,
            partitions: BTreeSet::new(),
            told,
            open: BTreeMap::new(),
            finishing: JoinSet::new(),
            failures: BTreeMap::new(),
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
                    self.forgive_encodes().await;
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
                Some(finished) = self.finishing.join_next() => {
                    let (job, result) = finished.expect("finishing catches what panics");
                    self.close(job, result).await
                }
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
                warn!(error = &error as &dyn std::error::Error, "collecting was interrupted");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    /// Deletes canvases, of one job or of all, that no process has open and whose jobs have ended. They were
    /// left by a process that died, or by one whose results have gone to another collector since.
    async fn sweep(&self, job: Option<JobId>) {
        let Scratch::Named(directory) = self.scratch.clone() else { return };
        let listed = directory.clone();
        let found = blocking::run(move || canvas::jobs(&listed)).await.unwrap_or_default();
        let mut found: Vec<JobId> = found.into_iter().collect();
        found.retain(|found| job.is_none_or(|job| job == *found));
        for job in found {
            if self.open.contains_key(&job) || !matches!(self.has_ended(job).await, Ok(true)) {
                continue;
            }
            let directory = directory.clone();
            if let Err(error) = blocking::run(move || canvas::sweep(&directory, job)).await {
                warn!(%job, %error, "could not delete an old canvas");
            }
        }
    }

    async fn look_again(&mut self) -> Result<(), PortError> {
        let recorded = self.record_failures().await;
        let refreshed = self.refresh().await;
        let published = self.publish(self.open.keys().copied().collect()).await;
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
        for (job, partition) in routes {
            let known = self.open.contains_key(&job) || self.failures.contains_key(&job);
            if !known && self.partitions.contains(&partition) {
                troubles.note(self.open(job, partition).await)?;
            }
        }
        troubles.end()
    }

    /// Closes the canvases of jobs that have ended or are gone, and of those whose results go to another
    /// collector now. A job that is only missing from the active ones, because the state forgot it, stays open.
    async fn let_go(&mut self, routes: &BTreeMap<JobId, u32>) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for job in self.open.keys().copied().collect::<Vec<_>>() {
            match routes.get(&job) {
                None => troubles.note(self.drop_if_ended(job).await)?,
                Some(partition) if self.partitions.contains(partition) => {
                    self.open.entry(job).and_modify(|open| open.partition = *partition);
                }
                // The collector that opens it next adopts the file, if it can see it.
                Some(_) => drop(self.open.remove(&job)),
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
            Err(error) => return Err(error.into()),
        };
        let (scratch, wanted) = (self.scratch.clone(), Arc::clone(&plan));
        match blocking::run(move || Canvas::open(&scratch, &wanted)).await {
            Ok(canvas) => {
                self.open.insert(job, Open::new(plan, partition, canvas, self.rules.preview));
                self.publish(vec![job]).await
            }
            Err(error) => {
                self.fail(job, write::canvas_failure(&error)).await;
                Ok(())
            }
        }
    }

    async fn drop_if_ended(&mut self, job: JobId) -> Result<(), PortError> {
        if self.has_ended(job).await? {
            self.discard(job).await;
        }
        Ok(())
    }

    /// Whether it is certain that a job has ended, or is gone.
    async fn has_ended(&self, job: JobId) -> Result<bool, PortError> {
        Ok(match self.storage.outcome(job).await? {
            Some(_) => true,
            None => matches!(self.storage.plan(job).await, Err(StorageError::NotFound(..))),
        })
    }

    /// Deletes the canvas of a job that has ended, and stops its encoding.
    async fn discard(&mut self, job: JobId) {
        let Some(open) = self.open.remove(&job) else { return };
        if let Some(stop) = &open.finishing {
            stop.cancel();
        }
        if let Err(error) = blocking::run(move || open.canvas.discard()).await {
            warn!(%job, %error, "could not delete a canvas");
        }
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
        self.partitions = partitions.into_iter().collect();
        let partitions = &self.partitions;
        // Another collector has the other partitions now; it adopts the canvas file, if it can see it.
        self.open.retain(|_, open| partitions.contains(&open.partition));
        self.told.send_replace(partitions.iter().copied().collect());
        self.refresh().await
    }

    /// Writes results to their canvases, publishes the boards, and only then acks.
    async fn take_in(&mut self, batch: Vec<Delivery<TileResult>>) -> Result<(), PortError> {
        let known =
            |open: &BTreeMap<_, _>| batch.iter().all(|d| open.contains_key(&d.message().job));
        // An error of a single job comes up again at the next look.
        if !known(&self.open)
            && let Err(error) = self.refresh().await
            && error.is_away()
        {
            return Err(error);
        }
        let writes: Vec<_> = batch.iter().filter_map(|delivery| self.write(delivery)).collect();
        let jobs: BTreeSet<JobId> = writes.iter().map(|write| write.result.job).collect();
        let max_attempts = self.rules.max_attempts;
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
        let open = self.open.get(&result.job)?;
        let (canvas, painter) = (Arc::clone(&open.canvas), open.painter.clone());
        Some(Write { canvas, painter, result })
    }

    /// Publishes boards, and begins to finish the jobs whose boards are complete.
    async fn publish(&mut self, jobs: Vec<JobId>) -> Result<(), PortError> {
        for job in jobs {
            let Some(open) = self.open.get_mut(&job) else {
                continue;
            };
            let board = open.canvas.board();
            if board.done() > 0 {
                open.filtering_since.get_or_insert_with(Instant::now);
            }
            if board.is_complete() && open.finishing.is_none() {
                let stop = CancellationToken::new();
                open.finishing = Some(stop.clone());
                let finish = Finish {
                    plan: Arc::clone(&open.plan),
                    canvas: Arc::clone(&open.canvas),
                    painter: open.painter.clone(),
                    storage: Arc::clone(&self.storage),
                    pool: Arc::clone(&self.pool),
                    filtering_since: open.filtering_since,
                    stop,
                };
                self.finishing.spawn(async move { (job, finish.run().await) });
            }
            let painter = open.painter.clone();
            self.state.publish_board(job, board).await?;
            if let Some(painter) = painter {
                painter.publish(job, &*self.state).await?;
            }
            self.state.signal(Look::Board(job)).await?;
        }
        Ok(())
    }

    /// Closes a job that was finished. After an error, the next look tries again.
    async fn close(
        &mut self,
        job: JobId,
        result: Result<Option<Outcome>, PortError>,
    ) -> Result<(), PortError> {
        match result {
            Ok(Some(outcome)) => info!(%job, status = ?outcome.status(), "ended"),
            Ok(None) => info!(%job, "encoding was stopped: the job has ended"),
            Err(error) => {
                if let Some(open) = self.open.get_mut(&job) {
                    open.finishing = None;
                }
                return Err(error);
            }
        }
        self.drop_if_ended(job).await?;
        // If the job has not ended after all, encoding begins again at the next look.
        if let Some(open) = self.open.get_mut(&job) {
            open.finishing = None;
        }
        self.state.signal(Look::Job(job)).await?;
        Ok(())
    }

    /// Ends a job, now or at a later look. Its canvas is deleted first: the outcome may need its room.
    async fn fail(&mut self, job: JobId, failure: Failure) {
        self.discard(job).await;
        self.failures.insert(job, failure);
        if let Err(error) = self.record_failures().await {
            warn!(%job, error = &error as &dyn std::error::Error, "could not record a failure yet");
        }
    }

    async fn record_failures(&mut self) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for (job, failure) in self.failures.clone() {
            troubles.note(self.record_failure(job, failure).await)?;
        }
        troubles.end()
    }

    async fn record_failure(&mut self, job: JobId, failure: Failure) -> Result<(), PortError> {
        match self.storage.conclude(job, Outcome::failed(failure.clone())).await {
            Ok(_) => warn!(%job, %failure, "job failed"),
            Err(StorageError::NotFound(..)) => {}
            Err(error) => return Err(error.into()),
        }
        self.failures.remove(&job);
        Ok(self.state.signal(Look::Job(job)).await?)
    }

    /// Deletes the canvases of jobs that were finished just now.
    async fn discard_finished(&mut self) {
        while let Some(finished) = self.finishing.try_join_next() {
            if let Ok((job, Ok(_))) = finished {
                self.discard(job).await;
            }
        }
    }

    /// Clears the start counts of images that are being encoded: they are not to blame when a process is stopped in
    /// good order.
    async fn forgive_encodes(&self) {
        for (job, _) in self.open.iter().filter(|(_, open)| open.finishing.is_some()) {
            // A job that was removed meanwhile has no count to clear.
            match self.storage.clear_starts(*job, Step::Encode).await {
                Ok(()) | Err(StorageError::NotFound(..)) => {}
                Err(error) => {
                    warn!(%job, error = &error as &dyn std::error::Error, "an encode stays counted");
                }
            }
        }
    }
}

/// Why a collector cannot go on: its storage was replaced, and its jobs are gone.
fn other_files() -> PortError {
    let text = "the server has other files than when this collector started; restart the collector";
    StorageError::Unavailable(text.into()).into()
}

impl Open {
    fn new(plan: Arc<Plan>, partition: u32, canvas: Canvas, preview: Preview) -> Self {
        let canvas = Arc::new(canvas);
        let painter = (preview == Preview::Painted).then(|| Painter::start(Arc::clone(&canvas)));
        Self { plan, partition, canvas, painter, filtering_since: None, finishing: None }
    }
}
