//! A job: its identity, the plan that is fixed at admission, and the outcome that ends it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::id;
use super::worker::WorkerId;
use crate::as_text::as_text;

mod plan;

pub use self::plan::{Plan, UnreadablePlan};

/// The id of a job, which never changes: 32 hexadecimal digits that sort by creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(Uuid);

impl JobId {
    /// A new id, which sorts after those made before it.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// The id from the bytes of [`JobId::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// An evenly distributed number that follows from the id, to share jobs out by.
    #[must_use]
    pub fn spread(&self) -> u64 {
        // The low half of a version 7 UUID is random, the high half is the time.
        self.0.as_u64_pair().1
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// The text is not a job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a job id, which has 32 hexadecimal digits")]
pub struct InvalidJobId(String);

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        id::parse(text).map(Self).ok_or_else(|| InvalidJobId(text.to_owned()))
    }
}

as_text!(JobId);

/// The id of a storage, by which a server adopts only jobs whose files it can see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StorageId(pub String);

/// Seconds spent in each phase of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timings {
    /// From acceptance to the first tile in the canvas: waiting and decoding.
    pub split: f64,
    /// From the first tile to the last.
    pub filter: f64,
    /// Encoding and storing the final image.
    pub stitch: f64,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The cause, worded for the job's owner.
    pub cause: String,
    /// The tile that failed, if it was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tile: Option<u32>,
    /// The worker that reported it, if one did.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worker: Option<WorkerId>,
    /// The number of attempts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts: Option<u32>,
    /// Whether the image fails this way each time, so that a retry cannot help.
    #[serde(default)]
    pub futile: bool,
}

impl Failure {
    /// A failure of no single tile, which may not happen again.
    pub fn of_job(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), tile: None, worker: None, attempts: None, futile: false }
    }

    /// A failure that lies in the image itself.
    pub fn of_image(cause: impl Into<String>) -> Self {
        Self { futile: true, ..Self::of_job(cause) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tile) = self.tile {
            write!(f, "tile {tile}")?;
            if let (Some(worker), Some(attempts)) = (&self.worker, self.attempts) {
                write!(f, " on {worker}, attempt {attempts}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.cause)
    }
}

/// How a job ended. Written once: the first one written stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
    /// The final image is stored.
    Complete {
        /// When.
        finished_at: Timestamp,
        /// Bytes of the final image.
        bytes: u64,
        /// The most attempts that any one tile needed, at least 1.
        attempts: u32,
        /// Where the time went.
        timings: Timings,
    },
    /// There will be no final image.
    Failed {
        /// When.
        finished_at: Timestamp,
        /// Why.
        error: Failure,
    },
    /// Its owner cancelled it.
    Cancelled {
        /// When.
        finished_at: Timestamp,
    },
}

impl Outcome {
    /// Whether there is a result.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// A failure as of now.
    #[must_use]
    pub fn failed(error: Failure) -> Self {
        Self::Failed { finished_at: Timestamp::now(), error }
    }

    /// A cancellation as of now.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::Cancelled { finished_at: Timestamp::now() }
    }

    /// When the job ended.
    #[must_use]
    pub const fn finished_at(&self) -> Timestamp {
        match self {
            Self::Complete { finished_at, .. }
            | Self::Failed { finished_at, .. }
            | Self::Cancelled { finished_at } => *finished_at,
        }
    }

    /// How long ago the job ended; zero if the clock was set back.
    #[must_use]
    pub fn age(&self) -> Duration {
        Timestamp::now().duration_since(self.finished_at()).try_into().unwrap_or_default()
    }

    /// The status of a job with this outcome.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Complete { .. } => Status::Complete,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }
}

/// Where a job stands, as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, waiting for its turn.
    Queued,
    /// Its tiles are being filtered.
    Processing,
    /// All tiles are in the canvas; the final image is being written.
    Stitching,
    /// The final image can be fetched.
    Complete,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// The status as it is written in messages and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Stitching => "stitching",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A step of a job that can kill its process. Its starts are counted, each before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Decoding the original.
    Decode,
    /// Encoding the final image.
    Encode,
}

impl Step {
    /// How often a step may start; after that the job fails instead of killing its server again.
    pub const MAX_STARTS: u32 = 3;

    /// The step's name in file names and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Encode => "encode",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, JobId};
    use crate::model::worker::WorkerId;

    #[test]
    fn a_job_id_is_read_back_only_in_its_own_spelling() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("../../etc/passwd".parse::<JobId>().is_err());
        assert!(id.to_string().to_uppercase().parse::<JobId>().is_err());
    }

    #[test]
    fn later_job_ids_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| JobId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_failure_names_tile_worker_and_attempt() {
        let failure = Failure {
            cause: "out of memory".into(),
            tile: Some(7),
            worker: Some(WorkerId::new("w1")),
            attempts: Some(3),
            futile: false,
        };
        assert_eq!(failure.to_string(), "tile 7 on w1, attempt 3: out of memory");
    }
}
