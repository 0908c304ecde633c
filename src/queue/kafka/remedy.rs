//! Explains what a broker refuses, with the remedy, for people who do not see the log.

use kafka_protocol::ResponseError;

use super::error::KafkaError;
use super::group::settings::Group;
use crate::causes;

/// An upper bound for the bytes of the note that a worker commits beside an offset.
pub const NOTE: u64 = 128;

/// Why a topic takes no records.
pub(super) fn of_writing(topic: &str, error: &KafkaError) -> String {
    format!("the topic {topic} takes no records: {}; {}", causes::all(error), writing(topic, error))
}

fn writing(topic: &str, error: &KafkaError) -> String {
    match error.code() {
        Some(ResponseError::InvalidRecord) => {
            "its `cleanup.policy` has to be `delete`: tilemill topics create".to_owned()
        }
        Some(ResponseError::InvalidTimestamp) => {
            "set the clock of this machine, or let the broker's count \
             (`message.timestamp.type=LogAppendTime`): tilemill topics create"
                .to_owned()
        }
        Some(ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge) => {
            "its `max.message.bytes` has to be as large as `topics.max_message`: tilemill topics \
             create"
                .to_owned()
        }
        Some(ResponseError::TopicAuthorizationFailed) => allow("Write", "topic", topic),
        Some(ResponseError::UnknownTopicOrPartition) => "tilemill topics create".to_owned(),
        Some(ResponseError::NotEnoughReplicas | ResponseError::NotEnoughReplicasAfterAppend) => {
            format!(
                "start the brokers that are away, or lower its `min.insync.replicas`: kafka-configs.sh --alter \
             --entity-type topics --entity-name {topic} --add-config min.insync.replicas=1"
            )
        }
        _ => LOOK.to_owned(),
    }
}

/// Why a topic cannot be read.
pub(super) fn of_reading(topic: &str, error: &(dyn std::error::Error + 'static)) -> String {
    let code = error.downcast_ref::<KafkaError>().and_then(KafkaError::code);
    let remedy = match code {
        Some(ResponseError::TopicAuthorizationFailed) => allow("Read", "topic", topic),
        Some(ResponseError::UnknownTopicOrPartition) => "tilemill topics create".to_owned(),
        _ => LOOK.to_owned(),
    };
    format!("the topic {topic} cannot be read: {}; {remedy}", causes::all(error))
}

/// Why a group does not let this process take part.
pub(super) fn of_group(group: &Group, topic: &str, error: &KafkaError) -> String {
    let remedy = group_remedy(group, topic, error).unwrap_or_else(|| LOOK.to_owned());
    format!("the group {} cannot be joined: {}; {remedy}", group.name, causes::all(error))
}

/// The remedy if a group does not let this process take part; `None` if it is not known.
pub(super) fn group_remedy(group: &Group, topic: &str, error: &KafkaError) -> Option<String> {
    let Group { name, key, .. } = group;
    Some(match error.code() {
        Some(ResponseError::GroupAuthorizationFailed) => allow("Read", "group", name),
        Some(ResponseError::TopicAuthorizationFailed) => allow("Read", "topic", topic),
        Some(ResponseError::InconsistentGroupProtocol) => format!(
            "another program uses this name, for a share group or for members of its own: give `{key}` \
             another one on all nodes (kafka-groups.sh --list shows them)"
        ),
        Some(ResponseError::GroupMaxSizeReached) => {
            "raise `group.max.size` of the brokers".to_owned()
        }
        Some(ResponseError::InvalidSessionTimeout) => {
            "set `kafka.session_timeout` to a time between `group.min.session.timeout.ms` and \
             `group.max.session.timeout.ms` of the brokers"
                .to_owned()
        }
        Some(ResponseError::InvalidGroupId) => format!("correct `{key}`"),
        Some(ResponseError::OffsetMetadataTooLarge) => small_notes(),
        _ => return None,
    })
}

/// The remedy if the notes beside offsets do not fit.
fn small_notes() -> String {
    format!(
        "set `offset.metadata.max.bytes` of the brokers to {NOTE} at least (4096 is its default): workers \
         note there which tiles are in hand"
    )
}

const LOOK: &str = "`tilemill check` finds out what is wrong";

/// The command of Kafka that allows an operation. A rule that denies it takes precedence, and has to go.
fn allow(operation: &str, kind: &str, name: &str) -> String {
    format!(
        "allow it with: kafka-acls.sh --add --allow-principal User:<name> --operation {operation} --{kind} \
         {name}, and remove rules that deny it"
    )
}
