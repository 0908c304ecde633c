//! A real Apache Kafka: one node, on loopback, in a temporary directory.
//!
//! Without it the tests are ignored, with the reason before their names; with
//! `TILEMILL_TEST_REQUIRE=all` they fail. `TILEMILL_TEST_KAFKA=host:port` names one that runs already;
//! `TILEMILL_TEST_KAFKA_ZOOKEEPER=1` gives a version before 4 a `ZooKeeper` in place of a controller.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{Found, Log, SharedTests, Suite, own_address, start, wait};

pub mod topic;

/// A broker of an idle test needs less than half of it.
const JAVA: [&str; 4] = ["-Xms96m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const BROKER_PORT: u16 = 9092;
const CONTROLLER_PORT: u16 = 9093;
const ZOOKEEPER_PORT: u16 = 2181;
/// Any will do; a cluster of its own is told by its address.
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

/// A test, which gets the Kafka that all share.
pub type Test = fn(&Cluster);

/// The Kafka that the tests share.
pub struct Cluster {
    pub address: String,
    /// None where somebody else runs it.
    broker: Option<Broker>,
    jars: Option<PathBuf>,
}

impl Cluster {
    pub fn open(kafka: Kafka) -> Self {
        match kafka {
            Kafka::Running(address) => Self { address, broker: None, jars: None },
            Kafka::Jars(jars) => {
                let broker = Broker::start(&jars);
                Self { address: broker.address(), broker: Some(broker), jars: Some(jars) }
            }
        }
    }

    /// For brokers of a test's own. Without them, a test that may is skipped.
    pub fn own_jars(&self) -> Option<&PathBuf> {
        if self.jars.is_none() {
            skip_without_own("a broker of its own");
        }
        self.jars.as_ref()
    }

    /// The broker, for a test that uses its tools. Without it, a test that may is skipped.
    pub fn own_broker(&self) -> Option<&Broker> {
        if self.broker.is_none() {
            skip_without_own("Kafka's own tools");
        }
        self.broker.as_ref()
    }
}

fn skip_without_own(what: &str) {
    let missing =
        format!("the test needs {what}, and TILEMILL_TEST_KAFKA names one of somebody else");
    assert!(!crate::support::is_all_required(), "{missing}");
    eprintln!("skipped: {missing}");
}

/// Runs a suite, or says why not.
pub fn run(name: &'static str, arguments: &Arguments, tests: SharedTests<Cluster>) -> Conclusion {
    let found: Found<_> = match Kafka::find() {
        Ok(kafka) => Ok(Box::new(|| Cluster::open(kafka))),
        Err(missing) => Err(missing),
    };
    Suite { name, threads: 6 }.run(arguments, found, tests)
}

/// Where the tests find Kafka.
#[derive(Clone)]
pub enum Kafka {
    /// The address of one that somebody else runs, from `TILEMILL_TEST_KAFKA`.
    Running(String),
    /// A folder of its jars.
    Jars(PathBuf),
}

impl Kafka {
    /// Finds it, or says what is missing.
    pub fn find() -> Result<Self, String> {
        if let Ok(address) = std::env::var("TILEMILL_TEST_KAFKA") {
            return Ok(Self::Running(address));
        }
        let version = std::env::var("TILEMILL_TEST_KAFKA_VERSION")
            .unwrap_or_else(|_| include_str!("version.txt").trim().to_owned());
        let jars = fetched().join(&version);
        if !jars.is_dir() {
            return Err(format!(
                "no Kafka: bash tests/cluster/broker/fetch.sh {version} fetches it"
            ));
        }
        let java = Command::new("java").arg("-version").output();
        java.map_err(|error| format!("java does not start: {error}"))?;
        Ok(Self::Jars(jars))
    }
}

/// Where `fetch.sh` puts things.
pub fn fetched() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target/");
    target.join("kafka")
}

/// A broker that the test may stop and start as it likes.
pub struct Broker {
    jars: PathBuf,
    folder: TempDir,
    address: Ipv4Addr,
    running: Option<(Child, Arc<Log>)>,
    /// What keeps the cluster's state, where it is no controller: with the first of its brokers.
    keeper: Option<Keeper>,
}

/// A `ZooKeeper`, until it is dropped.
struct Keeper(Child);

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether brokers have a `ZooKeeper` in place of a controller.
pub fn is_by_zookeeper() -> bool {
    std::env::var_os("TILEMILL_TEST_KAFKA_ZOOKEEPER").is_some()
}

impl Broker {
    /// Starts a cluster of one node.
    pub fn start(jars: &Path) -> Self {
        Self::start_with(jars, |_| String::new())
    }

    /// The same with further lines for `server.properties`, which may name its address; the last of
    /// several for one key counts.
    pub fn start_with(jars: &Path, properties: impl FnOnce(Ipv4Addr) -> String) -> Self {
        Self::start_in(jars, None, 1, properties)
    }

    /// A node with a number, of the cluster whose controller or `ZooKeeper` is at an address: its own, or another's.
    fn start_in(
        jars: &Path,
        controller: Option<Ipv4Addr>,
        number: u32,
        properties: impl FnOnce(Ipv4Addr) -> String,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let address = own_address();
        let (running, keeper) = (None, None);
        let mut broker = Self { jars: jars.to_owned(), folder, address, running, keeper };
        let mut file = std::fs::File::create(broker.properties()).unwrap();
        let lines = if is_by_zookeeper() {
            broker.keeper = controller.is_none().then(|| broker.start_keeper());
            broker.describe_by_zookeeper(controller.unwrap_or(address), number)
        } else {
            broker.describe(controller, number)
        };
        file.write_all(lines.as_bytes()).unwrap();
        file.write_all(properties(address).as_bytes()).unwrap();
        if !is_by_zookeeper() {
            let formatted = broker.tool(
                "kafka.tools.StorageTool",
                &["format", "-t", CLUSTER_ID, "-c", broker.properties().to_str().unwrap()],
            );
            assert!(formatted.status.success(), "{formatted:?}");
        }
        broker.resume();
        broker
    }

