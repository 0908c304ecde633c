//! Dispatch: the server's side of its jobs. Plans become tasks, as far as the window allows.
//!
//! * [`window`]: how many tiles may be on their way.
//! * [`flights`]: which are, and which have to be sent again.
//! * `active`: one job in work.
//! * `source`: decoding of its original.
//! * `news`: which jobs to look at.
//! * `age`: jobs that have not ended in time.
//!
//! Everything is computed anew from the jobs' boards; signals only say when to look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use self::active::{Active, Image};
use self::flights::Flight;
use self::news::News;
use self::source::Decoder;
use self::window::{InFlight, Window};
use super::PortError;
use super::ledger::Ledger;
use super::pool::Pool;
use crate::config::Config;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome, Plan, Step};
use crate::model::tile::{TileResult, TileTask};
use crate::queue::Topic;
use crate::raster::source::Source;
use crate::state::{REPUBLISH_EVERY, ServerId, State};
use crate::storage::Storage;

mod active;
mod age;
pub mod flights;
mod news;
mod source;
pub mod window;

/// How often the queue is asked whether it still holds what is on its way.
const SETTLE_EVERY: Duration = Duration::from_millis(500);
/// Tiles that are cut and sent together, between two looks at the boards.
const BATCH: usize = 16;

/// The ports that dispatching needs.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Ports {
    pub tasks: Arc<dyn Topic<TileTask>>,
    pub results: Arc<dyn Topic<TileResult>>,
    pub state: Arc<dyn State>,
    pub storage: Arc<dyn Storage>,
}

/// Dispatches the jobs of one server.
pub struct Dispatcher {
    server: ServerId,
    config: Arc<Config>,
    ports: Ports,
    ledger: Arc<Ledger>,
    pool: Arc<Pool>,
    window: Window,
    /// Partitions of the task topic.
    partitions: u32,
    active: Vec<Active>,
    /// Whose turn it is to send a tile.
    turn: usize,
    /// Jobs that may have begun or ended since the last look.
    news: News,
    decoder: Decoder,
    decoded: (mpsc::UnboundedSender<Decoded>, mpsc::UnboundedReceiver<Decoded>),
}

type Decoded = (JobId, Result<Source, Failure>);

/// A tile that is about to be sent.
struct Pick {
    job: usize,
    tile: u32,
    attempt: u32,
    partition: u32,
    bytes: u64,
}

/// What a job contributes when it is its turn.
enum Choice {
    Pick(Pick),
    /// It has nothing to send now.
    Nothing,
    /// It has a tile, and the window has no room for it.
    NoRoom,
}

impl Dispatcher {
    /// Dispatches the unfinished jobs of `ledger`, on behalf of `server`; cuts tiles in `pool`.
    pub fn new(
        server: ServerId,
        config: Arc<Config>,
        ports: Ports,
        ledger: Arc<Ledger>,
        pool: Arc<Pool>,
    ) -> Self {
        let limits = &config.dispatch;
        let window = Window::new(limits.max_tiles_in_flight, limits.max_bytes_in_flight.get());
        let decode_limits = super::admit::decode_limits(&config);
        let storage = Arc::clone(&ports.storage);
        let decoder = Decoder::new(storage, decode_limits, config.jobs.active);
        Self {
            server,
            config,
            ports,
            ledger,
            pool,
            window,
            partitions: 1,
            active: Vec::new(),
            turn: 0,
            news: News::Everything,
            decoder,
            decoded: mpsc::unbounded_channel(),
        }
    }

    /// Dispatches until `shutdown`. A port that fails is tried again at the next look.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = self.ports.state.looks();
        let mut settle = tokio::time::interval(SETTLE_EVERY);
        let mut publish = tokio::time::interval(REPUBLISH_EVERY);
        let alive = tokio::spawn(keep_alive(Arc::clone(&self.ports.state), self.server.clone()));
        let _alive = AbortOnDropHandle::new(alive);
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
                Some((job, result)) = self.decoded.1.recv() => self.take_in(job, result).await,
                _ = settle.tick() => self.settle().await,
                _ = publish.tick() => self.publish().await,
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

    /// Does whatever can be done now.
    async fn act(&mut self) -> Result<(), PortError> {
        let news = std::mem::take(&mut self.news);
        if !matches!(news, News::None)
            && let Err(error) = self.follow(&news).await
        {
            self.news = News::Everything;
            return Err(error);
        }
        self.partitions = self.ports.tasks.partitions().await?;
        loop {
            self.look_at_boards().await?;
            let picks = self.pick();
            if picks.is_empty() {
                return Ok(());
            }
            self.send(picks).await?;
        }
    }

