//! The requests of a member to the broker that coordinates its group, one at a time.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::timeout;

use super::assignor::{Assignor, Counts};
use super::protocol::{PROTOCOL_TYPE, write_subscription};
use super::settings::Settings;
use crate::health::Health;
use crate::queue::kafka::call::Call;
use crate::queue::kafka::connection::Connection;
use crate::queue::kafka::error::{KafkaError, accepted};
use crate::queue::kafka::limits::{limits_request, read_limits};
use crate::queue::kafka::messages::{Metadata, metadata_request, signed, topic_name};
use crate::queue::kafka::ownership::{Commit, Position};
use crate::queue::kafka::peers::Peers;

/// The protocol's number for the coordinator of a group, as opposed to a transaction.
const GROUP: i8 = 0;

/// The identity of a member towards the coordinator.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) id: StrBytes,
    pub(super) generation: i32,
}

/// A client of the coordinator of a group.
pub(super) struct Coordinator {
    peers: Peers,
    settings: Settings,
    /// `None` while a request is in flight: when that is dropped, the connection is, too.
    connection: Option<Connection>,
    /// The number of the coordinating broker, once it was found.
    broker: Option<i32>,
}

impl Coordinator {
    pub(super) fn new(peers: Peers, settings: Settings) -> Self {
        Self { peers, settings, connection: None, broker: None }
    }

    /// Like [`Self::new`], over an existing connection.
    #[cfg(test)]
    pub(super) fn over(connection: Connection, peers: Peers, settings: Settings) -> Self {
        Self { peers, settings, connection: Some(connection), broker: None }
    }

    /// Where obstacles are reported.
    pub(super) fn health(&self) -> &Health {
        self.peers.health()
    }

    /// Sets the session that later joins ask for.
    pub(super) fn set_session(&mut self, session: Duration) {
        self.settings.session = session;
    }

    /// Drops the connection: the next request finds the coordinator again.
    pub(super) fn forget(&mut self) {
        self.connection = None;
    }

    /// The deadline of most requests: a member that waits longer would count as dead meanwhile.
    fn prompt(&self) -> Duration {
        self.peers.timeout().min(self.settings.session / 2)
    }

    async fn call<C: Call>(
        &mut self,
        request: C,
        deadline: Duration,
    ) -> Result<C::Response, KafkaError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.find().await?,
        };
        let response = connection.call(request, deadline).await?;
        self.connection = Some(connection);
        Ok(response)
    }

    async fn find(&mut self) -> Result<Connection, KafkaError> {
        let after = self.prompt();
        let found = timeout(after, self.try_find()).await;
        let (broker, connection) = found.unwrap_or_else(|_| {
            let (address, request) =
                (self.peers.addresses().join(","), FindCoordinatorRequest::NAME);
            Err(KafkaError::Silent { address, request, after })
        })?;
        self.broker = Some(broker);
        Ok(connection)
    }

    async fn try_find(&self) -> Result<(i32, Connection), KafkaError> {
        let (broker, address) = find(&self.peers, &self.settings.group).await?;
        Ok((broker, self.peers.connect(&address).await?))
    }

    fn accepted(&self, code: i16, message: Option<&str>) -> Result<(), KafkaError> {
        of_group(&self.settings.group, code, message)
    }

    fn group(&self) -> GroupId {
        GroupId(self.settings.group.clone())
    }

    /// Joins, or joins again. The answer comes when all members have joined.
    pub(super) async fn join(&mut self, id: &StrBytes) -> Result<JoinGroupResponse, KafkaError> {
        let Settings { session, rebalance, .. } = self.settings;
        let request = join_request(&self.settings, id);
        self.call(request, session + rebalance + self.prompt()).await
    }

    /// Gets the assignment. The leader sends those of all members.
    pub(super) async fn sync(
        &mut self,
        member: &Identity,
        assignments: Vec<(StrBytes, Bytes)>,
    ) -> Result<Bytes, KafkaError> {
        let assignments = assignments.into_iter().map(|(id, assignment)| {
            SyncGroupRequestAssignment::default().with_member_id(id).with_assignment(assignment)
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone())
            .with_assignments(assignments.collect());
        let deadline = self.settings.session + self.prompt();
        let answer = self.call(request, deadline).await?;
        self.accepted(answer.error_code, None)?;
        Ok(answer.assignment)
    }

    pub(super) async fn heartbeat(&mut self, member: &Identity) -> Result<(), KafkaError> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone());
        let answer = self.call(request, self.prompt()).await?;
        self.accepted(answer.error_code, None)
    }

    pub(super) async fn commit(
        &mut self,
        member: &Identity,
        commits: &[Commit],
    ) -> Result<(), KafkaError> {
        let partitions = commits.iter().map(|commit| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(signed(commit.partition))
                .with_committed_offset(signed_offset(commit.offset))
                .with_committed_metadata(Some(StrBytes::from_string(commit.note.to_string())))
        });
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(&self.settings.topic))
            .with_partitions(partitions.collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group())
            .with_generation_id_or_member_epoch(member.generation)
            .with_member_id(member.id.clone())
            .with_topics(vec![topic]);
        let answer = self.call(request, self.prompt()).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .map(|partition| partition.error_code)
            .try_for_each(|code| self.accepted(code, None))
    }

    /// The committed offsets, with the notes committed beside them.
    pub(super) async fn committed(
        &mut self,
        partitions: &[u32],
    ) -> Result<Vec<Position>, KafkaError> {
        let request = fetch_request(&self.settings, partitions);
        let answer = self.call(request, self.prompt()).await?;
        read_committed(&self.settings.group, answer)
    }

    /// The shortest and the longest session that the broker's configuration allows.
    pub(super) async fn session_limits(&mut self) -> Result<Option<[Duration; 2]>, KafkaError> {
        let Some(broker) = self.broker else { return Ok(None) };
        let answer = self.call(limits_request(broker), self.prompt()).await?;
        Ok(read_limits(answer)?.sessions)
    }

    /// The numbers of partitions of these topics, as far as they are visible.
    pub(super) async fn counts(&mut self, topics: &[&str]) -> Result<Counts, KafkaError> {
        let answer = self.call(metadata_request(topics), self.prompt()).await?;
        Ok(Metadata::from(answer).counts())
    }

    pub(super) async fn leave(&mut self, member: &Identity) -> Result<(), KafkaError> {
        let request = leave_request(&self.settings.group, &member.id);
        let answer = self.call(request, self.prompt()).await?;
        self.accepted(answer.error_code, None)
    }
}

