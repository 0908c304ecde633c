//! Reads one partition from its leader.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_response::PartitionData;
use tokio::time::Instant;
use tracing::warn;

use super::batch::{Batch, Fetched, Opened, batches};
use super::cluster::Cluster;
use super::error::{KafkaError, accepted};
use super::fetches::{Fetches, Pace, Range};
use super::messages::unsigned;
use super::peer::Peer;
use crate::blocking;
use crate::causes;

/// How long an unreadable batch counts as an obstacle, unless another follows.
const UNREADABLE: Duration = Duration::from_secs(15);

/// How long a partition that has brought records is asked for over a busy connection. Work comes with pauses of a few
/// milliseconds, and after each of them it would have to wait for an idle request.
const BUSY: Duration = Duration::from_millis(100);

/// Reads a partition, and finds its leader again when that moves or fails.
pub(super) struct Reader {
    cluster: Cluster,
    fetches: Arc<Fetches>,
    topic: String,
    partition: u32,
    leader: Option<Arc<Peer>>,
    pace: Pace,
    /// When it last brought records.
    brought: Option<Instant>,
    /// When the known leader last turned out to be wrong or unusable.
    doubted: Option<Instant>,
}

/// The records of one answer.
pub(super) struct Read {
    /// In the order of their offsets.
    pub(super) records: Vec<Fetched>,
    /// The offset at which to read on.
    pub(super) next: u64,
    /// The last offset of a batch that was left out because it reaches beyond the partition's end.
    beyond: Option<u64>,
}

impl Read {
    /// No records; reading goes on at `next`.
    pub(super) fn from(next: u64) -> Self {
        Self { records: Vec::new(), next, beyond: None }
    }

    /// The last offset of the batch that was left out, if there was no other from `asked` on.
    fn only_beyond(&self, asked: u64) -> Option<u64> {
        self.beyond.filter(|_| self.next == asked)
    }
}

