//! Dispatch: turns the plans of a server's jobs into tasks, as far as the window allows.
//!
//! * [`window`]: how many tiles may be in flight.
//! * [`flights`]: the tiles in flight, and those that have to be sent again.
//! * `active`: one job in work.
//! * `route`: chooses the partition for the results of a job.
//! * `send`: chooses the next tiles and sends them.
//! * `resting`: partitions that take nothing for now.
//! * `source`: decodes the original of a job.
//! * `split`: how much of an original is decoded, for the API.
//! * `news`: the jobs to look at.
//! * `age`: ends jobs that are too old.
//!
//! Everything is computed anew from the jobs' boards; signals only say when to look.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use tokio::sync::{broadcast, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use self::active::{Active, Image};
use self::flights::Standing;
use self::news::News;
use self::resting::{Refusals, Resting};
use self::route::Routes;
use self::source::Decoder;
pub use self::split::Splits;
use self::window::Bounds;
use super::ledger::Ledger;
use super::pool::Pool;
use super::{PortError, Troubles};
use crate::config::Config;
use crate::meters::{Meters, Resent};
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome, Plan, Step};
use crate::model::tile::{TileResult, TileTask};
use crate::model::worker::Liveness;
use crate::queue::{QueueError, Topic};
use crate::state::{REPUBLISH_EVERY, ServerId, State};
use crate::storage::Storage;
use crate::{blocking, raster};

mod active;
mod age;
pub mod flights;
mod news;
mod resting;
mod route;
mod send;
mod source;
mod split;
pub mod window;

/// The time between two questions whether the queue still holds the tiles in flight.
const SETTLE_EVERY: Duration = Duration::from_millis(500);

/// The longest time of sending without a break, even if a quick fleet always has room: then news, timers and the
/// shutdown have their turn.
const LONGEST_TURN: Duration = Duration::from_millis(100);

/// The ports that dispatching needs.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Ports {
    pub tasks: Arc<dyn Topic<TileTask>>,
    pub results: Arc<dyn Topic<TileResult>>,
    pub state: Arc<dyn State>,
    pub storage: Arc<dyn Storage>,
}

/// A pending answer to where the groups stand.
type Asked = AbortOnDropHandle<Result<Standing, QueueError>>;

/// Dispatches the jobs of one server.
pub struct Dispatcher {
    server: ServerId,
    config: Arc<Config>,
    ports: Ports,
    ledger: Arc<Ledger>,
    meters: Meters,
    pool: Arc<Pool>,
    bounds: Bounds,
    /// Partitions of the task topic.
    partitions: u32,
    resting: Resting,
    refusals: Refusals,
    active: Vec<Active>,
    /// The job that may send the next tile, among equals.
    turn: usize,
    routes: Routes,
    /// Jobs that may have begun or ended since the last look.
    news: News,
    /// Whether there may be more to send at once.
    has_more: bool,
    decoder: Decoder,
    splits: Splits,
    decoded: (source::Listener, mpsc::UnboundedReceiver<(JobId, source::Arrival)>),
}

impl Dispatcher {
    /// Dispatches the unfinished jobs of `ledger`, on behalf of `server`. Tiles are cut in `pool`;
    /// decoded images that memory has no room for go to the directory `scratch`.
    pub fn new(
        server: ServerId,
        config: Arc<Config>,
        ports: Ports,
        ledger: Arc<Ledger>,
        pool: Arc<Pool>,
        scratch: PathBuf,
        meters: Meters,
    ) -> Self {
        let limits = &config.dispatch;
        let bounds = Bounds::new(limits.max_tiles_in_flight, limits.max_bytes_in_flight.get());
        let decoder = Decoder::new(Arc::clone(&ports.storage), &config, scratch);
        Self {
            server,
            config,
            ports,
            ledger,
            meters,
            pool,
            bounds,
            partitions: 1,
            resting: Resting::default(),
            refusals: Refusals::default(),
            active: Vec::new(),
            turn: 0,
            routes: Routes::default(),
            news: News::Everything,
            has_more: false,
            decoder,
            splits: Splits::default(),
            decoded: mpsc::unbounded_channel(),
        }
    }

    /// Publishes in `splits` how much of each original is decoded.
    #[must_use]
    pub fn telling(self, splits: Splits) -> Self {
        Self { splits, ..self }
    }

