//! Parts of the protocol's messages that several requests share.

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

/// What the brokers report about their cluster and some topics.
pub(super) struct Metadata {
    /// The addresses that brokers advertise, by their numbers.
    pub(super) brokers: BTreeMap<i32, String>,
    pub(super) controller: i32,
    pub(super) topics: Vec<MetadataResponseTopic>,
}

/// The request for the metadata of the cluster and these topics.
pub(super) fn metadata_request(topics: &[&str]) -> MetadataRequest {
    let topics =
        topics.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
    MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(false)
}

impl From<MetadataResponse> for Metadata {
    fn from(answer: MetadataResponse) -> Self {
        let brokers = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)));
        Self {
            brokers: brokers.collect(),
            controller: answer.controller_id.0,
            topics: answer.topics,
        }
    }
}

impl Metadata {
    /// The number of partitions of each visible topic.
    pub(super) fn counts(self) -> BTreeMap<String, u32> {
        let seen = self.topics.into_iter().filter(|topic| topic.error_code == 0);
        let count = |partitions: usize| u32::try_from(partitions).unwrap_or(u32::MAX);
        seen.filter_map(|topic| Some((topic.name?.0.to_string(), count(topic.partitions.len()))))
            .collect()
    }
}

/// A topic's name in the type of the protocol's messages.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A partition's number in the type of the protocol's messages.
pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// An offset of the protocol, in which a negative one means "none".
pub(super) fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
