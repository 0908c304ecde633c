//! Signals between roles: they say where to look, never what is to be seen.

use super::job::JobId;

/// Something changed. A lost signal costs time, never correctness: everybody also looks by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A job was admitted, became active, or ended.
    Job(JobId),
    /// A job's board changed.
    Board(JobId),
    /// The fleet changed.
    Workers,
}
