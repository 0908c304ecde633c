//! One partition, read from its leader.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use tracing::warn;

use super::batch::{Batch, Fetched, batches};
use super::call::Call;
use super::cluster::{Cluster, topic_name};
use super::connection::Connection;
use super::error::{KafkaError, accepted};

/// How long a broker may wait for records before it says that there are none.
const WAIT: Duration = Duration::from_millis(500);

/// Reads a partition, and finds its leader again when that moves or fails.
pub(super) struct Reader {
    cluster: Cluster,
    topic: String,
    partition: u32,
    leader: Option<Connection>,
}

/// What one request brought.
pub(super) struct Read {
    /// In the order of their offsets.
    pub(super) records: Vec<Fetched>,
    /// Where to read on.
    pub(super) next: u64,
}

impl Reader {
    pub(super) fn new(cluster: &Cluster, topic: &str, partition: u32) -> Self {
        Self { cluster: cluster.clone(), topic: topic.to_owned(), partition, leader: None }
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    /// The records from `offset` on: as many as have `bytes`, or a larger one alone, or none if there
    /// are none for a while. After any error, the leader is looked for anew.
    pub(super) async fn read(&mut self, offset: u64, bytes: i32) -> Result<Read, KafkaError> {
        let mut leader = match self.leader.take() {
            Some(leader) => leader,
            None => self.cluster.connect_leader(&self.topic, self.partition).await?,
        };
        let deadline = WAIT + self.cluster.timeout();
        let answer = leader.call(self.request(offset, bytes), deadline).await?;
        let refused = || format!("partition {} of {} cannot be read", self.partition, self.topic);
        accepted(answer.error_code, None, refused)?;
        let mut read = Read { records: Vec::new(), next: offset };
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            accepted(partition.error_code, None, refused)?;
            let content = partition.records.unwrap_or_default();
            let something = !content.is_empty();
            for batch in batches(content) {
                read.next = read.next.max(batch.last().saturating_add(1));
                read.records.extend(self.open(&batch));
            }
            if something && read.next == offset {
                let source = "it holds no batch, and not nothing".into();
                let address = leader.address().to_owned();
                return Err(KafkaError::Garbled { address, request: FetchRequest::NAME, source });
            }
        }
        // A batch comes whole, though some of it may be asked for no more.
        read.records.retain(|record| record.offset >= offset);
        self.leader = Some(leader);
        Ok(read)
    }

    /// The records of a batch. One that cannot be read must not stop those behind it: a record
    /// without content takes its place, which is put aside like any other that is no message.
    fn open(&self, batch: &Batch) -> Vec<Fetched> {
        let offset = batch.last();
        batch.records().unwrap_or_else(|error| {
            warn!(
                topic = self.topic,
                partition = self.partition,
                offset,
                error = &error as &dyn Error,
                "a batch of records cannot be read"
            );
            vec![Fetched { offset, value: Bytes::new() }]
        })
    }

    fn request(&self, offset: u64, bytes: i32) -> FetchRequest {
        let partition = FetchPartition::default()
            .with_partition(i32::try_from(self.partition).unwrap_or(i32::MAX))
            .with_fetch_offset(i64::try_from(offset).unwrap_or(i64::MAX))
            .with_partition_max_bytes(bytes);
        let topic = FetchTopic::default()
            .with_topic(topic_name(&self.topic))
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_max_wait_ms(i32::try_from(WAIT.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(bytes)
            .with_topics(vec![topic])
    }
}
