//! Soft state in Redis, for a cluster.
//!
//! ```text
//! process:<role>:<id>   a process that runs                  6 s
//! owner:<job>           the server that dispatches it       30 s
//! active:<job>          a job whose tiles are on their way  30 s
//! board:<job>           which tiles are in its canvas        1 min
//! mosaic:<job>          a small picture of those tiles       1 min
//! makers:<job>          the workers that made them           1 min
//! worker:<id>           a worker's last heartbeat            until it has been dead for 5 min
//! monitored             set when a monitor listened          1 h
//! monitored:since       set when it began to listen          1 h
//! processes, active, workers                                 index sets of the entries above
//! probe:entry           the value that a probe writes       10 s
//! probe:index           the set that a probe writes         10 s
//! look                  the channel of the signals
//! ```
//!
//! Each has the prefix. All ages follow from the keys' expiry, so that only the clock of Redis counts.
//!
//! * `counts`: how many commands Redis refused and how many keys it evicted.
//! * `keys`: the names of the keys.
//! * `link`: the connections.
//! * `mosaic`: mosaics as bytes, which Redis paints in place.
//! * `peer`: finds out what listens instead of Redis.
//! * `refusal`: the meaning of answers by which Redis refuses.
//! * `scripts`: what has to be atomic.

use std::time::Duration;

use async_trait::async_trait;
use fred::prelude::*;
use fred::types::InfoKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use self::counts::Counts;
use self::keys::Keys;
use self::link::Link;
use self::scripts::Scripts;
use super::watch::{self, Watch};
use super::{
    ACTIVE_TTL, ActiveJob, BOARD_TTL, Counters, DEAD_WORKER_TTL, LAST_LOOK, SERVER_TTL, ServerId,
    State, StateError,
};
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::JobId;
use crate::model::mosaic::{Mosaic, Slot};
use crate::model::process::{Process, Role};
use crate::model::worker::{Heartbeat, Phase, WorkerId, WorkerView};

mod counts;
mod keys;
mod link;
mod mosaic;
mod peer;
mod refusal;
mod scripts;

pub use link::RedisOptions;

/// How long the times of a monitor are kept: longer than any silent worker is shown.
const MONITORED_TTL: Duration = Duration::from_hours(1);
/// How long the keys of a probe are kept.
const PROBE_TTL: Duration = Duration::from_secs(10);

/// Soft state in a Redis.
pub struct RedisState {
    link: Link,
    keys: Keys,
    scripts: Scripts,
    counts: Counts,
}

/// A worker's record.
#[derive(Serialize, Deserialize)]
struct Worker {
    heartbeat: Heartbeat,
    dead_after: Duration,
}

impl Worker {
    /// How long the record is kept.
    fn ttl(&self) -> Duration {
        self.dead_after + DEAD_WORKER_TTL
    }
}

impl RedisState {
    /// Connects, and probes whether this Redis can be used. From then on, broken connections are restored.
    pub async fn connect(options: &RedisOptions) -> Result<Self, StateError> {
        let keys = Keys::new(&options.prefix);
        let link = match Link::open(options, keys.channel()).await {
            Ok(link) => link,
            Err(error) => return Err(explain(options, link::meaning(options, error)).await),
        };
        let state = Self { link, keys, scripts: Scripts::new(), counts: Counts::default() };
        match state.use_everything().await {
            Ok(()) => Ok(state),
            Err(error) => Err(explain(options, state.link.meaning(error)).await),
        }
    }

