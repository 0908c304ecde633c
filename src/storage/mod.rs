//! The storage port: the write-once files of a job, which are the truth about it.
//!
//! * [`files`]: a directory, shared by the processes that can see it.
//! * [`remote`]: the files of a server on another machine, as far as a collector needs them.
//! * [`local`]: the files of `tilemill run`'s command line, with plans and outcomes in memory.
//! * `staged`: files that are being written.
//! * [`lock`]: keeps two processes from using one directory.
//!
//! # Contract
//!
//! A job has four files: the **original**, the **plan**, the **final image** and the **outcome**.
//! Each is written once and never changed; original and final image may be removed before the rest.
//! They are written as [`Staged`] files, which become visible only when they are whole, and vanish when
//! dropped before that. When a method that writes returns, its data survives a crash of the machine (of
//! the process, for `local`).
//!
//! A plan exists only with its original; a job exists from the moment its plan does. The outcome is
//! created exclusively: the first one stands, whichever process writes it. A *complete* outcome is
//! written only after the final image.
//!
//! There are two ports. A collector needs only [`ResultStorage`], and is given no more: it reads plans,
//! and hands over final images and outcomes. A server needs all of [`Storage`].

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::Path;

use async_trait::async_trait;

pub(crate) use self::staged::STAGED_PREFIX;
pub use self::staged::Staged;
use crate::blocking;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId, UnreadablePlan};
use crate::raster::decode::{self, Limits};
use crate::raster::metadata::Metadata;

pub mod files;
pub mod local;
pub mod lock;
pub mod remote;
mod staged;

/// Why a storage operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such job, or it has no such file.
    #[error("job {0} has no {1}")]
    NotFound(JobId, &'static str),
    /// The file already exists.
    #[error("job {0} already has its {1}")]
    Conflict(JobId, &'static str),
    /// A record does not parse.
    #[error("the {1} of job {0} is damaged")]
    Damaged(JobId, &'static str, #[source] serde_json::Error),
    /// A newer program wrote its plan.
    #[error("job {0} cannot be worked on")]
    Newer(JobId, #[source] UnreadablePlan),
    /// The disk, or the server of a remote storage, failed.
    #[error("cannot {action}")]
    Io {
        /// What was being done, with the file's name.
        action: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The storage cannot be used for now; trying again later may help.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl StorageError {
    /// A plan that was found and cannot be read.
    pub(crate) fn of_plan(job: JobId, error: UnreadablePlan) -> Self {
        match error {
            UnreadablePlan::Damaged(error) => Self::Damaged(job, "plan", error),
            newer @ UnreadablePlan::Newer(_) => Self::Newer(job, newer),
        }
    }

    /// Whether a retry may work later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether it failed for lack of room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }

    /// For `map_err`: adds the action and the file to an I/O error.
    pub(crate) fn io(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let action = format!("{verb} {}", path.display());
        move |source| Self::Io { action, source }
    }
}

/// The metadata of a page of an original; empty if it is not a readable image.
pub(crate) async fn metadata_of(original: File, page: Option<u32>) -> Metadata {
    let read = move || decode::metadata_of_page(BufReader::new(original), &Limits::NONE, page);
    let read = blocking::caught(read).await;
    read.map_or_else(|_| Metadata::default(), Result::unwrap_or_default)
}

/// Turns a removal's `NotFound` into success.
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

/// The sizes of a job's images on disk, in bytes; `None` for one that is not there.
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
    /// The id of this storage. All processes that see the same files get the same id.
    fn id(&self) -> &StorageId;

    /// Whether these are still the files that `id` names. A server on another machine may have got others.
    async fn is_same(&self) -> Result<bool, StorageError> {
        Ok(true)
    }

    /// The plan of a job.
    async fn plan(&self, job: JobId) -> Result<Plan, StorageError>;

    /// The metadata of a job's original, which goes into the final image.
    async fn metadata(&self, job: JobId) -> Result<Metadata, StorageError>;

    /// A staged file for the final image of a job.
    async fn stage_final(&self, plan: &Plan) -> Result<Staged, StorageError>;

    /// Stores the final image. It replaces one of this job from another collector, which has the same bytes.
    async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<(), StorageError>;

    /// Removes the final image of a job that did not complete, that ended long ago, or that is gone. It is not an
    /// error if there is none.
    async fn remove_final(&self, job: JobId) -> Result<(), StorageError>;

    /// Stores a small PNG of the result of a job, for display. It may be lost, and is not synced.
    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<(), StorageError>;

    /// Ends a job. Returns the outcome that stands: an earlier one, if there was one.
    async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome, StorageError>;

    /// The outcome of a job, if it has ended.
    async fn outcome(&self, job: JobId) -> Result<Option<Outcome>, StorageError>;

    /// Counts a start of `step` durably, before the step begins. Returns which start this is, from 1.
    async fn count_start(&self, job: JobId, step: Step) -> Result<u32, StorageError>;

    /// Forgets the starts of `step`, which has ended, with success or not.
    async fn clear_starts(&self, job: JobId, step: Step) -> Result<(), StorageError>;
}

/// Where the files of jobs are kept.
#[async_trait]
pub trait Storage: ResultStorage {
    /// A staged file for the original of a job that is about to be admitted.
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

    /// The small PNG of the result of a job, if there is one.
    async fn thumbnail(&self, job: JobId) -> Result<Option<Vec<u8>>, StorageError>;

    /// The sizes of a job's images.
    async fn kept(&self, plan: &Plan) -> Result<Kept, StorageError>;

    /// Removes the original of a job that has ended. It is not an error if there is none.
    async fn remove_original(&self, job: JobId) -> Result<(), StorageError>;

    /// Removes everything of a job. It is not an error if there is no such job.
    async fn remove(&self, job: JobId) -> Result<(), StorageError>;
}
