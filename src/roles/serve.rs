//! `tilemill serve`: the page, the API, and a mill.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::cluster::Startup;
use super::{DONE, StopSignal, lifetime, tell_origin};
use crate::app::{self, App, Backends, Services};
use crate::cli::ServeArgs;
use crate::config::{Config, Origin};
use crate::http;
use crate::http::page::Page;
use crate::model::process::Role;
use crate::service::canvas::Scratch;
use crate::storage::files::FileStorage;
use crate::storage::lock::{DirectoryLock, LockError};

/// Serves until Ctrl-C or SIGTERM. Unfinished jobs go on at the next start.
pub async fn serve(args: ServeArgs, config: Config, origin: &Origin) -> anyhow::Result<u8> {
    tell_origin(origin);
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let listener = listen(args.listen.unwrap_or(config.server.listen))?;
    let address = listener.local_addr().context("read the address of the listener")?;
    let page = page(args.static_dir)?;
    let config = Arc::new(config);
    let _locks = lock_directories(&config)?;
    let storage = open_storage(&config).await?;
    let scratch = config.scratch_dir();
    std::fs::create_dir_all(&scratch).with_context(|| {
        format!("cannot make the directory {} (`scratch_dir`)", scratch.display())
    })?;

    let joined = tokio::select! {
        joined = join(&config) => joined?,
        () = stop.received() => return Ok(DONE),
    };
    let scratch = Scratch::Named(scratch);
    let (requests, services) = (CancellationToken::new(), CancellationToken::new());
    let app: App;
    let running: Services;
    if let Some((backends, result_partitions)) = joined {
        app = App::new(Arc::clone(&config), storage, backends, result_partitions).await?;
        running = app.start(&scratch, &services)?;
    } else {
        app = App::embedded(Arc::clone(&config), storage).await?;
        let (worker, threads) = (app::worker_id(args.id), config.worker.threads());
        info!(%worker, threads, "working");
        running = app.start_all(worker, threads, scratch, &services)?;
    }
    warn_of_strangers(&app);
    app.start_retention(&running, &services);
    let stopping = requests.clone();
    let stopped_service = services.clone();
    let told = tokio::spawn(async move {
        tokio::select! {
            () = stop.received() => info!("stopping"),
            () = stopped_service.cancelled() => {}
        }
        lifetime::tell(NotifyState::Stopping);
        stopping.cancel();
        Instant::now()
    });
    info!("listening on http://{address}");
    lifetime::tell(NotifyState::Ready);
    let grace = config.shutdown_timeout.duration();
    // Requests get half of the time; services get what requests leave of the whole.
    http::serve(app, listener, page, grace / 2, requests).await.context("serve requests")?;
    services.cancel();
    let rest = grace.saturating_sub(told.await?.elapsed());
    Ok(lifetime::finish(&running, rest, "it is done again at the next start").await)
}

fn page(directory: Option<PathBuf>) -> anyhow::Result<Page> {
    let Some(directory) = directory else { return Ok(Page::Embedded) };
    let is_page = directory.join("index.html").is_file();
    anyhow::ensure!(is_page, "{} has no index.html (--static-dir)", directory.display());
    Ok(Page::Directory(directory))
}

/// Joins the configured cluster, and returns its backends with the number of partitions of the results; `None` without
/// a cluster, where this process plays all roles.
async fn join(config: &Config) -> anyhow::Result<Option<(Backends, u32)>> {
    if config.kafka.is_none() && config.redis.is_none() {
        info!("no kafka and no redis configured: work, collect and monitor run in this process");
        return Ok(None);
    }
    let client = format!("serve-{}", app::host_name());
    let startup = Startup::begin(config);
    let backends = startup.join(Role::Serve, &client).await?;
    let partitions = startup.result_partitions(&backends).await?;
    Ok(Some((backends, partitions)))
}

/// Locks `data_dir` and `scratch_dir`, since two servers would remove each other's unfinished files as leftovers.
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
        info!(files = removed, "removed files that a killed server had left");
    }
    Ok(Arc::new(storage))
}

/// Warns of jobs of another storage, which are not worked on here: their files may be elsewhere.
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
