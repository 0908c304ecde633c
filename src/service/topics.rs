//! The topics that a configuration needs, and how existing topics differ from it.

use std::collections::BTreeMap;

use crate::config::{Config, Seconds};
use crate::queue::admin::{TopicPlan, TopicState};

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tiles to be filtered.
    Tasks,
    /// Filtered tiles.
    Results,
    /// Heartbeats of workers.
    Heartbeats,
}

/// A topic as it should be.
pub struct WantedTopic {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name, partitions, replication and settings.
    pub plan: TopicPlan,
}

/// The remedy for another replication. tilemill does not change it: that moves data, and a person has to decide where
/// to.
pub const REASSIGN: &str =
    "Kafka's own kafka-reassign-partitions.sh changes that, or set `topics.replication` to it";

/// Heartbeats are few and small, and one monitor reads them all.
const HEARTBEATS_PARTITIONS: u32 = 1;

/// All topics.
#[must_use]
pub fn wanted(config: &Config) -> [WantedTopic; 3] {
    let topics = &config.topics;
    let plan = |purpose, name: &str, partitions, retention| {
        let replication = Some(topics.replication).filter(|count| *count > 0);
        let settings = settings(topics.max_message.get(), retention);
        WantedTopic {
            purpose,
            plan: TopicPlan { name: name.into(), partitions, replication, settings },
        }
    };
    [
        plan(Purpose::Tasks, &topics.tasks, topics.tasks_partitions, topics.tasks_retention),
        plan(
            Purpose::Results,
            &topics.results,
            topics.results_partitions,
            topics.results_retention,
        ),
        plan(
            Purpose::Heartbeats,
            &topics.heartbeats,
            HEARTBEATS_PARTITIONS,
            topics.heartbeats_retention,
        ),
    ]
}

fn settings(max_message: u64, retention: Seconds) -> BTreeMap<String, String> {
    [
        ("cleanup.policy", "delete".to_owned()),
        // Tiles are compressed already: the broker must not compress them again.
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

impl WantedTopic {
    /// The settings that the topic lacks, or has with another value.
    #[must_use]
    pub fn unlike(&self, state: &TopicState) -> BTreeMap<String, String> {
        let differs = |(key, value): &(&String, &String)| state.settings.get(*key) != Some(*value);
        let settings = self.plan.settings.iter().filter(differs);
        settings.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The number of brokers on which each partition should be, if it differs.
    #[must_use]
    pub fn replication_unlike(&self, state: &TopicState) -> Option<u16> {
        self.plan.replication.filter(|wanted| *wanted != state.replication)
    }

    /// The configuration key for the number of partitions.
    #[must_use]
    pub fn partitions_key(&self) -> Option<&'static str> {
        match self.purpose {
            Purpose::Tasks => Some("topics.tasks_partitions"),
            Purpose::Results => Some("topics.results_partitions"),
            Purpose::Heartbeats => None,
        }
    }

    /// The command that adds the missing partitions, if there are any.
    #[must_use]
    pub fn scale_command(&self, state: &TopicState) -> Option<String> {
        let TopicPlan { partitions, .. } = self.plan;
        (state.partitions < partitions).then(|| {
            let topic = self.name();
            format!("tilemill topics scale --topic {topic} --partitions {partitions}")
        })
    }

    /// The rights that some role needs and this process does not have, as text.
    #[must_use]
    pub fn forbidden(&self, state: &TopicState) -> Option<String> {
        (!state.forbidden.is_empty()).then(|| state.forbidden.join(" and "))
    }

    /// Its name for the option `--topic`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.purpose {
            Purpose::Tasks => "tasks",
            Purpose::Results => "results",
            Purpose::Heartbeats => "heartbeats",
        }
    }
}
