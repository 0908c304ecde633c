//! A member whose coordinator says strange things.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::coordinator::Coordinator;
use super::member::Member;
use super::protocol::{write_assignment, write_subscription};
use crate::queue::kafka::cluster::{Cluster, topic_name};
use crate::queue::kafka::connection::Connection;
use crate::queue::kafka::ownership::{Danger, Ownership, Place};
use crate::queue::kafka::pretend::{answer, greeting, serve};

const TOPIC: &str = "topic";
const MEMBER: StrBytes = StrBytes::from_static_str("member");
/// So many answers are given in the time that a member gets.
const ANSWERS: usize = 20;

/// What a coordinator answers to its only member.
fn answer_to(key: ApiKey) -> Vec<u8> {
    match key {
        ApiKey::ApiVersions => greeting(0..20),
        ApiKey::JoinGroup => {
            let member = JoinGroupResponseMember::default()
                .with_member_id(MEMBER)
                .with_metadata(write_subscription(&[TOPIC]));
            let response = JoinGroupResponse::default()
                .with_generation_id(1)
                .with_protocol_name(Some(StrBytes::from_static_str("range")))
                .with_leader(MEMBER)
                .with_member_id(MEMBER)
                .with_members(vec![member]);
            answer::<JoinGroupRequest>(&response)
        }
        ApiKey::SyncGroup => {
            let assignment = write_assignment(&[(TOPIC.to_owned(), vec![0, 1])].into());
            answer::<SyncGroupRequest>(&SyncGroupResponse::default().with_assignment(assignment))
        }
        ApiKey::Metadata => {
            let partitions = (0..2)
                .map(|number| MetadataResponsePartition::default().with_partition_index(number));
            let topic = MetadataResponseTopic::default()
                .with_name(Some(topic_name(TOPIC)))
                .with_partitions(partitions.collect());
            answer::<MetadataRequest>(&MetadataResponse::default().with_topics(vec![topic]))
        }
        ApiKey::OffsetFetch => {
            let partition = |number| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(number)
                    .with_committed_offset(7)
                    .with_metadata(Some(StrBytes::from_static_str("try 7 1 9")))
            };
            let topic = OffsetFetchResponseTopic::default()
                .with_name(topic_name(TOPIC))
                .with_partitions((0..2).map(partition).collect());
            answer::<OffsetFetchRequest>(&OffsetFetchResponse::default().with_topics(vec![topic]))
        }
        ApiKey::OffsetCommit => {
            let partitions = (0..2).map(|number| {
                OffsetCommitResponsePartition::default().with_partition_index(number)
            });
            let topic = OffsetCommitResponseTopic::default()
                .with_name(topic_name(TOPIC))
                .with_partitions(partitions.collect());
            answer::<OffsetCommitRequest>(&OffsetCommitResponse::default().with_topics(vec![topic]))
        }
        ApiKey::Heartbeat => answer::<HeartbeatRequest>(&HeartbeatResponse::default()),
        ApiKey::LeaveGroup => answer::<LeaveGroupRequest>(&LeaveGroupResponse::default()),
        other => panic!("a member does not ask {other:?}"),
    }
}

/// A byte of one of the answers, and what it becomes.
type Change = (usize, prop::sample::Index, u8);

/// Answers with these changes until nobody asks any more, or nobody can make sense of it.
async fn coordinate(stream: DuplexStream, changes: Vec<Change>) {
    let mut turns = 0..;
    serve(stream, |key, _| {
        let (mut answer, turn) = (answer_to(key), turns.next());
        for (_, at, byte) in changes.iter().filter(|(changed, ..)| Some(*changed) == turn) {
            let at = at.index(answer.len());
            answer[at] = *byte;
        }
        Some(answer)
    })
    .await;
}

/// Lets a member be for a while and leave; which partitions it had, if it had any.
async fn live(changes: Vec<Change>) -> Option<Vec<u32>> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(coordinate(far, changes));
    let deadline = Duration::from_secs(1);
    let connection = Connection::open(near, "there".into(), MEMBER, deadline).await.unwrap();
    // Nobody is there when the connection is lost.
    let cluster = Cluster::new(vec!["127.0.0.1:1".into()], "test", deadline);
    let settings = Settings::new("group", TOPIC);
    let coordinator = Coordinator::over(connection, cluster, settings.clone());
    let ownership = Arc::new(Ownership::new(Danger::Deadly));
    let member = Member::new(coordinator, settings, Arc::clone(&ownership));
    let leave = CancellationToken::new();
    let running = tokio::spawn(member.run(leave.clone()));
    // Of a clock that stands still while anybody has something to do.
    sleep(Duration::from_secs(5)).await;
    let owned = ownership.take_news().ok().flatten();
    for owned in owned.iter().flatten() {
        let offset = owned.start.unwrap_or(0);
        let place = Place { partition: owned.partition, term: owned.term, offset };
        let _ = ownership.judge(place);
        ownership.deliver(place);
        ownership.ack(place);
    }
    sleep(Duration::from_secs(5)).await;
    leave.cancel();
    let ended = timeout(Duration::from_mins(1), running).await;
    ended.expect("it leaves").expect("it does not panic");
    owned.map(|owned| owned.into_iter().map(|owned| owned.partition).collect())
}

fn paused(test: impl Future<Output = Option<Vec<u32>>>) -> Option<Vec<u32>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(test)
}

#[test]
fn the_only_member_of_a_group_gets_all() {
    assert_eq!(paused(live(Vec::new())), Some(vec![0, 1]));
}

proptest! {
    #[test]
    fn a_member_gets_over_answers_with_bytes_changed(
        changes in prop::collection::vec(
            (1..ANSWERS, any::<prop::sample::Index>(), any::<u8>()), 1..9,
        ),
    ) {
        paused(live(changes));
    }
}
