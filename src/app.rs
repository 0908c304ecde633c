//! The composition root: puts services and adapters together. No other file chooses an adapter.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::error;
use uuid::Uuid;

use crate::config::{Config, Kafka, TileCompression};
use crate::model::tile::{TileResult, TileTask};
use crate::model::worker::{Heartbeat, WorkerId};
use crate::queue::Topic;
use crate::queue::admin::TopicAdmin;
use crate::queue::embedded::EmbeddedTopic;
use crate::queue::kafka::admin::KafkaAdmin;
use crate::queue::kafka::cluster::Cluster;
use crate::queue::kafka::topic::{KafkaTopic, TopicOptions};
use crate::queue::kafka::wire::Compression;
use crate::queue::kafka::{Beginning, Danger};
use crate::service::canvas::Scratch;
use crate::service::dispatch::{self, Dispatcher};
use crate::service::ledger::Ledger;
use crate::service::mill::Mill;
use crate::service::monitor;
use crate::service::pool::Pool;
use crate::service::retention;
use crate::service::stitch::{Collector, Preview, Rules};
use crate::state::embedded::EmbeddedState;
use crate::state::{ServerId, State};
use crate::storage::{Storage, StorageError};

/// Where messages go between roles.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Topics {
    pub tasks: Arc<dyn Topic<TileTask>>,
    pub results: Arc<dyn Topic<TileResult>>,
    pub heartbeats: Arc<dyn Topic<Heartbeat>>,
}

impl Topics {
    /// Topics in the memory of this process.
    fn embedded(config: &Config) -> Self {
        Self {
            tasks: Arc::new(EmbeddedTopic::new(config.topics.tasks_partitions)),
            results: Arc::new(EmbeddedTopic::new(config.topics.results_partitions)),
            heartbeats: Arc::new(EmbeddedTopic::new(1)),
        }
    }

    /// Topics in the cluster `kafka`, which calls this process `client`.
    #[must_use]
    pub fn kafka(config: &Config, kafka: &Kafka, client: &str) -> Self {
        let cluster = cluster(kafka, client);
        let compression = match kafka.compression {
            TileCompression::Lz4 => Compression::Lz4,
            TileCompression::None => Compression::None,
        };
        let options = |group: &String, beginning, danger, answers| {
            let group = group.clone();
            TopicOptions { group, beginning, compression, danger, answers }
        };
        let topic = |name, options| Arc::new(KafkaTopic::new(cluster.clone(), name, options));
        let names = &config.topics;
        let read = options(&names.results_group, Beginning::Earliest, Danger::None, None);
        let results: Arc<dyn Topic<TileResult>> = topic(&names.results, read);
        let answers = Some(Arc::clone(&results));
        // A filter may run out of memory, or worse.
        let filtered = options(&names.tasks_group, Beginning::Earliest, Danger::Deadly, answers);
        // Of those that were sent before anybody listened, nobody lives any more.
        let heard = options(&names.heartbeats_group, Beginning::Latest, Danger::None, None);
        Self {
            tasks: topic(&names.tasks, filtered),
            results,
            heartbeats: topic(&names.heartbeats, heard),
        }
    }
}

/// Everything that the roles of one process share.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct App {
    pub config: Arc<Config>,
    pub topics: Topics,
    pub state: Arc<dyn State>,
    pub storage: Arc<dyn Storage>,
    pub ledger: Arc<Ledger>,
    pub server: ServerId,
}

