//! The records of one topic: they are appended by a `writer` for each partition, and where partitions begin
//! and end is told by `rskafka`.
//!
//! Its clients retry for ever and can hang on a broker that has stalled. Every call has a deadline here,
//! and a client that has missed one, or lost its connection, is replaced before the next.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::error::Error;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::Cluster;
use super::error::KafkaError;
use super::writer::Writer;

/// How long a partition that a broker does not name is looked for: it may have been added just now, and
/// brokers learn of that one after the other.
pub(super) const NEWNESS: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A call that brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordsError {
    /// The broker refused the record for its size.
    #[error(
        "the record has {bytes} bytes, which is more than the topic takes (`topics.max_message`)"
    )]
    TooLarge { bytes: usize },
    /// It took too long.
    #[error("no answer for partition {partition} of {topic} within {} s", .after.as_secs_f32())]
    TimedOut { topic: String, partition: u32, after: Duration },
    /// Nobody writes to the partition any more.
    #[error("the writer of a partition has ended")]
    Ended,
    /// A broker or the way to it failed.
    #[error(transparent)]
    Broker(Arc<KafkaError>),
    /// The same, as `rskafka` sees it.
    #[error("a broker or the way to it failed")]
    Client(#[source] Box<Error>),
}

/// One topic.
pub(super) struct Records {
    cluster: Cluster,
    topic: String,
    timeout: Duration,
    writers: std::sync::Mutex<HashMap<u32, Writer>>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    cluster: Option<Arc<Client>>,
    partitions: HashMap<u32, Arc<PartitionClient>>,
}

impl Records {
    pub(super) fn new(cluster: &Cluster, topic: &str) -> Self {
        let (cluster, timeout) = (cluster.clone(), cluster.timeout());
        let (writers, clients) = Default::default();
        Self { cluster, topic: topic.to_owned(), timeout, writers, clients }
    }

    /// Appends a record; it is stored by all replicas in sync when this returns.
    pub(super) async fn produce(
        &self,
        partition: u32,
        value: Vec<u8>,
    ) -> Result<u64, RecordsError> {
        // Longer than the writer takes to say why, unless each step of the way to a leader takes all of its time.
        let after = 4 * self.timeout;
        let stored = timeout(after, self.writer(partition).append(value.into())).await;
        stored.unwrap_or_else(|_| Err(self.timed_out(partition, after)))
    }

    fn writer(&self, partition: u32) -> Writer {
        // No code that can panic runs under the lock, so the map is whole even if poisoned.
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Writer::start(&self.cluster, &self.topic, partition);
        let writer = writers.entry(partition).or_insert_with(start);
        if writer.has_ended() {
            *writer = start();
        }
        writer.clone()
    }

    fn timed_out(&self, partition: u32, after: Duration) -> RecordsError {
        RecordsError::TimedOut { topic: self.topic.clone(), partition, after }
    }

    /// The first offset that is still there.
    pub(super) async fn earliest(&self, partition: u32) -> Result<u64, RecordsError> {
        self.offset(partition, OffsetAt::Earliest).await
    }

    /// The offset that the next record will get, or more.
    pub(super) async fn latest(&self, partition: u32) -> Result<u64, RecordsError> {
        self.offset(partition, OffsetAt::Latest).await
    }

    async fn offset(&self, partition: u32, at: OffsetAt) -> Result<u64, RecordsError> {
        let asked = async { self.find(partition).await?.get_offset(at).await };
        let error = match timeout(self.timeout, asked).await {
            Ok(Ok(offset)) => return Ok(unsigned(offset)),
            Ok(Err(error)) => RecordsError::Client(Box::new(error)),
            Err(_) => self.timed_out(partition, self.timeout),
        };
        self.replace(partition).await;
        Err(error)
    }

    /// The client for a partition that is there, though it may be new.
    async fn find(&self, partition: u32) -> Result<Arc<PartitionClient>, Error> {
        let began = Instant::now();
        loop {
            match self.partition(partition).await {
                // That is also what a client says that remembers the topic from before it grew.
                Err(Error::InvalidResponse(_)) if began.elapsed() < NEWNESS => {
                    self.replace(partition).await;
                    sleep(LOOK_EVERY).await;
                }
                found => return found,
            }
        }
    }

    async fn partition(&self, partition: u32) -> Result<Arc<PartitionClient>, Error> {
        let cluster = {
            let mut clients = self.clients.lock().await;
            if let Some(client) = clients.partitions.get(&partition) {
                return Ok(Arc::clone(client));
            }
            match &clients.cluster {
                Some(cluster) => Arc::clone(cluster),
                None => Arc::clone(clients.cluster.insert(Arc::new(self.connect().await?))),
            }
        };
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let client =
            cluster.partition_client(&self.topic, number, UnknownTopicHandling::Error).await?;
        let client = Arc::new(client);
        self.clients.lock().await.partitions.insert(partition, Arc::clone(&client));
        Ok(client)
    }

    async fn connect(&self) -> Result<Client, Error> {
        let backoff_config = BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(self.timeout),
        };
        // The client tries addresses in any order, each for as long as it takes. It gets one that answers.
        let brokers = match self.cluster.connect_any().await {
            Ok(connection) => vec![connection.address().to_owned()],
            Err(_) => self.cluster.brokers().to_vec(),
        };
        ClientBuilder::new(brokers)
            .client_id(self.cluster.client())
            .backoff_config(backoff_config)
            .build()
            .await
    }

    /// The next call for the partition goes over new connections.
    async fn replace(&self, partition: u32) {
        let mut clients = self.clients.lock().await;
        clients.partitions.remove(&partition);
        clients.cluster = None;
    }
}

/// Brokers give no negative offsets but for "none".
pub(super) fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
