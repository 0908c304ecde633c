//! `tilemill topics` as an operator meets it when there is no Kafka.

use std::net::TcpListener;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Process, tilemill};

fn error_of(command: &mut Command, code: i32) -> String {
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(code), "{ran:?}");
    String::from_utf8(ran.stderr).unwrap()
}

#[test]
fn without_a_cluster_the_key_that_names_one_is_told() {
    let directory = TempDir::new().unwrap();
    let error = error_of(tilemill(directory.path()).args(["topics", "create"]), 2);
    assert!(error.contains("`kafka.brokers`") && error.contains("kafka1:9092"), "{error}");
}

#[test]
fn a_worker_without_a_cluster_is_told_the_key_that_names_one() {
    let directory = TempDir::new().unwrap();
    let error = error_of(tilemill(directory.path()).arg("work"), 2);
    assert!(error.contains("`kafka.brokers`"), "{error}");
}

#[test]
fn a_worker_waits_for_its_cluster_and_then_gives_up() {
    let directory = TempDir::new().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let work = || {
        let mut command = tilemill(directory.path());
        command.arg("work").env("TILEMILL_KAFKA__BROKERS", &address);
        command
    };
    let waiting = Process::start(&mut work());
    waiting.log().wait_for("waiting for Kafka");
    waiting.kill();
    let error = error_of(work().env("TILEMILL_STARTUP_TIMEOUT", "600ms"), 3);
    for words in [&address, "`kafka.brokers`"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_broker_without_a_port_is_refused_with_an_example() {
    let directory = TempDir::new().unwrap();
    let mut command = tilemill(directory.path());
    command.args(["topics", "list"]).env("TILEMILL_KAFKA__BROKERS", "kafka1:9092,kafka2");
    let error = error_of(&mut command, 2);
    assert!(error.contains("\"kafka2\" is not an address"), "{error}");
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let directory = TempDir::new().unwrap();
    // Closed before it is used: nobody else gets it so soon.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = tilemill(directory.path());
    command.args(["topics", "create"]).env("TILEMILL_KAFKA__BROKERS", &address);
    let error = error_of(&mut command, 3);
    for words in [&address, "`kafka.brokers`", "refused"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_broker_that_does_not_answer_is_given_up() {
    let directory = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = tilemill(directory.path());
    command
        .args(["topics", "list"])
        .env("TILEMILL_KAFKA__BROKERS", silent.local_addr().unwrap().to_string())
        .env("TILEMILL_KAFKA__TIMEOUT", "1s");
    let error = error_of(&mut command, 3);
    assert!(error.contains("did not answer ApiVersions within 1 s"), "{error}");
}
