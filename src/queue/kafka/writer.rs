//! Writes one partition to its leader. Records that arrive while a request is in flight go together with the next,
//! so that small records do not cost a request each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::batch::pack;
use super::cluster::Cluster;
use super::error::{KafkaError, RecordsError, accepted};
use super::leaders::NEWNESS;
use super::peer::Peer;
use super::remedy;

/// The most bytes of records that go together: fewer than a topic takes by default (1 MiB).
const TOGETHER: usize = 512 << 10;
/// The first and the longest pause before a request is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long an obstacle stands after it was last reported: senders try again sooner.
const STANDS: Duration = Duration::from_mins(1);

/// The queue of records for one partition.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Pending>,
}

/// A record that its caller waits to see stored.
struct Pending {
    value: Bytes,
    sender: oneshot::Sender<Result<u64, RecordsError>>,
}

impl Pending {
    /// Whether the caller still waits. One that has given up retries with the same record.
    fn is_awaited(&self) -> bool {
        !self.sender.is_closed()
    }

    fn tell(self, stored: Result<u64, RecordsError>) {
        // It fails if the caller has given up.
        let _ = self.sender.send(stored);
    }
}

impl Writer {
    /// Starts a writer, whose task ends when its last clone is dropped.
    pub(super) fn start(cluster: &Cluster, topic: &str, partition: u32) -> Self {
        let (queue, pending) = mpsc::unbounded_channel();
        let (cluster, topic) = (cluster.clone(), topic.into());
        let leader = Leader { cluster, topic, partition, peer: None, doubted: None };
        tokio::spawn(write(leader, pending));
        Self { queue }
    }

    /// Whether its task has ended early.
    pub(super) fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }

    /// Appends a record and returns its offset. When this returns, all in-sync replicas have stored it. After an
    /// error, it may have been stored anyway.
    ///
    /// If the leader cannot be found or does not answer, the append fails once the cluster's timeout has passed since
    /// the record's turn, at the end of the request that is in flight then. The records behind it fail with it.
    pub(super) async fn append(&self, value: Bytes) -> Result<u64, RecordsError> {
        let (sender, stored) = oneshot::channel();
        self.queue.send(Pending { value, sender }).map_err(|_| RecordsError::Ended)?;
        stored.await.unwrap_or(Err(RecordsError::Ended))
    }
}

/// Sends the records of the queue until it is closed.
async fn write(mut leader: Leader, mut queue: mpsc::UnboundedReceiver<Pending>) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(first) => first,
            None => match queue.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let mut bytes = first.value.len();
        let mut together = vec![first];
        while let Ok(more) = queue.try_recv() {
            bytes += more.value.len();
            if bytes > TOGETHER {
                next = Some(more);
                break;
            }
            together.push(more);
        }
        together.retain(Pending::is_awaited);
        if let Err(error) = leader.store(together).await {
            let behind = std::iter::from_fn(|| queue.try_recv().ok());
            give_up(next.take().into_iter().chain(behind), &error);
        }
    }
}

/// The broker that takes a partition's records, found again when that moves or fails.
struct Leader {
    cluster: Cluster,
    topic: Arc<str>,
    partition: u32,
    peer: Option<Arc<Peer>>,
    /// When the known leader last turned out to be wrong or unusable.
    doubted: Option<Instant>,
}

