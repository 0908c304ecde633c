//! A mill of several processes over a real Kafka and a real Redis: the same bytes as on one machine,
//! whoever is killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use fred::interfaces::ServerInterface;
use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tilemill::model::job::JobId;
use tilemill::queue::admin::TopicAdmin;
use tilemill::queue::kafka::admin::KafkaAdmin;

use crate::broker::Broker;
use crate::broker::topic::cluster as cluster_at;
use crate::mill::{Mill, Services, Test, by_run, leave_all, until_worker};
use crate::store::Redis;
use crate::support::{PATIENCE, Process, Server, block_on, data, named, open_files, picture};

const TESTS: [(&str, Test); 14] = [
    ("a_cluster_gives_the_same_bytes_as_a_run", same_bytes),
    ("topics_that_a_broker_compresses_are_read_and_each_tile_is_filtered_once", compressed),
    ("a_process_holds_few_connections_however_many_partitions_there_are", connections),
    ("tiles_that_do_not_fit_into_a_message_are_cut_smaller", cut_smaller),
    ("what_is_missing_is_said_with_what_to_do", missing),
    ("servers_together_count_each_job_and_each_tile_once", counted_once),
    ("tiles_of_a_killed_worker_are_done_before_it_is_called_dead", done_before_dead),
    ("a_killed_worker_is_called_dead_and_stays_in_sight", dead),
    ("a_monitor_that_is_stopped_makes_nobody_dead", monitor_stopped),
    ("at_rest_nothing_is_left_but_what_expires", at_rest),
    ("a_worker_whose_tile_takes_too_long_leaves_it_to_others", leaves_its_tile),
    ("a_redis_that_refuses_is_waited_for_and_then_named", redis_refuses),
    ("a_page_hears_that_redis_is_away_and_that_it_is_back", redis_away),
    ("the_mill_is_seen_while_its_queue_is_away", kafka_away),
];

/// Takes longer for a tile of 2048 pixels than a worker that stops has for it.
const VERY_SLOW: &str = "denoise:8:21:8,denoise:8:21:8";

pub fn run(arguments: &Arguments) -> Conclusion {
    crate::mill::run("processes", arguments, named(&TESTS))
}

fn mill(services: &Services, name: &str) -> Mill {
    Mill::new(&services.kafka.address, &services.redis.address(), name)
}

fn same_bytes(services: &Services) {
    let mill = mill(services, "same");
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let directory = TempDir::new().unwrap();
    let images = [
        (picture(directory.path(), "in.png", 701, 433), "blur:3,grayscale", "png"),
        (picture(directory.path(), "thin.png", 1, 500), "invert", "tiff"),
        (data("grey-16.tif"), "blur:2", "png"),
        (data("wide-16.png"), "equalize,median:2", "tiff"),
        (data("baseline-420.jpg"), "grayscale", "jpeg"),
    ];
    let mut workers = Vec::new();
    for count in [1, 2, 4] {
        while workers.len() < count {
            let id = format!("w{}", workers.len());
            workers.push(mill.work(&id));
            until_worker(&server, &id, "live");
        }
        for (image, filters, format) in &images {
            let expected = by_run(image, filters, format);
            let fields = [("filters", *filters), ("format", format), ("tile_size", "64")];
            let job = server.accepted(image, &fields);
            assert!(server.result(&job) == expected, "{} by {count} workers", image.display());
        }
    }
    server.until_idle();
    leave_all(workers);
    server.get_until("/api/workers", |workers| workers == &serde_json::json!([]));
    leave_all([collector, monitor]);
    server.stop();
}

