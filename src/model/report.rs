//! What a process tells of itself beside its work: what keeps it from that, and what it has counted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a process of a mill tells of itself. All counts are since its start.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(default)]
pub struct Report {
    /// What keeps it from its work, and what helps, in words.
    pub obstacle: Option<String>,
    /// Records that it could not read and left in their topics.
    pub put_aside: Vec<PutAside>,
    /// Requests that brokers have refused in a way that trying again does not change.
    pub refusals: u64,
    /// Connections to brokers that it has open.
    pub connections: u64,
}

/// Records of one topic that were put aside for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PutAside {
    /// The topic.
    pub topic: String,
    /// Why they could not be read: `batch` for one that Kafka's format does not allow, or whose codec is
    /// unknown, `record` for one that is no message.
    pub reason: String,
    /// How many.
    pub records: u64,
}
