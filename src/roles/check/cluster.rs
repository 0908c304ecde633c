//! The checks of `tilemill check` in a cluster: Kafka, Redis, and the server that has the files.

use super::{Check, Finding};
use crate::app;
use crate::causes;
use crate::config::{Config, ConsumerGroup, Kafka};
use crate::queue::QueueError;
use crate::queue::admin::{BrokerState, GroupTrouble, TopicAdmin, TopicState};
use crate::queue::kafka::NOTE;
use crate::roles::topics;
use crate::service::outlook::{self, Fault};
use crate::service::topics::{REASSIGN, WantedTopic, wanted};
use crate::state::StateError;

const BROKERS: &str = "kafka";
const GROUPS: &str = "groups";
const REDIS: &str = "redis";
const STORAGE: &str = "storage";

/// Checks everything in a cluster that is configured.
pub(super) async fn all(config: &Config) -> Vec<Check> {
    if config.kafka.is_none() && config.redis.is_none() {
        let text = "not configured: everything runs in one process";
        return vec![Check::ok("kafka, redis", text)];
    }
    let mut checks = kafka(config).await;
    checks.push(redis(config).await);
    checks.extend(storage(config).await);
    checks
}

/// Checks the brokers; if all are well, also the topics, limits and groups.
async fn kafka(config: &Config) -> Vec<Check> {
    let (Some(kafka), Some(admin)) = (&config.kafka, app::topic_admin(config)) else {
        let text = "not configured, though redis is: a cluster needs both";
        return vec![Check::bad(BROKERS, Finding::Failed, text, "set `kafka.brokers`")];
    };
    let mut checks = brokers(&*admin, kafka).await;
    if checks.iter().all(|check| check.result == Finding::Ok) {
        for topic in wanted(config) {
            checks.push(look(&*admin, &topic).await);
        }
        checks.extend(limits(&*admin, kafka).await);
        for configured in config.topics.groups() {
            checks.push(group(&*admin, configured).await);
        }
    }
    checks
}

async fn group(admin: &dyn TopicAdmin, configured: ConsumerGroup<'_>) -> Check {
    let ConsumerGroup { name, key, topic } = configured;
    let Some(GroupTrouble { cause, remedy }) = admin.try_group(name, key, topic).await else {
        return Check::ok(GROUPS, format!("{name} takes members"));
    };
    let result = match cause {
        QueueError::Unavailable(_) => Finding::Unreachable,
        _ => Finding::Failed,
    };
    let text = format!("{name} takes no members: {}", causes::behind(&cause));
    Check::bad(GROUPS, result, text, &remedy)
}

/// Checks the brokers' limits on sessions and on notes beside offsets; a limit that they do not tell is not checked.
async fn limits(admin: &dyn TopicAdmin, kafka: &Kafka) -> Vec<Check> {
    let limits = admin.limits().await.unwrap_or_default();
    let mut checks = Vec::new();
    let wanted = kafka.session_timeout;
    if let Some([least, most]) = limits.sessions
        && !(least..=most.max(least)).contains(&wanted.duration())
    {
        let taken = wanted.duration().clamp(least, most.max(least)).as_secs();
        let text = format!(
            "the brokers allow sessions of {} to {} s, and {wanted} are configured: members take {taken} s, \
             after which the tiles of one that died go to others",
            least.as_secs(),
            most.as_secs()
        );
        let remedy = "set `kafka.session_timeout` to a time between them, or change \
                      `group.min.session.timeout.ms` and `group.max.session.timeout.ms` of the brokers";
        checks.push(Check::bad(GROUPS, Finding::Warning, text, remedy));
    }
    if let Some(bytes) = limits.note.filter(|bytes| *bytes < NOTE) {
        let text = format!(
            "the brokers take up to {bytes} bytes of metadata with an offset, and workers need up to \
             {NOTE}: no tile is handed out"
        );
        let remedy = format!("set `offset.metadata.max.bytes` of the brokers to at least {NOTE}");
        checks.push(Check::bad(GROUPS, Finding::Failed, text, &remedy));
    }
    checks
}

