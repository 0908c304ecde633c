//! Services that answer and cannot be used, made with their own tools: what is wrong is named at the job, by
//! `/readyz`, on the page and by `check`; then the command that was named mends it, and the same job ends with the
//! right bytes. Each test is a row of a table in docs/operations.md.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;

use crate::broker::{Broker, Pair, is_by_zookeeper};
use crate::browser::{Browser, Driver};
use crate::mill::{Mill, Services, by_run, leave_all, until_worker};
use crate::other_client::{OtherMember, python};
use crate::store::Redis;
use crate::support::{Found, Process, Server, Suite, named, picture};

/// What the tests share.
struct Shared {
    services: Services,
    driver: Driver,
}

type Test = fn(&Shared);

const TESTS: [(&str, Test); 12] = [
    ("a_compacted_topic", compacted),
    ("a_right_to_write_that_is_denied", write_denied),
    ("a_right_to_read_a_group_that_is_denied", group_denied),
    ("a_worker_whose_clock_is_three_hours_ahead", clock_ahead),
    ("a_topic_that_takes_smaller_records_than_configured", smaller_records),
    ("a_topic_with_fewer_replicas_than_it_demands", too_few_replicas),
    ("another_program_in_the_group", other_program),
    ("heartbeats_that_have_no_topic", no_heartbeats),
    ("brokers_that_take_no_notes", no_notes),
    ("a_redis_that_takes_no_writes", redis_without_writes),
    ("a_redis_that_takes_no_scripts", redis_without_scripts),
    ("brokers_that_allow_longer_sessions_only", long_sessions),
];

/// What a job is made of.
const FIELDS: [(&str, &str); 3] = [("filters", "blur:2"), ("format", "png"), ("tile_size", "100")];
/// A session of another program's member.
const SESSION: Duration = Duration::from_secs(6);
/// In the long run, alone on its machine, an obstacle has to be named in this time.
const SOON: Duration = Duration::from_secs(15);

pub fn run(arguments: &Arguments) -> Conclusion {
    Suite { name: "obstacles", threads: 3 }.run(arguments, find(), named(&TESTS))
}

fn find() -> Found<Shared> {
    let (services, driver) = (Services::find()?, Driver::chromium()?);
    Ok(Box::new(|| Shared { services: services(), driver: driver() }))
}

/// A mill at work.
struct Situation<'a> {
    shared: &'a Shared,
    mill: Mill,
    server: Server,
    others: Vec<Process>,
    image: PathBuf,
}

impl<'a> Situation<'a> {
    /// With one worker, `w`.
    fn start(shared: &'a Shared, mill: Mill) -> Self {
        let mut situation = Self::without_worker(shared, mill);
        situation.add(|mill| mill.work("w"));
        until_worker(&situation.server, "w", "live");
        situation
    }

    fn without_worker(shared: &'a Shared, mill: Mill) -> Self {
        let server = mill.serve();
        let others = vec![mill.collect(), mill.monitor()];
        let image = picture(mill.data.path(), "in.png", 350, 230);
        Self { shared, mill, server, others, image }
    }

    fn add(&mut self, start: impl FnOnce(&Mill) -> Process) {
        self.others.push(start(&self.mill));
    }

    fn submit(&self) -> String {
        self.server.accepted(&self.image, &FIELDS)
    }

    /// The job names its obstacle in these words, and so do `/readyz` and the page; `check` says `checked`.
    fn is_named(&self, job: &str, words: &[&str], checked: &[&str]) {
        let began = Instant::now();
        let says = |text: &str| words.iter().all(|words| text.contains(words));
        self.server.until(job, |job| job["obstacle"].as_str().is_some_and(says));
        let ready =
            self.server.get_until("/readyz", |ready| ready["detail"].as_str().is_some_and(says));
        assert_eq!(ready["status"], 503);
        let named = began.elapsed();
        let page = Browser::open(&self.shared.driver);
        page.go(&self.server.url(&format!("/#job={job}")));
        for words in words {
            page.until_says("#missing", words);
            page.until_says("#job-error", words);
        }
        let told = self.mill.check();
        for words in checked {
            assert!(told.contains(words), "{words}: {told}");
        }
        eprintln!("{}: named after {:.1} s", self.mill.name, named.as_secs_f64());
        if std::env::var_os("TILEMILL_TEST_LONG").is_some() {
            assert!(named <= SOON, "named after {named:?}");
        }
    }

