//! Membership in a consumer group, by Kafka's classic protocol.
//!
//! * `assignor`: who gets which partitions.
//! * `coordinator`: the requests to the broker that coordinates the group.
//! * `member`: the life of a member.
//! * `protocol`: what members tell each other.
//! * `reaction`: what is done about each error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

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

/// How long to wait before a coordinator that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A group, and how its members behave.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) group: StrBytes,
    pub(super) topic: String,
    /// Silence after which the coordinator takes a member for dead.
    pub(super) session: Duration,
    /// How long a rebalance waits for members that have not joined again.
    pub(super) rebalance: Duration,
    pub(super) heartbeat: Duration,
    /// How often the leader looks whether the topic has grown.
    pub(super) refresh: Duration,
}

impl Settings {
    /// The least session that brokers allow by default, so that the work of the dead goes on soon.
    pub(super) fn new(group: &str, topic: &str) -> Self {
        Self {
            group: StrBytes::from_string(group.to_owned()),
            topic: topic.to_owned(),
            session: Duration::from_secs(6),
            rebalance: Duration::from_secs(10),
            heartbeat: Duration::from_secs(1),
            refresh: Duration::from_secs(5),
        }
    }
}

/// A member at work in a task of its own. Dropped, it leaves the group as soon as it can.
pub(super) struct Membership {
    leave: DropGuard,
    member: JoinHandle<()>,
}

impl Membership {
    /// Leaves in good order; has tried for as long as a session when this returns.
    pub(super) async fn leave(self) {
        drop(self.leave);
        // A member that panicked is as good as gone.
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

/// Looks at a group from outside of it, over one connection.
pub(super) struct Observer {
    patience: Duration,
    coordinator: Mutex<Coordinator>,
}

impl Observer {
    pub(super) fn new(cluster: Cluster, settings: Settings) -> Self {
        let patience = cluster.timeout();
        Self { patience, coordinator: Mutex::new(Coordinator::new(cluster, settings)) }
    }

    /// What the group has committed.
    pub(super) async fn committed(&self, partitions: &[u32]) -> Result<Vec<Position>, KafkaError> {
        let mut coordinator = self.coordinator.lock().await;
        let began = Instant::now();
        // A broker closes a connection over which nothing was asked for long.
        let mut may_be_closed = coordinator.is_connected();
        loop {
            let asked = coordinator.committed(partitions).await;
            let Err(error) = &asked else { return asked };
            coordinator.forget();
            if may_be_closed && matches!(error, KafkaError::Broken { .. }) {
                may_be_closed = false;
                continue;
            }
            if !is_coming(error) || began.elapsed() >= self.patience {
                return asked;
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether the coordinator is only just becoming one, which is worth a moment.
fn is_coming(error: &KafkaError) -> bool {
    let codes = [
        ResponseError::CoordinatorNotAvailable,
        ResponseError::CoordinatorLoadInProgress,
        ResponseError::NotCoordinator,
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}
