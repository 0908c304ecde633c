//! Setting up topics, where they are not made by themselves.

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
    /// On how many brokers each partition should be; `None` leaves it to them.
    pub replication: Option<u16>,
    /// Its settings, by the broker's names for them.
    pub settings: BTreeMap<String, String>,
}

/// Settings that are looked at, and are for others to choose.
pub const LOOKED_AT: [&str; 1] = ["min.insync.replicas"];

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// How many partitions it has.
    pub partitions: u32,
    /// On how many brokers each partition is, at least.
    pub replication: u16,
    /// On how many of these it is as its leader has it, at least.
    pub in_sync: u16,
    /// Its settings, by the broker's names for them: those asked for and those of [`LOOKED_AT`], as far as the
    /// broker has them.
    pub settings: BTreeMap<String, String>,
    /// What whoever asks may not do with it, as the broker calls it; empty where it does not tell.
    pub forbidden: Vec<&'static str>,
}

/// What brokers allow, as far as they tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerLimits {
    /// The shortest and the longest session of a group's member.
    pub sessions: Option<[Duration; 2]>,
    /// Bytes of a note beside a committed offset.
    pub note: Option<u64>,
}

/// A consumer group that would not take a member.
#[derive(Debug)]
pub struct GroupTrouble {
    /// Why.
    pub cause: QueueError,
    /// What helps.
    pub remedy: String,
}

/// A broker as the others name it to clients.
#[derive(Debug)]
pub struct BrokerState {
    /// The address that clients are told.
    pub advertised: String,
    /// Why this host cannot use it.
    pub trouble: Option<QueueError>,
}

/// What sets topics up.
#[async_trait]
pub trait TopicAdmin: Send + Sync {
    /// The brokers, each tried from this host.
    async fn brokers(&self) -> Result<Vec<BrokerState>, QueueError>;

    /// What the brokers allow.
    async fn limits(&self) -> Result<BrokerLimits, QueueError>;

    /// Whether a group whose name is configured by `key` would take a member that reads `topic`. It has none when
    /// this returns.
    async fn try_group(&self, name: &str, key: &'static str, topic: &str) -> Option<GroupTrouble>;

    /// The topic, if it is there, with the settings that `plan` names.
    async fn look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, QueueError>;

    /// Makes a topic that is not there.
    async fn create(&self, plan: &TopicPlan) -> Result<(), QueueError>;

    /// Changes these settings of a topic, and no others.
    async fn set(&self, name: &str, settings: &BTreeMap<String, String>) -> Result<(), QueueError>;

    /// Gives a topic more partitions: `partitions` in all.
    async fn grow(&self, name: &str, partitions: u32) -> Result<(), QueueError>;

    /// Removes a topic with all its messages.
    async fn delete(&self, name: &str) -> Result<(), QueueError>;
}
