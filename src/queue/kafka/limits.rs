//! The limits of brokers: what they allow of sessions and notes.

use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::error::{KafkaError, accepted};
use crate::queue::admin::BrokerLimits;

/// The protocol's type of a broker as a resource that has settings.
const BROKER: i8 = 4;
/// The settings of a broker that limit sessions, and the metadata beside a committed offset.
const LEAST_SESSION: &str = "group.min.session.timeout.ms";
const MOST_SESSION: &str = "group.max.session.timeout.ms";
const NOTES: &str = "offset.metadata.max.bytes";

/// The request for a broker's limits, which only that broker itself answers.
pub(super) fn limits_request(broker: i32) -> DescribeConfigsRequest {
    let names = [LEAST_SESSION, MOST_SESSION, NOTES].map(StrBytes::from_static_str);
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(StrBytes::from_string(broker.to_string()))
        .with_configuration_keys(Some(names.to_vec()));
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

/// The limits in the answer.
pub(super) fn read_limits(answer: DescribeConfigsResponse) -> Result<BrokerLimits, KafkaError> {
    let Some(result) = answer.results.into_iter().next() else {
        return Ok(BrokerLimits::default());
    };
    accepted(result.error_code, result.error_message.as_deref(), || {
        "the limits of a broker cannot be read".to_owned()
    })?;
    let number = |name: &str| -> Option<u64> {
        let config = result.configs.iter().find(|config| config.name.as_str() == name)?;
        config.value.as_deref()?.parse().ok()
    };
    let session = |name| number(name).map(Duration::from_millis);
    let sessions = session(LEAST_SESSION).zip(session(MOST_SESSION));
    Ok(BrokerLimits { sessions: sessions.map(|(least, most)| [least, most]), note: number(NOTES) })
}
