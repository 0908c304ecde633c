//! Logs, to standard error, as text for people or as JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Levels for libraries whose messages do not help operators: `actix_server` says nothing useful at start, and
/// `rskafka` repeats each failed try that is logged here as well. A level given for them by name overrides this.
const BASE: &str = "actix_server=warn,rskafka=off";

/// A log level that does not parse.
#[derive(Debug, thiserror::Error)]
#[error(
    "`log.level` is {level:?}, but it must be off, error, warn, info, debug, trace or such as \
     \"info,tilemill::service=debug\""
)]
pub struct InvalidLevel {
    level: String,
}

/// Starts logging, panics included; called once in a process.
pub fn init(level: &str, format: LogFormat) -> Result<(), InvalidLevel> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    log_panics();
    Ok(())
}

/// Checks that `log.level` can be used.
pub fn check(level: &str) -> Result<(), InvalidLevel> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, InvalidLevel> {
    let invalid = || InvalidLevel { level: level.to_owned() };
    // A misspelt level alone would be read as the name of a module, and silence everything.
    let levels = level.split(',').filter(|part| !part.contains('='));
    if levels.map(|part| part.trim().parse::<LevelFilter>()).any(|parsed| parsed.is_err()) {
        return Err(invalid());
    }
    EnvFilter::try_new(format!("{BASE},{level}")).map_err(|_| invalid())
}

/// Logs panics. Compute threads catch them, but the default hook would still write to standard error.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let cause = info.payload_as_str().unwrap_or("no words");
        tracing::error!(place, cause, "internal error");
    }));
}