impl Leader {
    /// Appends records, together if possible, and passes the results to their callers. Fails if the leader was
    /// given up.
    async fn store(&mut self, together: Vec<Pending>) -> Result<(), Arc<KafkaError>> {
        if together.is_empty() {
            return Ok(());
        }
        let stored = self.append(&together).await;
        if together.len() == 1 || !stored.as_ref().is_err_and(is_too_large) {
            self.note(&stored);
            return tell(together, stored);
        }
        let mut records = together.into_iter();
        while let Some(record) = records.find(Pending::is_awaited) {
            let stored = self.append(std::slice::from_ref(&record)).await;
            self.note(&stored);
            if let Err(error) = tell(vec![record], stored) {
                give_up(records, &error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reports what keeps records from being stored, as an obstacle that is cleared when some are.
    fn note(&self, stored: &Result<u64, KafkaError>) {
        let (health, topic) = (self.cluster.health(), &self.topic);
        let key = format!("write {topic}");
        match stored {
            Ok(_) => health.clear(&key),
            Err(error) => {
                if error.is_final() {
                    health.refused();
                }
                health.hinder_for(key, remedy::of_writing(topic, error), STANDS);
            }
        }
    }

    /// Appends records together, and returns the offset of the first.
    async fn append(&mut self, records: &[Pending]) -> Result<u64, KafkaError> {
        let batch = pack(records.iter().map(|record| record.value.clone()));
        let began = Instant::now();
        let (mut unknown_since, mut pause) = (None, FIRST_PAUSE);
        loop {
            let error = match self.request(batch.clone()).await {
                Ok(first) => return Ok(first),
                Err(error) => error,
            };
            let timeout = self.cluster.timeout();
            let again = began.elapsed() + pause < timeout
                && match error.code() {
                    Some(ResponseError::UnknownTopicOrPartition) => {
                        let since = unknown_since.get_or_insert_with(Instant::now);
                        since.elapsed() + pause < NEWNESS.min(timeout / 2)
                    }
                    // The records may be stored by now.
                    Some(ResponseError::RequestTimedOut) => false,
                    _ => !error.is_final(),
                };
            if !again || !records.iter().any(Pending::is_awaited) {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends one request. After an error that the leader may be the cause of, the leader is looked for again.
    async fn request(&mut self, batch: Bytes) -> Result<u64, KafkaError> {
        let stored = self.try_request(batch).await;
        if stored.as_ref().is_err_and(|error| !is_of_records(error)) {
            self.peer = None;
            self.doubted = Some(Instant::now());
        }
        stored
    }

    async fn try_request(&mut self, batch: Bytes) -> Result<u64, KafkaError> {
        let peer = if let Some(peer) = &self.peer {
            Arc::clone(peer)
        } else {
            let found = self.cluster.leader(&self.topic, self.partition, self.doubted).await?;
            Arc::clone(self.peer.insert(found))
        };
        let producer = self.cluster.producer(&peer, self.partition);
        let answer = producer.append(&self.topic, self.partition, batch).await;
        let partition = answer.map_err(KafkaError::Again)?;
        let of_records = partition.record_errors.iter();
        let mut of_records =
            of_records.filter_map(|error| error.batch_index_error_message.as_deref());
        let message = of_records.next().or(partition.error_message.as_deref());
        accepted(partition.error_code, message, || {
            format!("partition {} of {} cannot be written", self.partition, self.topic)
        })?;
        let none = || KafkaError::garbled::<ProduceRequest>(peer.address(), "it gives no offset");
        u64::try_from(partition.base_offset).map_err(|_| none())
    }
}

/// Whether the records have more bytes than the topic takes, or than a segment of its log may have.
fn is_too_large(error: &KafkaError) -> bool {
    let code = error.code();
    code == Some(ResponseError::MessageTooLarge) || code == Some(ResponseError::RecordListTooLarge)
}

/// Whether an error proves that it came from the leader.
fn is_of_records(error: &KafkaError) -> bool {
    let replicas = [
        ResponseError::NotEnoughReplicas,
        ResponseError::NotEnoughReplicasAfterAppend,
        ResponseError::RequestTimedOut,
    ];
    is_too_large(error) || error.code().is_some_and(|code| replicas.contains(&code))
}

/// Passes results to the callers of records that were appended together. Fails if the error is one that may pass.
fn tell(records: Vec<Pending>, first: Result<u64, KafkaError>) -> Result<(), Arc<KafkaError>> {
    let first = first.map_err(Arc::new);
    for (place, record) in (0..).zip(records) {
        let stored = match &first {
            Ok(first) => Ok(first + place),
            Err(error) if is_too_large(error) => {
                Err(RecordsError::TooLarge { bytes: record.value.len() })
            }
            Err(error) => Err(RecordsError::Broker(Arc::clone(error))),
        };
        record.tell(stored);
    }
    match first {
        Err(error) if !error.is_final() => Err(error),
        _ => Ok(()),
    }
}

/// Fails the records behind one whose leader was given up: they would wait as long again for that leader.
fn give_up(behind: impl Iterator<Item = Pending>, error: &Arc<KafkaError>) {
    behind.for_each(|record| record.tell(Err(RecordsError::Broker(Arc::clone(error)))));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use kafka_protocol::messages::produce_response::PartitionProduceResponse;

    use super::*;
    use crate::queue::kafka::pretend::Pretender;

    /// The longest wait of a test, and a timeout for answers that do not come.
    const PATIENCE: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_secs(1);

    fn stored_at(offset: usize) -> PartitionProduceResponse {
        PartitionProduceResponse::default().with_base_offset(i64::try_from(offset).unwrap())
    }

    fn refused(code: ResponseError) -> PartitionProduceResponse {
        PartitionProduceResponse::default().with_error_code(code.code())
    }

    fn writer(broker: &Pretender, timeout: Duration) -> Writer {
        let cluster = Cluster::new(vec![broker.address.clone()], "test", timeout);
        Writer::start(&cluster, "tasks", 0)
    }

    /// Appends so many small records concurrently.
    async fn append(writer: &Writer, records: usize) -> Vec<Result<u64, RecordsError>> {
        join_all((0..records).map(|_| writer.append(Bytes::from_static(b"a tile")))).await
    }

    #[tokio::test]
    async fn records_too_large_for_a_segment_together_are_sent_one_by_one_and_one_alone_is_refused()
    {
        let broker = Pretender::start(|records, asked| match (records, asked) {
            (2.., _) | (1, 2) => refused(ResponseError::RecordListTooLarge),
            _ => stored_at(asked),
        });
        let broker = broker.await;
        let stored = append(&writer(&broker, PATIENCE), 3).await;
        assert!(
            matches!(stored[..], [Ok(1), Err(RecordsError::TooLarge { bytes: 6 }), Ok(3)]),
            "{stored:?}"
        );
        assert_eq!(broker.connections(), 2, "one for metadata, and the leader is the same");
    }

    #[tokio::test]
    async fn a_leader_that_is_silent_is_named_to_all_that_wait_for_it() {
        let broker = Pretender::silent().await;
        let writer = writer(&broker, SHORT);
        let large = || Bytes::from(vec![0; TOGETHER]);
        let appended = join_all([large(), large(), large()].map(|value| writer.append(value)));
        let appended = tokio::time::timeout(PATIENCE, appended).await.expect("it is waited for");
        for error in appended.into_iter().map(Result::unwrap_err) {
            let text = error.to_string();
            assert!(text.contains(&broker.address) && text.contains("Produce"), "{text}");
        }
        assert_eq!(broker.connections(), 2, "it is asked for those who wait behind");
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_with_the_same_leader_unless_it_may_be_another() {
        let broker = Pretender::start(|_, asked| match asked {
            0 => refused(ResponseError::NotEnoughReplicas),
            1 => refused(ResponseError::UnknownServerError),
            2 => refused(ResponseError::NotLeaderOrFollower),
            _ => stored_at(asked),
        });
        let broker = broker.await;
        let stored = append(&writer(&broker, PATIENCE), 1).await;
        assert!(matches!(stored[..], [Ok(3)]), "{stored:?}");
        assert_eq!(broker.connections(), 2, "a broker that answers keeps its connection");
    }

    #[tokio::test]
    async fn what_is_final_and_what_may_be_stored_by_now_is_not_tried_again() {
        for code in [ResponseError::TopicAuthorizationFailed, ResponseError::RequestTimedOut] {
            let broker = Pretender::start(move |_, asked| match asked {
                0 => refused(code),
                _ => stored_at(asked),
            });
            let broker = broker.await;
            let stored = append(&writer(&broker, PATIENCE), 1).await;
            let [Err(RecordsError::Broker(error))] = &stored[..] else { panic!("{stored:?}") };
            assert_eq!(error.code(), Some(code));
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_offset_or_of_another_partition_is_none() {
        let answers = [
            PartitionProduceResponse::default().with_base_offset(-1),
            PartitionProduceResponse::default().with_index(1).with_base_offset(7),
        ];
        for answer in answers {
            let broker = Pretender::start(move |_, asked| match asked {
                0 => answer.clone(),
                _ => stored_at(asked),
            });
            let broker = broker.await;
            let stored = append(&writer(&broker, PATIENCE), 1).await;
            assert!(matches!(stored[..], [Ok(1)]), "{stored:?}");
        }
    }
}
