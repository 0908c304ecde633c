//! The commands: thin loops that run services until they are told to stop, and tools that end by themselves.
//!
//! * [`serve`]: the page, the API and dispatch; without a cluster the whole mill.
//! * [`run`]: a mill for the images on the command line.
//! * [`submit`]: images to a server, results back.
//! * [`work`]: a worker of a cluster, which filters tiles.
//! * [`collect`]: a collector of a cluster, which stitches results.
//! * [`monitor`]: a monitor of a cluster, which notes heartbeats.
//! * [`topics`]: sets up and shows the topics in Kafka.
//! * [`check`]: what is configured, and what is wrong with it.
//! * [`filters`]: what the filters do.
//! * [`completions`]: scripts for shells.
//! * [`man`]: the manual pages.
//!
//! What several of them use:
//!
//! * `client`: a client of a server's API.
//! * `inputs`: which images a command line names.
//! * `outputs`: where each result goes, decided before anything starts.
//! * `cluster`: waiting for a cluster, and for its topics.
//! * `lifetime`: services that run until they are told to stop.
//! * `report`: what is printed about each image.
//! * `progress`: one bar for all images.
//!
//! A role returns its exit code; an error means that it could not start, or that it lost a service.

use std::error::Error;
use std::io;

use tracing::info;

use crate::config::Origin;
use crate::queue::QueueError;
use crate::state::StateError;
use crate::storage::StorageError;

pub mod check;
mod client;
mod cluster;
pub mod collect;
pub mod completions;
pub mod filters;
mod inputs;
mod lifetime;
pub mod man;
pub mod monitor;
mod outputs;
mod progress;
mod report;
pub mod run;
pub mod serve;
pub mod submit;
pub mod topics;
pub mod work;

/// Exit code: all is done.
pub const DONE: u8 = 0;
/// Exit code: a job failed, or a process could not go on.
pub const FAILED: u8 = 1;
/// Exit code: the command line or the configuration cannot be used.
pub const USAGE: u8 = 2;
/// Exit code: a service that is needed cannot be reached, refuses, or lacks topics.
pub const UNREACHABLE: u8 = 3;
/// Exit code: interrupted by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// A service that is needed does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be reached at {address}; {remedy}")]
pub struct Unreachable {
    /// Which service.
    pub what: &'static str,
    /// Where it was looked for.
    pub address: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// Why it could not be reached.
    #[source]
    pub cause: Box<dyn Error + Send + Sync>,
}

/// Topics that a role of a cluster needs are missing in Kafka.
#[derive(Debug, thiserror::Error)]
#[error("topics are missing in Kafka: {0}; make them with: tilemill topics create")]
pub struct MissingTopics(String);

/// A service of this process ended with an error.
#[derive(Debug, thiserror::Error)]
#[error("the mill stopped; the log says why")]
pub struct MillStopped;

/// The user interrupted a question.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The exit code for an error that ended a role. A service manager restarts a role unless it ended with
/// [`USAGE`].
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let is_refused = matches!(error.downcast_ref(), Some(StateError::Refused { .. }));
    if error.is::<Unreachable>() || error.is::<MissingTopics>() || is_refused {
        UNREACHABLE
    } else if error.is::<Interrupted>() {
        INTERRUPTED
    } else if error.chain().any(may_pass) {
        FAILED
    } else {
        USAGE
    }
}

/// Whether a restart of the role may get past this cause: an error of a service or a disk, or an address that is not up
/// yet. A person has to fix the others.
fn may_pass(cause: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind as Kind;

    let of_person = |error: &io::Error| {
        matches!(
            error.kind(),
            Kind::NotFound
                | Kind::PermissionDenied
                | Kind::ReadOnlyFilesystem
                | Kind::AddrInUse
                | Kind::AlreadyExists
                | Kind::NotADirectory
                | Kind::IsADirectory
                | Kind::InvalidInput
                | Kind::InvalidFilename
                | Kind::InvalidData
                | Kind::Unsupported
        )
    };
    cause.is::<QueueError>()
        || cause.is::<StateError>()
        || cause.is::<StorageError>()
        || cause.is::<MillStopped>()
        || cause.downcast_ref().is_some_and(|error| !of_person(error))
}

/// Logs which configuration file is used, as the first line of the log.
fn tell_origin(origin: &Origin) {
    match origin {
        Origin::File(path) => info!(file = %path.display(), "configuration"),
        Origin::Defaults => info!("configuration: no file found, the defaults are used"),
    }
}

/// Receives Ctrl-C, SIGTERM and the end of the terminal, from its creation on.
pub(crate) struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl StopSignal {
    /// Begins to listen; a signal after this is not lost, and does not end the process by itself.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    #[cfg(unix)]
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn received(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler there is nothing to wait for: the signal ends the process by itself.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_setup_end_with_the_code_of_wrong_use() {
        let away = || "the disk is on fire".into();
        let unreachable = Unreachable {
            what: "Kafka",
            address: "kafka1:9092".into(),
            remedy: "start it",
            cause: away(),
        };
        assert_eq!(exit_code(&unreachable.into()), UNREACHABLE);
        assert_eq!(exit_code(&MissingTopics("tasks".into()).into()), UNREACHABLE);
        let storage = anyhow::Error::from(StorageError::Unavailable(away()));
        assert_eq!(exit_code(&storage.context("read the jobs")), FAILED);
        assert_eq!(exit_code(&QueueError::Unavailable(away()).into()), FAILED);
        let refused = StateError::Refused { cause: away(), remedy: "put it out".into() };
        assert_eq!(exit_code(&refused.into()), UNREACHABLE);
        assert_eq!(exit_code(&StateError::Unavailable(away()).into()), FAILED);
        assert_eq!(exit_code(&MillStopped.into()), FAILED);
        let disk = |kind| anyhow::Error::from(io::Error::from(kind)).context("make `scratch_dir`");
        assert_eq!(exit_code(&disk(io::ErrorKind::StorageFull)), FAILED);
        assert_eq!(exit_code(&disk(io::ErrorKind::PermissionDenied)), USAGE);
        assert_eq!(exit_code(&disk(io::ErrorKind::ReadOnlyFilesystem)), USAGE);
        assert_eq!(exit_code(&anyhow::anyhow!("no Redis is configured")), USAGE);
    }
}
