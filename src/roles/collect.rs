//! `tilemill collect`: stitches the results of the partitions that are assigned to it.

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::cluster::Startup;
use super::{DONE, StopSignal, lifetime, tell_origin};
use crate::app;
use crate::config::{Config, Origin};
use crate::model::process::Role;
use crate::service::canvas::Scratch;

/// Collects until Ctrl-C or SIGTERM.
pub async fn collect(config: &Config, origin: &Origin) -> anyhow::Result<u8> {
    tell_origin(origin);
    let startup = Startup::begin(config);
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let client = format!("collect-{}", app::host_name());
    let scratch = config.scratch_dir();
    std::fs::create_dir_all(&scratch).with_context(|| {
        format!("cannot make the directory {} (`scratch_dir`)", scratch.display())
    })?;
    let joined = async {
        let backends = startup.join(Role::Collect, &client).await?;
        anyhow::Ok((backends, startup.result_storage().await?))
    };
    let (backends, storage) = tokio::select! {
        joined = joined => joined?,
        () = stop.received() => return Ok(DONE),
    };
    let shutdown = CancellationToken::new();
    let scratch = Scratch::Named(scratch);
    let services = app::start_collector(config, &backends, storage, scratch, &shutdown)?;
    info!("collecting");
    let grace = config.shutdown_timeout.duration();
    Ok(lifetime::run(&services, stop, &shutdown, grace, "another collector does it").await)
}
