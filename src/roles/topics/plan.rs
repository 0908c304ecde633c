//! The topics that a configuration needs, and how far those that are there differ from it.

use std::collections::BTreeMap;

use crate::cli::TopicRole;
use crate::config::{Config, Seconds};
use crate::queue::admin::{TopicPlan, TopicState};

/// A topic with what it is for.
pub(in crate::roles) struct Wanted {
    pub(in crate::roles) role: TopicRole,
    pub(in crate::roles) plan: TopicPlan,
}

/// What changes on how many brokers partitions are: that moves data, and is for those who know where to.
pub(in crate::roles) const REASSIGN: &str =
    "Kafka's own kafka-reassign-partitions.sh changes that, or set `topics.replication` to it";

/// Heartbeats are few and small, and one monitor reads them all.
const HEARTBEATS_PARTITIONS: u32 = 1;

/// All topics.
pub(in crate::roles) fn wanted(config: &Config) -> [Wanted; 3] {
    let topics = &config.topics;
    let plan = |role, name: &str, partitions, retention| {
        let replication = Some(topics.replication).filter(|count| *count > 0);
        let settings = settings(topics.max_message.get(), retention);
        Wanted { role, plan: TopicPlan { name: name.into(), partitions, replication, settings } }
    };
    [
        plan(TopicRole::Tasks, &topics.tasks, topics.tasks_partitions, topics.tasks_retention),
        plan(
            TopicRole::Results,
            &topics.results,
            topics.results_partitions,
            topics.results_retention,
        ),
        plan(
            TopicRole::Heartbeats,
            &topics.heartbeats,
            HEARTBEATS_PARTITIONS,
            topics.heartbeats_retention,
        ),
    ]
}

fn settings(max_message: u64, retention: Seconds) -> BTreeMap<String, String> {
    [
        ("cleanup.policy", "delete".to_owned()),
        // Tiles are compressed already: the broker must not do it again.
        ("compression.type", "producer".to_owned()),
        ("max.message.bytes", max_message.to_string()),
        // Retention must not depend on the clocks of workers.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", retention.duration().as_millis().to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

impl Wanted {
    /// The settings that the topic lacks, or has with another value.
    pub(in crate::roles) fn unlike(&self, state: &TopicState) -> BTreeMap<String, String> {
        let differs = |(key, value): &(&String, &String)| state.settings.get(*key) != Some(*value);
        let settings = self.plan.settings.iter().filter(differs);
        settings.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// On how many brokers each partition should be, if that is not as it is.
    pub(in crate::roles) fn replication_unlike(&self, state: &TopicState) -> Option<u16> {
        self.plan.replication.filter(|wanted| *wanted != state.replication)
    }

    /// The key that says how many partitions there are to be.
    pub(in crate::roles) fn partitions_key(&self) -> Option<&'static str> {
        match self.role {
            TopicRole::Tasks => Some("topics.tasks_partitions"),
            TopicRole::Results => Some("topics.results_partitions"),
            TopicRole::Heartbeats => None,
        }
    }

    /// The command that adds the partitions that are missing, if any are.
    pub(in crate::roles) fn scale_command(&self, state: &TopicState) -> Option<String> {
        let TopicPlan { partitions, .. } = self.plan;
        (state.partitions < partitions).then(|| {
            let topic = self.role_name();
            format!("tilemill topics scale --topic {topic} --partitions {partitions}")
        })
    }

    /// What `--topic` calls it.
    pub(in crate::roles) fn role_name(&self) -> &'static str {
        match self.role {
            TopicRole::Tasks => "tasks",
            TopicRole::Results => "results",
            TopicRole::Heartbeats => "heartbeats",
        }
    }
}
