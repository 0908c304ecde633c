//! Tests that answers of any bytes are read or refused, and that peers which are not brokers are errors.

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
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, ProduceRequest, ProduceResponse, SyncGroupRequest,
    SyncGroupResponse, TopicName,
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
    let partition = PartitionData::default().with_records(Some(Bytes::from_static(&[b'x'; 40])));
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
    let partitions =
        (0..9).map(|index| OffsetCommitResponsePartition::default().with_partition_index(index));
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
    let broker = MetadataResponseBroker::default().with_host(StrBytes::from_static_str("there"));
    let partitions = (0..9).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(vec![1.into(), 2.into()])
    });
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic()))
        .with_partitions(partitions.collect());
    let response = MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic]);
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
    let counts = [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x0F][..], &[0xFF, 0x8A, 0x80, 0x80, 0x80, 0x8F]];
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