    /// Lets go of jobs that have ended, and begins others in their places.
    async fn follow(&mut self, news: &News) -> Result<(), PortError> {
        self.drop_ended(news).await?;
        self.begin_waiting().await
    }

    /// Lets go of jobs that have an outcome.
    async fn drop_ended(&mut self, news: &News) -> Result<(), PortError> {
        let about: Vec<JobId> =
            self.active.iter().map(|a| a.plan.id).filter(|id| news.is_about(*id)).collect();
        for job in about {
            // A removed job has no outcome and no entry.
            let ended = self.ledger.refresh(job).await?.is_some() || self.ledger.get(job).is_none();
            if ended {
                self.active.retain(|active| active.plan.id != job);
                self.ports.state.forget(job).await?;
                self.ports.state.signal(Look::Job(job)).await?;
            }
        }
        Ok(())
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
        info!(job = %plan.id, size = %plan.size, tiles = plan.tiles(), filters = %plan.filters, "begun");
        let active = Active::new(Arc::clone(&plan));
        self.ports.state.activate(active.published()).await?;
        self.ports.state.signal(Look::Job(plan.id)).await?;
        self.active.push(active);
        self.decode(plan);
        Ok(())
    }

    fn decode(&self, plan: Arc<Plan>) {
        let (decoder, decoded) = (self.decoder.clone(), self.decoded.0.clone());
        tokio::spawn(async move {
            if let Some(result) = decoder.decode(&plan).await {
                // A dispatcher that is gone needs no image.
                let _ = decoded.send((plan.id, result));
            }
        });
    }

    /// A process that is stopped in good order is not ended by the images it was decoding.
    async fn forgive_decodes(&self) {
        for active in self.active.iter().filter(|a| matches!(a.image, Image::Decoding)) {
            let _ = self.ports.storage.clear_starts(active.plan.id, Step::Decode).await;
        }
    }

    /// Takes a decoded image, or ends the job that has none.
    async fn take_in(
        &mut self,
        job: JobId,
        result: Result<Source, Failure>,
    ) -> Result<(), PortError> {
        let Some(active) = self.active.iter_mut().find(|active| active.plan.id == job) else {
            return Ok(());
        };
        match result {
            Ok(source) => active.image = Image::Ready(Arc::new(source)),
            Err(failure) => active.failure = Some(failure),
        }
        self.record_failures().await
    }

    /// Ends the jobs that have to fail. Those that cannot be ended now are ended at a later look.
    async fn record_failures(&mut self) -> Result<(), PortError> {
        for active in &mut self.active {
            let Some(failure) = active.failure.clone() else { continue };
            let job = active.plan.id;
            self.ledger.conclude(job, Outcome::failed(failure.clone())).await?;
            warn!(%job, %failure, "job failed");
            active.failure = None;
            self.news.add(job);
        }
        Ok(())
    }

    async fn look_at_boards(&mut self) -> Result<(), PortError> {
        let mut lost_tiles = Vec::new();
        for active in &mut self.active {
            active.board = self.ports.state.board(active.plan.id).await?;
            let Some(board) = &active.board else { continue };
            match active.image {
                Image::Ready(_) if board.is_complete() => active.image = Image::Released,
                Image::Released if !board.is_complete() => {
                    active.image = Image::Decoding;
                    lost_tiles.push(Arc::clone(&active.plan));
                }
                _ => {}
            }
            for latency in active.flights.observe(board, Instant::now()) {
                self.window.landed(latency);
            }
        }
        for plan in lost_tiles {
            self.decode(plan);
        }
        Ok(())
    }

    /// Chooses tiles to send now, one from each job in turn.
    fn pick(&mut self) -> Vec<Pick> {
        let mut picks = Vec::new();
        let mut in_flight = self.in_flight();
        let mut idle = 0;
        while picks.len() < BATCH && idle < self.active.len() {
            let job = self.turn % self.active.len();
            self.turn = job + 1;
            match self.pick_from(job, in_flight, &picks) {
                Choice::Pick(pick) => {
                    in_flight.tiles += 1;
                    in_flight.bytes += pick.bytes;
                    picks.push(pick);
                    idle = 0;
                }
                Choice::Nothing => idle += 1,
                Choice::NoRoom => {
                    // What comes free is this job's, or a large tile would wait behind small ones.
                    self.turn = job;
                    break;
                }
            }
        }
        picks
    }

