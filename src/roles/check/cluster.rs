//! What `tilemill check` looks at in Kafka.

use std::error::Error;

use super::{Check, Finding};
use crate::app;
use crate::config::{Config, Kafka};
use crate::queue::QueueError;
use crate::queue::admin::{BrokerState, TopicAdmin, TopicState};
use crate::roles::topics::plan::{self, Wanted};

const BROKERS: &str = "kafka";

/// The brokers, then the topics if there is a broker to ask.
pub(super) async fn all(config: &Config) -> Vec<Check> {
    let (Some(kafka), Some(admin)) = (&config.kafka, app::topic_admin(config)) else {
        let text = "not configured: everything runs in one process";
        return vec![Check::ok("kafka, redis", text)];
    };
    let mut checks = brokers(&*admin, kafka).await;
    if checks.iter().all(|check| check.result == Finding::Ok) {
        for topic in plan::wanted(config) {
            checks.push(look(&*admin, &topic).await);
        }
    }
    checks
}

async fn brokers(admin: &dyn TopicAdmin, kafka: &Kafka) -> Vec<Check> {
    match admin.brokers().await {
        Ok(brokers) => brokers.iter().map(|broker| advertised(broker, kafka)).collect(),
        Err(error) => {
            let text = format!("{} cannot be reached: {}", kafka.brokers, causes(&error));
            let remedy = "start it, or correct `kafka.brokers`";
            vec![Check::bad(BROKERS, Finding::Unreachable, text, remedy)]
        }
    }
}

fn advertised(broker: &BrokerState, kafka: &Kafka) -> Check {
    let BrokerState { advertised, trouble } = broker;
    let Some(trouble) = trouble else {
        return Check::ok(BROKERS, format!("the broker {advertised} answers"));
    };
    let text = format!(
        "a broker tells clients to use {advertised}, which this host cannot: {}",
        causes(trouble)
    );
    let known = kafka.brokers.addresses().first().map_or("HOST:9092", String::as_str);
    let remedy = format!(
        "let it tell them an address that they reach, in its server.properties, such as \
         advertised.listeners=PLAINTEXT://{known}"
    );
    Check::bad(BROKERS, Finding::Failed, text, &remedy)
}

async fn look(admin: &dyn TopicAdmin, topic: &Wanted) -> Check {
    let name = topic.role_name();
    match admin.look(&topic.plan).await {
        Ok(Some(state)) => compare(name, topic, &state),
        Ok(None) => {
            let text = format!("the topic {} is missing", topic.plan.name);
            Check::bad(name, Finding::Failed, text, "tilemill topics create")
        }
        Err(error) => {
            let text = format!("the topic {}: {}", topic.plan.name, causes(&error));
            Check::bad(name, Finding::Unreachable, text, "see the broker's log, and check again")
        }
    }
}

fn compare(name: &'static str, topic: &Wanted, state: &TopicState) -> Check {
    let partitions = state.partitions;
    if let Some(command) = topic.scale_command(state) {
        let wanted = topic.plan.partitions;
        let text = format!("{partitions} partitions, and {wanted} are configured");
        return Check::bad(name, Finding::Warning, text, &command);
    }
    let unlike = topic.unlike(state);
    if unlike.is_empty() {
        return Check::ok(name, format!("{partitions} partitions, with the settings it needs"));
    }
    let keys: Vec<_> = unlike.keys().map(String::as_str).collect();
    let text = format!("{} not as configured: tilemill topics describe shows it", keys.join(", "));
    Check::bad(name, Finding::Warning, text, "tilemill topics create")
}

/// What happened, and why.
fn causes(error: &QueueError) -> String {
    let causes = std::iter::successors(error.source(), |error: &&dyn Error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
