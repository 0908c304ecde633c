//! A worker: its name, its heartbeats and its liveness.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::report::Report;

/// A worker's name, unique among those running.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(String);

impl WorkerId {
    /// Names a worker.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a worker says of itself: every few seconds, at its start and at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {
    /// Its name.
    #[schema(value_type = String)]
    pub id: WorkerId,
    /// The host it runs on.
    pub host: String,
    /// Filter threads.
    pub threads: u32,
    /// Tiles it holds now.
    pub in_flight: u32,
    /// Tiles it has answered with pixels.
    pub done: u64,
    /// Tiles it has answered with a failure.
    pub failed: u64,
    /// Tiles per second since its last heartbeat.
    pub rate: f64,
    /// Version of the program.
    pub version: String,
    /// Whether it takes tiles.
    pub phase: Phase,
    /// Its obstacle and its counts.
    #[serde(default)]
    pub report: Report,
}

/// Whether a worker takes tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It takes tiles.
    Working,
    /// It finishes the tiles that it holds and takes no more.
    Leaving,
    /// It is gone, and said so.
    Gone,
}

/// The liveness of a worker, judged by when its heartbeats arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// Its last heartbeat is at most two intervals old.
    Live,
    /// Silent for more than two intervals, but not long enough to be called dead.
    Late,
    /// Silent for so long that it counts as dead.
    Dead,
    /// Finishing the tiles that it holds.
    Leaving,
}

/// A worker as the page and the API show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WorkerView {
    /// Its last heartbeat.
    #[serde(flatten)]
    pub heartbeat: Heartbeat,
    /// Its liveness.
    pub state: Liveness,
    /// Whole seconds since its last heartbeat arrived.
    pub last_seen: u64,
}