fn compressed(services: &Services) {
    let mill = mill(services, "compressed");
    let admin = KafkaAdmin::new(cluster_at(&services.kafka.address));
    let compress = |codec: &str| {
        let setting = [("compression.type".to_owned(), codec.to_owned())].into();
        block_on(async {
            for which in ["TASKS", "RESULTS", "HEARTBEATS"] {
                admin.set(mill.topic(which), &setting).await.unwrap();
            }
        });
    };
    compress("zstd");
    let (server, others) = (mill.serve(), [mill.collect(), mill.monitor(), mill.work("w")]);
    until_worker(&server, "w", "live");
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 701, 433);
    let expected = by_run(&image, "blur:3", "png");
    let fields = [("filters", "blur:3"), ("format", "png"), ("tile_size", "64")];
    let mut tiles = 0;
    for codec in ["zstd", "gzip", "snappy", "lz4"] {
        compress(codec);
        let job = server.accepted(&image, &fields);
        assert!(server.result(&job) == expected, "{codec}");
        let (_, ended) = server.get(&format!("/api/jobs/{job}"));
        assert_eq!((&ended["attempts"], &ended["tiles_total"]), (&1.into(), &77.into()), "{codec}");
        tiles += 77;
    }
    server.get_until("/api/workers", |workers| workers[0]["done"] == tiles);
    leave_all(others);
    server.stop();
}

fn connections(services: &Services) {
    let partitions = [("TOPICS__TASKS_PARTITIONS", "48"), ("TOPICS__RESULTS_PARTITIONS", "8")];
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let mill = Mill::with(kafka, &redis, "connections", &partitions);
    let (server, worker) = (mill.serve(), mill.work("w"));
    let (collector, monitor) = (mill.collect(), mill.monitor());
    until_worker(&server, "w", "live");
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1000, 800);
    let fields = [("filters", "invert"), ("format", "png"), ("tile_size", "32")];
    let job = server.accepted(&image, &fields);
    assert!(server.result(&job) == by_run(&image, "invert", "png"));
    // As docs/operations.md has them. Of the two ways to a broker, heartbeats take that of the even partitions, and results
    // that of theirs. Where a partition begins was asked over others, which are closed by now.
    let ways = 1 + usize::from(job.parse::<JobId>().unwrap().spread() % 2 == 1);
    let expected = [("serve", 4), ("work", 7 + ways), ("collect", 4), ("monitor", 4)];
    let processes = [server.pid(), worker.pid(), collector.pid(), monitor.pid()];
    for ((role, expected), process) in expected.into_iter().zip(processes) {
        let held = || connections_to(process, kafka);
        let deadline = Instant::now() + PATIENCE;
        while held() != expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(held(), expected, "{role}");
        let told = format!(r#"tilemill_broker_connections{{role="{role}""#);
        let told = |metrics: &str| {
            let line = metrics.lines().find(|line| line.starts_with(&told));
            line.is_some_and(|line| line.ends_with(&format!(" {expected}")))
        };
        while !told(&String::from_utf8(server.bytes("/metrics")).unwrap()) {
            assert!(Instant::now() < deadline, "{role} does not tell of {expected} connections");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    leave_all([worker, collector, monitor]);
    server.stop();
}

/// Open connections of a process to an address, as Linux lists them.
fn connections_to(process: u32, address: &str) -> usize {
    let address: SocketAddrV4 = address.parse().unwrap();
    let remote =
        format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port());
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let sockets: BTreeSet<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(2) == Some(&&*remote) && words.get(3) == Some(&"01"))
        .map(|words| format!("socket:[{}]", words[9]))
        .collect();
    open_files(process, |file| sockets.contains(file))
}

fn cut_smaller(services: &Services) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let mill = Mill::with(kafka, &redis, "cut", &[("TOPICS__MAX_MESSAGE", "1 MiB")]);
    let (server, collector, worker) = (mill.serve(), mill.collect(), mill.work("w"));
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 900, 700);
    let job = server.accepted(&image, &[("filters", "blur:40"), ("format", "png")]);
    assert!(server.result(&job) == by_run(&image, "blur:40", "png"));
    let (_, ended) = server.get(&format!("/api/jobs/{job}"));
    assert_eq!(ended["tile_size"], 256);
    let note = ended["notes"][0].as_str().unwrap();
    assert!(note.contains("256 pixels a side, not 512") && note.contains("topics.max_message"));
    let (status, refused) = server.submit(&image, &[("filters", "blur:100,blur:100")]);
    assert_eq!((status, &refused["setting"]), (413, &"topics.max_message".into()), "{refused}");
    leave_all([worker, collector]);
    server.stop();
}