    /// The job completes with the bytes of a run.
    fn is_right(&self, job: &str) {
        let [(_, filters), (_, format), _] = FIELDS;
        assert!(self.server.result(job) == by_run(&self.image, filters, format));
    }

    /// The same, and everybody leaves in good order.
    fn ends(self, job: &str) {
        self.is_right(job);
        self.server.get_until("/readyz", |ready| ready == "ready\n");
        leave_all(self.others);
        self.server.stop();
    }
}

fn mill(shared: &Shared, name: &str) -> Mill {
    let Services { kafka, redis } = &shared.services;
    Mill::new(&kafka.address, &redis.address(), name)
}

/// The same over a broker of its own with these properties.
fn mill_over(shared: &Shared, name: &str, broker: &Broker) -> Mill {
    Mill::new(&broker.address(), &shared.services.redis.address(), name)
}

/// Changes a setting of a topic by Kafka's own tool.
fn configure(broker: &Broker, topic: &str, setting: &str) {
    let (address, kind) = (broker.address(), ["--entity-type", "topics"]);
    let mut line = vec!["--bootstrap-server", &address, "--alter", "--entity-name", topic];
    line.extend(kind.into_iter().chain(["--add-config", setting]));
    let ran = broker.tool("kafka.admin.ConfigCommand", &line);
    assert!(ran.status.success(), "{ran:?}");
}

/// Topics get a wrong setting, one after the other, and the right one from `tilemill topics create`.
fn with_wrong_setting(shared: &Shared, name: &str, wrong: (&str, [&str; 2]), words: &[&str]) {
    let Some(broker) = shared.services.kafka.own_broker() else { return };
    let situation = Situation::start(shared, mill(shared, name));
    let (setting, topics) = wrong;
    for which in topics {
        let topic = situation.mill.topic(which).to_owned();
        configure(broker, &topic, setting);
        let job = situation.submit();
        let create = "tilemill topics create";
        let key = setting.split('=').next().unwrap();
        situation.is_named(&job, &[&[&*topic, key, create], words].concat(), &[key, create]);
        situation.mill.topics(&["create"]);
        situation.is_right(&job);
    }
    let job = situation.submit();
    situation.ends(&job);
}

fn compacted(shared: &Shared) {
    let wrong = ("cleanup.policy=compact", ["RESULTS", "TASKS"]);
    with_wrong_setting(shared, "compact", wrong, &["cleanup.policy=compact"]);
}

fn smaller_records(shared: &Shared) {
    let wrong = ("max.message.bytes=1000", ["TASKS", "RESULTS"]);
    with_wrong_setting(shared, "small", wrong, &["MessageTooLarge"]);
}

/// A broker on which everybody may do everything until a rule says otherwise.
fn with_rules(shared: &Shared) -> Option<Broker> {
    let jars = shared.services.kafka.own_jars()?;
    let authorizer = if is_by_zookeeper() {
        "kafka.security.authorizer.AclAuthorizer"
    } else {
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    };
    Some(Broker::start_with(jars, |_| {
        format!("authorizer.class.name={authorizer}\nallow.everyone.if.no.acl.found=true\n")
    }))
}

/// Adds or removes a rule by Kafka's own tool.
fn rule(broker: &Broker, change: &str, kind: [&str; 2], right: [&str; 2]) {
    let address = broker.address();
    let mut line = vec!["--bootstrap-server", &address, change];
    line.extend(kind);
    line.extend([right[0], "User:ANONYMOUS", "--operation", right[1]]);
    if change == "--remove" {
        line.push("--force");
    }
    let mut ran = broker.tool("org.apache.kafka.tools.AclCommand", &line);
    // Before Kafka 4 it had another name.
    if String::from_utf8_lossy(&ran.stderr).contains("ClassNotFoundException") {
        ran = broker.tool("kafka.admin.AclCommand", &line);
    }
    assert!(ran.status.success(), "{ran:?}");
}

