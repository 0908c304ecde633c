//! The records of one topic. A `writer` for each partition appends them; `rskafka` finds where a partition begins or
//! ends, if nothing was committed for it or the committed offset is not there.
//!
//! The clients of `rskafka` hold a connection for each partition, retry for ever and can hang on a broker that has
//! stalled. So each lives for one call, which has a deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rskafka::client::error::Error;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::Cluster;
use super::error::RecordsError;
use super::leaders::NEWNESS;
use super::messages::unsigned;
use super::writer::Writer;
use crate::locked::Locked;

/// How often a partition that a broker does not know is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many calls of `rskafka` run at a time: each opens two connections for a moment.
const TURNS: usize = 2;

/// One topic.
pub(super) struct Records {
    cluster: Cluster,
    topic: String,
    timeout: Duration,
    writers: std::sync::Mutex<HashMap<u32, Writer>>,
    /// Limits the calls of `rskafka` that run at a time.
    turns: Semaphore,
}

impl Records {
    pub(super) fn new(cluster: &Cluster, topic: &str) -> Self {
        let (cluster, timeout) = (cluster.clone(), cluster.timeout());
        let (writers, turns) = (std::sync::Mutex::default(), Semaphore::new(TURNS));
        Self { cluster, topic: topic.to_owned(), timeout, writers, turns }
    }

    /// Appends a record. When this returns, all in-sync replicas have stored it.
    pub(super) async fn produce(
        &self,
        partition: u32,
        value: Vec<u8>,
    ) -> Result<u64, RecordsError> {
        // Longer than the writer needs to return its error, unless each step on the way to a leader takes its full
        // time.
        let after = 4 * self.timeout;
        let stored = timeout(after, self.writer(partition).append(value.into())).await;
        stored.unwrap_or_else(|_| Err(self.timed_out(partition, after)))
    }

    fn writer(&self, partition: u32) -> Writer {
        let mut writers = self.writers.locked();
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

    /// A lower bound of the offset that the next record will get.
    pub(super) async fn latest(&self, partition: u32) -> Result<u64, RecordsError> {
        self.offset(partition, OffsetAt::Latest).await
    }

    /// Asks with a new client, which is dropped afterwards, since it holds a connection for each partition.
    async fn offset(&self, partition: u32, at: OffsetAt) -> Result<u64, RecordsError> {
        // A partition without a leader must not keep the others waiting for a turn.
        self.cluster
            .leader(&self.topic, partition, None)
            .await
            .map_err(|error| RecordsError::Broker(Arc::new(error)))?;
        let _turn = self.turns.acquire().await;
        let asked = async { self.find(partition).await?.get_offset(at).await };
        match timeout(self.timeout, asked).await {
            Ok(Ok(offset)) => Ok(unsigned(offset)),
            Ok(Err(error)) => Err(RecordsError::Client(Box::new(error))),
            Err(_) => Err(self.timed_out(partition, self.timeout)),
        }
    }

    /// The client for a partition, which may have been added just now.
    async fn find(&self, partition: u32) -> Result<PartitionClient, Error> {
        let began = Instant::now();
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        loop {
            let client = self.cluster.peers().rskafka().await?;
            let found = client.partition_client(&self.topic, number, UnknownTopicHandling::Error);
            match found.await {
                Err(Error::InvalidResponse(_)) if began.elapsed() < NEWNESS => {
                    sleep(LOOK_EVERY).await;
                }
                found => return found,
            }
        }
    }
}