fn missing(services: &Services) {
    let mill = mill(services, "missing");
    let server = mill.serve();
    let is_missing = |text: &str| {
        server.get_until("/api/queue", |queue| {
            queue["missing"].as_array().is_some_and(|all| all.iter().any(|one| one == text))
        });
    };
    is_missing("no monitor is running: start `tilemill monitor`");
    is_missing("no collector is running: start `tilemill collect`");
    let monitor = mill.monitor();
    is_missing("no worker is running: start `tilemill work`");
    let collector = mill.collect();
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 50, 50);
    let job = server.accepted(&image, &[]);
    server.until(&job, |job| job["obstacle"] == "no worker is running: start `tilemill work`");
    let worker = mill.work("late");
    server.result(&job);
    server.get_until("/api/queue", |queue| queue["missing"] == serde_json::json!([]));
    leave_all([worker, collector, monitor]);
    server.stop();
}

/// Two servers with files of their own share all else.
fn counted_once(services: &Services) {
    let mill = mill(services, "counted");
    let other = TempDir::new().unwrap();
    let servers = [mill.serve(), mill.serve_apart(&other)];
    let others = [mill.collect(), mill.collect_apart(&other), mill.monitor(), mill.work("w")];
    for server in &servers {
        until_worker(server, "w", "live");
    }
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 500, 300);
    let fields = [("filters", "invert"), ("tile_size", "64")];
    for (server, jobs) in servers.iter().zip([1, 2]) {
        for _ in 0..jobs {
            server.result(&server.accepted(&image, &fields));
        }
    }
    let [_, second] = &servers;
    let cancelled = second.accepted(&image, &[("filters", VERY_SLOW)]);
    second.post(&format!("/api/jobs/{cancelled}/cancel"));
    for server in &servers {
        server.until_idle();
    }
    let texts = servers.each_ref().map(|server| {
        let text = String::from_utf8(server.bytes("/metrics")).unwrap();
        let documented = crate::told::documented();
        for (name, metric) in crate::told::served(&text) {
            assert_eq!(documented.get(&name), Some(&metric), "{name}");
        }
        text
    });
    let of = |series: &str| texts.each_ref().map(|text| value(text, series));
    let counts = |counts: [u32; 2]| counts.map(|count| Some(f64::from(count)));
    let ended = |outcome: &str| of(&format!("tilemill_jobs_ended_total{{outcome={outcome:?}}}"));
    assert_eq!(ended("complete"), counts([1, 2]));
    assert_eq!(ended("cancelled"), counts([0, 1]));
    assert_eq!(of("tilemill_jobs_accepted_total"), counts([1, 3]));
    assert_eq!(of("tilemill_job_duration_seconds_count"), counts([1, 2]));
    // 8 × 5 tiles; of the job that was cancelled, none was done.
    assert_eq!(of("tilemill_tile_filter_seconds_count"), counts([40, 80]));
    // Redis evicts nothing, and says the same to both.
    assert_eq!(of("tilemill_state_evicted_keys_total"), counts([0, 0]));
    leave_all(others);
    servers.into_iter().for_each(Server::stop);
}

/// The value of a series in the text of a server.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line?.parse().ok()
}

fn done_before_dead(services: &Services) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    // So much longer than a session that the order does not hang on the speed of the machine.
    let mill = Mill::with(kafka, &redis, "liveness", &[("WORKER__DEAD_AFTER", "60s")]);
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let (killed, other) = (mill.work("killed"), mill.work("other"));
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1450, 1001);
    for id in ["killed", "other"] {
        until_worker(&server, id, "live");
    }
    let job = server.accepted(&image, &[("filters", "blur:30"), ("tile_size", "64")]);
    server.until(&job, |job| job["tiles_done"].as_u64() > Some(20));
    killed.signal(Signal::STOP);
    assert_eq!(server.get(&format!("/api/jobs/{job}")).1["status"], "processing");
    killed.kill();
    server.result(&job);
    let (_, workers) = server.get("/api/workers");
    let dead = |worker: &&Value| worker["state"] == "dead";
    assert_eq!(workers.as_array().unwrap().iter().find(dead), None, "{workers}");
    leave_all([other, collector, monitor]);
    server.stop();
}