    /// Runs commands, and counts a refusal.
    async fn ask<T>(
        &self,
        commands: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StateError> {
        commands.await.map_err(|error| {
            let error = self.link.meaning(error);
            self.note(&error);
            error
        })
    }

    fn note(&self, error: &StateError) {
        if let StateError::Refused { .. } = error {
            self.counts.refused(error);
        }
    }

    /// Runs a script, publishes and subscribes: each of these can be denied to a user by itself. The message is
    /// empty, so that no receiver takes it for a signal.
    async fn use_everything(&self) -> Result<(), Error> {
        let keys = vec![self.keys.probe_entry(), self.keys.probe_index()];
        let ttl = vec![millis(PROBE_TTL)];
        let _: () = self.scripts.probe.evalsha_with_reload(self.client(), keys, ttl).await?;
        let _: () = self.client().publish(self.keys.channel(), "").await?;
        self.link.listen().await
    }

    /// How many keys the server has evicted since it started; `None` if the user may not ask.
    async fn evicted(&self) -> Option<u64> {
        let stats: String = self.client().info(Some(InfoKind::Stats)).await.ok()?;
        let count = stats.lines().find_map(|line| line.strip_prefix("evicted_keys:"))?;
        count.trim().parse().ok()
    }

    fn client(&self) -> &Client {
        self.link.client()
    }

    /// Writes an entry, and its name into the index of its kind.
    async fn keep(
        &self,
        [key, index]: [String; 2],
        name: String,
        entry: &impl Serialize,
        ttl: Duration,
    ) -> Result<(), StateError> {
        let entry = serde_json::to_string(entry).expect("entries are plain data");
        let values: Vec<Value> = vec![name.into(), entry.into(), millis(ttl).into()];
        let keys = vec![key, index];
        self.ask(self.scripts.keep.evalsha_with_reload(self.client(), keys, values)).await
    }

    async fn drop_entry(&self, [key, index]: [String; 2], name: String) -> Result<(), StateError> {
        self.ask(async {
            let pipeline = self.client().pipeline();
            let _: () = pipeline.del(key).await?;
            let _: () = pipeline.srem(index, name).await?;
            pipeline.all().await
        })
        .await
    }

    /// The entries of an index, each with its remaining time.
    async fn entries<T: DeserializeOwned>(
        &self,
        index: String,
        keys: String,
    ) -> Result<Vec<(T, Duration)>, StateError> {
        let list = &self.scripts.list;
        let found: Vec<Value> =
            self.ask(list.evalsha_with_reload(self.client(), vec![index], vec![keys])).await?;
        let pairs = found.chunks_exact(2).filter_map(|pair| {
            // An entry of another version that cannot be read is skipped.
            let entry = serde_json::from_slice(pair[0].as_bytes()?).ok()?;
            Some((entry, left(pair[1].as_i64()?)?))
        });
        Ok(pairs.collect())
    }

    async fn watch(&self) -> Result<Option<Watch>, StateError> {
        let times = self.ask(async {
            let pipeline = self.client().pipeline();
            let _: () = pipeline.pttl(self.keys.monitored()).await?;
            let _: () = pipeline.pttl(self.keys.monitored_since()).await?;
            pipeline.all().await
        });
        let (last, since): (i64, i64) = times.await?;
        let age = |millis| left(millis).map(|left| MONITORED_TTL.saturating_sub(left));
        Ok(age(last).map(|last| Watch { since: age(since), last }))
    }

    fn process(&self, process: &Process) -> ([String; 2], String) {
        let name = format!("{}:{}", process.role.command(), process.id);
        ([self.keys.process(&name), self.keys.processes()], name)
    }

    fn worker(&self, id: &WorkerId) -> ([String; 2], String) {
        ([self.keys.worker(id.as_str()), self.keys.workers()], id.to_string())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The remaining time of a key; `None` if there is no such key, for which Redis gives a negative number.
fn left(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

fn px(time: Duration) -> Expiration {
    Expiration::PX(millis(time))
}

/// Replaces an error that does not say what is wrong by what a look at the port finds.
async fn explain(options: &RedisOptions, error: StateError) -> StateError {
    match error {
        StateError::Unavailable(_) => peer::look(options).await.unwrap_or(error),
        refused @ StateError::Refused { .. } => refused,
    }
}

#[async_trait]
impl State for RedisState {
    async fn keep_alive(&self, process: &Process) -> Result<(), StateError> {
        if process.role == Role::Monitor {
            let keys = vec![self.keys.monitored(), self.keys.monitored_since()];
            let values = vec![millis(MONITORED_TTL), millis(SERVER_TTL)];
            let listen = &self.scripts.listen;
            let _: () = self.ask(listen.evalsha_with_reload(self.client(), keys, values)).await?;
        }
        let (keys, name) = self.process(process);
        self.keep(keys, name, process, SERVER_TTL).await
    }

    async fn processes(&self) -> Result<Vec<Process>, StateError> {
        let found = self.entries(self.keys.processes(), self.keys.process("")).await?;
        let mut processes: Vec<Process> = found.into_iter().map(|(process, _)| process).collect();
        processes.sort();
        Ok(processes)
    }

    async fn end(&self, process: &Process) -> Result<(), StateError> {
        let (keys, name) = self.process(process);
        self.drop_entry(keys, name).await
    }

    async fn claim(&self, job: JobId, server: &ServerId) -> Result<bool, StateError> {
        let servers = self.keys.process(&format!("{}:", Role::Serve.command()));
        let values: Vec<Value> =
            vec![server.0.as_str().into(), millis(ACTIVE_TTL).into(), servers.into()];
        let keys = vec![self.keys.owner(job)];
        self.ask(self.scripts.claim.evalsha_with_reload(self.client(), keys, values)).await
    }

    async fn activate(&self, job: ActiveJob) -> Result<(), StateError> {
        let keys = [self.keys.active(&job.id.to_string()), self.keys.active_jobs()];
        self.keep(keys, job.id.to_string(), &job, ACTIVE_TTL).await
    }

    async fn forget(&self, job: JobId) -> Result<(), StateError> {
        let keys = [self.keys.owner(job), self.keys.active(&job.to_string()), self.keys.board(job)];
        self.ask(async {
            let pipeline = self.client().pipeline();
            let _: () = pipeline.del(keys.to_vec()).await?;
            for key in [self.keys.mosaic(job), self.keys.makers(job)] {
                let _: () = pipeline.pexpire(key, millis(LAST_LOOK), None).await?;
            }
            let _: () = pipeline.srem(self.keys.active_jobs(), job.to_string()).await?;
            pipeline.all().await
        })
        .await
    }

    async fn active(&self) -> Result<Vec<ActiveJob>, StateError> {
        let found = self.entries(self.keys.active_jobs(), self.keys.active("")).await?;
        Ok(found.into_iter().map(|(job, _)| job).collect())
    }

    async fn publish_board(&self, job: JobId, board: Board) -> Result<(), StateError> {
        let bytes = bincode::serde::encode_to_vec(&board, bincode::config::standard())
            .expect("a board is plain data");
        let value = Value::Bytes(bytes.into());
        let key = self.keys.board(job);
        self.ask(self.client().set(key, value, Some(px(BOARD_TTL)), None, false)).await
    }

    async fn board(&self, job: JobId) -> Result<Option<Board>, StateError> {
        let found: Option<bytes::Bytes> = self.ask(self.client().get(self.keys.board(job))).await?;
        let limited = bincode::config::standard().with_limit::<{ 16 << 20 }>();
        let read = |bytes: bytes::Bytes| {
            let (board, _): (Board, _) = bincode::serde::decode_from_slice(&bytes, limited).ok()?;
            board.is_sound().then_some(board)
        };
        Ok(found.and_then(read))
    }

    async fn publish_mosaic(&self, job: JobId, mosaic: Mosaic) -> Result<(), StateError> {
        let (bytes, makers) = mosaic::pack(&mosaic);
        let mut values: Vec<Value> = vec![millis(BOARD_TTL).into(), Value::Bytes(bytes.into())];
        values.extend(makers.into_iter().map(Value::from));
        let keys = vec![self.keys.mosaic(job), self.keys.makers(job)];
        self.ask(self.scripts.publish_mosaic.evalsha_with_reload(self.client(), keys, values)).await
    }

    async fn paint(&self, job: JobId, slots: Vec<Slot>) -> Result<bool, StateError> {
        let mut values: Vec<Value> = vec![millis(BOARD_TTL).into()];
        values.extend(slots.into_iter().flat_map(mosaic::painting));
        let keys = vec![self.keys.mosaic(job), self.keys.makers(job)];
        self.ask(self.scripts.paint.evalsha_with_reload(self.client(), keys, values)).await
    }

    async fn mosaic(&self, job: JobId) -> Result<Option<Mosaic>, StateError> {
        let parts = self.ask(async {
            let pipeline = self.client().pipeline();
            let _: () = pipeline.get(self.keys.mosaic(job)).await?;
            let _: () = pipeline.hgetall(self.keys.makers(job)).await?;
            pipeline.all().await
        });
        let (bytes, makers): (Option<bytes::Bytes>, Vec<(String, u16)>) = parts.await?;
        Ok(bytes.and_then(|bytes| mosaic::unpack(&bytes, &makers)))
    }

    async fn beat(&self, heartbeat: Heartbeat, dead_after: Duration) -> Result<(), StateError> {
        if heartbeat.phase == Phase::Gone {
            return self.remove_worker(&heartbeat.id).await;
        }
        let (keys, name) = self.worker(&heartbeat.id);
        let worker = Worker { heartbeat, dead_after };
        self.keep(keys, name, &worker, worker.ttl()).await
    }

    async fn workers(&self, late_after: Duration) -> Result<Vec<WorkerView>, StateError> {
        let watch = self.watch().await?;
        let found: Vec<(Worker, Duration)> =
            self.entries(self.keys.workers(), self.keys.worker("")).await?;
        let view = |(worker, left): (Worker, Duration)| {
            let arrived = worker.ttl().saturating_sub(left);
            watch::view(worker.heartbeat, arrived, watch, [late_after, worker.dead_after])
        };
        let mut workers: Vec<WorkerView> = found.into_iter().map(view).collect();
        workers.sort_by(|a, b| a.heartbeat.id.cmp(&b.heartbeat.id));
        Ok(workers)
    }

    async fn remove_worker(&self, id: &WorkerId) -> Result<(), StateError> {
        let (keys, name) = self.worker(id);
        self.drop_entry(keys, name).await
    }

    async fn signal(&self, look: Look) -> Result<(), StateError> {
        self.ask(self.client().publish(self.keys.channel(), link::write(&look))).await
    }

    fn looks(&self) -> broadcast::Receiver<Look> {
        self.link.looks()
    }

    async fn probe(&self) -> Result<(), StateError> {
        if let Err(error) = self.use_everything().await {
            let error = explain(self.link.options(), self.link.meaning(error)).await;
            self.note(&error);
            return Err(error);
        }
        self.counts.evicted(self.evicted().await);
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counts.read()
    }
}
