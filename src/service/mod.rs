//! The services that roles run, over the ports. A tile passes through the first six, from top to bottom:
//!
//! * [`admit`]: turns an image and options into a plan, or refuses them.
//! * `keep`: holds decoded images.
//! * [`dispatch`]: turns plans into tasks, as far as the window allows.
//! * [`mill`]: turns a task into a result.
//! * [`canvas`]: the scratch file that holds the tiles which are back.
//! * [`stitch`]: writes results into a canvas, and a full canvas into the final image.
//!
//! The others support them:
//!
//! * [`ledger`]: the jobs of a server, in memory.
//! * `decoding`, `encoding`: what the ways of an image have in common at both ends.
//! * [`memory`]: a budget of memory for decoders.
//! * [`monitor`]: turns heartbeats into a view of the fleet.
//! * [`outlook`]: finds out what is wrong with a cluster, before a job waits for it.
//! * [`pool`]: the threads that compute.
//! * [`presence`]: announces that a process runs.
//! * [`preview`]: parts of the result that a job would have.
//! * [`pyramid`]: originals and results at falling sizes, for viewing.
//! * [`retention`]: removes the files of jobs that have ended, after a while.
//! * [`topics`]: the topics that a cluster needs, and their settings.
//! * `scratch`: files that can be lost.
//! * [`space`]: keeps some of the disks free.
//! * [`straight`]: the way of images that need no tiles, in one process.
//! * `example`: a job for tests.

pub mod admit;
pub mod canvas;
mod decoding;
pub mod dispatch;
mod encoding;
#[cfg(test)]
mod example;
mod keep;
pub mod ledger;
pub mod memory;
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
pub mod straight;
pub mod topics;

use crate::queue::QueueError;
use crate::state::StateError;
use crate::storage::StorageError;

/// An error of a port.
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
    /// Whether the port as a whole is away, and not only one job in trouble.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Queue(_) | Self::State(_) => true,
            Self::Storage(error) => error.is_unavailable(),
        }
    }
}

/// Collects the errors of one action on many jobs: an error of one job does not stop the others, a port that is away
/// does.
#[derive(Default)]
struct Troubles(Option<PortError>);

impl Troubles {
    /// Notes the result for one job. Returns an error, which ends the round, only if a port is away.
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
