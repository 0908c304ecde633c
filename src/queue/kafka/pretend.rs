//! A fake broker for tests, which does what real ones do too rarely.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::call::{Call, NEEDED, Needed};
use super::connection::Stream;

/// The place of the number of records in a batch.
const RECORD_COUNT: std::ops::Range<usize> = 57..61;

/// The bytes of an answer to the first request over a connection; [`serve`] adapts it to others.
pub(super) fn answer<C: Call>(response: &C::Response) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let version = <C as Request>::Response::header_version(C::VERSION);
    ResponseHeader::default().with_correlation_id(1).encode(&mut bytes, version).unwrap();
    response.encode(&mut bytes, C::VERSION).unwrap();
    bytes.to_vec()
}

/// The greeting of a broker that knows the requests with these keys, in all versions.
pub(super) fn greeting(keys: impl IntoIterator<Item = i16>) -> Vec<u8> {
    let known = |key| ApiVersion::default().with_api_key(key).with_max_version(99);
    let known = keys.into_iter().map(known).collect();
    answer::<ApiVersionsRequest>(&ApiVersionsResponse::default().with_api_keys(known))
}

/// Answers requests until the client closes the connection. Those for which `answer_to` returns `None` get no answer.
pub(super) async fn serve(
    mut stream: impl Stream,
    mut answer_to: impl FnMut(ApiKey, Bytes) -> Option<Vec<u8>>,
) {
    while let Ok(length) = stream.read_u32().await {
        let mut request = vec![0; length as usize];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let request = Bytes::from(request);
        let key = ApiKey::try_from((&request[..2]).get_i16()).unwrap();
        let Some(mut answer) = answer_to(key, request.clone()) else { continue };
        // The correlation id of the request: without it, the client does not read the rest.
        answer[..4].copy_from_slice(&request[4..8]);
        if stream.write_u32(answer.len().try_into().unwrap()).await.is_err()
            || stream.write_all(&answer).await.is_err()
        {
            return;
        }
    }
}

/// The answer to an append, given the number of records and of requests before; `None` for no answer.
type Append = dyn Fn(usize, usize) -> Option<PartitionProduceResponse> + Send + Sync;
/// The records of each partition, given the number of requests before.
type Have = dyn Fn(usize) -> PartitionData + Send + Sync;

/// A broker that leads the partitions 0 and 1 of all topics.
pub(super) struct Pretender {
    pub(super) address: String,
    connections: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    task: AbortOnDropHandle<()>,
}

impl Pretender {
    /// A broker that answers appends by `append`, given the number of records and of requests before.
    pub(super) async fn start(
        append: impl Fn(usize, usize) -> PartitionProduceResponse + Send + Sync + 'static,
    ) -> Self {
        let append = move |records, asked| Some(append(records, asked));
        Self::listen(&NEEDED, Arc::new(append), Arc::new(|_| PartitionData::default())).await
    }

    /// A broker that has these records in each of its partitions, given the number of requests before.
    pub(super) async fn with_records(
        have: impl Fn(usize) -> PartitionData + Send + Sync + 'static,
    ) -> Self {
        Self::listen(&NEEDED, Arc::new(|_, _| None), Arc::new(have)).await
    }

    /// A broker that does not answer appends.
    pub(super) async fn silent() -> Self {
        Self::listen(&NEEDED, Arc::new(|_, _| None), Arc::new(|_| PartitionData::default())).await
    }

    /// A broker that knows none of the needed requests.
    pub(super) async fn old() -> Self {
        Self::listen(&[], Arc::new(|_, _| None), Arc::new(|_| PartitionData::default())).await
    }

    async fn listen(known: &'static [Needed], append: Arc<Append>, have: Arc<Have>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, times) = (Arc::clone(&connections), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, SeqCst);
                let (append, asked) = (Arc::clone(&append), Arc::clone(&times));
                let have = Arc::clone(&have);
                tokio::spawn(serve(stream, move |key, request| match key {
                    ApiKey::ApiVersions => Some(greeting(known.iter().map(|(key, ..)| *key))),
                    ApiKey::Metadata => Some(metadata(address.port(), read(request))),
                    ApiKey::Produce => {
                        let request = read(request);
                        let partition = append(records(&request), asked.fetch_add(1, SeqCst))?;
                        Some(appended(request, partition))
                    }
                    ApiKey::Fetch => {
                        Some(fetched(read(request), &*have, asked.fetch_add(1, SeqCst)))
                    }
                    other => panic!("it is asked {other:?}"),
                }));
            }
        });
        let task = AbortOnDropHandle::new(task);
        Self { address: address.to_string(), connections, asked, task }
    }

    /// Stops accepting connections.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// The number of appends and fetches that it was asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// The number of connections that it has accepted.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

pub(super) fn read<C: Call>(mut request: Bytes) -> C {
    RequestHeader::decode(&mut request, C::header_version(C::VERSION)).unwrap();
    C::decode(&mut request, C::VERSION).unwrap()
}

fn metadata(port: u16, request: MetadataRequest) -> Vec<u8> {
    let broker = MetadataResponseBroker::default()
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port.into());
    let partitions: Vec<_> = (0..2)
        .map(|index| MetadataResponsePartition::default().with_partition_index(index))
        .collect();
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
        MetadataResponseTopic::default().with_name(topic.name).with_partitions(partitions.clone())
    });
    let response = MetadataResponse::default().with_brokers(vec![broker]);
    answer::<MetadataRequest>(&response.with_topics(topics.collect()))
}

fn records(request: &ProduceRequest) -> usize {
    let batch = request.topic_data[0].partition_data[0].records.as_ref().unwrap();
    (&batch[RECORD_COUNT]).get_u32() as usize
}

fn appended(mut request: ProduceRequest, partition: PartitionProduceResponse) -> Vec<u8> {
    let topic = TopicProduceResponse::default()
        .with_name(request.topic_data.remove(0).name)
        .with_partition_responses(vec![partition]);
    answer::<ProduceRequest>(&ProduceResponse::default().with_responses(vec![topic]))
}

fn fetched(mut request: FetchRequest, have: &Have, asked: usize) -> Vec<u8> {
    let topic = request.topics.remove(0);
    let partition = |wanted: FetchPartition| have(asked).with_partition_index(wanted.partition);
    let response = FetchableTopicResponse::default()
        .with_topic(topic.topic)
        .with_partitions(topic.partitions.into_iter().map(partition).collect());
    answer::<FetchRequest>(&FetchResponse::default().with_responses(vec![response]))
}
