//! Settings of Kafka: how it is reached, and how its topics are set up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::list::words;
use super::{Address, Bytes, Seconds};

/// A cluster; without it everything runs in one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Kafka {
    pub brokers: Brokers,
    #[serde(default)]
    pub compression: TileCompression,
    #[serde(default = "default_timeout")]
    pub timeout: Seconds,
    #[serde(default = "default_session_timeout")]
    pub session_timeout: Seconds,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Topics {
    pub tasks: String,
    pub results: String,
    pub heartbeats: String,
    pub tasks_group: String,
    pub results_group: String,
    pub heartbeats_group: String,
    pub tasks_partitions: u32,
    pub results_partitions: u32,
    pub replication: u16,
    pub max_message: Bytes,
    pub tasks_retention: Seconds,
    pub results_retention: Seconds,
    pub heartbeats_retention: Seconds,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            tasks: "tasks".into(),
            results: "results".into(),
            heartbeats: "heartbeats".into(),
            tasks_group: "image-processor-group".into(),
            results_group: "master-results-group".into(),
            heartbeats_group: "monitoring-group".into(),
            tasks_partitions: 32,
            results_partitions: 8,
            replication: 0,
            max_message: Bytes::mib(16),
            tasks_retention: Seconds::days(1),
            results_retention: Seconds::days(1),
            heartbeats_retention: Seconds::new(60 * 60),
        }
    }
}

/// A consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerGroup<'a> {
    /// Its name.
    pub name: &'a str,
    /// The key that gives the name.
    pub key: &'static str,
    /// The topic that its members read.
    pub topic: &'a str,
}

impl Topics {
    /// The groups of workers, collectors and monitors.
    #[must_use]
    pub fn groups(&self) -> [ConsumerGroup<'_>; 3] {
        let group = |name, key, topic| ConsumerGroup { name, key, topic };
        [
            group(&self.tasks_group, "topics.tasks_group", &self.tasks),
            group(&self.results_group, "topics.results_group", &self.results),
            group(&self.heartbeats_group, "topics.heartbeats_group", &self.heartbeats),
        ]
    }
}

/// How the pixels of a tile are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TileCompression {
    /// As LZ4 blocks.
    #[default]
    Lz4,
    /// Uncompressed.
    None,
}

fn default_timeout() -> Seconds {
    Seconds::new(10)
}

/// The shortest that brokers allow by default, so that the work of a dead member is soon taken over.
fn default_session_timeout() -> Seconds {
    Seconds::new(6)
}

/// Addresses of brokers, at least one: a list, or one text with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brokers(Vec<String>);

impl Brokers {
    /// The addresses, each `host:port`.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for Brokers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |part: &str| part.parse().map(|address: Address| address.to_string());
        text.split(',')
            .map(address)
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|error| format!("{error}; several brokers are given with commas between them"))
    }
}

impl<'de> Deserialize<'de> for Brokers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        words(from)?.join(",").parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Brokers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Brokers;

    #[test]
    fn brokers_are_hosts_with_ports() {
        let brokers: Brokers = "kafka1:9092, [::1]:9093".parse().unwrap();
        assert_eq!(brokers.addresses(), ["kafka1:9092", "[::1]:9093"]);
        for wrong in ["", "kafka1", "kafka1:", ":9092", "kafka1:9092,", "kafka1:99999"] {
            let error = wrong.parse::<Brokers>().unwrap_err();
            assert!(error.contains("a host and a port"), "{error}");
        }
    }
}
