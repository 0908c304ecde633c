//! The storage port: the write-once files of a job, which are the truth about it.
//!
//! * [`files`]: a directory, shared by those who can see it.
//! * [`remote`]: the files of a server on another machine, as far as a collector needs them.
//! * [`local`]: the files that `tilemill run` was given, with plans and outcomes in memory.
//! * `staged`: files that are being written.
//! * [`lock`]: keeps two processes from using one directory.
//!
//! # Contract
//!
//! A job has four files: the **original**, the **plan**, the **final image** and the **outcome**.
//! Each is written once and never changed; original and final image may be removed before the rest.
//! They are written as [`Staged`] files, which nobody sees before they are whole, and which vanish when
//! dropped. When a method that writes returns, what it wrote survives a crash of the machine (of the
//! process, for `local`).
//!
//! A plan exists only with its original; a job exists from the moment its plan does. The outcome is
//! created exclusively: the first one stands, whoever writes it. A *complete* outcome is written
//! only after the final image.
//!
//! There are two ports, since a collector needs no more than [`ResultStorage`], and is given no more: it
//! reads plans and hands over final images and outcomes. A server needs [`Storage`], all of it.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::Path;

use async_trait::async_trait;

pub(crate) use self::staged::STAGED_PREFIX;
pub use self::staged::Staged;
use crate::blocking;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};
use crate::raster::decode::{self, Limits};
use crate::raster::metadata::Metadata;

pub mod files;
pub mod local;
pub mod lock;
pub mod remote;
mod staged;

/// A storage operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such job, or it has no such file.
    #[error("job {0} has no {1}")]
    NotFound(JobId, &'static str),
    /// The file is there already.
    #[error("job {0} has its {1} already")]
    Conflict(JobId, &'static str),
    /// A record does not parse.
    #[error("the {1} of job {0} is damaged")]
    Damaged(JobId, &'static str, #[source] serde_json::Error),
    /// The disk, or what stands for it, failed.
    #[error("cannot {action}")]
    Io {
        /// What was being done, with the file's name.
        action: String,
        /// The system's word on it.
        #[source]
        source: io::Error,
    },
    /// The storage cannot be reached, or not for now; trying again later may help.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl StorageError {
    /// Whether the same may work later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether there was no room for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }

    /// For `map_err`: an I/O error with what was being done to which file.
    pub(crate) fn io(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let action = format!("{verb} {}", path.display());
        move |source| Self::Io { action, source }
    }
}

/// What an original says beside its pixels: nothing, if it is no image that is understood.
pub(crate) async fn metadata_of(original: File) -> Metadata {
    let read = move || decode::metadata(BufReader::new(original), &Limits::NONE);
    let read = blocking::caught(read).await;
    read.map_or_else(|_| Metadata::default(), Result::unwrap_or_default)
}

/// For what has to be gone, whoever removed it.
pub(crate) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a file that exists may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// It may.
    Allowed,
    /// It is an error.
    Refused,
}

/// Whether an error says that there is no room, on the disk or for this user.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// What there is of a job that takes room, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// The original.
    pub original: Option<u64>,
    /// The final image.
    pub result: Option<u64>,
}

impl Kept {
    /// Both together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.original.unwrap_or(0) + self.result.unwrap_or(0)
    }
}

/// What a collector needs of the files of jobs.
#[async_trait]
pub trait ResultStorage: Send + Sync {
    /// Names this storage: the same for everybody who sees the same files.
    fn id(&self) -> &StorageId;

    /// Whether these are still the files that `id` names. Those of another machine may become others.
    async fn is_same(&self) -> Result<bool, StorageError> {
        Ok(true)
    }

    /// The plan of a job.
    async fn plan(&self, job: JobId) -> Result<Plan, StorageError>;

    /// What the original of a job says beside its pixels, which goes into the final image.
    async fn metadata(&self, job: JobId) -> Result<Metadata, StorageError>;

    /// A place for the final image of a job.
    async fn stage_final(&self, plan: &Plan) -> Result<Staged, StorageError>;

    /// Stores the final image. Another's of the same job, which has the same bytes, is replaced.
    async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<(), StorageError>;

    /// Removes the final image of a job that ended otherwise, or long ago, or is gone. One that is not
    /// there is no error.
    async fn remove_final(&self, job: JobId) -> Result<(), StorageError>;

    /// Keeps a small PNG of the result of a job, for people. It may be lost, and is not synced.
    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<(), StorageError>;

    /// Ends a job. Returns the outcome that stands, which is another if one was there already.
    async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome, StorageError>;

    /// The outcome of a job, if it has ended.
    async fn outcome(&self, job: JobId) -> Result<Option<Outcome>, StorageError>;

    /// Counts a start of `step` durably, before the step begins. Returns which start this is, from 1.
    async fn count_start(&self, job: JobId, step: Step) -> Result<u32, StorageError>;

    /// Forgets the starts of `step`: it came to its end, well or not.
    async fn clear_starts(&self, job: JobId, step: Step) -> Result<(), StorageError>;
}

/// Where the files of jobs are kept.
#[async_trait]
pub trait Storage: ResultStorage {
    /// A place for the original of a job that is about to be admitted.
    async fn stage_original(&self, job: JobId) -> Result<Staged, StorageError>;

    /// Stores the original, then the plan: from now on the job exists.
    async fn create(&self, plan: &Plan, original: Staged) -> Result<(), StorageError>;

    /// Stores a plan for the original of another job.
    async fn create_from(&self, plan: &Plan, source: JobId) -> Result<(), StorageError>;

    /// The ids of all jobs, oldest first.
    async fn jobs(&self) -> Result<Vec<JobId>, StorageError>;

    /// The original of a job, open for reading.
    async fn open_original(&self, job: JobId) -> Result<File, StorageError>;

    /// The final image of a job, open for reading.
    async fn open_final(&self, plan: &Plan) -> Result<File, StorageError>;

    /// The small PNG of the result of a job, if one was kept.
    async fn thumbnail(&self, job: JobId) -> Result<Option<Vec<u8>>, StorageError>;

    /// What there is of a job that takes room.
    async fn kept(&self, plan: &Plan) -> Result<Kept, StorageError>;

    /// Removes the original of a job that has ended. One that is not there is no error.
    async fn remove_original(&self, job: JobId) -> Result<(), StorageError>;

    /// Removes everything of a job. A job that is not there is no error.
    async fn remove(&self, job: JobId) -> Result<(), StorageError>;
}