fn dead(services: &Services) {
    let mill = mill(services, "dead");
    let (server, monitor) = (mill.serve(), mill.monitor());
    let (killed, other) = (mill.work("killed"), mill.work("other"));
    until_worker(&server, "other", "live");
    until_worker(&server, "killed", "live");
    killed.kill();
    until_worker(&server, "killed", "dead");
    // A clean exit is seen at once, and the dead stay in sight.
    leave_all([other]);
    server.get_until("/api/workers", |workers| {
        let ids = workers.as_array().unwrap().iter().map(|worker| &worker["id"]);
        ids.eq(["killed"])
    });
    leave_all([monitor]);
    server.stop();
}

fn monitor_stopped(services: &Services) {
    let mill = mill(services, "monitor-stopped");
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let worker = mill.work("w");
    until_worker(&server, "w", "live");
    monitor.signal(Signal::STOP);
    // Longer than a worker may be silent.
    let silence = Duration::from_secs(17);
    let is_well = || {
        let (_, workers) = server.get("/api/workers");
        assert_ne!(workers[0]["state"], "dead", "{workers}");
    };
    until(silence, is_well);
    monitor.signal(Signal::CONT);
    until(Duration::from_secs(2), is_well);
    until_worker(&server, "w", "live");
    leave_all([worker, collector, monitor]);
    server.stop();
}

/// Looks all the time for so long.
fn until(time: Duration, look: impl Fn()) {
    let began = Instant::now();
    while began.elapsed() < time {
        look();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Jobs that complete, fail, are cancelled and deleted, and a worker that dies, leave nothing for ever.
fn at_rest(services: &Services) {
    let redis = Redis::start();
    let mill = Mill::new(&services.kafka.address, &redis.address(), "rest");
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let (worker, dead) = (mill.work("w"), mill.work("dead"));
    until_worker(&server, "w", "live");
    until_worker(&server, "dead", "live");
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 700, 500);
    for round in 0..5 {
        let job = server.accepted(&image, &[("filters", "blur:3"), ("tile_size", "64")]);
        match round {
            0 => drop(server.post(&format!("/api/jobs/{job}/cancel"))),
            1 => drop(server.delete(&format!("/api/jobs/{job}"))),
            _ => drop(server.result(&job)),
        }
    }
    dead.kill();
    server.until_idle();
    crate::support::until_tree(&mill.data.path().join("data/processed"), <[String]>::is_empty);
    leave_all([worker, collector, monitor]);
    server.stop();
    crate::support::block_on(async {
        let client = redis.client().await;
        let left: u64 = client.dbsize().await.unwrap();
        assert!(left > 0, "the dead worker is remembered for a while");
        redis.pass_for("*", Duration::from_mins(90)).await;
        let left: u64 = client.dbsize().await.unwrap();
        assert_eq!(left, 0, "keys are left that do not expire");
    });
}

/// A worker that is told to stop says so, takes nothing more, and leaves the group in time: its tile is
/// somebody else's at once, and not after a session.
fn leaves_its_tile(services: &Services) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let settings = [("SHUTDOWN_TIMEOUT", "10s"), ("WORKER__HEARTBEAT", "500ms")];
    let mill = Mill::with(kafka, &redis, "slow", &settings);
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let leaving = mill.work("leaving");
    let mut others = Vec::new();
    until_worker(&server, "leaving", "live");
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 3000, 2000);
    let job = server
        .accepted(&image, &[("filters", VERY_SLOW), ("format", "png"), ("tile_size", "2048")]);
    server.get_until("/api/workers", |workers| workers[0]["in_flight"].as_u64() > Some(0));
    leaving.signal(Signal::TERM);
    until_worker(&server, "leaving", "leaving");
    others.push(mill.work("other"));
    leaving.log().wait_for("not finished in time: others do it (`shutdown_timeout`)");
    leaving.leaves();
    server.get_until("/api/workers", |workers| {
        workers.as_array().is_some_and(|all| all.iter().all(|worker| worker["id"] == "other"))
    });
    assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    others.into_iter().for_each(Process::kill);
    leave_all([collector, monitor]);
    server.stop();
}

