//! Who works: a worker's name, what it says of itself, and how it is.

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

/// What a worker says of itself, every few seconds and when it comes or goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {
    /// Who.
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
    /// Tiles a second, over the time since its last heartbeat.
    pub rate: f64,
    /// Version of the program.
    pub version: String,
    /// Whether it stays.
    pub phase: Phase,
    /// What it tells beside its work.
    #[serde(default)]
    pub report: Report,
}

/// Whether a worker stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It takes tiles.
    Working,
    /// It finishes the tiles in hand and takes no more.
    Leaving,
    /// It is gone, and said so.
    Gone,
}

/// How a worker is, judged by when its heartbeats arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// Heard of within two heartbeats.
    Live,
    /// Missing since more than two heartbeats, but not long enough to be called dead.
    Late,
    /// Not heard of for the time that makes it dead.
    Dead,
    /// Finishing its tiles.
    Leaving,
}

/// A worker as the page and the API show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WorkerView {
    /// What it said last.
    #[serde(flatten)]
    pub heartbeat: Heartbeat,
    /// How it is.
    pub state: Liveness,
    /// Whole seconds since its last heartbeat arrived.
    pub last_seen: u64,
}
