//! Batches on their way to one broker, for many partitions over one connection. What comes while a request is
//! on its way goes together with the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use tokio::sync::{mpsc, oneshot};

use super::cluster::{Cluster, WeakCluster, topic_name};
use super::connection::Connection;
use super::error::KafkaError;

/// Batches that go together have about so many bytes at most: more would make all of them wait for the last.
const TOGETHER: usize = 4 << 20;
/// All replicas in sync have to have stored what counts as stored.
const ALL: i16 = -1;

/// Where batches for one broker are handed in.
pub(super) struct Producer {
    address: String,
    queue: mpsc::UnboundedSender<Append>,
}

/// What a broker says of one batch.
pub(super) type Appended = Result<PartitionProduceResponse, Arc<KafkaError>>;

/// A batch for one partition, of which the one that hands it in has no other on its way.
struct Append {
    topic: Arc<str>,
    partition: u32,
    batch: Bytes,
    appended: oneshot::Sender<Appended>,
}

impl Producer {
    /// A producer whose task ends with it, or with the last copy of the cluster.
    pub(super) fn start(cluster: WeakCluster, address: &str) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        let sender = Sender { cluster, address: address.to_owned(), connection: None };
        tokio::spawn(sender.run(waiting));
        Self { address: address.to_owned(), queue }
    }

    /// Hands a batch in and waits for what the broker says of it.
    pub(super) async fn append(&self, topic: &Arc<str>, partition: u32, batch: Bytes) -> Appended {
        let (appended, answer) = oneshot::channel();
        let append = Append { topic: Arc::clone(topic), partition, batch, appended };
        // The task may have panicked, or end with its process.
        let ended = || {
            let source = std::io::ErrorKind::NotConnected.into();
            Arc::new(KafkaError::Broken { address: self.address.clone(), source })
        };
        self.queue.send(append).map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

struct Sender {
    cluster: WeakCluster,
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
                // A writer that gave up and began again has two.
                if bytes > TOGETHER || together.contains_key(&more.place()) {
                    next = Some(more);
                    break;
                }
                together.insert(more.place(), more);
            }
            together.retain(|_, append| !append.appended.is_closed());
            let Some(cluster) = self.cluster.upgrade() else { return };
            if together.is_empty() {
                continue;
            }
            if let Err(error) = self.send(&cluster, together).await {
                // They would wait as long again for the same connection.
                let behind = std::iter::from_fn(|| waiting.try_recv().ok());
                next.take().into_iter().chain(behind).for_each(|append| append.fail(&error));
            }
        }
    }

    /// Sends batches, and tells each one's sender what came of it. It is an error if nobody answered.
    async fn send(
        &mut self,
        cluster: &Cluster,
        mut together: BTreeMap<(Arc<str>, u32), Append>,
    ) -> Result<(), Arc<KafkaError>> {
        let answer = match self.ask(cluster, &together).await {
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
            let text = "it says nothing of a partition";
            append.fail(&Arc::new(KafkaError::garbled::<ProduceRequest>(&self.address, text)));
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        cluster: &Cluster,
        together: &BTreeMap<(Arc<str>, u32), Append>,
    ) -> Result<kafka_protocol::messages::ProduceResponse, KafkaError> {
        let request = request(cluster.brokers_timeout(), together);
        let timeout = cluster.timeout();
        // A broker closes a connection over which nothing was sent for long.
        if let Some(mut connection) = self.connection.take() {
            match connection.call(request.clone(), timeout).await {
                Err(KafkaError::Broken { .. }) => {}
                answer => return self.keep(connection, answer),
            }
        }
        let mut connection = cluster.connect(&self.address).await?;
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
        // They are in the order of their topics.
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
        // Who has given up does not hear of it.
        let _ = self.appended.send(Err(Arc::clone(error)));
    }
}
