//! The checks of `tilemill check` on this machine. None of them leaves a trace.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

use indicatif::HumanBytes;

use super::{Check, Finding};
use crate::agent::url::ServerUrl;
use crate::config::Config;
use crate::roles::client::Client;
use crate::service::space;
use crate::storage::lock;
use crate::telemetry;

/// Runs all checks, in the order in which they depend on each other.
pub(super) fn all(config: &Config) -> Vec<Check> {
    let upload = config.limits.max_upload.get();
    vec![
        log_level(config),
        limits(config),
        threads(config),
        held(config).unwrap_or_else(|| directory("data_dir", &config.data_dir, upload)),
        directory("scratch_dir", &config.scratch_dir(), upload),
        listen(config),
    ]
}

fn log_level(config: &Config) -> Check {
    let level = &config.log.level;
    match telemetry::check(level) {
        Ok(()) => Check::ok("log", format!("level {level}")),
        Err(error) => {
            let remedy = "set `log.level`, or TILEMILL_LOG__LEVEL, to one of these";
            Check::bad("log", Finding::Failed, error.to_string(), remedy)
        }
    }
}

fn limits(config: &Config) -> Check {
    let (limits, jobs) = (&config.limits, &config.jobs);
    let text = format!(
        "an upload of at most {}; an image of at most {} megapixels and {} pixels a side that \
         takes at most {} to decode; tiles of at most {} pixels a side, {} for an image; {} jobs in \
         work at a time",
        limits.max_upload,
        limits.max_megapixels,
        limits.max_side,
        limits.decode_memory,
        limits.max_tile,
        limits.max_tiles,
        jobs.active,
    );
    Check::ok("limits", text)
}

fn threads(config: &Config) -> Check {
    let threads = config.worker.threads();
    let why = if config.worker.threads == 0 { ", one for each core" } else { "" };
    Check::ok("threads", format!("{threads} that filter{why}"))
}

/// Finds a server that uses `data_dir` but listens on another address than this configuration says.
fn held(config: &Config) -> Option<Check> {
    let holder = lock::holder_of(&config.data_dir)?;
    let address = config.server.listen;
    if is_tilemill(address) {
        return None;
    }
    let shown = config.data_dir.display();
    let text = format!("{shown} is in use by a server that runs{holder}, and not on {address}");
    let remedy = "stop that server, or set `data_dir` to another directory: each has one server";
    Some(Check::bad("data_dir", Finding::Failed, text, remedy))
}

/// Checks that a directory can be written or created, and how much space is free there.
fn directory(name: &'static str, directory: &Path, upload: u64) -> Check {
    let shown = directory.display();
    let there = directory.ancestors().find(|path| path.exists() && !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    if let Err(error) = tempfile::tempdir_in(there) {
        let text = format!("{shown}: {} cannot be written: {}", there.display(), cause(&error));
        let remedy = format!("make it, give it to this user, or set `{name}` to another directory");
        return Check::bad(name, Finding::Failed, text, &remedy);
    }
    let state = if there == directory { "can be written" } else { "can be made" };
    match space::free(there) {
        Err(error) => Check::ok(name, format!("{shown}: {state}; free space unknown ({error})")),
        Ok(free) if free < upload => {
            let text = format!("{shown}: {state}, {} free", HumanBytes(free));
            let remedy = format!(
                "the largest upload alone may take {}: free some space, set `{name}` to another \
                 disk, or lower `limits.max_upload`",
                HumanBytes(upload)
            );
            Check::bad(name, Finding::Warning, text, &remedy)
        }
        Ok(free) => Check::ok(name, format!("{shown}: {state}, {} free", HumanBytes(free))),
    }
}

/// The system's error, without the name of the temporary file.
fn cause(error: &io::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn listen(config: &Config) -> Check {
    let address = config.server.listen;
    let Err(error) = TcpListener::bind(address) else {
        return Check::ok("listen", format!("{address} is free"));
    };
    // In a cluster all machines have the same file, and one of them serves.
    if error.kind() == io::ErrorKind::AddrNotAvailable && config.kafka.is_some() {
        let text = format!("{address} is not an address of this machine: `serve` cannot run here");
        let remedy = "nothing to do if `serve` runs elsewhere; else correct `server.listen`";
        return Check::bad("listen", Finding::Warning, text, remedy);
    }
    if error.kind() != io::ErrorKind::AddrInUse {
        let remedy = "choose an address of this machine and a port that this user may open, with \
                      `server.listen` or --listen";
        let text = format!("cannot listen on {address}: {error}");
        return Check::bad("listen", Finding::Failed, text, remedy);
    }
    if is_tilemill(address) {
        return Check::ok("listen", format!("a tilemill server is running on {address}"));
    }
    let remedy = "stop what uses it, or choose another address with `server.listen` or --listen";
    Check::bad("listen", Finding::Failed, format!("{address} is used by another program"), remedy)
}

fn is_tilemill(mut address: SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let address: Result<ServerUrl, _> = address.to_string().parse();
    address.is_ok_and(|address| Client::new(address, None).greet().is_ok())
}
