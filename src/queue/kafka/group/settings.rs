//! A group, as it is configured, and how its members behave.

use std::time::Duration;

use kafka_protocol::protocol::StrBytes;

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

/// What a member needs to know of its group: the configured names, and the times.
#[derive(Debug, Clone)]
pub(in crate::queue::kafka) struct Settings {
    pub(in crate::queue::kafka) group: StrBytes,
    /// As it is configured.
    pub(in crate::queue::kafka) configured: Group,
    pub(in crate::queue::kafka) topic: String,
    /// Silence after which the coordinator considers a member dead.
    pub(in crate::queue::kafka) session: Duration,
    /// How long a rebalance waits for members that have not joined again.
    pub(in crate::queue::kafka) rebalance: Duration,
    pub(in crate::queue::kafka) heartbeat: Duration,
    /// How often the leader checks whether the topic has grown.
    pub(in crate::queue::kafka) refresh: Duration,
}

impl Settings {
    pub(in crate::queue::kafka) fn new(group: &Group, topic: &str) -> Self {
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
