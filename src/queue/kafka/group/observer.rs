//! Looks at a group without being a member.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use tokio::time::sleep;

use super::coordinator;
use super::settings::Settings;
use crate::queue::kafka::call::Call;
use crate::queue::kafka::error::KafkaError;
use crate::queue::kafka::ownership::Position;
use crate::queue::kafka::peers::Peers;

/// The pause before a coordinator that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A client that asks about one group.
pub(in crate::queue::kafka) struct Observer {
    peers: Peers,
    settings: Settings,
}

impl Observer {
    pub(in crate::queue::kafka) fn new(peers: Peers, settings: Settings) -> Self {
        Self { peers, settings }
    }

    /// The group's committed offsets and notes.
    pub(in crate::queue::kafka) async fn committed(
        &self,
        partitions: &[u32],
    ) -> Result<Vec<Position>, KafkaError> {
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
    pub(in crate::queue::kafka) async fn members(&self) -> Result<usize, KafkaError> {
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
    pub(in crate::queue::kafka) async fn try_join(&self) -> Result<(), KafkaError> {
        self.patiently(|| self.try_join_now()).await
    }

    async fn try_join_now(&self) -> Result<(), KafkaError> {
        let group = &self.settings.group;
        let (_, address) = coordinator::find(&self.peers, group).await?;
        let peer = self.peers.at(&address);
        let request = coordinator::join_request(&self.settings, &StrBytes::new());
        let answer = self.peers.ask(&peer, request).await?;
        let code = ResponseError::try_from_code(answer.error_code);
        if !answer.member_id.is_empty() {
            // The id that was reserved is not needed.
            let leaving = coordinator::leave_request(group, &answer.member_id);
            let _ = self.peers.ask(&peer, leaving).await;
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
            let (_, address) = coordinator::find(&self.peers, &self.settings.group).await?;
            read(self.peers.ask(&self.peers.at(&address), request.clone()).await?)
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
                Err(error) if is_coming(&error) && began.elapsed() < self.peers.timeout() => {
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