async fn redis(config: &Config) -> Check {
    let Some(redis) = &config.redis else {
        let text = "not configured: `tilemill work` needs none, but serve, collect and monitor do";
        return Check::bad(REDIS, Finding::Warning, text, "set `redis.address`");
    };
    match app::redis_state(redis).await {
        Ok(_) => Check::ok(REDIS, format!("{} takes scripts, writes and signals", redis.address)),
        Err(StateError::Refused { cause, remedy }) => {
            Check::bad(REDIS, Finding::Failed, cause.to_string(), &remedy)
        }
        Err(error) => {
            let text = format!("{} cannot be used: {}", redis.address, causes::behind(&error));
            let remedy = "start it, or correct `redis.address` and the other keys beside it";
            Check::bad(REDIS, Finding::Unreachable, text, remedy)
        }
    }
}

/// Checks the server to which a collector on this machine would send its images.
async fn storage(config: &Config) -> Option<Check> {
    let url = config.storage.as_ref()?.url.as_ref()?;
    let Err(error) = app::remote_storage(config)?.await else {
        return Some(Check::ok(STORAGE, format!("{url} gives its files to collectors")));
    };
    let (result, remedy) = if error.is_unavailable() {
        (Finding::Unreachable, "start `tilemill serve` there, or correct `storage.url`")
    } else {
        let remedy = "give server and collectors the same `storage.token`; where the server has \
                      `server.hosts`, list the name in `storage.url` there";
        (Finding::Failed, remedy)
    };
    let text = format!("{url} cannot be used: {}", causes::behind(&error));
    Some(Check::bad(STORAGE, result, text, remedy))
}

async fn brokers(admin: &dyn TopicAdmin, kafka: &Kafka) -> Vec<Check> {
    match admin.brokers().await {
        Ok(brokers) => brokers.iter().map(|broker| advertised(broker, kafka)).collect(),
        Err(error) => {
            let text = format!("{} cannot be reached: {}", kafka.brokers, causes::behind(&error));
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
        causes::behind(trouble)
    );
    // Which of several addresses is this broker's is not known.
    let known = match kafka.brokers.addresses() {
        [known] => known,
        _ => "<this broker's host>:<port>",
    };
    let remedy = format!(
        "set an address that clients can reach in its server.properties, such as \
         advertised.listeners=PLAINTEXT://{known}"
    );
    Check::bad(BROKERS, Finding::Failed, text, &remedy)
}

async fn look(admin: &dyn TopicAdmin, topic: &WantedTopic) -> Check {
    let name = topic.name();
    match admin.look(&topic.plan).await {
        Ok(Some(state)) => compare(name, topic, &state),
        Ok(None) => {
            let text = format!("the topic {} is missing", topic.plan.name);
            Check::bad(name, Finding::Failed, text, "tilemill topics create")
        }
        Err(error) => {
            let text = format!("the topic {}: {}", topic.plan.name, causes::behind(&error));
            Check::bad(name, Finding::Unreachable, text, "see the broker's log, and check again")
        }
    }
}

fn compare(name: &'static str, topic: &WantedTopic, state: &TopicState) -> Check {
    if let Some(Fault { text, remedy }) = outlook::fault(&topic.plan.name, Some(state)) {
        return Check::bad(name, Finding::Failed, text, &remedy);
    }
    if let Some(rights) = topic.forbidden(state) {
        let text = format!("{rights} of the topic {} is not allowed", topic.plan.name);
        let remedy = "allow it with kafka-acls.sh to the users of the roles that need it (the server writes \
                      tasks, workers read them and write results and heartbeats, which collectors and \
                      monitors read), and remove rules that deny it";
        return Check::bad(name, Finding::Warning, text, remedy);
    }
    let shape = topics::summary(state);
    if let Some(command) = topic.scale_command(state) {
        let wanted = topic.plan.partitions;
        let text = format!("{shape}, and {wanted} partitions are configured");
        return Check::bad(name, Finding::Warning, text, &command);
    }
    if let Some(wanted) = topic.replication_unlike(state) {
        let text = format!("{shape}, and {wanted} brokers are configured");
        return Check::bad(name, Finding::Warning, text, REASSIGN);
    }
    let unlike = topic.unlike(state);
    if unlike.is_empty() {
        return Check::ok(name, format!("{shape}, with the settings it needs"));
    }
    let keys: Vec<_> = unlike.keys().map(String::as_str).collect();
    let text = format!("{} not as configured: tilemill topics describe shows it", keys.join(", "));
    Check::bad(name, Finding::Warning, text, "tilemill topics create")
}
