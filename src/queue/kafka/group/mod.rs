//! Membership in a consumer group, by Kafka's classic protocol.
//!
//! * `assignor`: assigns partitions to members.
//! * `coordinator`: the requests to the broker that coordinates the group.
//! * `member`: the life of a member.
//! * `protocol`: the data that members and their leader exchange.
//! * `reaction`: what a member does about each error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::call::Call;
use super::cluster::Cluster;
use super::error::KafkaError;
use super::ownership::{Ownership, Position};

mod assignor;
mod coordinator;
mod member;
mod protocol;
mod reaction;
#[cfg(test)]
mod tests;

use coordinator::Coordinator;
use member::Member;

/// The pause before a coordinator that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// The interval of a member's heartbeats, if a session has room for three of them.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A consumer group, as it is configured.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The setting that names the group.
    pub key: &'static str,
    /// Silence after which the coordinator considers a member dead. If the brokers do not allow this session, the
    /// nearest one that they allow is used.
    pub session: Duration,
}

/// A group, and how its members behave.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) group: StrBytes,
    /// As it is configured.
    pub(super) configured: Group,
    pub(super) topic: String,
    /// Silence after which the coordinator considers a member dead.
    pub(super) session: Duration,
    /// How long a rebalance waits for members that have not joined again.
    pub(super) rebalance: Duration,
    pub(super) heartbeat: Duration,
    /// How often the leader checks whether the topic has grown.
    pub(super) refresh: Duration,
}

impl Settings {
    pub(super) fn new(group: &Group, topic: &str) -> Self {
        Self {
            group: StrBytes::from_string(group.name.clone()),
            configured: group.clone(),
            topic: topic.to_owned(),
            session: group.session,
            rebalance: Duration::from_secs(10),
            heartbeat: HEARTBEAT.min(group.session / 3),
            refresh: Duration::from_secs(5),
        }
    }
}

/// A member that runs in a task of its own. When dropped, it leaves the group as soon as it can.
pub(super) struct Membership {
    leave: DropGuard,
    member: JoinHandle<()>,
}

impl Membership {
    /// Leaves in an orderly way. Gives up after the time of a session.
    pub(super) async fn leave(self) {
        drop(self.leave);
        // A member that panicked counts as gone.
        let _ = self.member.await;
    }
}

/// Joins the group.
pub(super) fn join(cluster: Cluster, settings: Settings, ownership: Arc<Ownership>) -> Membership {
    let leave = CancellationToken::new();
    let member = Member::new(Coordinator::new(cluster, settings.clone()), settings, ownership);
    let member = tokio::spawn(member.run(leave.clone()));
    Membership { leave: leave.drop_guard(), member }
}

/// Looks at a group without being a member.
pub(super) struct Observer {
    cluster: Cluster,
    settings: Settings,
}

impl Observer {
    pub(super) fn new(cluster: Cluster, settings: Settings) -> Self {
        Self { cluster, settings }
    }

    /// The group's committed offsets and notes.
    pub(super) async fn committed(&self, partitions: &[u32]) -> Result<Vec<Position>, KafkaError> {
        let group = &self.settings.group;
        let request = coordinator::fetch_request(&self.settings, partitions);
        let asked = self.ask(request, |answer| coordinator::read_committed(group, answer)).await;
        match asked {
            // The group has never had a member, or was deleted.
            Err(error) if is_unknown(&error) => Ok(Vec::new()),
            committed => committed,
        }
    }

    /// How many members the group has.
    pub(super) async fn members(&self) -> Result<usize, KafkaError> {
        let group = &self.settings.group;
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(group.clone())]);
        let read = |answer: DescribeGroupsResponse| {
            let Some(described) = answer.groups.into_iter().next() else { return Ok(0) };
            coordinator::of_group(group, described.error_code, None)?;
            Ok(described.members.len())
        };
        match self.ask(request, read).await {
            Err(error) if is_unknown(&error) => Ok(0),
            members => members,
        }
    }

    /// Tests whether the group would take a member, without a rebalance: a coordinator asks a client without an id to
    /// ask again with one, once everything else is right.
    pub(super) async fn try_join(&self) -> Result<(), KafkaError> {
        self.patiently(|| self.try_join_now()).await
    }

    async fn try_join_now(&self) -> Result<(), KafkaError> {
        let group = &self.settings.group;
        let (_, address) = coordinator::find(&self.cluster, group).await?;
        let peer = self.cluster.peer(&address);
        let request = coordinator::join_request(&self.settings, &StrBytes::new());
        let answer = self.cluster.ask(&peer, request).await?;
        let code = ResponseError::try_from_code(answer.error_code);
        if !answer.member_id.is_empty() {
            // The id that was reserved is not needed.
            let leaving = coordinator::leave_request(group, &answer.member_id);
            let _ = self.cluster.ask(&peer, leaving).await;
        }
        match code {
            Some(ResponseError::MemberIdRequired) => Ok(()),
            _ => coordinator::of_group(group, answer.error_code, None),
        }
    }

    async fn ask<C: Call + Clone, T>(
        &self,
        request: C,
        read: impl Fn(C::Response) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let (request, read) = (&request, &read);
        self.patiently(move || async move {
            let (_, address) = coordinator::find(&self.cluster, &self.settings.group).await?;
            read(self.cluster.ask(&self.cluster.peer(&address), request.clone()).await?)
        })
        .await
    }

    /// Asks the coordinator, and waits a little for one that is just starting.
    async fn patiently<T, A: Future<Output = Result<T, KafkaError>>>(
        &self,
        ask: impl Fn() -> A,
    ) -> Result<T, KafkaError> {
        let began = Instant::now();
        loop {
            match ask().await {
                Err(error) if is_coming(&error) && began.elapsed() < self.cluster.timeout() => {
                    sleep(PAUSE).await;
                }
                asked => return asked,
            }
        }
    }
}

fn is_unknown(error: &KafkaError) -> bool {
    error.code() == Some(ResponseError::GroupIdNotFound)
}

/// Whether the coordinator is just starting, which is worth a moment's wait.
fn is_coming(error: &KafkaError) -> bool {
    let codes = [
        ResponseError::CoordinatorNotAvailable,
        ResponseError::CoordinatorLoadInProgress,
        ResponseError::NotCoordinator,
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}