    fn start_keeper(&self) -> Keeper {
        let (file, data) = (self.folder.path().join("zoo.cfg"), self.folder.path().join("zoo"));
        let lines = format!(
            "dataDir={}\nclientPort={ZOOKEEPER_PORT}\nclientPortAddress={}\nadmin.enableServer=false\n",
            data.display(),
            self.address
        );
        std::fs::write(&file, lines).unwrap();
        let class = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let (child, log) = start(self.java(class).arg(file));
        log.wait_for("binding to port");
        Keeper(child)
    }

    /// Adds lines to `server.properties`, which count when it is started again.
    pub fn configure(&self, lines: &str) {
        let file = std::fs::OpenOptions::new().append(true).open(self.properties());
        file.unwrap().write_all(lines.as_bytes()).unwrap();
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn describe(&self, controller: Option<Ipv4Addr>, number: u32) -> String {
        let address = self.address;
        let (roles, listens, leader) = match controller {
            None => {
                ("broker,controller", format!(",CONTROLLER://{address}:{CONTROLLER_PORT}"), address)
            }
            Some(controller) => ("broker", String::new(), controller),
        };
        format!(
            "process.roles={roles}\n\
             node.id={number}\n\
             controller.quorum.voters=1@{leader}:{CONTROLLER_PORT}\n\
             listeners=PLAINTEXT://{address}:{BROKER_PORT}{listens}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             {}",
            self.describe_always()
        )
    }

    fn describe_by_zookeeper(&self, keeper: Ipv4Addr, number: u32) -> String {
        let address = self.address;
        format!(
            "broker.id={number}\n\
             zookeeper.connect={keeper}:{ZOOKEEPER_PORT}\n\
             zookeeper.session.timeout.ms=3000\n\
             listeners=PLAINTEXT://{address}:{BROKER_PORT}\n\
             {}",
            self.describe_always()
        )
    }

    fn describe_always(&self) -> String {
        let (address, data) = (self.address, self.folder.path().join("data"));
        format!(
            "advertised.listeners=PLAINTEXT://{address}:{BROKER_PORT}\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n",
            data.display()
        )
    }

    /// Where clients find it.
    pub fn address(&self) -> String {
        format!("{}:{BROKER_PORT}", self.address)
    }

    /// One of Kafka's own tools.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Output {
        self.java(class).args(arguments).output().unwrap()
    }

    fn java(&self, class: &str) -> Command {
        // The broker must not outlive the test, however that ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "java"])
            .args(JAVA)
            .arg("-cp")
            .arg(self.jars.join("*"))
            .arg(class)
            .stdin(Stdio::null());
        command
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`], with what it had stored.
    pub fn resume(&mut self) {
        let properties = self.properties();
        let (child, log) = start(self.java("kafka.Kafka").arg(properties));
        log.wait_for(if is_by_zookeeper() { "] started" } else { "Kafka Server started" });
        self.running = Some((child, log));
    }

    /// SIGTERM, and waits until it has stopped.
    pub fn stop(&mut self) {
        self.end_by(Signal::TERM);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.end_by(Signal::KILL);
    }

    fn end_by(&mut self, signal: Signal) {
        self.signal(signal);
        let (mut child, _) = self.running.take().expect("the broker runs");
        wait(&mut child);
    }

    /// Sends a signal such as SIGSTOP to the broker, which runs.
    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().expect("the broker runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }
}

/// A cluster of two nodes, of which the second may go: the first is the controller.
pub struct Pair {
    pub first: Broker,
    pub second: Broker,
}

/// So many partitions of the groups' offsets, spread over both.
const OFFSETS_PARTITIONS: i32 = 8;

impl Pair {
    pub fn start(jars: &Path) -> Self {
        let both = format!(
            "offsets.topic.replication.factor=2\n\
             offsets.topic.num.partitions={OFFSETS_PARTITIONS}\n\
             default.replication.factor=2\n\
             min.insync.replicas=1\n\
             broker.session.timeout.ms=3000\n\
             broker.heartbeat.interval.ms=500\n"
        );
        let first = Broker::start_with(jars, |_| both.clone());
        let second = Broker::start_in(jars, Some(first.address), 2, |_| both);
        Self { first, second }
    }

    pub fn address(&self) -> String {
        format!("{},{}", self.first.address(), self.second.address())
    }

    /// The first number whose group the second node coordinates.
    pub fn coordinated_by_second(&self, group: impl Fn(u32) -> String) -> u32 {
        let known = self.first.address();
        // The offsets' topic is made when it is asked for.
        let ask = ["--bootstrap-server", &known, "--describe", "--group", "any"];
        self.first.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &ask);
        let ask = ["--bootstrap-server", &known, "--describe", "--topic", "__consumer_offsets"];
        let described = self.first.tool("org.apache.kafka.tools.TopicCommand", &ask);
        let text = String::from_utf8(described.stdout).unwrap();
        let led = |partition: i32| {
            let place = format!("Partition: {partition}\tLeader: 2\t");
            text.contains(&place)
        };
        assert!((0..OFFSETS_PARTITIONS).any(led), "{text}");
        let partition = |group: &str| java_hash(group).saturating_abs() % OFFSETS_PARTITIONS;
        (0..1000).find(|number| led(partition(&group(*number)))).unwrap()
    }
}

/// As Java computes it: Kafka finds the coordinator of a group by it.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
