//! One partition, written at its leader. What comes while a request is on its way goes together with the
//! next, so that small records do not cost a request each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::batch::pack;
use super::cluster::{Cluster, topic_name};
use super::connection::Connection;
use super::error::{KafkaError, accepted};
use super::records::{NEWNESS, RecordsError, unsigned};

/// Records that go together have fewer bytes than a topic takes that nobody has configured (1 MiB).
const TOGETHER: usize = 512 << 10;
/// How long to wait before a request is sent again, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// All replicas in sync have to have stored what counts as stored.
const ALL: i16 = -1;

/// Where records for one partition are handed in.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Waiting>,
    timeout: Duration,
}

/// A record that somebody waits to see stored.
struct Waiting {
    value: Bytes,
    answer: oneshot::Sender<Result<u64, RecordsError>>,
}

impl Writer {
    /// A writer whose task ends with its last copy.
    pub(super) fn start(cluster: &Cluster, topic: &str, partition: u32) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        let (cluster, timeout) = (cluster.clone(), cluster.timeout());
        let leader = Leader { cluster, topic: topic.to_owned(), partition, connection: None };
        tokio::spawn(write(leader, waiting));
        Self { queue, timeout }
    }

    /// Appends a record and says at which offset; it is stored by all replicas in sync when this returns.
    /// After an error it may be stored all the same.
    pub(super) async fn append(&self, value: Bytes) -> Result<u64, RecordsError> {
        let (answer, answered) = oneshot::channel();
        // Where nobody takes it, nobody answers.
        let _ = self.queue.send(Waiting { value, answer });
        match timeout(self.timeout, answered).await {
            Ok(Ok(answer)) => answer,
            // The latter when the runtime ends.
            Err(_) | Ok(Err(_)) => Err(RecordsError::TimedOut(self.timeout)),
        }
    }
}

/// Sends what waits until nobody can hand in anything more.
async fn write(mut leader: Leader, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let mut bytes = first.value.len();
        let mut together = vec![first];
        while let Ok(more) = waiting.try_recv() {
            bytes += more.value.len();
            if bytes > TOGETHER {
                next = Some(more);
                break;
            }
            together.push(more);
        }
        // Who has given up will hand it in again.
        together.retain(|waiting| !waiting.answer.is_closed());
        leader.store(together).await;
    }
}

/// The broker that takes a partition's records, found again when that moves or fails.
struct Leader {
    cluster: Cluster,
    topic: String,
    partition: u32,
    connection: Option<Connection>,
}

impl Leader {
    /// Appends records, if possible together, and answers those who wait.
    async fn store(&mut self, together: Vec<Waiting>) {
        if together.is_empty() {
            return;
        }
        match self.append(&together).await {
            Err(error) if is_too_large(&error) && together.len() > 1 => {
                for waiting in together {
                    let stored = self.append(std::slice::from_ref(&waiting)).await;
                    answer(vec![waiting], stored);
                }
            }
            stored => answer(together, stored),
        }
    }

    /// Appends records together, and says at which offset the first is.
    async fn append(&mut self, records: &[Waiting]) -> Result<u64, KafkaError> {
        let batch = pack(records.iter().map(|record| record.value.clone()));
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let error = match self.request(batch.clone()).await {
                Ok(first) => return Ok(first),
                Err(error) => error,
            };
            if began.elapsed() + pause >= self.patience(&error) {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How long an error may be only a matter of time.
    fn patience(&self, error: &KafkaError) -> Duration {
        match (error, error.code()) {
            (_, Some(ResponseError::UnknownTopicOrPartition)) => NEWNESS,
            (_, Some(code)) if !code.is_retriable() => Duration::ZERO,
            (KafkaError::TooOld { .. }, _) => Duration::ZERO,
            _ => self.cluster.timeout(),
        }
    }

    /// Asks once. After any error, the leader is looked for anew.
    async fn request(&mut self, batch: Bytes) -> Result<u64, KafkaError> {
        let mut leader = match self.connection.take() {
            Some(leader) => leader,
            None => self.cluster.connect_leader(&self.topic, self.partition).await?,
        };
        let answer = leader.call(self.produce(batch), self.cluster.timeout()).await?;
        let partition =
            answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let Some(partition) = partition else {
            return Err(leader.garbled::<ProduceRequest>("it says nothing of the partition"));
        };
        let message = partition.error_message.as_deref();
        accepted(partition.error_code, message, || {
            format!("partition {} of {} cannot be written", self.partition, self.topic)
        })?;
        self.connection = Some(leader);
        Ok(unsigned(partition.base_offset))
    }

    fn produce(&self, batch: Bytes) -> ProduceRequest {
        let partition = PartitionProduceData::default()
            .with_index(i32::try_from(self.partition).unwrap_or(i32::MAX))
            .with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(topic_name(&self.topic))
            .with_partition_data(vec![partition]);
        let timeout = i32::try_from(self.cluster.timeout().as_millis()).unwrap_or(i32::MAX);
        ProduceRequest::default()
            .with_acks(ALL)
            .with_timeout_ms(timeout)
            .with_topic_data(vec![topic])
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.code() == Some(ResponseError::MessageTooLarge)
}

/// Tells those who wait for records that were appended one behind the other.
fn answer(records: Vec<Waiting>, first: Result<u64, KafkaError>) {
    let first = first.map_err(Arc::new);
    for (place, Waiting { value, answer }) in (0..).zip(records) {
        let told = match &first {
            Ok(first) => Ok(first + place),
            Err(error) if is_too_large(error) => Err(RecordsError::TooLarge { bytes: value.len() }),
            Err(error) => Err(RecordsError::Broker(Arc::clone(error))),
        };
        // Who has given up does not hear of it.
        let _ = answer.send(told);
    }
}
