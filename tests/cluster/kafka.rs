//! Topics, as the program and its user see them, in a real Apache Kafka.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::broker::{Broker, Cluster, Test, is_by_zookeeper};
use crate::support::{named, own_address, start, tilemill, wait};

const TESTS: [(&str, Test); 14] = [
    ("each_role_without_topics_says_what_makes_them", roles_without_topics),
    ("a_worker_waits_for_topics_that_are_made_later", work_without_topics),
    ("a_check_says_what_is_wrong_with_topics_and_what_mends_it", checked),
    ("a_worker_with_too_small_topics_says_what_mends_them", work_with_small_topics),
    ("a_broker_that_advertises_an_address_out_of_reach_is_named", out_of_reach),
    ("a_port_that_is_not_for_tilemill_is_named_for_what_it_is", strange_ports),
    ("topics_are_created_as_configured_and_a_second_time_left_alone", create_twice),
    ("topics_can_be_created_by_several_at_once", create_at_once),
    ("settings_that_differ_are_shown_and_set_right_by_creating_again", mend_settings),
    ("partitions_on_too_few_brokers_are_shown_with_what_moves_them", replication),
    ("a_topic_grows_in_place_and_does_not_shrink", scale),
    ("deleting_has_to_be_confirmed", delete),
    ("whoever_sits_at_a_terminal_is_asked_before_topics_are_deleted", delete_asks),
    ("kafkas_own_tools_see_the_topics_as_configured", own_tools),
];

pub fn run(arguments: &Arguments) -> Conclusion {
    crate::broker::run("kafka", arguments, named(&TESTS))
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

    fn prepare(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = tilemill(self.directory.path());
        for role in ["TASKS", "RESULTS", "HEARTBEATS"] {
            command.env(format!("TILEMILL_TOPICS__{role}"), self.topic(&role.to_lowercase()));
        }
        command
            .args(arguments)
            .env("TILEMILL_KAFKA__BROKERS", &self.cluster.address)
            .env("TILEMILL_TOPICS__TASKS_GROUP", self.topic("group"))
            .env("TILEMILL_TOPICS__TASKS_PARTITIONS", "4")
            .envs(settings.iter().copied());
        command
    }

    fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Ran {
        let ran = self.prepare(arguments, settings).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: ran.status.code(), out: text(ran.stdout), error: text(ran.stderr) }
    }

    fn run(&self, line: &str, settings: &[(&str, &str)]) -> Ran {
        let arguments: Vec<_> = ["topics"].into_iter().chain(line.split(' ')).collect();
        self.command(&arguments, settings)
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

fn roles_without_topics(cluster: &Cluster) {
    let topics = Topics::of(cluster, "lacking");
    let settings = [
        ("TILEMILL_STARTUP_TIMEOUT", "100ms"),
        ("TILEMILL_REDIS__ADDRESS", "127.0.0.1:1"),
        ("TILEMILL_SERVER__LISTEN", "127.0.0.1:0"),
    ];
    for role in ["work", "serve", "collect", "monitor"] {
        let ran = topics.command(&[role], &settings);
        assert_eq!(ran.code, Some(3), "{role}: {ran:?}");
        for words in [&*topics.topic("tasks"), "make them with: tilemill topics create"] {
            assert!(ran.error.contains(words), "{role}, {words}: {ran:?}");
        }
    }
}

fn checked(cluster: &Cluster) {
    let topics = Topics::of(cluster, "checked");
    let six = ("TILEMILL_TOPICS__TASKS_PARTITIONS", "6");
    let (hour, wide) =
        (("TILEMILL_TOPICS__TASKS_RETENTION", "1 h"), ("TILEMILL_TOPICS__MAX_MESSAGE", "9 MiB"));
    let says = |settings: &[_], code, words: &[&str]| {
        let check = topics.command(&["check"], settings);
        assert_eq!(check.code, Some(code), "{check:?}");
        for words in words {
            assert!(check.out.contains(words), "{words}: {check:?}");
        }
    };
    let missing = format!("the topic {} is missing", topics.topic("tasks"));
    says(&[], 2, &[&missing, "tilemill topics create"]);
    topics.ran("create", &[]);
    says(&[], 0, &["4 partitions, on 1 broker each, with the settings it needs"]);
    let scale = "tilemill topics scale --topic tasks --partitions 6";
    says(&[six], 0, &["4 partitions, on 1 broker each, and 6 partitions are configured", scale]);
    says(&[hour], 0, &["retention.ms not as configured", "tilemill topics create"]);
    says(&[wide], 0, &["max.message.bytes not as configured", "tilemill topics create"]);
    says(
        &[("TILEMILL_KAFKA__BROKERS", "127.0.0.1:1")],
        3,
        &["127.0.0.1:1 cannot be reached", "`kafka.brokers`"],
    );
}

/// They are waited for, and until then it is said what to do.
fn work_without_topics(cluster: &Cluster) {
    let topics = Topics::of(cluster, "later");
    let (mut child, log) = start(&mut topics.prepare(&["work"], &[]));
    log.wait_for("make them with: tilemill topics create");
    topics.ran("create", &[]);
    log.wait_for("working");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(wait(&mut child).success());
}

fn work_with_small_topics(cluster: &Cluster) {
    let topics = Topics::of(cluster, "small");
    topics.ran("create", &[("TILEMILL_TOPICS__MAX_MESSAGE", "2 MiB")]);
    let mut work = topics.prepare(&["work"], &[("TILEMILL_TOPICS__TASKS_PARTITIONS", "6")]);
    let (mut child, log) = start(&mut work);
    log.wait_for("working");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(wait(&mut child).success());
    let remedies = ["tilemill topics scale --topic tasks --partitions 6", "tilemill topics create"];
    for remedy in remedies {
        log.wait_for(remedy);
    }
}

fn out_of_reach(cluster: &Cluster) {
    let Some(jars) = cluster.own_jars() else { return };
    // There a broker finds itself by the address that it advertises, and tells nobody of it before.
    if is_by_zookeeper() {
        return;
    }
    let broker =
        Broker::start_with(jars, |_| "advertised.listeners=PLAINTEXT://127.0.0.1:1\n".into());
    let directory = TempDir::new().unwrap();
    // Of one address it is clear whose it is.
    for (brokers, listener) in [
        (broker.address(), broker.address()),
        (format!("{0},{0}", broker.address()), "<this broker's host>:<port>".into()),
    ] {
        let mut check = tilemill(directory.path());
        let ran = check.arg("check").env("TILEMILL_KAFKA__BROKERS", brokers).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{text}");
        for words in [
            "a broker tells clients to use 127.0.0.1:1, which this host cannot",
            &format!("advertised.listeners=PLAINTEXT://{listener}"),
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}

/// A broker that wants TLS, one that wants its clients to sign in, a controller, and a web server in place of Kafka.
fn strange_ports(cluster: &Cluster) {
    let Some(jars) = cluster.own_jars() else { return };
    let directory = TempDir::new().unwrap();
    let keys = directory.path().join("keys.p12");
    let made = Command::new("keytool")
        .args(["-genkeypair", "-keyalg", "RSA", "-dname", "CN=test", "-storepass", "password"])
        .args(["-storetype", "PKCS12", "-keystore"])
        .arg(&keys)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let broker = Broker::start_with(jars, |address| {
        let plain =
            format!("PLAINTEXT://{address}:9092,SSL://{address}:9094,SASL://{address}:9095");
        format!(
            "listeners={plain},CONTROLLER://{address}:9093\n\
             advertised.listeners={plain}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL:SASL_PLAINTEXT\n\
             ssl.keystore.type=PKCS12\n\
             ssl.keystore.location={}\n\
             ssl.keystore.password=password\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";\n",
            keys.display()
        )
    });
    let host = broker.address().split(':').next().unwrap().to_owned();
    let web = HttpServer::start();
    let mut ports = vec![
        (format!("{host}:9094"), "wants TLS"),
        (format!("{host}:9095"), "wants its clients to sign in (SASL, by PLAIN)"),
        (web.address(), "it answers like a web server"),
    ];
    if !is_by_zookeeper() {
        ports.push((format!("{host}:9093"), "is the port of a controller"));
    }
    for (address, words) in ports {
        let run = |line: &str| {
            let mut command = tilemill(directory.path());
            command.arg(line).env("TILEMILL_KAFKA__BROKERS", &address);
            command.env("TILEMILL_STARTUP_TIMEOUT", "1s").output().unwrap()
        };
        let checked = String::from_utf8(run("check").stdout).unwrap();
        assert!(checked.contains(words) && checked.contains("`kafka.brokers`"), "{checked}");
        let started = run("work");
        assert_eq!(started.status.code(), Some(3), "{started:?}");
        let told = String::from_utf8(started.stderr).unwrap();
        assert!(told.contains(words), "{told}");
    }
}

/// Answers what is no request as a web server does.
struct HttpServer(TcpListener);

impl HttpServer {
    fn start() -> Self {
        let listener = TcpListener::bind((own_address(), 0)).unwrap();
        let server = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            for mut client in server.incoming().map_while(Result::ok) {
                let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                // What it was sent is read, or closing takes back what it says.
                let _ = client.shutdown(Shutdown::Write);
                let _ = std::io::copy(&mut client, &mut std::io::sink());
            }
        });
        Self(listener)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
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

/// Whoever is a moment later finds them there, which is what was wanted.
fn create_at_once(cluster: &Cluster) {
    let topics = Topics::of(cluster, "at-once");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| topics.ran("create", &[]))).collect();
        for one in all {
            one.join().unwrap();
        }
    });
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

