//! Keys of a cluster: Kafka and its topics, Redis, and the files of a server elsewhere.

use serde::{Deserialize, Serialize};

use crate::agent::url::ServerUrl;
use crate::config::address::Address;
use crate::config::brokers::Brokers;
use crate::config::key::section;
use crate::config::kind::{Kind, choices};
use crate::config::rule::{Rule, at_least, many, that, within};
use crate::config::secret::Secret;
use crate::config::unit::{Bytes, Seconds};

section! {
    /// Topics and consumer groups. Except for the numbers of partitions, they matter only with Kafka: `tilemill topics
    /// create` sets up the topics by them.
    pub struct Topics in "topics" {
        /// The topic of the tiles on their way to workers.
        #[fits(named(|topics| &topics.tasks))]
        #[example("mill2-tasks")]
        tasks: String = "tasks".into(),

        /// The topic of the tiles on their way back.
        #[fits(named(|topics| &topics.results))]
        #[example("mill2-results")]
        results: String = "results".into(),

        /// The topic by which workers say that they are alive.
        #[fits(named(|topics| &topics.heartbeats))]
        #[example("mill2-heartbeats")]
        heartbeats: String = "heartbeats".into(),

        /// The consumer group of workers.
        #[accepts(is_given())]
        #[example("mill2-workers")]
        tasks_group: String = "image-processor-group".into(),

        /// The consumer group of collectors.
        #[accepts(is_given())]
        #[example("mill2-collectors")]
        results_group: String = "master-results-group".into(),

        /// The consumer group of monitors.
        #[accepts(is_given())]
        #[example("mill2-monitors")]
        heartbeats_group: String = "monitoring-group".into(),

        /// Partitions of the topic of tasks: they bound how many worker processes can share the work.
        #[accepts(within(1, many()))]
        #[example(64)]
        tasks_partitions: u32 = 32,

        /// Partitions of the topic of results: they bound how many collectors can share the work.
        #[accepts(within(1, many()))]
        #[example(16)]
        results_partitions: u32 = 8,

        /// Copies of each partition, each on another broker; 0 leaves the number to the brokers
        /// (`default.replication.factor`).
        #[accepts(within(0, many()))]
        #[example(3)]
        replication: u16 = 0,

        /// The largest message. A tile that would be larger is cut smaller; the result does not depend on it.
        #[accepts(
            within(Bytes::mib(1), Bytes::mib(90))
                .because("brokers take no request of more than 100 MiB")
        )]
        #[example("32 MiB")]
        max_message: Bytes = Bytes::mib(16),

        /// How long tasks are kept, delivered or not.
        #[example("2d")]
        tasks_retention: Seconds = Seconds::days(1),

        /// How long results are kept, delivered or not.
        #[example("2d")]
        results_retention: Seconds = Seconds::days(1),

        /// How long heartbeats are kept, delivered or not.
        #[example("10m")]
        heartbeats_retention: Seconds = Seconds::minutes(60),
    }
}

fn is_given() -> Rule<String> {
    that(|name: &String| !name.is_empty(), "a group must have a name")
}

fn named(name: fn(&Topics) -> &String) -> Rule<Topics> {
    that(
        move |topics: &Topics| {
            let (name, names) =
                (name(topics), [&topics.tasks, &topics.results, &topics.heartbeats]);
            let alone = names.iter().filter(|other| **other == name).count() == 1;
            alone && is_topic_name(name)
        },
        "it must have 1 to 249 letters, digits, dots, dashes or underscores, and no other topic may \
         have the same name",
    )
}

fn is_topic_name(name: &str) -> bool {
    let possible = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=249).contains(&name.len()) && name.bytes().all(possible) && !matches!(name, "." | "..")
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

section! {
    /// A cluster. Without this section everything runs in one process.
    pub struct Kafka in "kafka" {
        /// Some of the brokers; they name the others. As a variable: `TILEMILL_KAFKA__BROKERS="kafka1:9092,kafka2:9092"`.
        #[example(["kafka1:9092", "kafka2:9092"])]
        brokers: Brokers,
    } with {
        /// How the pixels of a tile are compressed on their way: lz4 or none.
        #[example("none")]
        compression: TileCompression = TileCompression::Lz4,

        /// How long to wait for an answer that normally comes at once.
        #[accepts(at_least(Seconds::new(1)))]
        #[example("30s")]
        timeout: Seconds = Seconds::new(10),

        /// Silence after which the brokers consider a worker, a collector or a monitor dead, so that others take over
        /// what it had in hand. Brokers allow 6 s to 30 min (`group.min.session.timeout.ms`,
        /// `group.max.session.timeout.ms`). If they do not allow this value, the nearest that they allow is used.
        #[accepts(
            within(Seconds::new(1), Seconds::minutes(30))
                .because("no broker allows longer ones, unless told to")
        )]
        #[example("30s")]
        session_timeout: Seconds = Seconds::new(6),
    }
}

/// How the pixels of a tile are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TileCompression {
    /// As LZ4 blocks.
    Lz4,
    /// Uncompressed.
    None,
}

impl Kind for TileCompression {
    fn name() -> String {
        choices::<Self>()
    }
}

section! {
    /// The shared state of the roles of a cluster, which may be lost. `serve`, `collect` and `monitor` need it.
    pub struct Redis in "redis" {
        /// Where it listens.
        #[example("redis1:6379")]
        address: Address,

        /// The user name, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[example("default")]
        username: Option<String>,

        /// The password, if there is one. As a variable: `TILEMILL_REDIS__PASSWORD`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[example("…")]
        password: Option<Secret>,
    } with {
        /// The number of the database.
        #[example(1)]
        database: u8 = 0,

        /// The prefix of all keys. Two mills with different prefixes, topics and groups can share a Redis and a Kafka.
        #[example("mill2:")]
        prefix: String = "tilemill:".into(),

        /// How long to wait for an answer.
        #[accepts(at_least(Seconds::millis(100)))]
        #[example("2s")]
        timeout: Seconds = Seconds::new(5),
    }
}

section! {
    /// For a collector on a machine that does not see the server's `data_dir`: it reads plans from the server, and
    /// uploads final images to it. Server and collectors need the same token.
    pub struct Storage in "storage" {
        /// The address of the server, for the collector. To the server it says that canvases are on other machines, and
        /// need no room on its disk. Collectors that see `data_dir` do without it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[example("http://node1:5001")]
        url: Option<ServerUrl>,

        /// Any 16 characters or more, such as the output of `openssl rand -hex 16`. As a variable:
        /// `TILEMILL_STORAGE__TOKEN`.
        #[accepts(that(|token: &Secret| token.len() >= 16, "it must have at least 16 characters"))]
        #[example("sixteen characters or more")]
        token: Secret,
    } with {}
}
