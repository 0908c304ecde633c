//! The processes of a mill other than its workers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::StorageId;
use super::report::Report;

/// What a process does. Without a cluster, one process plays all roles.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It takes images and sends tiles.
    Serve,
    /// It stitches results.
    Collect,
    /// It listens to heartbeats.
    Monitor,
}

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Process {
    /// What it does.
    pub role: Role,
    /// Its id, new at each start.
    pub id: String,
    /// The host it runs on.
    pub host: String,
    /// Version of the program.
    pub version: String,
    /// The storage whose files it can see.
    #[schema(value_type = Option<String>)]
    pub storage: Option<StorageId>,
    /// The partitions of the results topic that it collects.
    #[serde(default)]
    pub collects: Vec<u32>,
    /// Its obstacle and its counts.
    #[serde(default)]
    pub report: Report,
}

impl Role {
    /// The role as the command that starts it.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Collect => "collect",
            Self::Monitor => "monitor",
        }
    }
}
