//! The brokers of a cluster: how they are reached, and what they say of themselves.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{KafkaError, accepted};

/// When nobody answers, all known addresses have been tried after so long, one beside the other.
const ALL_TRIED: Duration = Duration::from_secs(2);

/// How a cluster is reached. The one place that opens connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    brokers: Vec<String>,
    client: StrBytes,
    timeout: Duration,
    /// Which of the brokers answered last, for all copies: one that is silent costs a moment once.
    answered: Arc<AtomicUsize>,
}

/// What the brokers say of their cluster and of some topics.
pub(super) struct Metadata {
    /// The addresses they advertise, by their numbers.
    pub(super) brokers: BTreeMap<i32, String>,
    pub(super) controller: i32,
    pub(super) topics: Vec<MetadataResponseTopic>,
}

impl Cluster {
    /// A cluster known by the addresses of some of its brokers. `client` is what it calls this
    /// process; no answer that should come at once is waited for longer than `timeout`.
    #[must_use]
    pub fn new(brokers: Vec<String>, client: &str, timeout: Duration) -> Self {
        let (client, answered) = (StrBytes::from_string(client.to_owned()), Arc::default());
        Self { brokers, client, timeout, answered }
    }

    /// The same cluster, to which this process has another name.
    pub(super) fn called(&self, client: &str) -> Self {
        Self { client: StrBytes::from_string(client.to_owned()), ..self.clone() }
    }

    /// The addresses the cluster is known by.
    pub(super) fn brokers(&self) -> &[String] {
        &self.brokers
    }

    /// What it calls this process.
    pub(super) fn client(&self) -> &str {
        &self.client
    }

    /// How long an answer that should come at once is waited for.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How many milliseconds a broker may take for what it does, a little less than its answer is waited for.
    pub(super) fn brokers_timeout(&self) -> i32 {
        i32::try_from(self.timeout.mul_f32(0.8).as_millis()).unwrap_or(i32::MAX)
    }

    /// Connects to the broker at an address.
    pub(super) async fn connect(&self, address: &str) -> Result<Connection, KafkaError> {
        let connected = timeout(self.timeout, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| KafkaError::Connect { address: address.to_owned(), source })?;
        Connection::open(stream, address.to_owned(), self.client.clone(), self.timeout).await
    }

    /// Connects to the known broker that answered last. Where it is silent, each of the others is tried
    /// a little later than the one before it, and whichever answers first is taken.
    pub(super) async fn connect_any(&self) -> Result<Connection, KafkaError> {
        let (count, first) = (self.brokers.len(), self.answered.load(Relaxed));
        let mut waiting = (0..count).map(|turn| (first + turn) % count);
        let mut tried = FuturesUnordered::new();
        let mut failure = None;
        loop {
            tried.extend(waiting.next().map(|index| self.connect_known(index)));
            let answer = if waiting.len() == 0 {
                tried.next().await
            } else {
                match timeout(self.head_start(), tried.next()).await {
                    Ok(answer) => answer,
                    Err(_) => continue,
                }
            };
            match answer {
                Some(Ok(connection)) => return Ok(connection),
                // What may pass says more than what one of them can never do.
                Some(Err(error)) if failure.as_ref().is_none_or(KafkaError::is_final) => {
                    failure = Some(error);
                }
                Some(Err(_)) => {}
                None => return Err(failure.expect("the configuration names a broker at least")),
            }
        }
    }

    async fn connect_known(&self, index: usize) -> Result<Connection, KafkaError> {
        let connection = self.connect(&self.brokers[index]).await?;
        self.answered.store(index, Relaxed);
        Ok(connection)
    }

    /// How long an address is waited for before the next is tried beside it.
    fn head_start(&self) -> Duration {
        let count = u32::try_from(self.brokers.len()).unwrap_or(u32::MAX).max(1);
        ALL_TRIED.min(self.timeout / 2) / count
    }

    /// Connects to the controller, which creates and changes topics.
    pub(super) async fn connect_controller(&self) -> Result<Connection, KafkaError> {
        let mut connection = self.connect_any().await?;
        let metadata = self.metadata(&mut connection, &[]).await?;
        match metadata.brokers.get(&metadata.controller) {
            Some(address) if address != connection.address() => self.connect(address).await,
            _ => Ok(connection),
        }
    }

