//! One partition, read from its leader.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use tracing::warn;

use super::batch::{Batch, Fetched, batches};
use super::cluster::{Cluster, topic_name};
use super::connection::Connection;
use super::error::{KafkaError, accepted};
use super::records::unsigned;

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
    /// The last offset of a batch that was left out, as it reaches beyond the partition's end.
    beyond: Option<u64>,
}

impl Read {
    /// Nothing before `next`.
    pub(super) fn from(next: u64) -> Self {
        Self { records: Vec::new(), next, beyond: None }
    }

    /// What was left out, if there was nothing else from `asked` on.
    fn only_beyond(&self, asked: u64) -> Option<u64> {
        self.beyond.filter(|_| self.next == asked)
    }
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
        let mut read = self.ask(&mut leader, offset, bytes).await?;
        // A broker notes the end first and reads then, and the end may have moved in between.
        if read.only_beyond(offset).is_some() {
            read = self.ask(&mut leader, offset, bytes).await?;
        }
        if let Some(last) = read.only_beyond(offset) {
            let text = format!("the batch at {offset} ends at {last}, beyond the partition's end");
            return Err(leader.garbled::<FetchRequest>(text));
        }
        // A batch comes whole, though some of it may be asked for no more.
        read.records.retain(|record| record.offset >= offset);
        self.leader = Some(leader);
        Ok(read)
    }

    async fn ask(
        &self,
        leader: &mut Connection,
        offset: u64,
        bytes: i32,
    ) -> Result<Read, KafkaError> {
        let deadline = WAIT + self.cluster.timeout();
        let answer = leader.call(self.request(offset, bytes), deadline).await?;
        let refused = || format!("partition {} of {} cannot be read", self.partition, self.topic);
        accepted(answer.error_code, None, refused)?;
        let mut read = Read::from(offset);
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            accepted(partition.error_code, None, refused)?;
            self.unpack(partition, &mut read)
                .map_err(|text| leader.garbled::<FetchRequest>(text))?;
        }
        Ok(read)
    }

    /// Adds what follows in the partition. No checksum covers where a batch lies, and commits go by it: it
    /// has to be behind what came before, and what reaches beyond the partition's end is left out.
    fn unpack(&self, partition: PartitionData, read: &mut Read) -> Result<(), String> {
        let end = unsigned(partition.high_watermark);
        let content = partition.records.unwrap_or_default();
        let (something, asked) = (!content.is_empty(), read.next);
        for batch in batches(content) {
            let last = batch.last();
            if last < read.next {
                return Err(format!("a batch ends at {last}, before {}", read.next));
            }
            if last >= end {
                read.beyond = Some(last);
                return Ok(());
            }
            read.next = last + 1;
            read.records.extend(self.open(&batch));
        }
        if something && read.next == asked {
            return Err("it holds no batch, and not nothing".to_owned());
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse};
    use kafka_protocol::protocol::StrBytes;

    use super::{Read, Reader};
    use crate::queue::kafka::batch::tests::{record, written};
    use crate::queue::kafka::cluster::{Cluster, topic_name};
    use crate::queue::kafka::connection::Connection;
    use crate::queue::kafka::error::KafkaError;
    use crate::queue::kafka::pretend::{answer, greeting, serve};

    /// Batches of two records each, from these offsets on.
    fn batches(firsts: &[i64]) -> BytesMut {
        let value = Some(Bytes::from_static(b"value"));
        let batch =
            |first| written(&[record(first, None, value.clone()), record(first + 1, None, None)]);
        firsts.iter().flat_map(|first| batch(*first)).collect()
    }

    /// Which records are read where `next` was asked for, of a partition that ends at `end`, and what next.
    fn unpacked(next: u64, end: i64, content: BytesMut) -> Result<(Vec<u64>, u64, bool), String> {
        let cluster = Cluster::new(vec!["there".into()], "test", Duration::from_secs(1));
        let reader = Reader::new(&cluster, "topic", 0);
        let answer =
            PartitionData::default().with_high_watermark(end).with_records(Some(content.freeze()));
        let mut read = Read::from(next);
        reader.unpack(answer, &mut read)?;
        let offsets = read.records.iter().map(|record| record.offset).collect();
        Ok((offsets, read.next, read.beyond.is_some()))
    }

    #[test]
    fn batches_that_follow_each_other_are_read_and_may_have_gaps() {
        assert_eq!(unpacked(5, 12, batches(&[4, 10])), Ok((vec![4, 5, 10, 11], 12, false)));
        assert_eq!(unpacked(5, 12, BytesMut::new()), Ok((Vec::new(), 5, false)));
    }

    /// As where the end has moved while the broker answered; and where a flipped bit would make all that lies
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

    /// A leader that says of each answer where the partition ends.
    async fn leader(ends: Vec<i64>) -> Connection {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut ends = ends.into_iter();
        let answer_to = move |key, _| match key {
            ApiKey::ApiVersions => Some(greeting(0..20)),
            ApiKey::Fetch => {
                let partition = PartitionData::default()
                    .with_high_watermark(ends.next()?)
                    .with_records(Some(batches(&[4]).freeze()));
                let topic = FetchableTopicResponse::default()
                    .with_topic(topic_name("topic"))
                    .with_partitions(vec![partition]);
                let response = FetchResponse::default().with_responses(vec![topic]);
                Some(answer::<FetchRequest>(&response))
            }
            other => panic!("a reader does not ask {other:?}"),
        };
        tokio::spawn(serve(far, answer_to));
        let client = StrBytes::from_static_str("test");
        Connection::open(near, "there".into(), client, Duration::from_secs(1)).await.unwrap()
    }

    #[tokio::test]
    async fn what_may_only_seem_to_lie_beyond_the_end_is_asked_for_once_more() {
        let cluster = Cluster::new(vec!["there".into()], "test", Duration::from_secs(1));
        for (ends, next) in [(vec![6], Some(6)), (vec![4, 6], Some(6)), (vec![4, 4], None)] {
            let mut reader = Reader::new(&cluster, "topic", 0);
            reader.leader = Some(leader(ends).await);
            let read = reader.read(4, 1 << 20).await;
            assert_eq!(read.as_ref().ok().map(|read| read.next), next);
            let garbled = matches!(read, Err(KafkaError::Garbled { .. }));
            assert_eq!(garbled, next.is_none());
        }
    }

    #[test]
    fn a_batch_that_lies_where_it_cannot_be_is_refused() {
        for (next, content) in [(6, batches(&[4])), (4, batches(&[8, 4])), (4, batches(&[4, 4]))] {
            let unpacked = unpacked(next, 12, content);
            assert!(unpacked.is_err(), "{next}: {unpacked:?}");
        }
    }
}
