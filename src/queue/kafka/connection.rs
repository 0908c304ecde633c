//! One connection to one broker: one request at a time, each with a deadline.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ProduceRequest, RequestHeader, ResponseHeader, VoteRequest,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::buffers::Buffers;
use super::call::{Call, NEEDED};
use super::error::{BoxError, KafkaError, accepted};
use super::guard::Guarded;
use super::peer::Peer;
use crate::health::Connected;

/// Up to this length, the memory of an answer is allocated at once; that of a larger one as it arrives.
const AT_ONCE: usize = 8 << 20;

/// The transport of a connection: TCP, or a layer above it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection to one broker. It cannot be used after an error other than [`KafkaError::Refused`] or
/// [`KafkaError::TooOld`].
pub struct Connection {
    stream: Box<dyn Stream>,
    address: String,
    client: StrBytes,
    /// The versions of requests that the broker knows, by key.
    versions: HashMap<i16, VersionRange>,
    correlation: i32,
    /// Whether a request after the greeting was answered.
    proven: bool,
    /// The peer that learns whether requests are answered. Weak, since it may hold this connection.
    peer: Weak<Peer>,
    /// Held only for its `Drop`.
    connected: Option<Connected>,
    /// The source of memory for large answers.
    buffers: Option<Arc<Buffers>>,
}

/// Why there is no answer, without the address.
enum Trouble {
    Broken(io::Error),
    Garbled(BoxError),
    Tls,
    Stranger(&'static str),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Connection {
    /// Greets the broker at the other end of a stream. Errors name it by `address`.
    pub async fn open(
        stream: impl Stream + 'static,
        address: String,
        client: StrBytes,
        deadline: Duration,
    ) -> Result<Self, KafkaError> {
        let stream = Box::new(stream);
        let mut connection = Self {
            stream,
            address,
            client,
            versions: HashMap::new(),
            correlation: 0,
            proven: false,
            peer: Weak::new(),
            connected: None,
            buffers: None,
        };
        let software = StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
        let greeting = ApiVersionsRequest::default()
            .with_client_software_name(software)
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = connection.exchange(greeting, deadline).await?;
        accepted(answer.error_code, None, || {
            format!("the broker {} does not report its versions", connection.address)
        })?;
        connection.versions = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        if connection.is_controller() {
            return Err(KafkaError::Controller { address: connection.address });
        }
        NEEDED
            .into_iter()
            .try_for_each(|(key, version, name)| connection.check(key, version, name))?;
        Ok(connection)
    }

    /// Sets the peer that learns whether requests are answered, and what counts the connection.
    pub(super) fn watched(mut self, peer: &Arc<Peer>, connected: Connected) -> Self {
        (self.peer, self.connected) = (Arc::downgrade(peer), Some(connected));
        self
    }

    /// Sets the source of memory for large answers.
    pub(super) fn with_buffers(mut self, buffers: &Arc<Buffers>) -> Self {
        self.buffers = Some(Arc::clone(buffers));
        self
    }

    /// Whether this is the port of a controller: controllers vote, and keep no records. A node that is both has a port
    /// for each.
    fn is_controller(&self) -> bool {
        let knows = |key| self.versions.contains_key(&key);
        knows(VoteRequest::KEY) && !knows(ProduceRequest::KEY)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call<C: Call>(
        &mut self,
        request: C,
        deadline: Duration,
    ) -> Result<C::Response, KafkaError> {
        self.check(C::KEY, C::VERSION, C::NAME)?;
        let answer = self.exchange(request, deadline).await;
        match (self.peer.upgrade(), answer) {
            (Some(peer), Ok(answer)) if !self.proven => {
                peer.answered();
                self.proven = true;
                Ok(answer)
            }
            // A port that accepts connections and answers no request counts as unavailable, as does a broker that falls
            // silent.
            (Some(peer), Err(error))
                if !self.proven || matches!(error, KafkaError::Silent { .. }) =>
            {
                Err(peer.failed(error))
            }
            (_, answer) => answer,
        }
    }

    /// Fails unless the broker knows a request in this version.
    fn check(&self, key: i16, version: i16, request: &'static str) -> Result<(), KafkaError> {
        let known = self.versions.get(&key);
        if known.is_some_and(|range| (range.min..=range.max).contains(&version)) {
            return Ok(());
        }
        Err(KafkaError::TooOld { address: self.address.clone(), request, version })
    }

    async fn exchange<C: Call>(
        &mut self,
        request: C,
        deadline: Duration,
    ) -> Result<C::Response, KafkaError> {
        let answer = timeout(deadline, self.round_trip(&request)).await;
        let address = || self.address.clone();
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(Trouble::Broken(source))) => {
                Err(KafkaError::Broken { address: address(), source })
            }
            Ok(Err(Trouble::Garbled(source))) => {
                Err(KafkaError::garbled::<C>(&self.address, source))
            }
            Ok(Err(Trouble::Tls)) => Err(KafkaError::Tls { address: address() }),
            Ok(Err(Trouble::Stranger(what))) => {
                Err(KafkaError::Stranger { address: address(), what })
            }
            Err(_) => {
                Err(KafkaError::Silent { address: address(), request: C::NAME, after: deadline })
            }
        }
    }

