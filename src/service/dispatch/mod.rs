//! Dispatch: turns the plans of a server's jobs into tasks, as far as the window allows.
//!
//! What happens to the jobs:
//!
//! * `jobs`: the jobs in work; begins, drops and ends them.
//! * `active`: one job in work.
//! * `claims`: which jobs are this server's.
//! * `records`: what others can read about the jobs.
//! * `news`: the jobs to look at.
//! * `age`: ends jobs that are too old.
//! * `route`: chooses the partition for the results of a job.
//!
//! Their images:
//!
//! * `decodes`: decodes them in the background.
//! * `source`: decodes the original of one job.
//! * `image`: the image of one job, from which its tiles are cut.
//! * `split`: how much of an original is decoded, for the API.
//!
//! Their tiles:
//!
//! * [`window`]: how many tiles may be in flight.
//! * `capacity`: how many tiles the fleet can work on at a time.
//! * `pick`: chooses the next tiles.
//! * `partitions`, `resting`: choose their partitions; those that take nothing for now are left alone.
//! * `send`: cuts and sends them.
//! * [`flights`], `load`: the tiles in flight, and those that have to be sent again.
//! * `boards`: shows the jobs which tiles are back.
//! * [`standing`], `lost`: ask where the groups stand, and find lost tiles.
//!
//! Everything is computed anew from the jobs' boards; signals only say when to look.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::boards::Boards;
use self::capacity::Capacity;
use self::claims::Claims;
use self::decodes::Decodes;
use self::jobs::JobsInWork;
use self::lost::LostTiles;
use self::records::JobRecords;
use self::route::Router;
use self::send::TaskSender;
use self::source::Decoder;
pub use self::split::Splits;
use self::window::Bounds;
use super::PortError;
use super::ledger::Ledger;
use super::memory::Memory;
use super::pool::Pool;
use crate::causes;
use crate::config::Config;
use crate::meters::Meters;
use crate::model::tile::{TileResult, TileTask};
use crate::queue::Topic;
use crate::state::{REPUBLISH_EVERY, ServerId, State};
use crate::storage::Storage;

mod active;
mod age;
mod boards;
mod capacity;
mod claims;
mod decodes;
pub mod flights;
mod image;
mod jobs;
mod load;
mod lost;
mod news;
mod partitions;
mod pick;
mod records;
mod resting;
mod route;
mod send;
mod source;
mod split;
pub mod standing;
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

/// Dispatches the jobs of one server.
pub struct Dispatcher {
    ports: Ports,
    jobs: JobsInWork,
    decodes: Decodes,
    router: Router,
    capacity: Capacity,
    boards: Boards,
    lost: LostTiles,
    sender: TaskSender,
    /// Whether there may be more to send at once.
    has_more: bool,
}

impl Dispatcher {
    /// Dispatches the unfinished jobs of `ledger`, on behalf of `server`. Tiles are cut in `pool`;
    /// decoded images that memory has no room for go to the directory `scratch`.
    pub fn new(
        server: ServerId,
        config: &Config,
        ports: Ports,
        ledger: Arc<Ledger>,
        pool: Arc<Pool>,
        scratch: PathBuf,
        meters: Meters,
    ) -> Self {
        let Ports { tasks, results, state, storage } = ports.clone();
        let (files, limits, places) = (storage.id(), &config.dispatch, config.jobs.active as usize);
        let bounds = Bounds::new(limits.max_tiles_in_flight, limits.max_bytes_in_flight.get());
        let late_after = config.worker.late_after();
        let claims = Claims::new(server, files.clone(), Arc::clone(&state));
        let max_age = config.job.max_age;
        let records = JobRecords::new(ledger, Arc::clone(&state), meters.clone(), max_age);
        Self {
            jobs: JobsInWork::new(places, claims, records),
            decodes: Decodes::new(Decoder::new(Arc::clone(&storage), config, scratch)),
            router: Router::new(Arc::clone(&state), Arc::clone(&results), files.clone()),
            capacity: Capacity::new(Arc::clone(&state), late_after, bounds),
            boards: Boards::new(Arc::clone(&state), meters.clone()),
            lost: LostTiles::new(Arc::clone(&tasks), results, state, meters.clone()),
            sender: TaskSender::new(tasks, pool, meters),
            ports,
            has_more: false,
        }
    }

    /// Publishes in `splits` how much of each original is decoded.
    #[must_use]
    pub fn telling(mut self, splits: Splits) -> Self {
        self.decodes.tell(splits);
        self
    }

    /// Takes the memory for decoding from a budget that others share.
    #[must_use]
    pub fn within(mut self, memory: Memory) -> Self {
        self.decodes.share(memory);
        self
    }

    /// Dispatches until `shutdown`. A port that fails is retried at the next look.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = self.ports.state.looks();
        let (mut settle, mut publish) = (every(SETTLE_EVERY), every(REPUBLISH_EVERY));
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => {
                    return self.jobs.forgive_decodes(&*self.ports.storage).await;
                }
                look = looks.recv() => {
                    self.jobs.note(&look);
                    while let Ok(look) = looks.try_recv() {
                        self.jobs.note(&Ok(look));
                    }
                    Ok(())
                }
                Some((job, arrival)) = self.decodes.next() => self.jobs.take_in(job, arrival).await,
                _ = settle.tick() => {
                    // Nothing is being sent at this moment.
                    self.lost.ask(self.jobs.all());
                    Ok(())
                }
                standing = self.lost.answer() => match standing {
                    Ok(standing) => self.lost.find(self.jobs.all_mut(), &standing).await,
                    Err(error) => Err(error.into()),
                },
                _ = publish.tick() => self.publish().await,
                () = future::ready(()), if self.has_more => Ok(()),
            };
            let done = match done {
                Ok(()) => self.act().await,
                failed => failed,
            };
            if let Err(error) = done {
                warn!(error = causes::field(&error), "dispatching was interrupted");
            }
        }
    }

    /// Does everything that can be done now.
    async fn act(&mut self) -> Result<(), PortError> {
        self.has_more = false;
        self.jobs.follow_news(&self.router, &self.decodes).await?;
        self.sender.count_partitions().await?;
        let began = Instant::now();
        while began.elapsed() < LONGEST_TURN {
            self.boards.look(self.jobs.all_mut(), self.capacity.bounds()).await?;
            self.jobs.decode_again(&self.decodes);
            let picks = self.sender.pick(self.jobs.all_mut(), self.capacity.bounds());
            if picks.is_empty() {
                return Ok(());
            }
            let sent = self.sender.send(self.jobs.all_mut(), picks).await;
            self.jobs.record_failures().await?;
            sent?;
        }
        self.has_more = true;
        Ok(())
    }

    /// Looks at everything that changes without a signal, and publishes the active jobs.
    async fn publish(&mut self) -> Result<(), PortError> {
        self.jobs.expect_news();
        self.capacity.measure().await?;
        self.jobs.keep_own().await?;
        self.router.route(self.jobs.all_mut()).await?;
        self.jobs.publish().await
    }
}

/// Ticks at once and then every `period`, or later if a turn takes longer.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
