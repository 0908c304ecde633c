//! The brokers of a cluster: how they are reached, and what they say of themselves.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{KafkaError, accepted};

/// How a cluster is reached. The one place that opens connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    brokers: Vec<String>,
    client: StrBytes,
    timeout: Duration,
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
        Self { brokers, client: StrBytes::from_string(client.to_owned()), timeout }
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

    /// Connects to the broker at an address.
    pub(super) async fn connect(&self, address: &str) -> Result<Connection, KafkaError> {
        let connected = timeout(self.timeout, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| KafkaError::Connect { address: address.to_owned(), source })?;
        Connection::open(stream, address.to_owned(), self.client.clone(), self.timeout).await
    }

    /// Connects to the first of the known brokers that answers.
    pub(super) async fn connect_any(&self) -> Result<Connection, KafkaError> {
        let mut first = None;
        for address in &self.brokers {
            match self.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.expect("the configuration names a broker at least"))
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
        let topics = topics
            .iter()
            .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.collect()))
            .with_allow_auto_topic_creation(false);
        let answer: MetadataResponse = connection.call(request, self.timeout).await?;
        let brokers = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)));
        Ok(Metadata {
            brokers: brokers.collect(),
            controller: answer.controller_id.0,
            topics: answer.topics,
        })
    }
}

/// A topic's name as the protocol's messages want it.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
