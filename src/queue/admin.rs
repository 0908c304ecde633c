//! Setting up topics, where they are not made by themselves.

use std::collections::BTreeMap;

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

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// How many partitions it has.
    pub partitions: u32,
    /// On how many brokers each partition is, at least.
    pub replication: u16,
    /// Its settings, by the broker's names for them: those asked for, as far as the broker has them.
    pub settings: BTreeMap<String, String>,
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
