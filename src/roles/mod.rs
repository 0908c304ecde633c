//! What a process is: thin loops that put services to work until they are told to stop.
//!
//! * [`serve`]: the page, the API, and a mill.
//! * [`run`]: a mill for the images on the command line.
//!
//! A role returns its exit code; an error means that it could not start.

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

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler nothing can be awaited: the signal ends the process by itself.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
