//! Sends batches to one broker, for many partitions over one connection. Batches that arrive while a request is in
//! flight go together with the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use tokio::sync::{mpsc, oneshot};

use super::connection::Connection;
use super::error::KafkaError;
use super::messages::topic_name;
use super::peers::Peers;
use crate::locked::Locked;

/// The most bytes of batches that go together: with more, all of them would wait for the last.
const TOGETHER: usize = 4 << 20;
/// The `acks` of a request that is answered when all in-sync replicas have stored the records.
const ALL: i16 = -1;
/// How many producers send to one broker: one request is in flight while the next is built.
const EACH: u32 = 2;

/// The producers of a cluster.
#[derive(Default)]
pub(super) struct Producers(Mutex<HashMap<(String, u32), Producer>>);

impl Producers {
    /// The one that sends the records of a partition to the broker at an address.
    pub(super) fn to(&self, peers: &Peers, address: &str, partition: u32) -> Producer {
        let mut producers = self.0.locked();
        let producer = producers.entry((address.to_owned(), partition % EACH));
        producer.or_insert_with(|| Producer::start(peers.clone(), address)).clone()
    }
}

/// The queue of batches for one broker.
#[derive(Clone)]
pub(super) struct Producer {
    address: String,
    queue: mpsc::UnboundedSender<Append>,
}

/// A broker's answer for one batch.
pub(super) type Appended = Result<PartitionProduceResponse, Arc<KafkaError>>;

/// A batch for one partition. Its writer sends the next batch only after the answer.
struct Append {
    topic: Arc<str>,
    partition: u32,
    batch: Bytes,
    appended: oneshot::Sender<Appended>,
}

impl Producer {
    /// Starts a producer, whose task ends when its last clone is dropped.
    fn start(peers: Peers, address: &str) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        let sender = Sender { peers, address: address.to_owned(), connection: None };
        tokio::spawn(sender.run(waiting));
        Self { address: address.to_owned(), queue }
    }

    /// Sends a batch and waits for the broker's answer.
    pub(super) async fn append(&self, topic: &Arc<str>, partition: u32, batch: Bytes) -> Appended {
        let (appended, answer) = oneshot::channel();
        let append = Append { topic: Arc::clone(topic), partition, batch, appended };
        // The task may have panicked, or be ending with its process.
        let ended = || {
            let source = std::io::ErrorKind::NotConnected.into();
            Arc::new(KafkaError::Broken { address: self.address.clone(), source })
        };
        self.queue.send(append).map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

struct Sender {
    peers: Peers,
    address: String,
    connection: Option<Connection>,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::UnboundedReceiver<Append>) {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(first) => Some(first),
                None => waiting.recv().await,
            };
            let Some(first) = first else { return };
            let mut together = BTreeMap::new();
            let mut bytes = first.batch.len();
            together.insert(first.place(), first);
            while let Ok(more) = waiting.try_recv() {
                bytes += more.batch.len();
                // A writer that was restarted may have two batches here.
                if bytes > TOGETHER || together.contains_key(&more.place()) {
                    next = Some(more);
                    break;
                }
                together.insert(more.place(), more);
            }
            together.retain(|_, append| !append.appended.is_closed());
            if together.is_empty() {
                continue;
            }
            if let Err(error) = self.send(together).await {
                // The batches behind would wait as long again for the same broker.
                let behind = std::iter::from_fn(|| waiting.try_recv().ok());
                next.take().into_iter().chain(behind).for_each(|append| append.fail(&error));
            }
        }
    }

    /// Sends batches, and passes the answers to their writers. Fails if no answer came.
    async fn send(
        &mut self,
        mut together: BTreeMap<(Arc<str>, u32), Append>,
    ) -> Result<(), Arc<KafkaError>> {
        let answer = match self.ask(&together).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = Arc::new(error);
                for append in together.into_values() {
                    append.fail(&error);
                }
                return Err(error);
            }
        };
        for topic in answer.responses {
            let name: Arc<str> = topic.name.as_str().into();
            for partition in topic.partition_responses {
                let number = u32::try_from(partition.index).unwrap_or(u32::MAX);
                if let Some(append) = together.remove(&(Arc::clone(&name), number)) {
                    let _ = append.appended.send(Ok(partition));
                }
            }
        }
        for append in together.into_values() {
            let text = "it lacks a partition";
            append.fail(&Arc::new(KafkaError::garbled::<ProduceRequest>(&self.address, text)));
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        together: &BTreeMap<(Arc<str>, u32), Append>,
    ) -> Result<kafka_protocol::messages::ProduceResponse, KafkaError> {
        let request = request(self.peers.brokers_timeout(), together);
        let timeout = self.peers.timeout();
        // A broker closes a connection that was idle for long: then another one is opened.
        if let Some(mut connection) = self.connection.take() {
            match connection.call(request.clone(), timeout).await {
                Err(KafkaError::Broken { .. }) => {}
                answer => return self.keep(connection, answer),
            }
        }
        let mut connection = self.peers.connect(&self.address).await?;
        let answer = connection.call(request, timeout).await;
        self.keep(connection, answer)
    }

    fn keep<T>(
        &mut self,
        connection: Connection,
        answer: Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        if !answer.as_ref().is_err_and(KafkaError::ends_connection) {
            self.connection = Some(connection);
        }
        answer
    }
}

fn request(timeout: i32, together: &BTreeMap<(Arc<str>, u32), Append>) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for append in together.values() {
        let partition = PartitionProduceData::default()
            .with_index(i32::try_from(append.partition).unwrap_or(i32::MAX))
            .with_records(Some(append.batch.clone()));
        // The batches are sorted by topic.
        match topics.last_mut().filter(|topic| topic.name.as_str() == &*append.topic) {
            Some(topic) => topic.partition_data.push(partition),
            None => topics.push(
                TopicProduceData::default()
                    .with_name(topic_name(&append.topic))
                    .with_partition_data(vec![partition]),
            ),
        }
    }
    ProduceRequest::default().with_acks(ALL).with_timeout_ms(timeout).with_topic_data(topics)
}

impl Append {
    fn place(&self) -> (Arc<str>, u32) {
        (Arc::clone(&self.topic), self.partition)
    }

    fn fail(self, error: &Arc<KafkaError>) {
        // It fails if the writer has given up.
        let _ = self.appended.send(Err(Arc::clone(error)));
    }
}
