//! Soft state in Redis, for a cluster.
//!
//! ```text
//! process:<role>:<id>   a process that runs                  6 s
//! owner:<job>           the server that dispatches it       30 s
//! active:<job>          a job whose tiles are on their way  30 s
//! board:<job>           which of its tiles are there         1 min
//! mosaic:<job>          those tiles, small                   1 min
//! makers:<job>          the workers that made them           1 min
//! worker:<id>           what a worker said last              until it is dead for 5 min
//! monitored             a monitor listened                   1 h
//! monitored:since       and did so without a break           1 h
//! processes, active, workers                                 the names of those above
//! look                  the channel of the signals
//! ```
//!
//! Each behind the prefix. All times are those of the keys' expiry, so that no clock but Redis' counts.
//!
//! * `keys`: their names.
//! * `link`: the connections.
//! * `mosaic`: mosaics as bytes, which are painted where they are.
//! * `scripts`: what has to happen at once.

use std::time::Duration;

use async_trait::async_trait;
use fred::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use self::keys::Keys;
use self::link::Link;
use self::scripts::Scripts;
use super::watch::{self, Watch};
use super::{
    ACTIVE_TTL, ActiveJob, BOARD_TTL, DEAD_WORKER_TTL, LAST_LOOK, SERVER_TTL, ServerId, State,
    StateError,
};
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::JobId;
use crate::model::mosaic::{Mosaic, Slot};
use crate::model::process::{Process, Role};
use crate::model::worker::{Heartbeat, Phase, WorkerId, WorkerView};

mod keys;
mod link;
mod mosaic;
mod scripts;

pub use link::RedisOptions;

/// How long it is remembered when a monitor listened: longer than any worker is silent and shown.
const MONITORED_TTL: Duration = Duration::from_hours(1);

/// State in a Redis.
pub struct RedisState {
    link: Link,
    keys: Keys,
    scripts: Scripts,
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
    /// Connects. From then on, connections that break are made again.
    pub async fn connect(options: &RedisOptions) -> Result<Self, StateError> {
        let keys = Keys::new(&options.prefix);
        let link = Link::open(options, keys.channel()).await?;
        Ok(Self { link, keys, scripts: Scripts::new() })
    }

    fn client(&self) -> &Client {
        self.link.client()
    }

    /// Keeps an entry, and its name in the index of its kind.
    async fn keep(
        &self,
        [key, index]: [String; 2],
        name: String,
        entry: &impl Serialize,
        ttl: Duration,
    ) -> Result<(), StateError> {
        let entry = serde_json::to_string(entry).expect("entries are plain data");
        let values: Vec<Value> = vec![name.into(), entry.into(), millis(ttl).into()];
        let kept: Result<(), _> =
            self.scripts.keep.evalsha_with_reload(self.client(), vec![key, index], values).await;
        Ok(kept?)
    }

    async fn drop_entry(&self, [key, index]: [String; 2], name: String) -> Result<(), StateError> {
        let pipeline = self.client().pipeline();
        let _: () = pipeline.del(key).await?;
        let _: () = pipeline.srem(index, name).await?;
        Ok(pipeline.all().await?)
    }

    /// The entries of an index, each with the time that it has left.
    async fn entries<T: DeserializeOwned>(
        &self,
        index: String,
        keys: String,
    ) -> Result<Vec<(T, Duration)>, StateError> {
        let found: Vec<Value> =
            self.scripts.list.evalsha_with_reload(self.client(), vec![index], vec![keys]).await?;
        let pairs = found.chunks_exact(2).filter_map(|pair| {
            // What another version wrote is as good as not there.
            let entry = serde_json::from_slice(pair[0].as_bytes()?).ok()?;
            Some((entry, left(pair[1].as_i64()?)?))
        });
        Ok(pairs.collect())
    }

