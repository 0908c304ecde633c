//! The values that each key accepts.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Config;

/// An upper bound for threads, partitions and jobs at a time: more than any machine or cluster can use.
const MANY: u64 = 10_000;
/// No upper bound: only zero and other values that are too small are refused.
const ANY: u64 = u64::MAX;

/// The first names of the server's own paths. `server.base_path` must not begin with one of them, since a proxy may
/// leave it in the path of a request.
const OWN_PATHS: [&str; 5] = ["api", "files", "healthz", "readyz", "metrics"];

/// What the value of one key has to satisfy.
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) holds: bool,
    /// What is accepted, in words.
    pub(super) text: String,
}

impl Rule {
    fn new(key: &'static str, value: impl Display, holds: bool, text: &str) -> Self {
        Self { key, value: format!("{value}"), holds, text: text.to_owned() }
    }

    fn range(key: &'static str, value: impl Into<u64>, range: RangeInclusive<u64>) -> Self {
        let value = value.into();
        let text = match (range.start(), range.end()) {
            (start, &ANY) => format!("it must be at least {start}"),
            (start, end) => format!("it must be from {start} to {end}"),
        };
        Self { key, value: value.to_string(), holds: range.contains(&value), text }
    }
}

/// All rules; the first that does not hold is reported.
pub(super) fn rules(config: &Config) -> Vec<Rule> {
    let all = [numbers(config), relations(config), times(config), cluster(config)];
    all.into_iter().flatten().collect()
}

fn numbers(config: &Config) -> Vec<Rule> {
    let (limits, dispatch, topics) = (&config.limits, &config.dispatch, &config.topics);
    vec![
        Rule::range("tile.size", config.tile.size, 1..=ANY),
        Rule::range("output.quality", config.output.quality, 1..=100),
        Rule::range("job.max_attempts", config.job.max_attempts, 1..=MANY),
        Rule::range("jobs.active", config.jobs.active, 1..=MANY),
        Rule::range("jobs.queued", config.jobs.queued, 0..=ANY),
        Rule::range("limits.max_upload", limits.max_upload.get(), 1..=ANY),
        Rule::range("limits.max_megapixels", limits.max_megapixels, 1..=ANY),
        Rule::range("limits.max_side", limits.max_side, 1..=ANY),
        Rule::range("limits.decode_memory", limits.decode_memory.get(), 1..=ANY),
        Rule::range("limits.max_tile", limits.max_tile, 1..=ANY),
        Rule::range("limits.max_tiles", limits.max_tiles, 1..=ANY),
        Rule::range("limits.preview", limits.preview.get(), 1..=ANY),
        Rule::range("limits.uploads", limits.uploads, 1..=MANY),
        Rule::range("worker.threads", config.worker.threads as u64, 0..=1024),
        Rule::range("dispatch.max_tiles_in_flight", dispatch.max_tiles_in_flight, 8..=ANY),
        Rule::range("dispatch.max_bytes_in_flight", dispatch.max_bytes_in_flight.get(), 1..=ANY),
        Rule::range("topics.tasks_partitions", topics.tasks_partitions, 1..=MANY),
        Rule::range("topics.results_partitions", topics.results_partitions, 1..=MANY),
    ]
}

fn relations(config: &Config) -> Vec<Rule> {
    let (tile, worker) = (config.tile.size, &config.worker);
    vec![
        Rule::new(
            "data_dir",
            config.data_dir.display(),
            !config.data_dir.as_os_str().is_empty(),
            "it must name a directory",
        ),
        Rule::new(
            "server.base_path",
            &config.server.base_path,
            !OWN_PATHS.contains(&config.server.base_path.first()),
            "it must not begin with /api, /files, /healthz, /readyz or /metrics, which are below it",
        ),
        Rule::new(
            "tile.size",
            tile,
            tile <= config.limits.max_tile,
            "it must not exceed `limits.max_tile`",
        ),
        Rule::new(
            "worker.heartbeat",
            worker.heartbeat,
            worker.heartbeat.duration() >= Duration::from_millis(100),
            "it must be at least 100 ms",
        ),
        Rule::new(
            "worker.dead_after",
            worker.dead_after,
            worker.dead_after.duration() >= 2 * worker.heartbeat.duration(),
            "it must be at least twice `worker.heartbeat`",
        ),
    ]
}

fn times(config: &Config) -> Vec<Rule> {
    let retention = &config.retention;
    vec![
        Rule::new(
            "limits.upload_idle",
            config.limits.upload_idle,
            config.limits.upload_idle.duration() >= Duration::from_secs(1),
            "it must be at least 1 s",
        ),
        Rule::new(
            "retention.records",
            retention.records,
            retention.records >= retention.originals.max(retention.results),
            "it must be at least `retention.originals` and `retention.results`: the files of a job \
             that is forgotten cannot be fetched",
        ),
        Rule::new(
            "tile.timeout",
            config.tile.timeout,
            config.tile.timeout.duration() >= Duration::from_secs(1),
            "it must be at least 1 s",
        ),
    ]
}

/// What Kafka, Redis and the storage of a cluster need; Kafka's own rules are checked before it is asked.
fn cluster(config: &Config) -> Vec<Rule> {
    let topics = &config.topics;
    let names = [&topics.tasks, &topics.results, &topics.heartbeats];
    let named = |key, name: &String| {
        let alone = names.iter().filter(|other| **other == name).count() == 1;
        let text = "it must have 1 to 249 letters, digits, dots, dashes or underscores, and no other \
                    topic may have the same name";
        Rule::new(key, format!("{name:?}"), alone && is_topic_name(name), text)
    };
    let group = |key, name: &String| {
        Rule::new(key, format!("{name:?}"), !name.is_empty(), "a group must have a name")
    };
    let mut rules = vec![
        group("topics.tasks_group", &topics.tasks_group),
        group("topics.results_group", &topics.results_group),
        group("topics.heartbeats_group", &topics.heartbeats_group),
        named("topics.tasks", &topics.tasks),
        named("topics.results", &topics.results),
        named("topics.heartbeats", &topics.heartbeats),
        Rule::range("topics.replication", topics.replication, 0..=MANY),
        Rule::new(
            "topics.max_message",
            topics.max_message,
            (1 << 20..=90 << 20).contains(&topics.max_message.get()),
            "it must be from 1 MiB to 90 MiB: brokers take no request of more than 100 MiB",
        ),
    ];
    if let Some(kafka) = &config.kafka {
        rules.push(Rule::new(
            "kafka.timeout",
            kafka.timeout,
            kafka.timeout.duration() >= Duration::from_secs(1),
            "it must be at least 1 s",
        ));
        let sessions = Duration::from_secs(1)..=Duration::from_mins(30);
        rules.push(Rule::new(
            "kafka.session_timeout",
            kafka.session_timeout,
            sessions.contains(&kafka.session_timeout.duration()),
            "it must be from 1 s to 30 min: no broker allows longer ones, unless told to",
        ));
    }
    if let Some(redis) = &config.redis {
        rules.push(Rule::new(
            "redis.timeout",
            redis.timeout,
            redis.timeout.duration() >= Duration::from_millis(100),
            "it must be at least 100 ms",
        ));
    }
    if let Some(storage) = &config.storage {
        let (length, text) = (storage.token.len(), "it must have at least 16 characters");
        rules.push(Rule::new("storage.token", "too short", length >= 16, text));
    }
    rules
}

fn is_topic_name(name: &str) -> bool {
    let possible = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=249).contains(&name.len()) && name.bytes().all(possible) && !matches!(name, "." | "..")
}
