//! Topics in a real Kafka, and patience with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::try_join_all;
use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use tilemill::health::Health;
use tilemill::queue::admin::{TopicAdmin, TopicPlan};
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::cluster::Cluster;
use tilemill::queue::kafka::topic::{KafkaTopic, TopicOptions};
use tilemill::queue::kafka::{Beginning, Danger, Group};
use tilemill::queue::wire::Compression;
use tilemill::queue::{Consumer, Progress, Topic};

use crate::support::PATIENCE;

/// How long to wait before a broker that is away is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// The least that brokers allow by default.
const SESSION: Duration = Duration::from_secs(6);
/// How often something is looked at until it is as wanted.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The cluster at some addresses, with a deadline that suits brokers nearby.
pub fn cluster(addresses: &str) -> Cluster {
    let brokers = addresses.split(',').map(str::to_owned).collect();
    Cluster::new(brokers, "test", Duration::from_secs(5))
}

/// A new topic, which takes large messages, with its group.
pub async fn create(
    addresses: &str,
    name: &str,
    group: &str,
    partitions: u32,
    danger: Danger,
) -> Arc<KafkaTopic> {
    let admin = KafkaAdmin::new(cluster(addresses));
    let settings = [("max.message.bytes".to_owned(), (16 << 20).to_string())].into();
    let plan = TopicPlan { name: name.into(), partitions, replication: None, settings };
    admin.create(&plan).await.unwrap();
    while admin.look(&plan).await.unwrap().is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Arc::new(KafkaTopic::new(cluster(addresses), name, options(group, danger)))
}

/// A new topic of this name with a group of the same name, and where its obstacles are told.
pub async fn topic_with_health(
    addresses: &str,
    name: &str,
    partitions: u32,
) -> (Arc<KafkaTopic>, Health) {
    create(addresses, name, name, partitions, Danger::Deadly).await;
    let health = Health::default();
    let cluster = cluster(addresses).telling(health.clone());
    (Arc::new(KafkaTopic::new(cluster, name, options(name, Danger::Deadly))), health)
}

/// A topic with this group, whose strange messages nobody answers.
pub fn options(group: &str, danger: Danger) -> TopicOptions {
    TopicOptions {
        group: Group { name: group.to_owned(), key: "topics.tasks_group", session: SESSION },
        beginning: Beginning::Earliest,
        compression: Compression::Lz4,
        danger,
        answers: None,
    }
}

/// Joins as soon as the broker is there.
pub async fn join<M: Send + Sync + 'static>(topic: &KafkaTopic, name: &str) -> Box<dyn Consumer<M>>
where
    KafkaTopic: Topic<M>,
{
    loop {
        match topic.join(name).await {
            Ok(consumer) => return consumer,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Sends a message to the partition whose turn it is. While the broker is away it is not sent for
/// sure: then it is sent again. Says where it is, and since when it may be there.
pub async fn send<M: Send + Sync + 'static>(
    topic: &KafkaTopic,
    turn: u64,
    make: impl Fn() -> M,
) -> (u32, u64, Instant)
where
    KafkaTopic: Topic<M>,
{
    let count = <KafkaTopic as Topic<M>>::partitions(topic).await.unwrap_or(1);
    let partition = u32::try_from(turn % u64::from(count)).unwrap();
    loop {
        let at = Instant::now();
        match topic.send(partition, make()).await {
            Ok(offset) => return (partition, offset, at),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Where the group stands, if the broker says so.
pub async fn progress<M: Send + Sync + 'static>(topic: &KafkaTopic) -> Option<Vec<Progress>>
where
    KafkaTopic: Topic<M>,
{
    <KafkaTopic as Topic<M>>::progress(topic).await.ok()
}

/// Waits until all that is in the topic is committed.
pub async fn until_committed<M: Send + Sync + 'static>(topic: &KafkaTopic)
where
    KafkaTopic: Topic<M>,
{
    until("all is committed", async || match progress::<M>(topic).await {
        Some(progress) => progress.iter().all(|of| of.committed == of.end),
        None => false,
    })
    .await;
}

/// Asks again until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The records of a topic, for somebody who may delete them.
pub struct Records(Vec<PartitionClient>);

impl Records {
    pub async fn of(addresses: &str, topic: &str, partitions: u32) -> Self {
        let brokers = addresses.split(',').map(str::to_owned).collect();
        let client = ClientBuilder::new(brokers).build().await.unwrap();
        let open = |partition| {
            let partition = i32::try_from(partition).unwrap();
            client.partition_client(topic, partition, UnknownTopicHandling::Error)
        };
        Self(try_join_all((0..partitions).map(open)).await.unwrap())
    }

    /// Where each partition ends.
    pub async fn ends(&self) -> Vec<i64> {
        let ends = self.0.iter().map(|partition| partition.get_offset(OffsetAt::Latest));
        try_join_all(ends).await.unwrap()
    }

    /// Appends anything to the first partition.
    pub async fn append(&self, value: Vec<u8>) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let millis = i64::try_from(since.as_millis()).unwrap();
        let timestamp = DateTime::from_timestamp_millis(millis).unwrap();
        let (key, headers) = (None, BTreeMap::new());
        let record = Record { key, value: Some(value), headers, timestamp };
        let plain = rskafka::client::partition::Compression::NoCompression;
        self.0[0].produce(vec![record], plain).await.unwrap();
    }

    /// Deletes all records.
    pub async fn delete(&self) {
        for (partition, end) in self.0.iter().zip(self.ends().await) {
            partition.delete_records(end, 5_000).await.unwrap();
        }
    }
}