/// The broker that coordinates a group: its number and its address.
pub(super) async fn find(peers: &Peers, group: &StrBytes) -> Result<(i32, String), KafkaError> {
    let request = FindCoordinatorRequest::default().with_key(group.clone()).with_key_type(GROUP);
    let (_, found) = peers.ask_any(request).await?;
    of_group(group, found.error_code, found.error_message.as_deref())?;
    Ok((found.node_id.0, format!("{}:{}", found.host.as_str(), found.port)))
}

/// Turns an error code of an answer about a group into an error.
pub(super) fn of_group(
    group: &StrBytes,
    code: i16,
    message: Option<&str>,
) -> Result<(), KafkaError> {
    accepted(code, message, || format!("the group {}", group.as_str()))
}

/// The request to join as `id`, or as a new member if that is empty.
pub(super) fn join_request(settings: &Settings, id: &StrBytes) -> JoinGroupRequest {
    let metadata = write_subscription(&[settings.topic.as_str()]);
    let protocols = Assignor::ALL.map(|assignor| {
        JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(assignor.name()))
            .with_metadata(metadata.clone())
    });
    JoinGroupRequest::default()
        .with_group_id(GroupId(settings.group.clone()))
        .with_session_timeout_ms(millis(settings.session))
        .with_rebalance_timeout_ms(millis(settings.rebalance))
        .with_member_id(id.clone())
        .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
        .with_protocols(protocols.to_vec())
}

pub(super) fn leave_request(group: &StrBytes, member: &StrBytes) -> LeaveGroupRequest {
    let leaving = MemberIdentity::default().with_member_id(member.clone());
    LeaveGroupRequest::default().with_group_id(GroupId(group.clone())).with_members(vec![leaving])
}

/// The request for a group's committed offsets.
pub(super) fn fetch_request(settings: &Settings, partitions: &[u32]) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name(&settings.topic))
        .with_partition_indexes(partitions.iter().copied().map(signed).collect());
    OffsetFetchRequest::default()
        .with_group_id(GroupId(settings.group.clone()))
        .with_topics(Some(vec![topic]))
}

pub(super) fn read_committed(
    group: &StrBytes,
    answer: OffsetFetchResponse,
) -> Result<Vec<Position>, KafkaError> {
    of_group(group, answer.error_code, None)?;
    let mut positions = Vec::new();
    for partition in answer.topics.into_iter().flat_map(|topic| topic.partitions) {
        of_group(group, partition.error_code, None)?;
        let Ok(number) = u32::try_from(partition.partition_index) else { continue };
        // Negative if nothing was committed.
        let offset = u64::try_from(partition.committed_offset).ok();
        // Another program's note is ignored.
        let note = partition.metadata.and_then(|note| note.parse().ok()).unwrap_or_default();
        positions.push(Position { partition: number, offset, note });
    }
    Ok(positions)
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

fn signed_offset(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