impl Reader {
    pub(super) fn new(
        cluster: &Cluster,
        fetches: Arc<Fetches>,
        topic: &str,
        partition: u32,
    ) -> Self {
        let (cluster, topic) = (cluster.clone(), topic.to_owned());
        let (leader, pace, brought, doubted) = (None, Pace::Idle, None, None);
        Self { cluster, fetches, topic, partition, leader, pace, brought, doubted }
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    /// Reads the records from `offset` on: up to `bytes` of them, or a larger one alone, or none if none
    /// arrive for a while. After any error, the leader is looked for again.
    pub(super) async fn read(&mut self, offset: u64, bytes: i32) -> Result<Read, KafkaError> {
        let read = self.try_read(offset, bytes).await;
        if read.is_err() {
            self.leave();
            self.doubted = Some(Instant::now());
        }
        read
    }

    /// Leaves the broker: its requests no longer wait for this reader.
    fn leave(&mut self) {
        if let Some(leader) = self.leader.take() {
            self.change_pace(&leader, Pace::Idle);
            self.fetches.leave(&leader, self.partition, Pace::Idle);
        }
    }

    fn change_pace(&mut self, leader: &Peer, pace: Pace) {
        if std::mem::replace(&mut self.pace, pace) != pace {
            self.fetches.change(leader, self.partition, pace);
        }
    }

    async fn try_read(&mut self, offset: u64, bytes: i32) -> Result<Read, KafkaError> {
        let mut read = self.ask(offset, bytes).await?;
        // A broker notes the partition's end before it reads the records, and the end may have moved in between.
        if read.only_beyond(offset).is_some() {
            read = self.ask(offset, bytes).await?;
        }
        if let Some(last) = read.only_beyond(offset) {
            let text = format!("the batch at {offset} ends at {last}, beyond the partition's end");
            return Err(self.garbled(text));
        }
        // A batch comes whole, so it may begin before `offset`.
        read.records.retain(|record| record.offset >= offset);
        Ok(read)
    }

    fn garbled(&self, text: String) -> KafkaError {
        let address = self.leader.as_ref().map_or("", |leader| leader.address());
        KafkaError::garbled::<FetchRequest>(address, text)
    }

    async fn ask(&mut self, offset: u64, bytes: i32) -> Result<Read, KafkaError> {
        let leader = if let Some(leader) = &self.leader {
            Arc::clone(leader)
        } else {
            let found = self.cluster.leader(&self.topic, self.partition, self.doubted).await?;
            Arc::clone(self.leader.insert(found))
        };
        let range = Range { partition: self.partition, offset, bytes };
        let data = self.fetches.fetch(&leader, self.pace, range).await;
        let data = data.map_err(KafkaError::Again)?;
        if !data.records.as_ref().is_none_or(Bytes::is_empty) {
            self.brought = Some(Instant::now());
        }
        let is_busy = self.brought.is_some_and(|brought| brought.elapsed() < BUSY);
        self.change_pace(&leader, if is_busy { Pace::Busy } else { Pace::Idle });
        accepted(data.error_code, None, || {
            format!("partition {} of {} cannot be read", self.partition, self.topic)
        })?;
        let (batches, mut read) = Self::split(data, offset).map_err(|text| self.garbled(text))?;
        read.records = if batches.iter().any(Batch::is_compressed) {
            let opened = blocking::run(move || batches.iter().map(Batch::records).collect());
            self.gather(opened.await)
        } else {
            self.gather(batches.iter().map(Batch::records).collect())
        };
        Ok(read)
    }

    /// Splits an answer into batches. No checksum covers a batch's offsets, and commits depend on them: a batch
    /// has to follow the one before, and one that reaches beyond the partition's end is left out.
    fn split(partition: PartitionData, next: u64) -> Result<(Vec<Batch>, Read), String> {
        let end = unsigned(partition.high_watermark);
        let content = partition.records.unwrap_or_default();
        let something = !content.is_empty();
        let (mut found, mut read) = (Vec::new(), Read::from(next));
        for batch in batches(content) {
            let last = batch.last();
            if last < read.next {
                return Err(format!("a batch ends at {last}, before {}", read.next));
            }
            if last >= end {
                read.beyond = Some(last);
                return Ok((found, read));
            }
            read.next = last + 1;
            found.push(batch);
        }
        if something && found.is_empty() {
            return Err("it has bytes, but no whole batch".to_owned());
        }
        Ok((found, read))
    }

    fn gather(&self, opened: Vec<Opened>) -> Vec<Fetched> {
        opened.into_iter().flat_map(|opened| self.put_aside_unreadable(opened)).collect()
    }

    /// The records of a batch. An unreadable one is put aside, so that it does not stop those behind it.
    fn put_aside_unreadable(&self, opened: Opened) -> Vec<Fetched> {
        let (offset, error) = match opened {
            Ok(records) => return records,
            Err(unreadable) => unreadable,
        };
        let Self { topic, partition, .. } = self;
        warn!(topic, partition, offset, error = causes::field(&error), "a batch cannot be read");
        let health = self.cluster.health();
        health.put_aside(topic, "batch");
        let text = format!(
            "a batch of records in the topic {topic} cannot be read (partition {partition}, offset \
             {offset}): {error}"
        );
        health.hinder_for(format!("batch of {topic}"), text, UNREADABLE);
        vec![Fetched { offset, value: None }]
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::fetch_response::PartitionData;

    use super::{Batch, Reader};
    use crate::queue::kafka::batch::tests::{record, written};
    use crate::queue::kafka::cluster::Cluster;
    use crate::queue::kafka::error::KafkaError;
    use crate::queue::kafka::fetches::Fetches;
    use crate::queue::kafka::pretend::Pretender;

    fn reader(cluster: &Cluster) -> Reader {
        Reader::new(cluster, Arc::new(Fetches::new(cluster.peers(), "topic")), "topic", 0)
    }

    /// Batches of two records each, from these offsets on.
    fn batches(firsts: &[i64]) -> BytesMut {
        let value = Some(Bytes::from_static(b"value"));
        let batch =
            |first| written(&[record(first, None, value.clone()), record(first + 1, None, None)]);
        firsts.iter().flat_map(|first| batch(*first)).collect()
    }

    /// The offsets that are read from `next` on of a partition that ends at `end`; where to read on; and whether a
    /// batch was left out.
    fn unpacked(next: u64, end: i64, content: BytesMut) -> Result<(Vec<u64>, u64, bool), String> {
        let cluster = Cluster::new(vec!["there".into()], "test", Duration::from_secs(1));
        let reader = reader(&cluster);
        let answer =
            PartitionData::default().with_high_watermark(end).with_records(Some(content.freeze()));
        let (batches, read) = Reader::split(answer, next)?;
        let records = reader.gather(batches.iter().map(Batch::records).collect());
        let offsets = records.iter().map(|record| record.offset).collect();
        Ok((offsets, read.next, read.beyond.is_some()))
    }

    #[test]
    fn batches_that_follow_each_other_are_read_and_may_have_gaps() {
        assert_eq!(unpacked(5, 12, batches(&[4, 10])), Ok((vec![4, 5, 10, 11], 12, false)));
        assert_eq!(unpacked(5, 12, BytesMut::new()), Ok((Vec::new(), 5, false)));
    }

    /// The end may have moved while the broker answered. And a flipped bit in an offset would make everything in
    /// between count as dealt with.
    #[test]
    fn what_reaches_beyond_the_end_is_left_out() {
        let far = {
            let mut batch = batches(&[4]);
            batch[..8].copy_from_slice(&[0xFF; 8]);
            batch
        };
        for (end, content, (records, next)) in [
            (5, batches(&[4]), (vec![], 4)),
            (12, batches(&[20]), (vec![], 4)),
            (12, far, (vec![], 4)),
            (-1, batches(&[4]), (vec![], 4)),
            (7, batches(&[4, 6, 8]), (vec![4, 5], 6)),
        ] {
            assert_eq!(unpacked(4, end, content), Ok((records, next, true)), "{end}");
        }
    }

    #[tokio::test]
    async fn what_may_only_seem_to_lie_beyond_the_end_is_asked_for_once_more() {
        for (ends, next) in [(vec![6], Some(6)), (vec![4, 6], Some(6)), (vec![4, 4], None)] {
            // The partition's end in each answer.
            let broker = Pretender::with_records(move |asked| {
                PartitionData::default()
                    .with_high_watermark(ends[asked])
                    .with_records(Some(batches(&[4]).freeze()))
            });
            let broker = broker.await;
            let cluster =
                Cluster::new(vec![broker.address.clone()], "test", Duration::from_mins(1));
            let mut reader = reader(&cluster);
            let read = reader.read(4, 1 << 20).await;
            assert_eq!(read.as_ref().ok().map(|read| read.next), next);
            let garbled = matches!(read, Err(KafkaError::Garbled { .. }));
            assert_eq!(garbled, next.is_none());
        }
    }

    #[tokio::test]
    async fn readers_of_one_broker_share_a_connection_and_its_requests() {
        let broker = Pretender::with_records(|_| PartitionData::default().with_high_watermark(4));
        let broker = broker.await;
        let cluster = Cluster::new(vec![broker.address.clone()], "test", Duration::from_mins(1));
        let fetches = Arc::new(Fetches::new(cluster.peers(), "topic"));
        let read = async |partition| {
            let mut reader = Reader::new(&cluster, Arc::clone(&fetches), "topic", partition);
            for _ in 0..5 {
                assert_eq!(reader.read(4, 1 << 20).await.unwrap().next, 4);
            }
        };
        futures_util::join!(read(0), read(1));
        assert_eq!(broker.connections(), 2, "one for metadata, and one for both");
        let requests = broker.asked();
        assert!((5..10).contains(&requests), "{requests}");
    }

    #[test]
    fn a_batch_that_lies_where_it_cannot_be_is_refused() {
        for (next, content) in [(6, batches(&[4])), (4, batches(&[8, 4])), (4, batches(&[4, 4]))] {
            let unpacked = unpacked(next, 12, content);
            assert!(unpacked.is_err(), "{next}: {unpacked:?}");
        }
    }
}
