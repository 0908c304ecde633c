//! A broker that only pretends to be one, and to lead every partition: for what real ones do too seldom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::call::{Call, NEEDED};

/// How many records are appended together; that follows from where it stands in a batch.
const RECORD_COUNT: std::ops::Range<usize> = 57..61;

/// What it answers when it is to append, if it does.
type Append = dyn Fn(usize, usize) -> Option<PartitionProduceResponse> + Send + Sync;

/// A broker that pretends.
pub(super) struct Pretender {
    pub(super) address: String,
    connections: Arc<AtomicUsize>,
    task: AbortOnDropHandle<()>,
}

impl Pretender {
    /// One that answers as `append` says, given how many records come, and how often it was asked before.
    pub(super) async fn start(
        append: impl Fn(usize, usize) -> PartitionProduceResponse + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(move |records, asked| Some(append(records, asked)))).await
    }

    /// One that says nothing when it is to append.
    pub(super) async fn silent() -> Self {
        Self::listen(Arc::new(|_, _| None)).await
    }

    async fn listen(append: Arc<Append>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let asked = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, SeqCst);
                tokio::spawn(serve(
                    stream,
                    address.port(),
                    Arc::clone(&append),
                    Arc::clone(&asked),
                ));
            }
        });
        let task = AbortOnDropHandle::new(task);
        Self { address: address.to_string(), connections, task }
    }

    /// Lets nobody in any more.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// How many have come so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

async fn serve(mut stream: TcpStream, port: u16, append: Arc<Append>, asked: Arc<AtomicUsize>) {
    while let Ok(length) = stream.read_u32().await {
        let mut request = vec![0; length as usize];
        stream.read_exact(&mut request).await.unwrap();
        let mut request = Bytes::from(request);
        let key = (&request[..2]).get_i16();
        let answer = match key {
            ApiVersionsRequest::KEY => {
                let header = head::<ApiVersionsRequest>(&mut request);
                answer::<ApiVersionsRequest>(&header, &versions())
            }
            MetadataRequest::KEY => {
                let header = head::<MetadataRequest>(&mut request);
                let asked =
                    MetadataRequest::decode(&mut request, MetadataRequest::VERSION).unwrap();
                answer::<MetadataRequest>(&header, &metadata(port, asked))
            }
            ProduceRequest::KEY => {
                let header = head::<ProduceRequest>(&mut request);
                let asked_for =
                    ProduceRequest::decode(&mut request, ProduceRequest::VERSION).unwrap();
                let topic = &asked_for.topic_data[0];
                let batch = topic.partition_data[0].records.as_ref().unwrap();
                let records = (&batch[RECORD_COUNT]).get_u32() as usize;
                let Some(partition) = append(records, asked.fetch_add(1, SeqCst)) else { continue };
                let topic = TopicProduceResponse::default()
                    .with_name(topic.name.clone())
                    .with_partition_responses(vec![partition]);
                let response = ProduceResponse::default().with_responses(vec![topic]);
                answer::<ProduceRequest>(&header, &response)
            }
            other => panic!("a broker that pretends was asked {other}"),
        };
        stream.write_u32(answer.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

fn head<C: Call>(request: &mut Bytes) -> RequestHeader {
    RequestHeader::decode(request, C::header_version(C::VERSION)).unwrap()
}

fn answer<C: Call>(to: &RequestHeader, response: &C::Response) -> BytesMut {
    let header = ResponseHeader::default().with_correlation_id(to.correlation_id);
    let mut answer = BytesMut::new();
    header.encode(&mut answer, <C as Request>::Response::header_version(C::VERSION)).unwrap();
    response.encode(&mut answer, C::VERSION).unwrap();
    answer
}

fn versions() -> ApiVersionsResponse {
    let known = NEEDED
        .into_iter()
        .map(|(key, version, _)| ApiVersion::default().with_api_key(key).with_max_version(version));
    ApiVersionsResponse::default().with_api_keys(known.collect())
}

/// It leads partitions 0 and 1 of whatever topic.
fn metadata(port: u16, asked: MetadataRequest) -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port.into());
    let partitions: Vec<_> = (0..2)
        .map(|index| MetadataResponsePartition::default().with_partition_index(index))
        .collect();
    let topics = asked.topics.unwrap_or_default().into_iter().map(|topic| {
        MetadataResponseTopic::default().with_name(topic.name).with_partitions(partitions.clone())
    });
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.collect())
}
