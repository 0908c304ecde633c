//! `tilemill serve`: the page, the API, and a mill.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{DONE, FAILED, StopSignal, tell_origin};
use crate::app::{self, App};
use crate::cli::ServeArgs;
use crate::config::{Config, Origin};
use crate::http;
use crate::service::canvas::Scratch;
use crate::storage::files::FileStorage;
use crate::storage::lock::{DirectoryLock, LockError};

/// Serves until Ctrl-C or SIGTERM. Jobs that have not ended by then go on at the next start.
pub async fn serve(args: ServeArgs, config: Config, origin: &Origin) -> anyhow::Result<u8> {
    tell_origin(origin);
    if config.kafka.is_some() {
        bail!(
            "`kafka` is configured, and `serve` does not use it yet: leave it out, and work, \
             collect and monitor run in this process"
        );
    }
    info!("no kafka configured: work, collect and monitor run in this process");
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let listener = listen(args.listen.unwrap_or(config.server.listen))?;
    let address = listener.local_addr().context("read the address of the listener")?;
    let config = Arc::new(config);
    let _locks = lock_directories(&config)?;
    let storage = open_storage(&config).await?;
    let scratch = config.scratch_dir();
    std::fs::create_dir_all(&scratch)
        .with_context(|| format!("make the directory {} (`scratch_dir`)", scratch.display()))?;

    let app = App::embedded(Arc::clone(&config), storage).await?;
    warn_of_strangers(&app);
    let (requests, services) = (CancellationToken::new(), CancellationToken::new());
    let worker = app::worker_id(args.id);
    let threads = config.worker.threads();
    info!(%worker, threads, "working");
    let running = app.start(worker, threads, Scratch::Named(scratch), &services)?;
    app.start_retention(&running, &services);
    let stopping = requests.clone();
    let stopped_service = services.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.received() => info!("stopping"),
            () = stopped_service.cancelled() => {}
        }
        stopping.cancel();
    });
    info!("listening on http://{address}");
    let grace = config.shutdown_timeout.duration();
    http::serve(app, listener, grace, requests).await.context("serve requests")?;
    services.cancel();
    if tokio::time::timeout(grace, running.stopped()).await.is_err() {
        warn!("some tiles were not finished in time; they are done again at the next start");
    }
    info!("stopped");
    Ok(if running.have_failed() { FAILED } else { DONE })
}

/// Two servers would take each other's unfinished files for leftovers.
fn lock_directories(config: &Config) -> Result<Vec<DirectoryLock>, LockError> {
    let data = DirectoryLock::take(&config.data_dir, "data_dir")?;
    let same = |scratch: &Path| scratch.canonicalize().ok() == config.data_dir.canonicalize().ok();
    let apart = config.scratch_dir.as_deref().filter(|scratch| !same(scratch));
    let scratch = apart.map(|scratch| DirectoryLock::take(scratch, "scratch_dir")).transpose()?;
    Ok([data].into_iter().chain(scratch).collect())
}

async fn open_storage(config: &Config) -> anyhow::Result<Arc<FileStorage>> {
    let storage = FileStorage::open(&config.data_dir).context("open `data_dir`")?;
    let removed = storage.sweep().await.context("sweep `data_dir`")?;
    if removed > 0 {
        info!(files = removed, "removed what a server that was killed had left");
    }
    Ok(Arc::new(storage))
}

/// Jobs of another storage are not worked on here: their files may be elsewhere.
fn warn_of_strangers(app: &App) {
    let unfinished = app.ledger.unfinished();
    let strangers = unfinished.iter().filter(|plan| plan.storage != *app.storage.id()).count();
    if strangers > 0 {
        let remedy = "cancel them, or bring back the file storage-id in `data_dir`";
        warn!(jobs = strangers, remedy, "unfinished jobs belong to another storage");
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("listen on {address}; choose another address with --listen or `server.listen`")
    })
}
