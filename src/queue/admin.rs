//! Sets up topics in a queue that does not create them by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::QueueError;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it should have.
    pub partitions: u32,
    /// How many replicas each partition should have; `None` leaves it to the brokers.
    pub replication: Option<u16>,
    /// Its settings, by the broker's names for them.
    pub settings: BTreeMap<String, String>,
}

/// Settings that are read, but left to the operator.
pub const LOOKED_AT: [&str; 1] = ["min.insync.replicas"];

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// How many partitions it has.
    pub partitions: u32,
    /// The lowest number of replicas of any partition.
    pub replication: u16,
    /// The lowest number of in-sync replicas of any partition.
    pub in_sync: u16,
    /// Its settings, by the broker's names for them: those asked for and those of [`LOOKED_AT`], as far as the
    /// broker has them.
    pub settings: BTreeMap<String, String>,
    /// The operations that this client may not use on it, by the broker's names; empty if the broker does not tell.
    pub forbidden: Vec<&'static str>,
}

/// The limits of brokers, as far as they tell them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerLimits {
    /// The shortest and the longest session of a group's member.
    pub sessions: Option<[Duration; 2]>,
    /// The most bytes of the metadata beside a committed offset.
    pub note: Option<u64>,
}

/// Why a consumer group would not take a member.
#[derive(Debug)]
pub struct GroupTrouble {
    /// The cause.
    pub cause: QueueError,
    /// The remedy.
    pub remedy: String,
}

/// A broker of the cluster, and whether this host can use it.
#[derive(Debug)]
pub struct BrokerState {
    /// The address that it advertises to clients.
    pub advertised: String,
    /// Why this host cannot use it.
    pub trouble: Option<QueueError>,
}

/// Sets topics up.
#[async_trait]
pub trait TopicAdmin: Send + Sync {
    /// The brokers, each tried from this host.
    async fn brokers(&self) -> Result<Vec<BrokerState>, QueueError>;

    /// The limits of the brokers.
    async fn limits(&self) -> Result<BrokerLimits, QueueError>;

    /// Tests whether the group `name`, which the setting `key` names, would take a member that reads `topic`. Leaves no
    /// member behind.
    async fn try_group(&self, name: &str, key: &'static str, topic: &str) -> Option<GroupTrouble>;

    /// The topic, if it exists, with the settings that `plan` names.
    async fn look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, QueueError>;

    /// Creates a topic.
    async fn create(&self, plan: &TopicPlan) -> Result<(), QueueError>;

    /// Changes these settings of a topic, and no others.
    async fn set(&self, name: &str, settings: &BTreeMap<String, String>) -> Result<(), QueueError>;

    /// Gives a topic more partitions: `partitions` in all.
    async fn grow(&self, name: &str, partitions: u32) -> Result<(), QueueError>;

    /// Removes a topic with all its messages.
    async fn delete(&self, name: &str) -> Result<(), QueueError>;
}
