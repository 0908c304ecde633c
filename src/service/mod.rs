//! What roles do, over the ports. The path of a tile leads through the first six, from top to bottom:
//!
//! * [`admit`]: an image and wishes become a plan, or a refusal.
//! * `keep`: where decoded images are.
//! * [`dispatch`]: plans become tasks, as far as the window allows.
//! * [`mill`]: a task becomes a result.
//! * [`canvas`]: the scratch file that holds the tiles which are back.
//! * [`stitch`]: results become a canvas, a full canvas the final image.
//!
//! The others keep it going:
//!
//! * [`ledger`]: what a server knows of its jobs.
//! * `memory`: a budget of memory for decoders.
//! * [`monitor`]: heartbeats become a view of the fleet.
//! * [`outlook`]: what is wrong with a cluster, seen before somebody asks.
//! * [`pool`]: the threads that compute.
//! * [`presence`]: says that a process runs.
//! * [`preview`]: parts of results that jobs would have.
//! * [`pyramid`]: originals and results in ever smaller copies, for those who look at them.
//! * [`retention`]: how long the files of jobs that have ended are kept.
//! * [`topics`]: which topics a cluster needs, and how they have to be.
//! * `scratch`: files that nothing is lost with.
//! * [`space`]: how much of the disks stays free.
//! * `example`: a job for tests.

pub mod admit;
pub mod canvas;
pub mod dispatch;
#[cfg(test)]
mod example;
mod keep;
pub mod ledger;
mod memory;
pub mod mill;
pub mod monitor;
pub mod outlook;
pub mod pool;
pub mod presence;
pub mod preview;
pub mod pyramid;
pub mod retention;
mod scratch;
pub mod space;
pub mod stitch;
pub mod topics;

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

impl PortError {
    /// Whether it is the port that is away, and not one job that it has trouble with.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Queue(_) | Self::State(_) => true,
            Self::Storage(error) => error.is_unavailable(),
        }
    }
}

/// What goes wrong while the same is done for many jobs: one job that gives trouble keeps no other from its
/// turn, a port that is away does.
#[derive(Default)]
struct Troubles(Option<PortError>);

impl Troubles {
    /// Notes what came of one job. An error ends the round.
    fn note(&mut self, done: Result<(), PortError>) -> Result<(), PortError> {
        match done {
            Err(error) if error.is_away() => return Err(error),
            Err(error) => self.0 = self.0.take().or(Some(error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// The first trouble, if there was any.
    fn end(self) -> Result<(), PortError> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::JobId;

    #[test]
    fn a_job_that_gives_trouble_keeps_no_other_from_its_turn_and_a_port_that_is_away_does() {
        let damaged = |what| PortError::Storage(StorageError::NotFound(JobId::generate(), what));
        let mut troubles = Troubles::default();
        assert!(troubles.note(Err(damaged("first"))).is_ok());
        assert!(troubles.note(Ok(())).is_ok());
        assert!(troubles.note(Err(damaged("second"))).is_ok());
        let away = PortError::Storage(StorageError::Unavailable("gone".into()));
        assert!(troubles.note(Err(away)).is_err());
        assert!(troubles.end().unwrap_err().to_string().contains("first"));
    }
}
