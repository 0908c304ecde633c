//! `tilemill work`: a worker of a cluster, which filters tiles on all cores of this machine.

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::cluster::Startup;
use super::{DONE, StopSignal, lifetime, tell_origin};
use crate::app::{self, Topics};
use crate::cli::WorkArgs;
use crate::config::{Config, Origin};
use crate::health::Health;

/// Works until Ctrl-C or SIGTERM, then finishes the tiles in hand.
pub async fn work(args: WorkArgs, config: &Config, origin: &Origin) -> anyhow::Result<u8> {
    tell_origin(origin);
    let startup = Startup::begin(config);
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let kafka = tokio::select! {
        ready = startup.ready() => ready?,
        () = stop.received() => return Ok(DONE),
    };
    let worker = app::worker_id(args.id);
    let health = Health::default();
    let topics = Topics::kafka(config, kafka, worker.as_str(), &health);
    let threads = config.worker.threads();
    let shutdown = CancellationToken::new();
    info!(%worker, threads, "working");
    let services = app::start_worker(config, &topics, &health, worker, threads, &shutdown)?;
    let grace = config.shutdown_timeout.duration();
    Ok(lifetime::run(&services, stop, &shutdown, grace, "others do it").await)
}