fn write_denied(shared: &Shared) {
    let Some(broker) = with_rules(shared) else { return };
    let situation = Situation::start(shared, mill_over(shared, "write", &broker));
    let topic = situation.mill.topic("RESULTS").to_owned();
    let kind = ["--topic", &topic];
    rule(&broker, "--add", kind, ["--allow-principal", "All"]);
    rule(&broker, "--add", kind, ["--deny-principal", "Write"]);
    let job = situation.submit();
    let command = format!(
        "kafka-acls.sh --add --allow-principal User:<name> --operation Write --topic {topic}"
    );
    let words = ["worker w on", "TopicAuthorizationFailed", &command, "remove rules that deny it"];
    situation.is_named(&job, &words, &[&topic, "WRITE", "kafka-acls.sh"]);
    rule(&broker, "--remove", kind, ["--deny-principal", "Write"]);
    situation.ends(&job);
}

fn group_denied(shared: &Shared) {
    let Some(broker) = with_rules(shared) else { return };
    let mut situation = Situation::without_worker(shared, mill_over(shared, "read", &broker));
    let group = situation.mill.topic("TASKS_GROUP").to_owned();
    let kind = ["--group", &group];
    rule(&broker, "--add", kind, ["--allow-principal", "All"]);
    rule(&broker, "--add", kind, ["--deny-principal", "Read"]);
    situation.add(|mill| mill.work("w"));
    let job = situation.submit();
    let command = format!(
        "kafka-acls.sh --add --allow-principal User:<name> --operation Read --group {group}"
    );
    let words = ["worker w on", "GroupAuthorizationFailed", &*command];
    situation.is_named(&job, &words, &words[1..]);
    rule(&broker, "--remove", kind, ["--deny-principal", "Read"]);
    situation.ends(&job);
}

/// Debian's `faketime` is a parent that passes no signals on; its library does what it does.
const AHEAD: &str = "
    export LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
    export FAKETIME=+3h DONT_FAKE_MONOTONIC=1
    exec \"$@\"";

fn clock_ahead(shared: &Shared) {
    let Some(broker) = shared.services.kafka.own_broker() else { return };
    let mut situation = Situation::without_worker(shared, mill(shared, "clock"));
    let topic = situation.mill.topic("RESULTS").to_owned();
    // Before Kafka 4, any time is taken unless the topic says otherwise.
    let settings = "message.timestamp.type=CreateTime,message.timestamp.after.max.ms=3600000";
    configure(broker, &topic, settings);
    situation.add(|mill| mill.work_in(AHEAD, "w"));
    let job = situation.submit();
    let words = [
        "worker w on",
        &topic,
        "InvalidTimestamp",
        "set the clock of this machine",
        "tilemill topics create",
    ];
    situation.is_named(&job, &words, &["message.timestamp.type not as configured", words[4]]);
    situation.mill.topics(&["create"]);
    situation.ends(&job);
}

/// Of two brokers one is gone.
fn too_few_replicas(shared: &Shared) {
    let Some(jars) = shared.services.kafka.own_jars() else { return };
    let mut pair = Pair::start(jars);
    let redis = shared.services.redis.address();
    let mill =
        Mill::with(&pair.first.address(), &redis, "replicas", &[("TOPICS__REPLICATION", "2")]);
    let situation = Situation::start(shared, mill);
    let topic = situation.mill.topic("TASKS").to_owned();
    configure(&pair.first, &topic, "min.insync.replicas=2");
    pair.second.kill();
    let job = situation.submit();
    let words = [&*topic, "takes no records", "--add-config min.insync.replicas=1"];
    situation.is_named(&job, &words, &words);
    configure(&pair.first, &topic, "min.insync.replicas=1");
    situation.ends(&job);
}

