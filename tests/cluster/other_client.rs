//! Another client in the group: librdkafka, in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::PATIENCE;

/// The Python that has it. Without it, a test that may is skipped.
pub fn python() -> Option<PathBuf> {
    let python = super::broker::fetched().join("client/bin/python");
    let missing = "there is no other client: bash tests/cluster/broker/fetch.sh fetches it";
    if !python.is_file() {
        assert!(!crate::support::is_all_required(), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    }
    Some(python)
}

fn command(python: &PathBuf, arguments: &[&str]) -> Command {
    // It must not outlive the test, however that ends.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/broker/other_client.py"));
    command.args(arguments);
    command
}

/// Writes records that are no messages into partition 0, in every way to write them, and says how many.
pub fn send_garbage(python: &PathBuf, brokers: &str, topic: &str) -> u64 {
    let ran = command(python, &["send", brokers, topic]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    told["sent"].as_u64().unwrap()
}

/// The group as this client sees it: `members`, `committed` and `state`.
pub fn describe(python: &PathBuf, brokers: &str, topic: &str, group: &str) -> Value {
    let ran = command(python, &["describe", brokers, topic, group]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// A member of the group.
pub struct OtherMember {
    child: Child,
    seen: Arc<Mutex<OtherSeen>>,
}

#[derive(Default, Clone)]
pub struct OtherSeen {
    pub assigned: Vec<u32>,
    pub got: Vec<(u32, u64)>,
}

impl OtherMember {
    pub fn join(python: &PathBuf, brokers: &str, name: &str, assignor: &str) -> Self {
        Self::join_with(python, brokers, name, assignor, Duration::from_secs(6))
    }

    /// The same with a session of its own.
    pub fn join_with(
        python: &PathBuf,
        brokers: &str,
        name: &str,
        assignor: &str,
        session: Duration,
    ) -> Self {
        Self::join_group(python, brokers, [name, name], assignor, session)
    }

    /// The same where topic and group have different names.
    pub fn join_group(
        python: &PathBuf,
        brokers: &str,
        [topic, group]: [&str; 2],
        assignor: &str,
        session: Duration,
    ) -> Self {
        let session = session.as_millis().to_string();
        let mut child = command(python, &["member", brokers, topic, group, assignor, &session])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(OtherSeen::default()));
        let (told, out) = (Arc::clone(&seen), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let what: Value = serde_json::from_str(&line).unwrap();
                let mut seen = told.lock().unwrap();
                if let Some(assigned) = what.get("assigned") {
                    seen.assigned = serde_json::from_value(assigned.clone()).unwrap();
                } else if let Some(got) = what.get("got") {
                    seen.got.push(serde_json::from_value(got.clone()).unwrap());
                }
            }
        });
        Self { child, seen }
    }

    pub fn seen(&self) -> OtherSeen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has partitions.
    pub fn until_assigned(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.seen().assigned.is_empty() {
            assert!(Instant::now() < deadline, "it is assigned nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Leaves the group in good order.
    pub fn leave(mut self) {
        drop(self.child.stdin.take());
        assert!(crate::support::wait(&mut self.child).success());
    }
}

impl Drop for OtherMember {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
