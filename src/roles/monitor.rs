//! `tilemill monitor`: notes the heartbeats of workers, and which have fallen silent.

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::cluster::Startup;
use super::{DONE, StopSignal, lifetime, tell_origin};
use crate::app;
use crate::config::{Config, Origin};
use crate::model::process::Role;

/// Listens until Ctrl-C or SIGTERM.
pub async fn monitor(config: &Config, origin: &Origin) -> anyhow::Result<u8> {
    tell_origin(origin);
    let startup = Startup::begin(config);
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let client = format!("monitor-{}", app::host_name());
    let backends = tokio::select! {
        joined = startup.join(Role::Monitor, &client) => joined?,
        () = stop.received() => return Ok(DONE),
    };
    let shutdown = CancellationToken::new();
    let services = app::start_monitor(config, &backends, &shutdown);
    info!("monitoring");
    let grace = config.shutdown_timeout.duration();
    Ok(lifetime::run(&services, stop, &shutdown, grace, "the next heartbeats say it again").await)
}