    fn pick_from(&mut self, job: usize, in_flight: InFlight, picks: &[Pick]) -> Choice {
        let active = &mut self.active[job];
        let ready = matches!(active.image, Image::Ready(_));
        let Some(board) = active.board.as_ref().filter(|_| ready) else { return Choice::Nothing };
        let Some(tile) = active.flights.take_next(board) else { return Choice::Nothing };
        let attempt = board.next_attempt(tile);
        let bytes = active.bytes_of(tile);
        if !self.window.has_room(in_flight, bytes) {
            active.flights.put_back(tile);
            return Choice::NoRoom;
        }
        let partition = self.emptiest_partition(picks);
        Choice::Pick(Pick { job, tile, attempt, partition, bytes })
    }

    fn in_flight(&self) -> InFlight {
        self.active.iter().fold(InFlight::default(), |sum, active| {
            let own = active.flights.in_flight();
            InFlight { tiles: sum.tiles + own.tiles, bytes: sum.bytes + own.bytes }
        })
    }

    /// The partition of the task topic with the fewest tiles on their way.
    fn emptiest_partition(&self, picks: &[Pick]) -> u32 {
        let load = |partition: &u32| {
            let picked = picks.iter().filter(|pick| pick.partition == *partition).count();
            let flying: u32 = self.active.iter().map(|a| a.flights.count_in(*partition)).sum();
            flying as usize + picked
        };
        (0..self.config.topics.tasks_partitions).min_by_key(load).unwrap_or_default()
    }

    /// Cuts tiles and sends them, several at a time.
    async fn send(&mut self, picks: Vec<Pick>) -> Result<(), PortError> {
        let sends: Vec<_> = picks.into_iter().map(|pick| self.cut_and_send(pick)).collect();
        let mut sent = stream::iter(sends).buffer_unordered(BATCH);
        let mut failed = None;
        while let Some((pick, result)) = sent.next().await {
            let flights = &mut self.active[pick.job].flights;
            match result {
                Ok(flight) => flights.sent(pick.tile, flight),
                Err(error) => {
                    flights.put_back(pick.tile);
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn cut_and_send(
        &self,
        pick: Pick,
    ) -> impl Future<Output = (Pick, Result<Flight, PortError>)> + use<> {
        let cut = self.active[pick.job].cut(pick.tile, pick.attempt);
        let (pool, tasks) = (Arc::clone(&self.pool), Arc::clone(&self.ports.tasks));
        async move {
            let cut = cut.expect("tiles are picked from jobs with an image");
            let task = pool.run(cut).await.expect("windows of a plan lie in its image");
            let sent_at = Instant::now();
            let sent = tasks.send(pick.partition, task).await;
            let flight = sent.map(|offset| Flight {
                sent_at,
                partition: pick.partition,
                offset,
                attempt: pick.attempt,
                bytes: pick.bytes,
                results_end: None,
            });
            (pick, flight.map_err(PortError::from))
        }
    }

    /// Finds tiles that the queue no longer holds although they are not on the board.
    async fn settle(&mut self) -> Result<(), PortError> {
        if self.in_flight().tiles == 0 {
            return Ok(());
        }
        // The order of these three reads is what makes a loss certain.
        let tasks = self.ports.tasks.progress().await?;
        let results = self.ports.results.progress().await?;
        for active in &mut self.active {
            let Some(results) = results.get(active.plan.results_partition as usize) else {
                continue;
            };
            active.flights.settle(&tasks, *results);
            let Some(board) = self.ports.state.board(active.plan.id).await? else {
                continue;
            };
            let lost = active.flights.find_lost(&board, *results);
            if lost > 0 {
                warn!(job = %active.plan.id, tiles = lost, "sending lost tiles again");
            }
        }
        Ok(())
    }

    /// Says that the jobs are active, and ends those that are too old.
    async fn publish(&mut self) -> Result<(), PortError> {
        self.news = News::Everything;
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

/// Says that a server lives, whatever else it is waiting for.
async fn keep_alive(state: Arc<dyn State>, server: ServerId) {
    let mut clock = tokio::time::interval(REPUBLISH_EVERY);
    loop {
        clock.tick().await;
        if let Err(error) = state.keep_alive(&server).await {
            warn!(error = &error as &dyn std::error::Error, "could not say that this server lives");
        }
    }
}