    /// Dispatches until `shutdown`. A port that fails is retried at the next look.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = self.ports.state.looks();
        let mut settle = tokio::time::interval(SETTLE_EVERY);
        let mut publish = tokio::time::interval(REPUBLISH_EVERY);
        settle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = None;
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => return self.forgive_decodes().await,
                look = looks.recv() => {
                    self.note(&look);
                    while let Ok(look) = looks.try_recv() {
                        self.note(&Ok(look));
                    }
                    Ok(())
                }
                Some((job, arrival)) = self.decoded.1.recv() => self.take_in(job, arrival).await,
                _ = settle.tick() => {
                    asked = asked.or_else(|| self.ask());
                    Ok(())
                }
                standing = answer(&mut asked) => {
                    asked = None;
                    self.settle(standing).await
                }
                _ = publish.tick() => self.publish().await,
                () = future::ready(()), if self.has_more => Ok(()),
            };
            let done = match done {
                Ok(()) => self.act().await,
                failed => failed,
            };
            if let Err(error) = done {
                warn!(error = &error as &dyn std::error::Error, "dispatching was interrupted");
            }
        }
    }

    fn note(&mut self, look: &Result<Look, broadcast::error::RecvError>) {
        match look {
            Ok(Look::Job(job)) => self.news.add(*job),
            Ok(Look::Board(_) | Look::Workers) => {}
            Err(_) => self.news = News::Everything,
        }
    }

    /// Does everything that can be done now.
    async fn act(&mut self) -> Result<(), PortError> {
        self.has_more = false;
        let news = std::mem::take(&mut self.news);
        if !matches!(news, News::None)
            && let Err(error) = self.follow(&news).await
        {
            if error.is_away() {
                self.news = News::Everything;
                return Err(error);
            }
            // Retried at the next look at all jobs. The others go on.
            warn!(error = &error as &dyn std::error::Error, "a job gives trouble");
        }
        self.partitions = self.ports.tasks.partitions().await?;
        let began = Instant::now();
        while began.elapsed() < LONGEST_TURN {
            self.look_at_boards().await?;
            if !self.refusals.allow(Instant::now()) {
                return Ok(());
            }
            let picks = self.pick();
            if picks.is_empty() {
                return Ok(());
            }
            self.send(picks).await?;
        }
        self.has_more = true;
        Ok(())
    }

    /// Drops jobs that have ended, and begins others in their places.
    async fn follow(&mut self, news: &News) -> Result<(), PortError> {
        let dropped = self.drop_ended(news).await;
        self.begin_waiting().await.and(dropped)
    }

    /// Drops the jobs in `news` that have ended.
    async fn drop_ended(&mut self, news: &News) -> Result<(), PortError> {
        let about: Vec<JobId> =
            self.active.iter().map(|a| a.plan.id).filter(|id| news.is_about(*id)).collect();
        let mut troubles = Troubles::default();
        for job in about {
            troubles.note(self.drop_if_ended(job).await)?;
        }
        troubles.end()
    }

    async fn drop_if_ended(&mut self, job: JobId) -> Result<(), PortError> {
        // A removed job has no outcome and no entry.
        let ended = self.ledger.refresh(job).await?.is_some() || self.ledger.get(job).is_none();
        if ended {
            self.note_times(job).await;
            self.active.retain(|active| active.plan.id != job);
            self.ports.state.forget(job).await?;
            self.ports.state.signal(Look::Job(job)).await?;
        }
        Ok(())
    }

    /// Counts the times of the tiles of a job that has ended, which are kept in its mosaic only. Those that the state
    /// has lost are not counted.
    async fn note_times(&self, job: JobId) {
        match self.ports.state.mosaic(job).await {
            Ok(Some(mosaic)) => {
                let meters = self.meters.clone();
                blocking::run(move || meters.filtered(&mosaic)).await;
            }
            Ok(None) => {}
            Err(error) => {
                debug!(%job, error = &error as &dyn std::error::Error, "the times of its tiles are lost");
            }
        }
    }

    /// Begins jobs that wait, oldest first, as long as there are places for them.
    async fn begin_waiting(&mut self) -> Result<(), PortError> {
        let places = self.config.jobs.active as usize;
        if self.active.len() >= places {
            return Ok(());
        }
        for plan in self.ledger.unfinished() {
            let begun = self.active.iter().any(|active| active.plan.id == plan.id);
            let ours = plan.storage == *self.ports.storage.id();
            if !begun && ours && self.ports.state.claim(plan.id, &self.server).await? {
                self.begin(plan).await?;
                if self.active.len() >= places {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, plan: Arc<Plan>) -> Result<(), PortError> {
        self.ledger.begun(&plan);
        info!(job = %plan.id, size = %plan.size, tiles = plan.tiles(), filters = %plan.filters, "begun");
        let mut active = Active::new(Arc::clone(&plan), &self.splits);
        active.failure = other_revision(&plan);
        active.results_partition = self.routes.choose(plan.id, plan.results_partition);
        self.ports.state.activate(active.published()).await?;
        self.ports.state.signal(Look::Job(plan.id)).await?;
        if active.failure.is_none() {
            active.image = self.decode(plan);
        }
        self.active.push(active);
        self.record_failures().await
    }

    fn decode(&self, plan: Arc<Plan>) -> Image {
        let (decoder, listener) = (self.decoder.clone(), self.decoded.0.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { decoder.decode(&plan, listener, stopped).await });
        Image::Coming(None, stop.drop_guard())
    }

    /// Clears the start counts of images that are being decoded: they are not to blame when a process is stopped in
    /// good order.
    async fn forgive_decodes(&self) {
        for active in self.active.iter().filter(|a| matches!(a.image, Image::Coming(..))) {
            let _ = self.ports.storage.clear_starts(active.plan.id, Step::Decode).await;
        }
    }

    /// Takes in the progress of decoding an image, or fails the job if that has failed.
    async fn take_in(&mut self, job: JobId, arrival: source::Arrival) -> Result<(), PortError> {
        let Some(active) = self.active.iter_mut().find(|active| active.plan.id == job) else {
            return Ok(());
        };
        match arrival {
            source::Arrival::Opened(source) => active.image.open(source),
            source::Arrival::Rows => {}
            source::Arrival::Surveyed(filters) => active.filters = Arc::new(filters),
            source::Arrival::Ended(Ok(())) => active.image.complete(),
            source::Arrival::Ended(Err(failure)) => active.failure = Some(failure),
        }
        active.tell_split();
        self.record_failures().await
    }

    /// Ends the jobs that have to fail. One that cannot be ended now is ended at a later look, and does not
    /// hold up the others.
    async fn record_failures(&mut self) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for active in &mut self.active {
            let Some(failure) = active.failure.clone() else { continue };
            let job = active.plan.id;
            match self.ledger.conclude(job, Outcome::failed(failure.clone())).await {
                Ok(_) => {
                    warn!(%job, %failure, "job failed");
                    active.failure = None;
                    self.news.add(job);
                }
                Err(error) => troubles.note(Err(error.into()))?,
            }
        }
        if let Err(error) = troubles.end() {
            warn!(error = &error as &dyn std::error::Error, "a job cannot be ended yet");
        }
        Ok(())
    }

    async fn look_at_boards(&mut self) -> Result<(), PortError> {
        let mut lost_tiles = Vec::new();
        for (index, active) in self.active.iter_mut().enumerate() {
            active.board = self.ports.state.board(active.plan.id).await?;
            let Some(board) = &active.board else { continue };
            match active.image {
                Image::Released if !board.is_complete() => lost_tiles.push(index),
                _ if board.is_complete() => active.image = Image::Released,
                _ => {}
            }
            let seen = active.flights.observe(board, Instant::now());
            self.meters.resent(Resent::Failed, seen.failed);
            self.meters.resent(Resent::PutOff, seen.put_off);
            for latency in seen.landed {
                active.window.landed(latency, &self.bounds);
            }
        }
        for index in lost_tiles {
            self.active[index].image = self.decode(Arc::clone(&self.active[index].plan));
        }
        Ok(())
    }

    /// Asks where the groups stand, if there are tiles in flight. Nothing waits for the answer: it does not come as
    /// long as a partition has no leader.
    fn ask(&self) -> Option<Asked> {
        if self.in_flight().tiles == 0 {
            return None;
        }
        let (tasks, results) = (Arc::clone(&self.ports.tasks), Arc::clone(&self.ports.results));
        // Nothing is being sent at this moment, so everything that was sent before is in the topic.
        let now = Instant::now();
        let asked = tokio::spawn(async move { Standing::ask(&*tasks, &*results, now).await });
        Some(AbortOnDropHandle::new(asked))
    }

    /// Finds tiles that the queue no longer holds although they are not on the board.
    async fn settle(&mut self, standing: Result<Standing, QueueError>) -> Result<(), PortError> {
        let standing = standing?;
        for active in &mut self.active {
            active.flights.settle(&standing);
            let Some(board) = self.ports.state.board(active.plan.id).await? else {
                continue;
            };
            let lost = active.flights.find_lost(&board, &standing);
            if lost > 0 {
                self.meters.resent(Resent::Lost, lost);
                warn!(job = %active.plan.id, tiles = lost, "sending lost tiles again");
            }
        }
        Ok(())
    }

    /// Adjusts the bounds to the number of tiles that the fleet can work on at a time.
    async fn measure_fleet(&mut self) -> Result<(), PortError> {
        let fleet = self.ports.state.workers(self.config.worker.late_after()).await?;
        let working = fleet.iter().filter(|worker| worker.state == Liveness::Live);
        let threads = working.clone().map(|worker| worker.heartbeat.threads).sum();
        self.bounds.serve(u32::try_from(working.count()).unwrap_or(u32::MAX), threads);
        Ok(())
    }

    /// Drops jobs that another server has taken over, while this one could not renew its claims.
    async fn keep_own(&mut self) -> Result<(), PortError> {
        let mut lost = Vec::new();
        for active in &self.active {
            if !self.ports.state.claim(active.plan.id, &self.server).await? {
                lost.push(active.plan.id);
            }
        }
        for job in &lost {
            warn!(%job, "another server has taken over");
        }
        self.active.retain(|active| !lost.contains(&active.plan.id));
        Ok(())
    }

    /// Routes results to collectors that see the files.
    async fn route(&mut self) -> Result<(), PortError> {
        let processes = self.ports.state.processes().await?;
        // Unknown while the topic is being made anew.
        let partitions = self.ports.results.partitions().await.ok();
        self.routes = Routes::of(&processes, self.ports.storage.id(), partitions);
        for active in &mut self.active {
            let partition = self.routes.choose(active.plan.id, active.results_partition);
            if partition != active.results_partition {
                let (job, from) = (active.plan.id, active.results_partition);
                info!(%job, from, to = partition, "its results go through another partition");
                active.results_partition = partition;
            }
        }
        Ok(())
    }

    /// Publishes the active jobs, and ends jobs that are too old.
    async fn publish(&mut self) -> Result<(), PortError> {
        self.news = News::Everything;
        self.measure_fleet().await?;
        self.keep_own().await?;
        self.route().await?;
        let limit = self.config.job.max_age;
        for active in &mut self.active {
            self.ports.state.activate(active.published()).await?;
            active.failure = active.failure.take().or_else(|| age::overdue(&active.plan, limit));
        }
        self.record_failures().await?;
        let (storage, active) = (self.ports.storage.id(), &self.active);
        let is_waiting = |plan: &Plan| {
            plan.storage == *storage && !active.iter().any(|active| active.plan.id == plan.id)
        };
        age::end_waiting(&self.ledger, &*self.ports.state, limit, is_waiting).await
    }
}

/// The pending answer; waits for ever if nothing was asked.
async fn answer(asked: &mut Option<Asked>) -> Result<Standing, QueueError> {
    match asked {
        Some(asked) => asked.await.unwrap_or_else(|gone| Err(QueueError::Unavailable(gone.into()))),
        None => future::pending().await,
    }
}

/// Why a job of another revision fails: parts of its result may have the bytes of that revision already.
fn other_revision(plan: &Plan) -> Option<Failure> {
    let (theirs, ours) = (plan.revision, raster::REVISION);
    (theirs != ours).then(|| {
        Failure::of_job(format!(
            "this job was accepted by a version of tilemill that gives other bytes (revision \
             {theirs}, here it is {ours}); retry it to have it done by this one"
        ))
    })
}