    async fn watch(&self) -> Result<Option<Watch>, StateError> {
        let pipeline = self.client().pipeline();
        let _: () = pipeline.pttl(self.keys.monitored()).await?;
        let _: () = pipeline.pttl(self.keys.monitored_since()).await?;
        let (last, since): (i64, i64) = pipeline.all().await?;
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

/// The time that a key has left; Redis says a negative number of one that is not there.
fn left(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

fn px(time: Duration) -> Expiration {
    Expiration::PX(millis(time))
}

impl From<fred::error::Error> for StateError {
    fn from(error: fred::error::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

#[async_trait]
impl State for RedisState {
    async fn keep_alive(&self, process: &Process) -> Result<(), StateError> {
        if process.role == Role::Monitor {
            let keys = vec![self.keys.monitored(), self.keys.monitored_since()];
            let values = vec![millis(MONITORED_TTL), millis(SERVER_TTL)];
            let _: () =
                self.scripts.listen.evalsha_with_reload(self.client(), keys, values).await?;
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
        Ok(self.scripts.claim.evalsha_with_reload(self.client(), keys, values).await?)
    }

    async fn activate(&self, job: ActiveJob) -> Result<(), StateError> {
        let keys = [self.keys.active(&job.id.to_string()), self.keys.active_jobs()];
        self.keep(keys, job.id.to_string(), &job, ACTIVE_TTL).await
    }

    async fn forget(&self, job: JobId) -> Result<(), StateError> {
        let pipeline = self.client().pipeline();
        let keys = [self.keys.owner(job), self.keys.active(&job.to_string()), self.keys.board(job)];
        let _: () = pipeline.del(keys.to_vec()).await?;
        for key in [self.keys.mosaic(job), self.keys.makers(job)] {
            let _: () = pipeline.pexpire(key, millis(LAST_LOOK), None).await?;
        }
        let _: () = pipeline.srem(self.keys.active_jobs(), job.to_string()).await?;
        Ok(pipeline.all().await?)
    }

    async fn active(&self) -> Result<Vec<ActiveJob>, StateError> {
        let found = self.entries(self.keys.active_jobs(), self.keys.active("")).await?;
        Ok(found.into_iter().map(|(job, _)| job).collect())
    }

    async fn publish_board(&self, job: JobId, board: Board) -> Result<(), StateError> {
        let bytes = bincode::serde::encode_to_vec(&board, bincode::config::standard())
            .expect("a board is plain data");
        let value = Value::Bytes(bytes.into());
        Ok(self.client().set(self.keys.board(job), value, Some(px(BOARD_TTL)), None, false).await?)
    }

    async fn board(&self, job: JobId) -> Result<Option<Board>, StateError> {
        let found: Option<bytes::Bytes> = self.client().get(self.keys.board(job)).await?;
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
        Ok(self.scripts.publish_mosaic.evalsha_with_reload(self.client(), keys, values).await?)
    }

    async fn paint(&self, job: JobId, slots: Vec<Slot>) -> Result<bool, StateError> {
        let mut values: Vec<Value> = vec![millis(BOARD_TTL).into()];
        values.extend(slots.into_iter().flat_map(mosaic::painting));
        let keys = vec![self.keys.mosaic(job), self.keys.makers(job)];
        Ok(self.scripts.paint.evalsha_with_reload(self.client(), keys, values).await?)
    }

    async fn mosaic(&self, job: JobId) -> Result<Option<Mosaic>, StateError> {
        let pipeline = self.client().pipeline();
        let _: () = pipeline.get(self.keys.mosaic(job)).await?;
        let _: () = pipeline.hgetall(self.keys.makers(job)).await?;
        let (bytes, makers): (Option<bytes::Bytes>, Vec<(String, u16)>) = pipeline.all().await?;
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

    async fn probe(&self) -> Result<(), StateError> {
        Ok(self.client().ping(None).await?)
    }

    async fn signal(&self, look: Look) -> Result<(), StateError> {
        Ok(self.client().publish(self.keys.channel(), link::write(&look)).await?)
    }

    fn looks(&self) -> broadcast::Receiver<Look> {
        self.link.looks()
    }
}
