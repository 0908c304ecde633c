//! A mill of several processes over a Kafka and a Redis that the tests share.

use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::store::Redis;
use crate::support::{Found, Process, Server, SharedTests, Suite, in_shell, tilemill};

/// A test, which gets what all share.
pub type Test = fn(&Services);

/// So many tests share the machine: each has several processes, which wait more than they work.
pub const AT_ONCE: u32 = 4;

/// Runs a suite, or says why not.
pub fn run(name: &'static str, arguments: &Arguments, tests: SharedTests<Services>) -> Conclusion {
    Suite { name, threads: AT_ONCE as usize }.run(arguments, Services::find(), tests)
}

/// What all tests of a program share.
pub struct Services {
    pub kafka: crate::broker::Cluster,
    pub redis: Redis,
}

impl Services {
    /// Finds both, or says what is missing.
    pub fn find() -> Found<Self> {
        Redis::find()?;
        let kafka = crate::broker::Kafka::find()?;
        let start = || Self { kafka: crate::broker::Cluster::open(kafka), redis: Redis::start() };
        Ok(Box::new(start))
    }
}

/// Topics, keys and files of one mill, and how its roles are configured.
pub struct Mill {
    /// Files of the server, and of collectors that see them.
    pub data: TempDir,
    pub name: String,
    settings: Vec<(String, String)>,
}

impl Mill {
    /// A mill whose topics are there.
    pub fn new(kafka: &str, redis: &str, name: &str) -> Self {
        Self::with(kafka, redis, name, &[])
    }

    /// The same with settings such as `("TILE__TIMEOUT", "5s")`.
    pub fn with(kafka: &str, redis: &str, name: &str, more: &[(&str, &str)]) -> Self {
        let named = |what: &str| format!("{name}-{}-{what}", std::process::id());
        let setting = |key: &str, value: String| (format!("TILEMILL_{key}"), value);
        let data = TempDir::new().unwrap();
        let mut settings = vec![
            setting("KAFKA__BROKERS", kafka.to_owned()),
            setting("KAFKA__TIMEOUT", "5s".into()),
            setting("REDIS__ADDRESS", redis.to_owned()),
            setting("REDIS__PREFIX", named("")),
            setting("REDIS__TIMEOUT", "2s".into()),
            setting("TOPICS__TASKS", named("tasks")),
            setting("TOPICS__RESULTS", named("results")),
            setting("TOPICS__HEARTBEATS", named("heartbeats")),
            setting("TOPICS__TASKS_GROUP", named("workers")),
            setting("TOPICS__RESULTS_GROUP", named("collectors")),
            setting("TOPICS__HEARTBEATS_GROUP", named("monitors")),
            setting("TOPICS__TASKS_PARTITIONS", "4".into()),
            setting("TOPICS__RESULTS_PARTITIONS", "2".into()),
            setting("WORKER__THREADS", "2".into()),
        ];
        settings.extend(more.iter().map(|(key, value)| setting(key, (*value).to_owned())));
        let mill = Self { data, name: name.to_owned(), settings };
        mill.topics(&["create"]);
        mill
    }

    /// Runs `tilemill topics`, which must succeed.
    pub fn topics(&self, line: &[&str]) -> String {
        let mut command = tilemill(self.data.path());
        let ran = command.arg("topics").args(line).envs(self.settings()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    /// What `tilemill check` prints.
    pub fn check(&self) -> String {
        let mut command = tilemill(self.data.path());
        let ran = command.arg("check").envs(self.settings()).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    }

    fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn serve(&self) -> Server {
        Server::start_with(&self.data, &self.settings().collect::<Vec<_>>())
    }

    /// A server with files of its own.
    pub fn serve_apart(&self, data: &TempDir) -> Server {
        Server::start_with(data, &self.settings().collect::<Vec<_>>())
    }

    pub fn collect(&self) -> Process {
        self.collect_apart(&self.data)
    }

    /// A collector with files of its own.
    pub fn collect_apart(&self, data: &TempDir) -> Process {
        let process = self.role(&["collect"], data.path());
        process.log().wait_for("collecting");
        process
    }

    pub fn monitor(&self) -> Process {
        let process = self.role(&["monitor"], self.data.path());
        process.log().wait_for("monitoring");
        process
    }

    pub fn work(&self, id: &str) -> Process {
        self.role(&["work", "--id", id], self.data.path())
    }

    /// A worker by a shell script that ends with `exec "$@"`.
    pub fn work_in(&self, script: &str, id: &str) -> Process {
        let mut command = in_shell(script, self.data.path());
        command.args(["work", "--id", id]).envs(self.settings());
        Process::start(&mut command)
    }

    /// The name of a topic or a group, such as `RESULTS` or `TASKS_GROUP`.
    pub fn topic(&self, which: &str) -> &str {
        let key = format!("TILEMILL_TOPICS__{which}");
        let named = self.settings().find(|(name, _)| *name == key);
        named.expect("each topic has a name of its own").1
    }

    /// A role that may not come as far as those above.
    pub fn role(&self, line: &[&str], data: &Path) -> Process {
        let mut command = tilemill(data);
        command.args(line).env("TILEMILL_DATA_DIR", data.join("data")).envs(self.settings());
        Process::start(&mut command)
    }
}

impl Drop for Mill {
    /// Nobody needs its messages any more, and those of many mills would fill the disk.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.topics(&["delete", "--yes"]);
        }
    }
}

/// Waits until a worker is in this state.
pub fn until_worker(server: &Server, id: &str, state: &str) -> Value {
    let is = |worker: &Value| worker["id"] == id && worker["state"] == state;
    server.get_until("/api/workers", |workers| {
        workers.as_array().is_some_and(|workers| workers.iter().any(is))
    })
}

/// A worker that goes away when it is dropped, by SIGTERM.
pub fn leave_all(processes: impl IntoIterator<Item = Process>) {
    let processes: Vec<_> = processes.into_iter().collect();
    for process in &processes {
        process.signal(Signal::TERM);
    }
    processes.into_iter().for_each(Process::leaves);
}

/// What `tilemill run` makes of an image.
pub fn by_run(image: &Path, filters: &str, format: &str) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join(format!("out.{format}"));
    let mut command = tilemill(directory.path());
    command.arg("run").arg(image).args(["-f", filters, "--tile-size", "100", "-o"]).arg(&output);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    fs::read(output).unwrap()
}
