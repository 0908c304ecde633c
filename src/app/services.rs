//! The services of one process, each in a task of its own.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::error;

use super::{Backends, Topics, host_name, unique_id};
use crate::config::Config;
use crate::health::Health;
use crate::model::job::StorageId;
use crate::model::process::{Process, Role};
use crate::model::report::Report;
use crate::model::worker::WorkerId;
use crate::service::canvas::Scratch;
use crate::service::mill::Mill;
use crate::service::monitor;
use crate::service::pool::Pool;
use crate::service::presence;
use crate::service::stitch::{Collector, Preview, Rules};
use crate::storage::ResultStorage;

/// The services of one process.
pub struct Services {
    pub(super) tracker: TaskTracker,
    pub(super) shutdown: CancellationToken,
    failed: CancellationToken,
}

impl Services {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, failed: CancellationToken::new() }
    }

    /// Waits until all services have stopped.
    pub async fn stopped(&self) {
        self.tracker.wait().await;
    }

    /// Whether a service ended with an error or a panic.
    #[must_use]
    pub fn have_failed(&self) -> bool {
        self.failed.is_cancelled()
    }

    pub(super) fn start_collect(
        &self,
        config: &Config,
        backends: &Backends,
        storage: Arc<dyn ResultStorage>,
        scratch: Scratch,
        pool: Arc<Pool>,
    ) {
        // Canvases without a name are those of a run, which has no page to show mosaics.
        let preview = match scratch {
            Scratch::Named(_) => Preview::Painted,
            Scratch::Unnamed(_) => Preview::Omitted,
        };
        let rules = Rules { max_attempts: config.job.max_attempts, preview };
        let (state, id) = (Arc::clone(&backends.state), storage.id().clone());
        let (told, collects) = watch::channel(Vec::new());
        let collector = Collector::new(state, storage, scratch, pool, rules, told);
        let (member, results) = (host_name(), Arc::clone(&backends.topics.results));
        let shutdown = self.shutdown.clone();
        self.spawn("collect", async move { Ok(collector.run(&member, results, shutdown).await?) });
        self.announce(Role::Collect, unique_id(), Some(id), collects, backends);
    }

    pub(super) fn start_monitor(&self, config: &Config, backends: &Backends) {
        let state = Arc::clone(&backends.state);
        let heartbeats = Arc::clone(&backends.topics.heartbeats);
        let dead_after = config.worker.dead_after.duration();
        let shutdown = self.shutdown.clone();
        self.spawn("monitor", async move {
            Ok(monitor::run(heartbeats, state, dead_after, shutdown).await?)
        });
        let nothing = watch::channel(Vec::new()).1;
        self.announce(Role::Monitor, unique_id(), None, nothing, backends);
    }

    pub(super) fn start_work(
        &self,
        config: &Config,
        topics: &Topics,
        health: &Health,
        worker: WorkerId,
        threads: NonZeroUsize,
    ) -> io::Result<()> {
        let pool = Arc::new(Pool::new("filter", threads)?);
        let Topics { tasks, results, heartbeats } = topics.clone();
        let (timeout, health) = (config.tile.timeout, health.clone());
        let mill = Arc::new(Mill::new(worker, host_name(), pool, results, timeout, health));
        let period = config.worker.heartbeat.duration();
        let grace = config.shutdown_timeout.duration();
        let shutdown = self.shutdown.clone();
        self.spawn("work", async move {
            let left = CancellationToken::new();
            let beat = Arc::clone(&mill).beat(heartbeats, period, shutdown.clone(), left.clone());
            let beating = AbortOnDropHandle::new(tokio::spawn(beat));
            let worked = mill.run(tasks, grace, shutdown).await;
            left.cancel();
            beating.await?;
            Ok(worked?)
        });
        Ok(())
    }

    /// Starts to announce that this process has a role, and which partitions it `collects`.
    pub(super) fn announce(
        &self,
        role: Role,
        id: String,
        storage: Option<StorageId>,
        collects: watch::Receiver<Vec<u32>>,
        backends: &Backends,
    ) {
        let (host, version) = (host_name(), env!("CARGO_PKG_VERSION").to_owned());
        let (listed, report) = (Vec::new(), Report::default());
        let process = Process { role, id, host, version, storage, collects: listed, report };
        let (state, shutdown) = (Arc::clone(&backends.state), self.shutdown.clone());
        let announcing =
            presence::announce(state, process, collects, backends.health.clone(), shutdown);
        self.spawn("presence", async move {
            announcing.await;
            Ok(())
        });
    }

    pub(super) fn spawn(
        &self,
        name: &'static str,
        service: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let shutdown = self.shutdown.clone();
        let failed = self.failed.clone();
        self.tracker.spawn(async move {
            let ended = AbortOnDropHandle::new(tokio::spawn(service)).await;
            if let Err(cause) = ended.map_err(anyhow::Error::from).flatten() {
                error!(service = name, error = format!("{cause:#}"), "stopped");
                failed.cancel();
                shutdown.cancel();
            }
        });
    }
}
