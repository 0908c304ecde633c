//! `tilemill topics` against a real Apache Kafka.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules that test programs share have no crate to be public in"
)]

mod broker;
mod support;

use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;

use crate::broker::{Cluster, Test};
use crate::support::tilemill;

const TESTS: [(&str, Test); 5] = [
    ("topics_are_created_as_configured_and_a_second_time_left_alone", create_twice),
    ("settings_that_differ_are_shown_and_set_right_by_creating_again", mend_settings),
    ("a_topic_grows_in_place_and_does_not_shrink", scale),
    ("deleting_has_to_be_confirmed", delete),
    ("kafkas_own_tools_see_the_topics_as_configured", own_tools),
];

fn main() -> ExitCode {
    broker::run(&TESTS)
}

/// Topics of a test's own.
struct Topics<'a> {
    cluster: &'a Cluster,
    name: &'static str,
    directory: TempDir,
}

/// What `tilemill topics` did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

impl<'a> Topics<'a> {
    fn of(cluster: &'a Cluster, name: &'static str) -> Self {
        let topics = Self { cluster, name, directory: TempDir::new().unwrap() };
        topics.run("delete --yes", &[]);
        topics
    }

    fn topic(&self, role: &str) -> String {
        format!("{}-{}-{role}", self.name, std::process::id())
    }

    fn run(&self, line: &str, settings: &[(&str, &str)]) -> Ran {
        run_topics(self.directory.path(), line, |command| {
            for role in ["TASKS", "RESULTS", "HEARTBEATS"] {
                command.env(format!("TILEMILL_TOPICS__{role}"), self.topic(&role.to_lowercase()));
            }
            command
                .env("TILEMILL_KAFKA__BROKERS", &self.cluster.address)
                .env("TILEMILL_TOPICS__TASKS_PARTITIONS", "4")
                .envs(settings.iter().copied());
        })
    }

    /// The same, and it must end well.
    fn ran(&self, line: &str, settings: &[(&str, &str)]) -> String {
        let ran = self.run(line, settings);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    }
}

impl Drop for Topics<'_> {
    fn drop(&mut self) {
        self.run("delete --yes", &[]);
    }
}

fn run_topics(directory: &Path, line: &str, set: impl FnOnce(&mut std::process::Command)) -> Ran {
    let mut command = tilemill(directory);
    command.arg("topics").args(line.split(' '));
    set(&mut command);
    let ran = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code(), out: text(ran.stdout), error: text(ran.stderr) }
}

fn create_twice(cluster: &Cluster) {
    let topics = Topics::of(cluster, "twice");
    let before = topics.ran("list", &[]);
    assert_eq!(before.matches("missing: tilemill topics create").count(), 3, "{before}");
    let first = topics.ran("create", &[]);
    for text in ["tasks  created, 4 partitions", "results  created, 8 ", "heartbeats  created, 1 "]
    {
        assert!(first.contains(text), "{text}: {first}");
    }
    let second = topics.ran("create", &[]);
    assert_eq!(second.matches("exists, ").count(), 3, "{second}");
    assert!(!second.contains("changed") && !second.contains("scale"), "{second}");
    let listed = topics.ran("list", &[]);
    assert_eq!(listed.matches("on 1 broker each").count(), 3, "{listed}");
}

fn mend_settings(cluster: &Cluster) {
    let topics = Topics::of(cluster, "mend");
    topics.ran("create", &[("TILEMILL_TOPICS__TASKS_RETENTION", "2 h")]);
    let more = [("TILEMILL_TOPICS__TASKS_PARTITIONS", "6")];
    let described = topics.ran("describe", &more);
    let wants = "retention.ms = 7200000  the configuration wants 86400000: tilemill topics create";
    assert!(described.contains(wants), "{described}");
    assert!(described.contains("message.timestamp.type = LogAppendTime\n"), "{described}");
    assert!(
        described.contains("6 are configured: tilemill topics scale --topic tasks --partitions 6"),
        "{described}"
    );
    let mended = topics.ran("create", &[]);
    assert!(mended.contains("changed retention.ms from 7200000 to 86400000"), "{mended}");
    assert!(!topics.ran("describe", &[]).contains("wants"));
}

fn scale(cluster: &Cluster) {
    let topics = Topics::of(cluster, "scale");
    let missing = topics.run("scale --partitions 8", &[]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.error.contains("is missing: tilemill topics create"), "{missing:?}");
    topics.ran("create", &[]);
    let grown = topics.ran("scale --partitions 64", &[]);
    assert!(grown.contains("4 partitions became 64; set `topics.tasks_partitions`"), "{grown}");
    assert!(topics.ran("scale --partitions 64", &[]).contains("has 64 partitions already"));
    assert!(topics.ran("list", &[]).contains("64 partitions, on 1 broker each"));
    let shrunk = topics.run("scale --partitions 8", &[]);
    assert_eq!(shrunk.code, Some(2), "{shrunk:?}");
    for words in ["has 64 partitions", "messages would be lost", "create them again"] {
        assert!(shrunk.error.contains(words), "{shrunk:?}");
    }
    assert!(
        topics.ran("scale --topic results --partitions 9", &[]).contains("8 partitions became 9")
    );
}

fn delete(cluster: &Cluster) {
    let topics = Topics::of(cluster, "delete");
    topics.ran("create", &[]);
    let refused = topics.run("delete", &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.error.contains("add --yes"), "{refused:?}");
    let deleted = topics.ran("delete --yes", &[]);
    assert_eq!(deleted.matches("deleted").count(), 3, "{deleted}");
    let again = topics.ran("delete --yes", &[]);
    assert_eq!(again.matches("is not there").count(), 3, "{again}");
}

fn own_tools(cluster: &Cluster) {
    let Some(broker) = &cluster.broker else { return };
    let topics = Topics::of(cluster, "tools");
    topics.ran("create", &[("TILEMILL_TOPICS__MAX_MESSAGE", "3 MiB")]);
    let described = broker.tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--bootstrap-server", &cluster.address, "--describe", "--topic", &topics.topic("tasks")],
    );
    let text = String::from_utf8(described.stdout).unwrap();
    for words in [
        "PartitionCount: 4",
        "ReplicationFactor: 1",
        "max.message.bytes=3145728",
        "message.timestamp.type=LogAppendTime",
        "retention.ms=86400000",
        "compression.type=producer",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