fn other_program(shared: &Shared) {
    let Some(python) = python() else { return };
    let mut situation = Situation::without_worker(shared, mill(shared, "other"));
    // It reads another topic, so that it takes no tiles.
    let topic = situation.mill.topic("HEARTBEATS").to_owned();
    let group = situation.mill.topic("TASKS_GROUP").to_owned();
    let (address, both) = (&shared.services.kafka.address, [&*topic, &*group]);
    let theirs = OtherMember::join_group(&python, address, both, "cooperative-sticky", SESSION);
    theirs.until_assigned();
    situation.add(|mill| mill.work("w"));
    let job = situation.submit();
    let words = ["worker w on", &group, "InconsistentGroupProtocol", "topics.tasks_group"];
    situation.is_named(&job, &words, &words[1..]);
    theirs.leave();
    situation.ends(&job);
}

/// A worker is not said to be missing that is only not heard of.
fn no_heartbeats(shared: &Shared) {
    let Some(broker) = shared.services.kafka.own_broker() else { return };
    let situation = Situation::start(shared, mill(shared, "unheard"));
    let topic = situation.mill.topic("HEARTBEATS").to_owned();
    let address = broker.address();
    let line = ["--bootstrap-server", &address, "--delete", "--topic", &topic];
    let ran = broker.tool("org.apache.kafka.tools.TopicCommand", &line);
    assert!(ran.status.success(), "{ran:?}");
    let worker = situation.others.last().unwrap();
    worker.signal(Signal::STOP);
    let job = situation.submit();
    let missing = format!("the topic {topic} is missing: tilemill topics create");
    situation.is_named(&job, &[&missing], &["tilemill topics create"]);
    let (_, queue) = situation.server.get("/api/queue");
    assert!(!queue.to_string().contains("no worker is running"), "{queue}");
    worker.signal(Signal::CONT);
    situation.mill.topics(&["create"]);
    situation.ends(&job);
}

fn no_notes(shared: &Shared) {
    let Some(jars) = shared.services.kafka.own_jars() else { return };
    let mut broker = Broker::start_with(jars, |_| "offset.metadata.max.bytes=2\n".into());
    let mut situation = Situation::without_worker(shared, mill_over(shared, "notes", &broker));
    situation.add(|mill| mill.work("w"));
    let job = situation.submit();
    let words = ["worker w on", "OffsetMetadataTooLarge", "offset.metadata.max.bytes", "at least"];
    situation.is_named(&job, &words, &words[2..]);
    broker.configure("offset.metadata.max.bytes=4096\n");
    broker.stop();
    broker.resume();
    situation.ends(&job);
}

/// What is done to a Redis, what is said then, and what the words say that mends it.
type Row<'a> = (&'a dyn Fn(&mut Redis), &'a [&'a str], &'a dyn Fn(&mut Redis));

