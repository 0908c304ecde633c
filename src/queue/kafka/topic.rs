//! A topic of the queue port over Kafka.

use std::sync::Arc;

use async_trait::async_trait;

use super::cluster::Cluster;
use super::consumer::KafkaConsumer;
use super::count::Count;
use super::error::{KafkaError, RecordsError, accepted};
use super::fetch::{Beginning, Feed};
use super::fetches::Fetches;
use super::group::{self, Group, Observer, Settings};
use super::leaders::At;
use super::ownership::Ownership;
use super::records::Records;
use crate::blocking;
use crate::model::tile::TileResult;
use crate::queue::policy::{Danger, Judge, Judged};
use crate::queue::wire::Compression;
use crate::queue::{Consumer, Progress, QueueError, Topic};

/// The options of a topic.
#[derive(Clone)]
pub struct TopicOptions {
    /// The consumer group.
    pub group: Group,
    /// Where the group begins.
    pub beginning: Beginning,
    /// How pixels are compressed.
    pub compression: Compression,
    /// Whether processes may die of a message. If so, the deaths are counted.
    pub danger: Danger,
    /// The topic for answers to tiles of another version, and to tiles that kill their workers.
    pub answers: Option<Arc<dyn Topic<TileResult>>>,
}

/// A topic in Kafka, and its consumer group.
pub struct KafkaTopic {
    cluster: Cluster,
    name: String,
    options: TopicOptions,
    records: Records,
    count: Count,
    group: Observer,
}

impl KafkaTopic {
    /// The topic `name`, which has to exist.
    #[must_use]
    pub fn new(cluster: Cluster, name: &str, options: TopicOptions) -> Self {
        let (records, name) = (Records::new(&cluster, name), name.to_owned());
        let count = Count::default();
        let group = Observer::new(cluster.peers().clone(), Settings::new(&options.group, &name));
        Self { cluster, name, options, records, count, group }
    }

    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many records of this topic were put aside as unreadable.
    #[must_use]
    pub fn put_aside(&self) -> u64 {
        let counts = self.cluster.health().report().put_aside.into_iter();
        counts.filter(|aside| aside.topic == self.name).map(|aside| aside.records).sum()
    }

    async fn count(&self) -> Result<u32, KafkaError> {
        self.count.recent(async || self.ask_count().await).await
    }

    /// Fails unless there is such a partition. A partition that existed once is not asked for again.
    async fn has(&self, partition: u32) -> Result<(), QueueError> {
        if self.count.last().is_some_and(|count| partition < count) {
            return Ok(());
        }
        let partitions = self.count.now(async || self.ask_count().await).await?;
        if partition < partitions {
            return Ok(());
        }
        Err(QueueError::NoSuchPartition { partition, partitions })
    }

    async fn ask_count(&self) -> Result<u32, KafkaError> {
        let metadata = self.cluster.peers().metadata(&[&self.name]).await?;
        let topic = metadata.topics.first();
        let code = topic.map_or(0, |topic| topic.error_code);
        accepted(code, None, || {
            format!("the topic {} cannot be used: tilemill topics create", self.name)
        })?;
        let count = topic.map_or(0, |topic| topic.partitions.len());
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl<M: Judged> Topic<M> for KafkaTopic {
    async fn partitions(&self) -> Result<u32, QueueError> {
        Ok(self.count().await?)
    }

    async fn send(&self, partition: u32, message: M) -> Result<u64, QueueError> {
        self.has(partition).await?;
        let compression = self.options.compression;
        let record = blocking::run(move || message.encode(compression)).await;
        let produced = self.records.produce(partition, record).await;
        if matches!(produced, Err(RecordsError::Broker(_)))
            && let Ok(partitions) = self.count().await
            && partition >= partitions
        {
            // The topic was recreated with fewer partitions.
            return Err(QueueError::NoSuchPartition { partition, partitions });
        }
        Ok(produced?)
    }

    async fn join(&self, member: &str) -> Result<Box<dyn Consumer<M>>, QueueError> {
        self.count().await?;
        // The name of a member is its client id.
        let cluster = self.cluster.called(member);
        let peers = cluster.peers().clone();
        let answers = self.options.answers.clone();
        let judge = Judge::new(&self.name, member, answers, cluster.health().clone());
        let feed = Arc::new(Feed {
            topic: self.name.clone(),
            records: Records::new(&cluster, &self.name),
            beginning: self.options.beginning,
            fetches: Arc::new(Fetches::new(&peers, &self.name)),
            cluster,
        });
        let ownership = Arc::new(Ownership::new(self.options.danger));
        let settings = Settings::new(&self.options.group, &self.name);
        let membership = group::join(peers, settings, Arc::clone(&ownership));
        Ok(Box::new(KafkaConsumer::<M>::new(ownership, feed, judge, membership)))
    }

    async fn progress(&self) -> Result<Vec<Progress>, QueueError> {
        let partitions: Vec<u32> = (0..self.count().await?).collect();
        let committed = self.group.committed(&partitions).await?;
        let offset = |partition: &u32| {
            let known = committed.iter().find(|position| position.partition == *partition);
            known.and_then(|position| position.offset)
        };
        let ends = self.cluster.offsets(&self.name, &partitions, At::Latest).await?;
        let mut progress: Vec<Progress> =
            ends.into_iter().map(|end| Progress { committed: end, end }).collect();
        let mut untouched = Vec::new();
        for (partition, progress) in partitions.iter().zip(&mut progress) {
            match offset(partition) {
                Some(committed) => progress.committed = committed,
                None => untouched.push(*partition),
            }
        }
        if self.options.beginning == Beginning::Earliest && !untouched.is_empty() {
            let begins = self.cluster.offsets(&self.name, &untouched, At::Earliest).await?;
            for (partition, begin) in untouched.iter().zip(begins) {
                progress[*partition as usize].committed = begin;
            }
        }
        Ok(progress)
    }

    async fn members(&self) -> Result<usize, QueueError> {
        Ok(self.group.members().await?)
    }
}
