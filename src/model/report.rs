//! What a process reports beside its work: its oldest obstacle, and its counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a process of a mill reports about itself. All counts are since its start.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(default)]
pub struct Report {
    /// What keeps it from its work, and the remedy, in words.
    pub obstacle: Option<String>,
    /// Records that it could not read and left in their topics.
    pub put_aside: Vec<PutAside>,
    /// Requests that brokers have refused permanently: a retry would not help.
    pub refusals: u64,
    /// Open connections to brokers.
    pub connections: u64,
}

/// Records of one topic that were put aside for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PutAside {
    /// The topic.
    pub topic: String,
    /// Why they could not be read: `batch` if the batch violates Kafka's format or its codec is unknown,
    /// `record` if the record is not a message.
    pub reason: String,
    /// How many.
    pub records: u64,
}