/// One mill over a Redis of its own, to which one thing after the other happens.
fn with_redis(shared: &Shared, name: &str, rows: &[Row<'_>]) {
    let mut redis = Redis::start();
    let user = "ACL SETUSER tm on >secret +@all ~* &*";
    redis.obey(user);
    let login = [("REDIS__USERNAME", "tm"), ("REDIS__PASSWORD", "secret")];
    let kafka = &shared.services.kafka.address;
    let situation = Situation::start(shared, Mill::with(kafka, &redis.address(), name, &login));
    for (spoil, words, mend) in rows {
        spoil(&mut redis);
        let job = situation.submit();
        situation.is_named(&job, words, words);
        mend(&mut redis);
        situation.is_right(&job);
    }
    let job = situation.submit();
    situation.ends(&job);
}

/// Full, a replica, without a place to save to, and a user who may only read, who may do nothing with these keys or
/// channels, or whose password is another one now.
fn redis_without_writes(shared: &Shared) {
    let obey = |command: &'static str| move |redis: &mut Redis| redis.obey(command);
    let cannot_save = |redis: &mut Redis| {
        redis.obey("CONFIG SET save \"3600 1\"");
        std::fs::remove_dir_all(redis.folder()).unwrap();
        redis.tell("BGSAVE");
        while !redis.tell("INFO persistence").contains("rdb_last_bgsave_status:err") {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // Whoever is connected stays so, unless told to come again.
    let other_password = |redis: &mut Redis| {
        redis.obey("ACL SETUSER tm resetpass >other");
        for kind in ["normal", "pubsub"] {
            redis.tell(&format!("CLIENT KILL TYPE {kind}"));
        }
    };
    let rows: [Row<'_>; 7] = [
        (
            &obey("CONFIG SET maxmemory 1"),
            &["takes no writes", "OOM command not allowed", "maxmemory-policy"],
            &obey("CONFIG SET maxmemory 256mb"),
        ),
        (
            &obey("REPLICAOF 127.0.0.1 1"),
            &["is a replica", "REPLICAOF NO ONE"],
            &obey("REPLICAOF NO ONE"),
        ),
        (
            &obey("ACL SETUSER tm -@write"),
            &["does not let user tm read and write", "ACL SETUSER tm +@read +@write"],
            &obey("ACL SETUSER tm +@read +@write"),
        ),
        (
            &obey("ACL SETUSER tm resetkeys"),
            &["does not let user tm use keys that begin with", "ACL SETUSER tm ~"],
            &obey("ACL SETUSER tm ~*"),
        ),
        (
            &obey("ACL SETUSER tm resetchannels"),
            &["does not let user tm use channels that begin with", "ACL SETUSER tm &"],
            &obey("ACL SETUSER tm &*"),
        ),
        (
            &other_password,
            &["rejects the password: WRONGPASS", "redis.password"],
            &obey("ACL SETUSER tm resetpass >secret"),
        ),
        (
            &cannot_save,
            &["takes no writes", "MISCONF", "CONFIG SET save"],
            &obey("CONFIG SET save \"\""),
        ),
    ];
    with_redis(shared, "writes", &rows);
}

/// A user without the right, a Redis that was started again without the command, and one in cluster mode.
fn redis_without_scripts(shared: &Shared) {
    const USER: &str = "ACL SETUSER tm on >secret +@all ~* &*";
    let again = |settings: &'static [&'static str]| {
        move |redis: &mut Redis| {
            redis.resume_with(settings);
            redis.obey(USER);
        }
    };
    let in_cluster_mode = |redis: &mut Redis| {
        redis.resume_with(&["--cluster-enabled", "yes", "--cluster-config-file", "nodes"]);
        redis.obey(USER);
        redis.obey("CLUSTER ADDSLOTSRANGE 0 16383");
    };
    let rows: [Row<'_>; 3] = [
        (
            &|redis: &mut Redis| redis.obey("ACL SETUSER tm -@scripting"),
            &["does not let user tm run scripts", "ACL SETUSER tm +@scripting"],
            &|redis: &mut Redis| redis.obey("ACL SETUSER tm +@scripting"),
        ),
        (
            &again(&["--rename-command", "EVALSHA", ""]),
            &["runs no scripts", "rename-command EVALSHA"],
            &again(&[]),
        ),
        (&in_cluster_mode, &["is in cluster mode", "redis.prefix = "], &again(&[])),
    ];
    with_redis(shared, "scripts", &rows);
}

/// Nothing has to be mended: members take what is allowed.
fn long_sessions(shared: &Shared) {
    let Some(jars) = shared.services.kafka.own_jars() else { return };
    let broker = Broker::start_with(jars, |_| "group.min.session.timeout.ms=9000\n".into());
    let situation = Situation::start(shared, mill_over(shared, "sessions", &broker));
    let worker = situation.others.last().unwrap();
    worker.log().wait_for("the broker allows other sessions");
    let told = situation.mill.check();
    for words in ["sessions of 9 to 1800 s", "members take 9 s", "kafka.session_timeout"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let job = situation.submit();
    situation.ends(&job);
}
