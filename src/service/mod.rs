//! What roles do, over the ports. The path of a tile leads through these, from top to bottom.
//!
//! * [`admit`]: an image and wishes become a plan, or a refusal.
//! * [`dispatch`]: plans become tasks, as far as the window allows.
//! * [`mill`]: a task becomes a result.
//! * [`stitch`]: results become a canvas, a full canvas the final image.
//! * [`canvas`]: the scratch file that holds the tiles which are back.
//! * `keep`: where decoded images are.
//! * [`ledger`]: what a server knows of its jobs.
//! * [`monitor`]: heartbeats become a view of the fleet.
//! * [`pool`]: the threads that compute.
//! * [`presence`]: says that a process runs.
//! * [`pyramid`]: originals and results in ever smaller copies, for those who look at them.
//! * [`retention`]: how long the files of jobs that have ended are kept.
//! * [`space`]: how much of the disks stays free.

pub mod admit;
pub mod canvas;
pub mod dispatch;
mod keep;
pub mod ledger;
pub mod mill;
pub mod monitor;
pub mod pool;
pub mod presence;
pub mod pyramid;
pub mod retention;
pub mod space;
pub mod stitch;

use crate::queue::QueueError;
use crate::state::StateError;
use crate::storage::StorageError;

/// A port that did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The state store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