fn redis_refuses(services: &Services) {
    let redis = Redis::start();
    redis.obey("REPLICAOF 127.0.0.1 1");
    let soon = [("STARTUP_TIMEOUT", "1s")];
    let (kafka, refuses) = (&services.kafka.address, "is a replica: READONLY");
    let mill = Mill::with(kafka, &redis.address(), "refuses", &soon);
    let process = mill.role(&["monitor"], mill.data.path());
    let told = process.log().wait_for("waiting for Redis");
    assert!(told.contains(refuses), "{told}");
    let told = process.log().wait_for("tilemill: ");
    assert_eq!(process.died().code(), Some(3));
    assert!(told.contains(refuses) && !told.contains("start it"), "{told}");
    assert_eq!(told.matches("REPLICAOF NO ONE").count(), 1, "{told}");
    let mill = Mill::new(kafka, &redis.address(), "mended");
    let process = mill.role(&["monitor"], mill.data.path());
    process.log().wait_for("waiting for Redis");
    redis.obey("REPLICAOF NO ONE");
    process.log().wait_for("monitoring");
    process.leaves();
    let mill = Mill::with(kafka, kafka, "swapped", &soon);
    let process = mill.role(&["monitor"], mill.data.path());
    process.log().wait_for("is a Kafka broker, not a Redis: correct `redis.address`");
    assert_eq!(process.died().code(), Some(3));
}

fn redis_away(services: &Services) {
    let mut redis = Redis::start();
    let mill = Mill::new(&services.kafka.address, &redis.address(), "away");
    let server = mill.serve();
    let request = ureq::get(server.url("/api/events")).config();
    let answer = request.timeout_global(Some(Duration::from_mins(1))).build().call().unwrap();
    let mut lines = BufReader::new(answer.into_body().into_reader()).lines().map(Result::unwrap);
    let mut heard = |event: &str| {
        lines.by_ref().find(|line| *line == format!("event: {event}")).unwrap();
        lines.next().unwrap()
    };
    heard("workers");
    redis.kill();
    let trouble = heard("trouble");
    assert!(trouble.contains("the state store is unavailable: "), "{trouble}");
    let metrics = String::from_utf8(server.bytes("/metrics")).unwrap();
    assert!(metrics.contains("\ntilemill_ready 0\n"), "{metrics}");
    let has = |name: &str| metrics.contains(name);
    assert!(has("tilemill_build_info") && !has("tilemill_workers"), "{metrics}");
    redis.resume();
    heard("workers");
    heard("queue");
    server.stop();
}

fn kafka_away(services: &Services) {
    let Some(jars) = services.kafka.own_jars() else { return };
    let mut broker = Broker::start(jars);
    let mill = Mill::new(&broker.address(), &services.redis.address(), "seen");
    let server = mill.serve();
    server.get_until("/api/queue", |queue| queue["tiles_in_flight"] == 0);
    assert_eq!(server.get("/readyz").0, 200);
    // It takes what it is sent, and answers nothing.
    broker.signal(Signal::STOP);
    let queue = server.get_until("/api/queue", |queue| queue["tiles_in_flight"].is_null());
    let missing = queue["missing"].as_array().unwrap();
    assert!(missing.iter().any(|what| what.as_str().unwrap().contains("queue")), "{queue}");
    assert_eq!(queue["jobs_active"], 0);
    let metrics = String::from_utf8(server.bytes("/metrics")).unwrap();
    assert!(metrics.contains("\ntilemill_ready 0\n"), "{metrics}");
    assert!(metrics.contains("tilemill_processes{role=\"serve\"} 1"), "{metrics}");
    broker.signal(Signal::CONT);
    server.get_until("/api/queue", |queue| queue["tiles_in_flight"] == 0);
    broker.kill();
    server.get_until("/api/queue", |queue| queue["tiles_in_flight"].is_null());
    assert_eq!(server.get("/readyz").0, 503);
    broker.resume();
    server.get_until("/api/queue", |queue| queue["tiles_in_flight"] == 0);
    server.stop();
}
