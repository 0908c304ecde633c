//! The composition root: puts services and adapters together. A role brings the storage of a server or a run.
//!
//! * `services`: the services of one process.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::{Config, ConsumerGroup, Kafka, Redis, Secret, TileCompression};
use crate::health::Health;
use crate::meters::Meters;
use crate::model::process::Role;
use crate::model::tile::{TileResult, TileTask};
use crate::model::worker::{Heartbeat, WorkerId};
use crate::queue::Topic;
use crate::queue::admin::TopicAdmin;
use crate::queue::embedded::EmbeddedTopic;
use crate::queue::kafka::admin::KafkaAdmin;
use crate::queue::kafka::cluster::Cluster;
use crate::queue::kafka::topic::{KafkaTopic, TopicOptions};
use crate::queue::kafka::{Beginning, Danger, Group};
use crate::queue::wire::Compression;
use crate::service::canvas::Scratch;
use crate::service::dispatch::{self, Dispatcher, Splits};
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;
use crate::service::outlook::{Outlook, Watch};
use crate::service::pool::Pool;
use crate::service::preview::Previews;
use crate::service::pyramid::Pyramids;
use crate::service::retention::{self, Holders};
use crate::service::topics;
use crate::state::embedded::EmbeddedState;
use crate::state::redis::{RedisOptions, RedisState};
use crate::state::{ServerId, State, StateError};
use crate::storage::files::FileStorage;
use crate::storage::remote::{RemoteOptions, RemoteStorage};
use crate::storage::{ResultStorage, Storage, StorageError};

mod services;

pub use services::Services;

/// The topics for messages between roles.
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

    /// Topics in the cluster `kafka`, with `client` as the name of this process there. Obstacles are noted in `health`.
    #[must_use]
    pub fn kafka(config: &Config, kafka: &Kafka, client: &str, health: &Health) -> Self {
        let cluster = cluster(kafka, client).telling(health.clone());
        let compression = match kafka.compression {
            TileCompression::Lz4 => Compression::Lz4,
            TileCompression::None => Compression::None,
        };
        let session = kafka.session_timeout.duration();
        let options = |ConsumerGroup { name, key, .. }, beginning, danger, answers| {
            let group = Group { name: name.to_owned(), key, session };
            TopicOptions { group, beginning, compression, danger, answers }
        };
        let topic = |name, options| Arc::new(KafkaTopic::new(cluster.clone(), name, options));
        let (names, [workers, collectors, monitors]) = (&config.topics, config.topics.groups());
        let read = options(collectors, Beginning::Earliest, Danger::None, None);
        let results: Arc<dyn Topic<TileResult>> = topic(&names.results, read);
        let answers = Some(Arc::clone(&results));
        // Deadly, since a filter may run out of memory, or worse.
        let filtered = options(workers, Beginning::Earliest, Danger::Deadly, answers);
        // Heartbeats from before the monitor joined say nothing about which workers are alive now.
        let heard = options(monitors, Beginning::Latest, Danger::None, None);
        Self {
            tasks: topic(&names.tasks, filtered),
            results,
            heartbeats: topic(&names.heartbeats, heard),
        }
    }
}

/// The topics, state and health that every role of a mill uses.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Backends {
    pub topics: Topics,
    pub state: Arc<dyn State>,
    pub health: Health,
}

impl Backends {
    /// Backends in the memory of this process.
    #[must_use]
    pub fn embedded(config: &Config) -> Self {
        let (state, health) = (Arc::new(EmbeddedState::default()), Health::default());
        Self { topics: Topics::embedded(config), state, health }
    }

    /// Backends in a cluster, with `client` as the name of this process there.
    pub async fn cluster(
        config: &Config,
        kafka: &Kafka,
        redis: &Redis,
        client: &str,
    ) -> Result<Self, StateError> {
        let state = Arc::new(redis_state(redis).await?);
        let health = Health::default();
        Ok(Self { topics: Topics::kafka(config, kafka, client, &health), state, health })
    }
}

/// A server: everything that its page, its API and its services share.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct App {
    pub config: Arc<Config>,
    pub topics: Topics,
    pub state: Arc<dyn State>,
    pub storage: Arc<dyn Storage>,
    pub ledger: Arc<Ledger>,
    pub pyramids: Pyramids,
    pub previews: Previews,
    pub server: ServerId,
    pub result_partitions: u32,
    pub health: Health,
    pub meters: Meters,
    /// The memory that decoding may take, for all ways of an image together.
    pub memory: Memory,
    /// What is wrong with the cluster, as seen last.
    pub outlook: Outlook,
    /// The decoded fractions of the originals of jobs in work.
    pub splits: Splits,
}

