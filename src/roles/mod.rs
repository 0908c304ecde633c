//! What a process is: thin loops that put services to work until they are told to stop.
//!
//! * [`serve`]: the page, the API, and a mill.
//! * [`run`]: a mill for the images on the command line.
//!
//! A role returns its exit code; an error means that it could not start.

use std::io;
use std::process::ExitCode;

pub mod run;
pub mod serve;

/// Exit code: a job failed.
pub const JOB_FAILED: u8 = 1;
/// Exit code: the command line or the configuration cannot be used.
pub const USAGE: u8 = 2;
/// Exit code: interrupted by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// The exit code of an error that kept a role from starting.
#[must_use]
pub fn exit_code(_error: &anyhow::Error) -> ExitCode {
    ExitCode::from(USAGE)
}

/// Ctrl-C or SIGTERM, from the moment this is made.
pub(crate) struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    /// Begins to listen; a signal after this is not lost, and does not end the process by itself.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    /// Waits for a signal.
    #[cfg(unix)]
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
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
            // Without a handler nothing can be awaited: the signal ends the process by itself.
            std::future::pending::<()>().await;
        }
    }
}