fn replication(cluster: &Cluster) {
    let topics = Topics::of(cluster, "replication");
    assert!(!topics.ran("create", &[]).contains("reassign"));
    let more = [("TILEMILL_TOPICS__REPLICATION", "3")];
    let check = topics.command(&["check"], &more);
    for text in [topics.ran("create", &more), topics.ran("describe", &more), check.out] {
        assert_eq!(text.matches("kafka-reassign-partitions.sh").count(), 3, "{text}");
    }
    let (mut child, log) = start(&mut topics.prepare(&["work"], &more));
    log.wait_for("working");
    log.wait_for("kafka-reassign-partitions.sh");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(wait(&mut child).success());
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

fn delete_asks(cluster: &Cluster) {
    let topics = Topics::of(cluster, "asked");
    topics.ran("create", &[]);
    for (answer, left) in [("no", 3), ("", 3), ("y", 0)] {
        // `script` is a terminal for what it runs, and takes what is typed from its own input.
        let delete = topics.prepare(&["topics", "delete"], &[]);
        let line = format!("{} topics delete", delete.get_program().display());
        let mut script = Command::new("script");
        for (key, value) in delete.get_envs() {
            match value {
                Some(value) => script.env(key, value),
                None => script.env_remove(key),
            };
        }
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.current_dir(topics.directory.path());
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{answer}").unwrap();
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(said.contains("with all messages? [y/N]"), "{said}");
        assert_eq!(ran.status.success(), left == 0, "{said}");
        let listed = topics.ran("list", &[]);
        assert_eq!(listed.matches("on 1 broker each").count(), left, "{listed}");
    }
}

fn own_tools(cluster: &Cluster) {
    let Some(broker) = cluster.own_broker() else { return };
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