impl App {
    /// A server without a cluster: queue and state are in its memory, files in `storage`.
    pub async fn embedded(
        config: Arc<Config>,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, StorageError> {
        let (backends, partitions) =
            (Backends::embedded(&config), config.topics.results_partitions);
        Self::new(config, storage, backends, partitions).await
    }

    /// A server over these backends, whose results travel in one of `result_partitions` partitions.
    pub async fn new(
        config: Arc<Config>,
        storage: Arc<dyn Storage>,
        Backends { topics, state, health }: Backends,
        result_partitions: u32,
    ) -> Result<Self, StorageError> {
        let meters = Meters::default();
        let ledger = Arc::new(Ledger::load(Arc::clone(&storage), meters.clone()).await?);
        let pyramids = Pyramids::new(&config, Arc::clone(&storage));
        let previews = Previews::new(&config);
        let server = ServerId(unique_id());
        let outlook = Outlook::default();
        let memory = Memory::new(config.limits.decode_memory.get());
        Ok(Self {
            config,
            memory,
            topics,
            state,
            storage,
            ledger,
            pyramids,
            previews,
            server,
            result_partitions,
            health,
            meters,
            outlook,
            splits: Splits::default(),
        })
    }

    /// Starts the services of a server in a cluster. They run until `shutdown`; a service that ends with an
    /// error or a panic cancels `shutdown`.
    pub fn start(&self, scratch: &Scratch, shutdown: &CancellationToken) -> io::Result<Services> {
        let codecs = Arc::new(Pool::new("codec", self.config.worker.threads())?);
        let services = Services::new(shutdown.clone());
        self.start_dispatch(&services, scratch, codecs);
        self.start_outlook(&services);
        services.tracker.close();
        Ok(services)
    }

    /// Starts the services of all roles in this process, as [`Self::start`] does those of a server.
    pub fn start_all(
        &self,
        worker: WorkerId,
        threads: NonZeroUsize,
        scratch: Scratch,
        shutdown: &CancellationToken,
    ) -> io::Result<Services> {
        let codecs = Arc::new(Pool::new("codec", threads)?);
        let services = Services::new(shutdown.clone());
        let backends = self.backends();
        self.start_dispatch(&services, &scratch, Arc::clone(&codecs));
        let storage = Arc::clone(&self.storage) as Arc<dyn ResultStorage>;
        services.start_collect(&self.config, &backends, storage, scratch, codecs);
        services.start_monitor(&self.config, &backends);
        services.start_work(&self.config, &self.topics, &self.health, worker, threads)?;
        services.tracker.close();
        Ok(services)
    }

    fn backends(&self) -> Backends {
        let (topics, state) = (self.topics.clone(), Arc::clone(&self.state));
        Backends { topics, state, health: self.health.clone() }
    }

    /// Starts to check the cluster continuously, so that faults are known before a job waits for them.
    fn start_outlook(&self, services: &Services) {
        let Some(admin) = telling_admin(&self.config, self.health.clone()) else { return };
        let (outlook, shutdown) = (self.outlook.clone(), services.shutdown.clone());
        let watch = Watch {
            admin,
            wanted: topics::wanted(&self.config),
            tasks: Arc::clone(&self.topics.tasks),
            state: Arc::clone(&self.state),
        };
        services.spawn("outlook", async move {
            watch.run(outlook, shutdown).await;
            Ok(())
        });
    }

    fn start_dispatch(&self, services: &Services, scratch: &Scratch, pool: Arc<Pool>) {
        let ports = dispatch::Ports {
            tasks: Arc::clone(&self.topics.tasks),
            results: Arc::clone(&self.topics.results),
            state: Arc::clone(&self.state),
            storage: Arc::clone(&self.storage),
        };
        let (server, config) = (self.server.clone(), &*self.config);
        let (ledger, scratch) = (Arc::clone(&self.ledger), scratch.directory().to_owned());
        let meters = self.meters.clone();
        let dispatcher = Dispatcher::new(server, config, ports, ledger, pool, scratch, meters)
            .telling(self.splits.clone())
            .within(self.memory.clone());
        let shutdown = services.shutdown.clone();
        services.spawn("dispatch", async move {
            dispatcher.run(shutdown).await;
            Ok(())
        });
        let storage = Some(self.storage.id().clone());
        let nothing = watch::channel(Vec::new()).1;
        services.announce(Role::Serve, self.server.0.clone(), storage, nothing, &self.backends());
    }

    /// Starts to remove files that are no longer to be kept, as one of `services`.
    pub fn start_retention(&self, services: &Services, shutdown: &CancellationToken) {
        let (ledger, pyramids) = (Arc::clone(&self.ledger), self.pyramids.clone());
        let (state, limits) = (Arc::clone(&self.state), self.config.retention.clone());
        let holders = Holders { ledger, pyramids };
        let retention = retention::run(holders, state, limits, shutdown.clone());
        services.spawn("retention", async move {
            retention.await;
            Ok(())
        });
    }
}

fn unique_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The worker's name: `wanted`, or the host name with a random suffix.
#[must_use]
pub fn worker_id(wanted: Option<String>) -> WorkerId {
    let suffix = || Uuid::new_v4().simple().to_string().split_off(26);
    WorkerId::new(wanted.unwrap_or_else(|| format!("{}-{}", host_name(), suffix())))
}

/// Starts a worker in a process of its own.
pub fn start_worker(
    config: &Config,
    topics: &Topics,
    health: &Health,
    worker: WorkerId,
    threads: NonZeroUsize,
    shutdown: &CancellationToken,
) -> io::Result<Services> {
    let services = Services::new(shutdown.clone());
    services.start_work(config, topics, health, worker, threads)?;
    services.tracker.close();
    Ok(services)
}

/// The files of jobs for a collector: those in `data_dir`, or those of the configured server.
pub async fn result_storage(config: &Config) -> Result<Arc<dyn ResultStorage>, StorageError> {
    let Some(remote) = remote_storage(config) else {
        return Ok(Arc::new(FileStorage::open(&config.data_dir)?));
    };
    let storage = remote.await?;
    storage.sweep().await?;
    Ok(Arc::new(storage))
}

/// Connects to the server whose files a collector on this machine would use, if one is configured.
#[must_use]
pub fn remote_storage(
    config: &Config,
) -> Option<impl Future<Output = Result<RemoteStorage, StorageError>> + use<>> {
    let storage = config.storage.as_ref()?;
    let (url, token) = (storage.url.clone()?, storage.token.clone().reveal());
    Some(RemoteStorage::connect(RemoteOptions { url, token, staging: config.scratch_dir() }))
}

/// Connects to the configured Redis.
pub async fn redis_state(redis: &Redis) -> Result<RedisState, StateError> {
    RedisState::connect(&options(redis)).await
}

/// Starts a collector in a process of its own, with canvases in `scratch`.
pub fn start_collector(
    config: &Config,
    backends: &Backends,
    storage: Arc<dyn ResultStorage>,
    scratch: Scratch,
    shutdown: &CancellationToken,
) -> io::Result<Services> {
    let services = Services::new(shutdown.clone());
    let codecs = Arc::new(Pool::new("codec", config.worker.threads())?);
    services.start_collect(config, backends, storage, scratch, codecs);
    services.tracker.close();
    Ok(services)
}

/// Starts a monitor in a process of its own.
#[must_use]
pub fn start_monitor(
    config: &Config,
    backends: &Backends,
    shutdown: &CancellationToken,
) -> Services {
    let services = Services::new(shutdown.clone());
    services.start_monitor(config, backends);
    services.tracker.close();
    services
}

/// The admin that sets up the topics of the cluster, if one is configured.
#[must_use]
pub fn topic_admin(config: &Config) -> Option<Box<dyn TopicAdmin>> {
    telling_admin(config, Health::default())
}

fn telling_admin(config: &Config, health: Health) -> Option<Box<dyn TopicAdmin>> {
    let kafka = config.kafka.as_ref()?;
    let admin = KafkaAdmin::new(cluster(kafka, "tilemill-admin").telling(health));
    Some(Box::new(admin.with_session(kafka.session_timeout.duration())))
}

fn cluster(kafka: &Kafka, client: &str) -> Cluster {
    Cluster::new(kafka.brokers.addresses().to_vec(), client, kafka.timeout.duration())
}

fn options(redis: &Redis) -> RedisOptions {
    let Redis { address, username, password, database, prefix, timeout } = redis.clone();
    RedisOptions {
        host: address.host,
        port: address.port,
        username,
        password: password.map(Secret::reveal),
        database,
        prefix,
        timeout: timeout.duration(),
    }
}

/// The host name of this machine.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
