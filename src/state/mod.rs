//! The state port: what roles tell each other. All of it may be lost at any moment.
//!
//! * [`embedded`]: a map in the memory of this process.
//! * [`redis`]: keys in Redis, for a cluster.
//! * `watch`: the liveness of a worker, judged by its silence.
//!
//! # Contract
//!
//! Everything kept here expires after the time given below unless its owner publishes it again,
//! and may vanish earlier; the roles that need it rebuild it from the files of the job. A read after
//! a completed write sees that write or a later one. [`Look`] signals may be lost, doubled or late.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::{JobId, StorageId};
use crate::model::mosaic::{Mosaic, Slot};
use crate::model::process::Process;
use crate::model::worker::{Heartbeat, WorkerId, WorkerView};

pub mod embedded;
pub mod redis;
mod watch;

/// How long a process counts as running after its last sign of life, which it gives every two seconds: as
/// long as a session of the queue, so that a server is replaced as soon as a worker.
pub const SERVER_TTL: Duration = Duration::from_secs(6);
/// How long an active job stays known after it was last published.
pub const ACTIVE_TTL: Duration = Duration::from_secs(30);
/// How long a board or a mosaic stays after it was last published.
pub const BOARD_TTL: Duration = Duration::from_mins(1);
/// How long the mosaic of a job stays after the job was forgotten: a client that follows it sees the last tiles.
pub const LAST_LOOK: Duration = Duration::from_secs(5);
/// How long a dead worker is still shown.
pub const DEAD_WORKER_TTL: Duration = Duration::from_mins(5);
/// How often an entry is published again by its owner: often enough for every time above.
pub const REPUBLISH_EVERY: Duration = Duration::from_secs(2);

/// Why a state operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store cannot be reached; trying again later may help.
    #[error("the state store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store answers and refuses, and will until an operator acts. The text is complete, so there is no source
    /// behind it.
    #[error("{cause}: {remedy}")]
    Refused {
        /// What is wrong, and where, in plain words.
        cause: Box<dyn std::error::Error + Send + Sync>,
        /// The remedy.
        remedy: String,
    },
}

/// How many operations a store has refused, and how many entries it has evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Operations that the store has refused since this process connected to it.
    pub refused: u64,
    /// Entries that the store has evicted since it started, as of the last [`State::probe`]; `None` if it does not say.
    pub evicted: Option<u64>,
}

/// The [`Process::id`] of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerId(pub String);

/// A job whose tiles are on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveJob {
    /// The job.
    pub id: JobId,
    /// The partition of the results topic that carries its tiles.
    pub results_partition: u32,
    /// Where its files are.
    pub storage: StorageId,
}

/// The soft state of a mill.
#[async_trait]
pub trait State: Send + Sync {
    /// Publishes that a process runs, for [`SERVER_TTL`].
    async fn keep_alive(&self, process: &Process) -> Result<(), StateError>;

    /// The processes that run, by role and id.
    async fn processes(&self) -> Result<Vec<Process>, StateError>;

    /// Removes a process that ends.
    async fn end(&self, process: &Process) -> Result<(), StateError>;

    /// Makes `server` the owner of `job`, for [`ACTIVE_TTL`], unless another server that is alive owns it. Returns
    /// whether `server` is the owner now.
    async fn claim(&self, job: JobId, server: &ServerId) -> Result<bool, StateError>;

    /// Publishes a job as active, for [`ACTIVE_TTL`].
    async fn activate(&self, job: ActiveJob) -> Result<(), StateError>;

    /// Forgets a job: that it is active, its owner and its board at once, its mosaic after [`LAST_LOOK`].
    async fn forget(&self, job: JobId) -> Result<(), StateError>;

    /// The active jobs, in no particular order.
    async fn active(&self) -> Result<Vec<ActiveJob>, StateError>;

    /// Publishes a job's board, for [`BOARD_TTL`], in place of the one before.
    async fn publish_board(&self, job: JobId, board: Board) -> Result<(), StateError>;

    /// The board published last, if it has not expired.
    async fn board(&self, job: JobId) -> Result<Option<Board>, StateError>;

    /// Publishes a job's mosaic, for [`BOARD_TTL`], in place of the one before.
    async fn publish_mosaic(&self, job: JobId, mosaic: Mosaic) -> Result<(), StateError>;

    /// Paints tiles into the mosaic that was published, and keeps it for [`BOARD_TTL`] from now.
    /// Returns whether there was one; if not, nothing is kept, and it has to be published whole.
    async fn paint(&self, job: JobId, slots: Vec<Slot>) -> Result<bool, StateError>;

    /// The mosaic as it was painted last, if it has not expired.
    async fn mosaic(&self, job: JobId) -> Result<Option<Mosaic>, StateError>;

    /// Notes that a worker's heartbeat arrived now: the worker counts as alive for `dead_after` from now, and
    /// is shown as dead for [`DEAD_WORKER_TTL`] after that. [`Phase::Gone`] removes it at once. Silence counts
    /// only while a monitor is alive.
    ///
    /// [`Phase::Gone`]: crate::model::worker::Phase::Gone
    async fn beat(&self, heartbeat: Heartbeat, dead_after: Duration) -> Result<(), StateError>;

    /// The workers, by id. The time since the last heartbeat gives their state; they are late after `late_after`.
    async fn workers(&self, late_after: Duration) -> Result<Vec<WorkerView>, StateError>;

    /// Removes a worker.
    async fn remove_worker(&self, id: &WorkerId) -> Result<(), StateError>;

    /// Sends a signal to all receivers.
    async fn signal(&self, look: Look) -> Result<(), StateError>;

    /// The signals sent from now on. A receiver that falls behind has to look at everything.
    fn looks(&self) -> broadcast::Receiver<Look>;

    /// Tries what all other operations depend on, to detect a store that answers and cannot be used. It is cheap
    /// enough to run every two seconds, and leaves nothing that does not expire.
    async fn probe(&self) -> Result<(), StateError>;

    /// The counts so far. Does not ask the store.
    fn counters(&self) -> Counters;
}
