//! Signals between roles: they say where to look, never what changed there.

use super::job::JobId;

/// A signal that something changed. A lost one costs time, never correctness: every receiver also polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A job was admitted, became active, or ended.
    Job(JobId),
    /// A job's board changed.
    Board(JobId),
    /// The fleet changed.
    Workers,
}
