//! Tests of a member with a coordinator that gives answers which real ones give too rarely.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::ResponseError;
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
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::coordinator::Coordinator;
use super::member::Member;
use super::protocol::{write_assignment, write_subscription};
use super::{Group, Settings};
use crate::health::Health;
use crate::queue::kafka::connection::Connection;
use crate::queue::kafka::dial::Dialer;
use crate::queue::kafka::messages::topic_name;
use crate::queue::kafka::ownership::{Ownership, Place, Verdict};
use crate::queue::kafka::peers::Peers;
use crate::queue::kafka::pretend::{answer, greeting, read, serve};
use crate::queue::policy::Danger;

const TOPIC: &str = "topic";
const MEMBER: StrBytes = StrBytes::from_static_str("member");
/// The number of answers in the time that a member runs.
const ANSWERS: usize = 20;

/// The answers of a coordinator to its only member.
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

/// A changed byte: the number of the answer, the byte's place and its new value.
type Change = (usize, prop::sample::Index, u8);

/// Answers with these changes until the member closes the connection.
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

/// A member that uses the connection `near`, until `leave`.
async fn member(near: DuplexStream, leave: CancellationToken) -> (Arc<Ownership>, JoinHandle<()>) {
    let deadline = Duration::from_secs(1);
    let connection = Connection::open(near, "there".into(), MEMBER, deadline).await.unwrap();
    // No broker can be reached when the connection is lost.
    let dialer = Dialer::new("test", deadline);
    let peers = Peers::new(vec!["127.0.0.1:1".into()], dialer, Health::default());
    let session = Duration::from_secs(6);
    let group = Group { name: "group".into(), key: "topics.tasks_group", session };
    let settings = Settings::new(&group, TOPIC);
    let coordinator = Coordinator::over(connection, peers, settings.clone());
    let ownership = Arc::new(Ownership::new(Danger::Deadly));
    let member = Member::new(coordinator, settings, Arc::clone(&ownership));
    (ownership, tokio::spawn(member.run(leave)))
}

/// Lets a member run for a while and leave. Returns the partitions that it had, if it was assigned any.
async fn live(changes: Vec<Change>) -> Option<Vec<u32>> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(coordinate(far, changes));
    let leave = CancellationToken::new();
    let (ownership, running) = member(near, leave.clone()).await;
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

/// What a member commits before it joins again, if a rebalance begins just after it took a message, which it has in
/// hand for `time`; how long after the beginning of the rebalance; and how many heartbeats it sent meanwhile.
async fn deciding(time: Duration) -> (String, Duration, usize) {
    let said = decide_anew(time).await;
    let joined = said.iter().position(|(what, _)| what == "join").expect("it joins again");
    let (beats, rest): (Vec<_>, Vec<_>) =
        said[..joined].iter().partition(|(what, _)| what == "beat");
    let [(stored, at)] = &rest[..] else { panic!("{said:?}") };
    (stored.clone(), *at, beats.len())
}

/// What a member says, and how long after the beginning of a rebalance, if that begins just after it took a
/// message, which it has in hand for `time`.
async fn decide_anew(time: Duration) -> Vec<(String, Duration)> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (deciding, said) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let (is_deciding, heard) = (Arc::clone(&deciding), Arc::<Mutex<Vec<_>>>::clone(&said));
    tokio::spawn(serve(far, move |key, request| {
        let say = |what| heard.lock().unwrap().push((what, Instant::now()));
        match key {
            ApiKey::JoinGroup => {
                is_deciding.store(false, SeqCst);
                say("join".to_owned());
            }
            ApiKey::OffsetCommit => {
                let request = read::<OffsetCommitRequest>(request);
                for stored in &request.topics[0].partitions {
                    let note = stored.committed_metadata.as_deref().unwrap_or_default();
                    say(format!("{} {note}", stored.committed_offset));
                }
            }
            ApiKey::Heartbeat if is_deciding.load(SeqCst) => {
                say("beat".to_owned());
                let code = ResponseError::RebalanceInProgress.code();
                let response = HeartbeatResponse::default().with_error_code(code);
                return Some(answer::<HeartbeatRequest>(&response));
            }
            _ => {}
        }
        Some(answer_to(key))
    }));
    let leave = CancellationToken::new();
    let (ownership, _running) = member(near, leave.clone()).await;
    sleep(Duration::from_secs(5)).await;
    let owned = ownership.take_news().unwrap().unwrap().remove(0);
    let place = Place { partition: owned.partition, term: owned.term, offset: 7 };
    assert_eq!(ownership.judge(place), Some(Verdict::Wait));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ownership.judge(place), Some(Verdict::Deliver));
    said.lock().unwrap().clear();
    assert!(ownership.deliver(place));
    deciding.store(true, SeqCst);
    let began = Instant::now();
    sleep(time).await;
    ownership.ack(place);
    sleep(Duration::from_secs(5)).await;
    leave.cancel();
    let said = std::mem::take(&mut *said.lock().unwrap());
    said.into_iter().map(|(what, at)| (what, at - began)).collect()
}

/// Runs a test with a paused clock, which advances only while all tasks are idle.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(test)
}

#[test]
fn the_only_member_of_a_group_gets_all() {
    assert_eq!(paused(live(Vec::new())), Some(vec![0, 1]));
}

/// The message has a count from before, which stands until the message is dealt with.
#[test]
fn a_member_deals_with_what_it_has_in_hand_before_it_joins_again() {
    let time = Duration::from_millis(7500);
    let (stored, at, beats) = paused(deciding(time));
    assert_eq!(stored, "8 try 7 1 9");
    assert!(at >= time && beats >= 7, "{at:?}, {beats}");
}

#[test]
fn a_member_joins_again_with_what_takes_long() {
    let (stored, at, beats) = paused(deciding(Duration::from_secs(20)));
    assert_eq!(stored, "7 try 7 1 9");
    // After the heartbeat that told it of the rebalance, it has waited, as a process died with the message before.
    assert!((8..=9).contains(&at.as_secs()) && beats >= 8, "{at:?}, {beats}");
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