impl App {
    /// One process that does everything: queue and state in its memory, files in `storage`.
    pub async fn embedded(
        config: Arc<Config>,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            topics: Topics::embedded(&config),
            state: Arc::new(EmbeddedState::default()),
            ledger: Arc::new(Ledger::load(Arc::clone(&storage)).await?),
            storage,
            config,
            server: ServerId(Uuid::new_v4().simple().to_string()),
        })
    }

    /// Starts all services in this process. They run until `shutdown`; a service that ends with an
    /// error or a panic brings `shutdown` about.
    pub fn start(
        &self,
        worker: WorkerId,
        threads: NonZeroUsize,
        scratch: Scratch,
        shutdown: &CancellationToken,
    ) -> io::Result<Services> {
        let codecs = Arc::new(Pool::new("codec", threads)?);
        let services = Services::new(shutdown.clone());
        services.spawn("dispatch", self.dispatch(&scratch, Arc::clone(&codecs), shutdown));
        services.spawn("collect", self.collect(scratch, codecs, shutdown));
        services.spawn("monitor", self.monitor(shutdown));
        services.spawn("work", work(&self.config, &self.topics, worker, threads, shutdown)?);
        services.tracker.close();
        Ok(services)
    }

    fn dispatch(
        &self,
        scratch: &Scratch,
        pool: Arc<Pool>,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let ports = dispatch::Ports {
            tasks: Arc::clone(&self.topics.tasks),
            results: Arc::clone(&self.topics.results),
            state: Arc::clone(&self.state),
            storage: Arc::clone(&self.storage),
        };
        let (server, config) = (self.server.clone(), Arc::clone(&self.config));
        let (ledger, scratch) = (Arc::clone(&self.ledger), scratch.directory().to_owned());
        let dispatcher = Dispatcher::new(server, config, ports, ledger, pool, scratch);
        let shutdown = shutdown.clone();
        async move {
            dispatcher.run(shutdown).await;
            Ok(())
        }
    }

    fn collect(
        &self,
        scratch: Scratch,
        pool: Arc<Pool>,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let (state, storage) = (Arc::clone(&self.state), Arc::clone(&self.storage));
        // A run has no page: its canvases have no name, and nobody asks for their mosaics.
        let preview = match scratch {
            Scratch::Named(_) => Preview::Painted,
            Scratch::Unnamed(_) => Preview::Omitted,
        };
        let rules = Rules { max_attempts: self.config.job.max_attempts, preview };
        let collector = Collector::new(state, storage, scratch, pool, rules);
        let (member, results) = (host_name(), Arc::clone(&self.topics.results));
        let shutdown = shutdown.clone();
        async move { Ok(collector.run(&member, results, shutdown).await?) }
    }

    fn monitor(
        &self,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let (heartbeats, state) = (Arc::clone(&self.topics.heartbeats), Arc::clone(&self.state));
        let dead_after = self.config.worker.dead_after.duration();
        let shutdown = shutdown.clone();
        async move { Ok(monitor::run(heartbeats, state, dead_after, shutdown).await?) }
    }

    /// Starts to remove what is kept no longer, beside `services`.
    pub fn start_retention(&self, services: &Services, shutdown: &CancellationToken) {
        let (ledger, state) = (Arc::clone(&self.ledger), Arc::clone(&self.state));
        let limits = self.config.retention.clone();
        let retention = retention::run(ledger, state, limits, shutdown.clone());
        services.spawn("retention", async move {
            retention.await;
            Ok(())
        });
    }
}

/// The worker's name: `wanted`, or one that is unique.
#[must_use]
pub fn worker_id(wanted: Option<String>) -> WorkerId {
    let suffix = || Uuid::new_v4().simple().to_string().split_off(26);
    WorkerId::new(wanted.unwrap_or_else(|| format!("{}-{}", host_name(), suffix())))
}

/// Starts a worker in a process of its own.
pub fn start_worker(
    config: &Config,
    topics: &Topics,
    worker: WorkerId,
    threads: NonZeroUsize,
    shutdown: &CancellationToken,
) -> io::Result<Services> {
    let services = Services::new(shutdown.clone());
    services.spawn("work", work(config, topics, worker, threads, shutdown)?);
    services.tracker.close();
    Ok(services)
}

fn work(
    config: &Config,
    topics: &Topics,
    worker: WorkerId,
    threads: NonZeroUsize,
    shutdown: &CancellationToken,
) -> io::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let pool = Arc::new(Pool::new("filter", threads)?);
    let Topics { tasks, results, heartbeats } = topics.clone();
    let mill = Arc::new(Mill::new(worker, host_name(), pool, results, config.tile.timeout));
    let period = config.worker.heartbeat.duration();
    let shutdown = shutdown.clone();
    Ok(async move {
        let beating = Arc::clone(&mill).beat(heartbeats, period, shutdown.clone());
        let (worked, ()) = tokio::join!(mill.run(tasks, shutdown), beating);
        Ok(worked?)
    })
}

/// What sets up the topics of the cluster, if one is configured.
#[must_use]
pub fn topic_admin(config: &Config) -> Option<Box<dyn TopicAdmin>> {
    let kafka = config.kafka.as_ref()?;
    Some(Box::new(KafkaAdmin::new(cluster(kafka, "tilemill-admin"))))
}

fn cluster(kafka: &Kafka, client: &str) -> Cluster {
    Cluster::new(kafka.brokers.addresses().to_vec(), client, kafka.timeout.duration())
}

/// The services of one process.
pub struct Services {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failed: CancellationToken,
}

impl Services {
    fn new(shutdown: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, failed: CancellationToken::new() }
    }

    /// Waits until all services have stopped.
    pub async fn stopped(&self) {
        self.tracker.wait().await;
    }

    /// Whether a service stopped because it could not go on.
    #[must_use]
    pub fn have_failed(&self) -> bool {
        self.failed.is_cancelled()
    }

    fn spawn(
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

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