    /// Connects to the broker that has a partition's records.
    pub(super) async fn connect_leader(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Connection, KafkaError> {
        let mut connection = self.connect_any().await?;
        let metadata = self.metadata(&mut connection, &[topic]).await?;
        let refused = || format!("partition {partition} of {topic} cannot be found");
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        let topic = metadata.topics.first();
        accepted(topic.map_or(unknown, |topic| topic.error_code), None, refused)?;
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let partition = topic.and_then(|topic| {
            topic.partitions.iter().find(|partition| partition.partition_index == number)
        });
        accepted(partition.map_or(unknown, |partition| partition.error_code), None, refused)?;
        let leader = partition.and_then(|partition| metadata.brokers.get(&partition.leader_id.0));
        match leader {
            Some(address) if address != connection.address() => self.connect(address).await,
            Some(_) => Ok(connection),
            None => Err(KafkaError::refused(refused(), ResponseError::LeaderNotAvailable)),
        }
    }

    /// Asks a broker about the cluster and these topics.
    pub(super) async fn metadata(
        &self,
        connection: &mut Connection,
        topics: &[&str],
    ) -> Result<Metadata, KafkaError> {
        Ok(connection.call(metadata_request(topics), self.timeout).await?.into())
    }
}

/// What asks a broker about the cluster and these topics.
pub(super) fn metadata_request(topics: &[&str]) -> MetadataRequest {
    let topics =
        topics.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
    MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(false)
}

impl From<MetadataResponse> for Metadata {
    fn from(answer: MetadataResponse) -> Self {
        let brokers = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)));
        Self {
            brokers: brokers.collect(),
            controller: answer.controller_id.0,
            topics: answer.topics,
        }
    }
}

impl Metadata {
    /// How many partitions each of the topics has that can be seen.
    pub(super) fn counts(self) -> BTreeMap<String, u32> {
        let seen = self.topics.into_iter().filter(|topic| topic.error_code == 0);
        let count = |partitions: usize| u32::try_from(partitions).unwrap_or(u32::MAX);
        seen.filter_map(|topic| Some((topic.name?.0.to_string(), count(topic.partitions.len()))))
            .collect()
    }
}

/// A topic's name as the protocol's messages want it.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::{Cluster, KafkaError};
    use crate::queue::kafka::pretend::Pretender;

    /// What a test waits for at most, and what waits for longer than any test.
    const PATIENCE: Duration = Duration::from_mins(1);
    const LONGER: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn an_address_that_is_silent_costs_a_moment_and_that_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Pretender::silent().await;
        let known = broker.address.clone();
        let addresses = vec![silent.local_addr().unwrap().to_string(), known.clone()];
        let cluster = Cluster::new(addresses.clone(), "test", LONGER);
        let connected = timeout(PATIENCE, cluster.connect_any()).await;
        assert_eq!(connected.expect("the silent one is waited for").unwrap().address(), known);
        let _first = silent.accept().await.unwrap();
        // Whoever has the cluster knows.
        let connection = cluster.called("another").connect_any().await.unwrap();
        assert_eq!(connection.address(), known);
        let second = silent.accept();
        assert!(futures_util::FutureExt::now_or_never(second).is_none(), "it is asked no more");
        broker.stop().await;
        let hasty = Cluster::new(addresses, "test", SHORT);
        let began = Instant::now();
        let error = hasty.connect_any().await.err().unwrap();
        assert!(error.to_string().contains(&known), "{error}");
        assert!(began.elapsed() >= SHORT, "the last address has all its time");
    }

    #[tokio::test]
    async fn one_that_is_too_old_is_no_reason_where_another_may_come_back() {
        let (old, gone) = (Pretender::old().await, Pretender::silent().await);
        let addresses = [old.address.clone(), gone.address.clone()];
        gone.stop().await;
        let connect = async |addresses: &[String]| {
            Cluster::new(addresses.to_vec(), "test", PATIENCE).connect_any().await.err().unwrap()
        };
        for order in [addresses.clone(), [addresses[1].clone(), addresses[0].clone()]] {
            let error = connect(&order).await;
            assert!(matches!(error, KafkaError::Connect { .. }), "{error}");
        }
        let error = connect(&addresses[..1]).await;
        assert!(matches!(error, KafkaError::TooOld { .. }), "{error}");
    }
}