    async fn round_trip<C: Call>(&mut self, request: &C) -> Result<C::Response, Trouble> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = build_frame(request, self.correlation, &self.client);
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let answer = self.read_frame(C::MAX_ANSWER).await?;
        read_answer::<C>(answer, self.correlation)
    }

    async fn read_frame(&mut self, limit: usize) -> Result<Bytes, Trouble> {
        let length = self.stream.read_u32().await?;
        if let Some(trouble) = strange(length.to_be_bytes()) {
            return Err(trouble);
        }
        let length = length as usize;
        if length > limit {
            let text = format!("it has {length} bytes, the limit is {limit}");
            return Err(Trouble::Garbled(text.into()));
        }
        let at_once = length.min(AT_ONCE);
        let mut answer = match &self.buffers {
            Some(buffers) => buffers.take(at_once),
            None => BytesMut::with_capacity(at_once),
        };
        let mut limited = (&mut self.stream).take(length as u64);
        // Never read into a full buffer: that would enlarge it, and copy all of it.
        while answer.len() < length {
            if limited.read_buf(&mut answer).await? == 0 {
                return Err(Trouble::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let answer = answer.freeze();
        if let Some(buffers) = &self.buffers {
            buffers.lend(&answer);
        }
        Ok(answer)
    }
}

/// Recognises another protocol by the first bytes: as a length, they are larger than any answer of a broker.
fn strange(bytes: [u8; 4]) -> Option<Trouble> {
    Some(match &bytes {
        // An alert, or any other record of TLS 1.x.
        [0x14..=0x17, 3, 0..=4, _] => Trouble::Tls,
        b"HTTP" => Trouble::Stranger("a web server"),
        b"-ERR" => Trouble::Stranger("a Redis"),
        b"SSH-" => Trouble::Stranger("an SSH server"),
        _ => return None,
    })
}

fn build_frame<C: Call>(request: &C, correlation: i32, client: &StrBytes) -> BytesMut {
    let header = RequestHeader::default()
        .with_request_api_key(C::KEY)
        .with_request_api_version(C::VERSION)
        .with_correlation_id(correlation)
        .with_client_id(Some(client.clone()));
    let header_version = C::header_version(C::VERSION);
    // If a size cannot be computed, the encoding below fails, too.
    let header_size = header.compute_size(header_version).unwrap_or_default();
    let size = request.compute_size(C::VERSION).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(4 + header_size + size);
    frame.put_u32(0);
    header
        .encode(&mut frame, header_version)
        .and_then(|()| request.encode(&mut frame, C::VERSION))
        .expect("requests are built for the version that is sent");
    let length = u32::try_from(frame.len() - 4).expect("a request is smaller than four gigabytes");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn read_answer<C: Call>(answer: Bytes, correlation: i32) -> Result<C::Response, Trouble> {
    let garbled = |error: anyhow::Error| Trouble::Garbled(error.into());
    let mut answer = Guarded::new(answer);
    let version = <C as Request>::Response::header_version(C::VERSION);
    let header = ResponseHeader::decode(&mut answer, version).map_err(garbled)?;
    if header.correlation_id != correlation {
        let text = format!("it answers request {}, not {correlation}", header.correlation_id);
        return Err(Trouble::Garbled(text.into()));
    }
    C::Response::decode(&mut answer, C::VERSION).map_err(garbled)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::{BufMut, Bytes, BytesMut};
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
    use kafka_protocol::messages::leave_group_response::MemberResponse;
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use kafka_protocol::messages::offset_commit_response::{
        OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    };
    use kafka_protocol::messages::offset_fetch_response::{
        OffsetFetchResponsePartition, OffsetFetchResponseTopic,
    };
    use kafka_protocol::messages::produce_response::{
        PartitionProduceResponse, TopicProduceResponse,
    };
    use kafka_protocol::messages::{
        FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse,
        HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
        LeaveGroupRequest, LeaveGroupResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
        ProduceRequest, ProduceResponse, SyncGroupRequest, SyncGroupResponse, TopicName,
    };
    use kafka_protocol::protocol::StrBytes;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{Connection, KafkaError, read_answer};
    use crate::queue::kafka::pretend::{answer, greeting};

    fn joined() -> Vec<u8> {
        let member = |id: &'static str| {
            JoinGroupResponseMember::default()
                .with_member_id(StrBytes::from_static_str(id))
                .with_metadata(Bytes::from_static(b"some data"))
        };
        let response = JoinGroupResponse::default()
            .with_generation_id(7)
            .with_protocol_name(Some(StrBytes::from_static_str("range")))
            .with_members(vec![member("a"), member("b")]);
        answer::<JoinGroupRequest>(&response)
    }

    fn records() -> Vec<u8> {
        let partition =
            PartitionData::default().with_records(Some(Bytes::from_static(&[b'x'; 40])));
        let topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
        answer::<FetchRequest>(&FetchResponse::default().with_responses(vec![topic]))
    }

    fn committed() -> Vec<u8> {
        let partitions =
            (0..9).map(|index| OffsetFetchResponsePartition::default().with_partition_index(index));
        let topic = OffsetFetchResponseTopic::default().with_partitions(partitions.collect());
        answer::<OffsetFetchRequest>(&OffsetFetchResponse::default().with_topics(vec![topic]))
    }

    fn topic() -> TopicName {
        TopicName(StrBytes::from_static_str("topic"))
    }

    fn found() -> Vec<u8> {
        let response = FindCoordinatorResponse::default()
            .with_host(StrBytes::from_static_str("there"))
            .with_port(9092);
        answer::<FindCoordinatorRequest>(&response)
    }

    fn stored() -> Vec<u8> {
        let partitions = (0..9)
            .map(|index| OffsetCommitResponsePartition::default().with_partition_index(index));
        let topic = OffsetCommitResponseTopic::default()
            .with_name(topic())
            .with_partitions(partitions.collect());
        answer::<OffsetCommitRequest>(&OffsetCommitResponse::default().with_topics(vec![topic]))
    }

    fn appended() -> Vec<u8> {
        let partition = PartitionProduceResponse::default()
            .with_base_offset(7)
            .with_error_message(Some(StrBytes::from_static_str("what")));
        let topic = TopicProduceResponse::default()
            .with_name(topic())
            .with_partition_responses(vec![partition]);
        answer::<ProduceRequest>(&ProduceResponse::default().with_responses(vec![topic]))
    }

    fn left() -> Vec<u8> {
        let member = MemberResponse::default().with_member_id(StrBytes::from_static_str("a"));
        answer::<LeaveGroupRequest>(&LeaveGroupResponse::default().with_members(vec![member]))
    }

    fn described() -> Vec<u8> {
        let broker =
            MetadataResponseBroker::default().with_host(StrBytes::from_static_str("there"));
        let partitions = (0..9).map(|index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_replica_nodes(vec![1.into(), 2.into()])
        });
        let topic = MetadataResponseTopic::default()
            .with_name(Some(topic()))
            .with_partitions(partitions.collect());
        let response =
            MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic]);
        answer::<MetadataRequest>(&response)
    }

    /// It only has to return, without exhausting the memory.
    fn read_as_anything(bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        let _ = read_answer::<JoinGroupRequest>(bytes.clone(), 1);
        let _ = read_answer::<SyncGroupRequest>(bytes.clone(), 1);
        let _ = read_answer::<HeartbeatRequest>(bytes.clone(), 1);
        let _ = read_answer::<FetchRequest>(bytes.clone(), 1);
        let _ = read_answer::<OffsetFetchRequest>(bytes.clone(), 1);
        let _ = read_answer::<FindCoordinatorRequest>(bytes.clone(), 1);
        let _ = read_answer::<OffsetCommitRequest>(bytes.clone(), 1);
        let _ = read_answer::<LeaveGroupRequest>(bytes.clone(), 1);
        let _ = read_answer::<ProduceRequest>(bytes.clone(), 1);
        let _ = read_answer::<MetadataRequest>(bytes, 1);
    }

    proptest! {
        #[test]
        fn answers_with_bytes_changed_are_read_or_refused(
            which in 0..10_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = match which {
                0 => joined(),
                1 => committed(),
                2 => records(),
                3 => found(),
                4 => stored(),
                5 => left(),
                6 => described(),
                7 => appended(),
                8 => answer::<SyncGroupRequest>(
                    &SyncGroupResponse::default().with_assignment(Bytes::from_static(b"data")),
                ),
                _ => answer::<HeartbeatRequest>(&HeartbeatResponse::default()),
            };
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            read_as_anything(&bytes);
            read_as_anything(&bytes[..cut.index(bytes.len())]);
        }

        #[test]
        fn answers_of_any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            read_as_anything(&[&1_i32.to_be_bytes()[..], &[0], &bytes].concat());
        }
    }

    #[test]
    fn an_answer_as_it_should_be_is_read() {
        let response = read_answer::<JoinGroupRequest>(joined().into(), 1);
        assert_eq!(response.ok().map(|response| response.members.len()), Some(2));
        let response = read_answer::<OffsetFetchRequest>(committed().into(), 1);
        assert_eq!(response.ok().map(|response| response.topics[0].partitions.len()), Some(9));
    }

    #[test]
    fn a_count_beyond_what_follows_is_refused_before_it_takes_memory() {
        let mut bytes = answer::<OffsetFetchRequest>(&OffsetFetchResponse::default());
        // After the header and the throttle time: the number of topics, replaced by the largest number.
        bytes.splice(9..10, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
        assert!(read_answer::<OffsetFetchRequest>(bytes.into(), 1).is_err());
    }

    #[test]
    fn a_byte_before_a_count_that_looks_like_a_part_of_it_hides_nothing() {
        let described = described();
        let name = described.windows(5).position(|bytes| bytes == b"topic").unwrap();
        // After the name: whether the topic is internal, and the number of its partitions.
        let counts =
            [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x0F][..], &[0xFF, 0x8A, 0x80, 0x80, 0x80, 0x8F]];
        for count in counts {
            let mut bytes = described.clone();
            bytes.splice(name + 5..name + 7, count.iter().copied());
            assert!(read_answer::<MetadataRequest>(bytes.into(), 1).is_err());
        }
    }

    async fn greeted_by(answer: &[u8]) -> Option<KafkaError> {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(answer).await.unwrap();
        let peer = tokio::spawn(async move {
            let _ = far.read_u32().await;
            far
        });
        let client = StrBytes::from_static_str("test");
        let opened = Connection::open(near, "there".into(), client, Duration::from_secs(1)).await;
        drop(peer);
        opened.err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_no_broker_is_an_error_and_no_hang() {
        let silent = greeted_by(b"").await;
        assert!(matches!(silent, Some(KafkaError::Silent { .. })), "{silent:?}");
        let web = greeted_by(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert!(matches!(web, Some(KafkaError::Stranger { .. })), "{web:?}");
        let tls = greeted_by(&[0x15, 3, 3, 0, 2, 2, 80]).await;
        assert!(matches!(tls, Some(KafkaError::Tls { .. })), "{tls:?}");
        let noise = greeted_by(b"nothing that is known").await;
        assert!(matches!(noise, Some(KafkaError::Garbled { .. })), "{noise:?}");
        let mut controller = greeting([1, 18, 52, 59]);
        controller.splice(0..0, u32::try_from(controller.len()).unwrap().to_be_bytes());
        let controller = greeted_by(&controller).await;
        assert!(matches!(controller, Some(KafkaError::Controller { .. })), "{controller:?}");
        let mut unasked = BytesMut::new();
        unasked.put_slice(&[0, 0, 0, 4, 0, 0, 0, 9]);
        let unasked = greeted_by(&unasked).await;
        assert!(matches!(unasked, Some(KafkaError::Garbled { .. })), "{unasked:?}");
        let mut old = greeting([]);
        old.splice(0..0, u32::try_from(old.len()).unwrap().to_be_bytes());
        let old = greeted_by(&old).await;
        assert!(matches!(old, Some(KafkaError::TooOld { .. })), "{old:?}");
    }
}
