//! An operator's bad nights, on a real Kafka and a real Redis: whoever is killed, stopped or emptied, the
//! job ends, and its result has the bytes that `tilemill run` gives. Each test has seeds that choose when.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::broker::topic::Records;
use crate::mill::{AT_ONCE, Mill, Services, by_run, leave_all, until_worker};
use crate::store::Redis;
use crate::support::{Process, Server, picture, seeded};

/// A night, with the seed that chooses when it begins.
type Night = fn(&Services, u64);

const NIGHTS: [(&str, Night); 20] = [
    ("nothing_happens", nothing),
    ("a_worker_is_killed", worker_killed),
    ("a_worker_is_stopped_for_a_while", worker_stopped),
    ("a_worker_comes_in_the_middle_of_a_job", worker_comes),
    ("there_is_no_worker_for_a_while", no_worker),
    ("workers_come_and_go_all_the_time", storm),
    ("a_collector_is_killed_and_starts_again", collector_killed),
    ("one_of_two_collectors_is_killed", collector_of_two_killed),
    ("a_collector_is_killed_while_it_encodes", collector_killed_late),
    ("a_collector_is_stopped_while_it_encodes", collector_stopped),
    ("results_are_deleted_and_the_collector_killed", results_deleted),
    ("two_servers_with_files_of_their_own_share_a_mill", two_servers),
    ("the_monitor_is_killed_and_starts_again", monitor_killed),
    ("the_server_is_killed_and_starts_again", server_killed),
    ("the_broker_starts_again", broker_restarted),
    ("redis_is_emptied", redis_emptied),
    ("redis_starts_again_empty", redis_restarted),
    ("redis_starts_again_empty_and_so_does_the_server", redis_and_server_restarted),
    ("partitions_are_added", scaled),
    ("a_tile_kills_its_workers_while_other_jobs_run", deadly_tile),
];

/// The image: so many tiles that a job takes some seconds.
const FILTERS: &str = "blur:30,invert";
const FIELDS: [(&str, &str); 3] = [("filters", FILTERS), ("format", "png"), ("tile_size", "64")];
const TILES: u64 = 23 * 16;

/// How long a job may take after the last fault is over, beside its own time: a session, and 5 s.
const DELAY: Duration = Duration::from_secs(6 + 5);

pub fn run(arguments: &Arguments) -> Conclusion {
    let seeds = if is_long() { 25 } else { 2 };
    crate::mill::run("nights", arguments, seeded(&NIGHTS, seeds))
}

fn is_long() -> bool {
    std::env::var_os("TILEMILL_TEST_LONG").is_some()
}

/// What all these jobs have to give.
static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();

/// A job in work, with two workers on it.
struct Job {
    mill: Mill,
    server: Server,
    collector: Process,
    monitor: Process,
    workers: Vec<Process>,
    id: String,
    expected: &'static [u8],
}

impl Job {
    /// Begins one, and returns when so many of its tiles are there as the seed says.
    fn begin(services: &Services, name: &str, seed: u64) -> Self {
        Self::begin_at(services, name, seed, seed)
    }

    /// The same with so many tiles as another number says.
    fn begin_at(services: &Services, name: &str, seed: u64, moment: u64) -> Self {
        let mill = Mill::new(
            &services.kafka.address,
            &services.redis.address(),
            &format!("{name}-{seed}"),
        );
        Self::begin_on(mill, moment, 2)
    }

    fn begin_on(mill: Mill, seed: u64, workers: usize) -> Self {
        let image = picture(mill.data.path(), "in.png", 1450, 1001);
        let expected = EXPECTED.get_or_init(|| by_run(&image, FILTERS, "png"));
        let job = Self::submit(mill, workers, &image, &FIELDS, expected);
        // From the first tile to nearly the last.
        let after = if job.workers.is_empty() { 0 } else { 1 + seed * 97 % (TILES - 60) };
        job.until_done(after);
        job
    }

    /// Begins one of more tiles, and returns when so many of them are there as the seed says: much is left to do then,
    /// also for who is slow to do what comes next.
    fn begin_long(services: &Services, name: &str, seed: u64) -> Self {
        static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();
        let (kafka, redis) = (&services.kafka.address, services.redis.address());
        let mill = Mill::new(kafka, &redis, &format!("{name}-{seed}"));
        let image = picture(mill.data.path(), "in.png", 2900, 1201);
        let expected = EXPECTED.get_or_init(|| by_run(&image, FILTERS, "png"));
        let job = Self::submit(mill, 2, &image, &FIELDS, expected);
        job.until_done(1 + seed * 97 % (TILES / 2));
        job
    }

    /// Begins one whose result takes long to encode, and returns when one of `more` collectors and its own
    /// is about that, with that one.
    fn begin_to_encode(services: &Services, name: &str, more: usize) -> (Self, Vec<Process>) {
        static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();
        let (kafka, redis) = (&services.kafka.address, services.redis.address());
        let mill = Mill::new(kafka, &redis, name);
        let mut others: Vec<_> = (0..more).map(|_| mill.collect()).collect();
        let image = picture(mill.data.path(), "in.png", 4000, 3000);
        let expected = EXPECTED.get_or_init(|| by_run(&image, "invert", "webp"));
        let fields = [("filters", "invert"), ("format", "webp")];
        let mut job = Self::submit(mill, 2, &image, &fields, expected);
        let encodes = |process: &Process| {
            crate::support::open_files(process.pid(), |name| name.contains("/final/.staged-")) > 0
        };
        let began = Instant::now();
        while !encodes(&job.collector) {
            assert!(began.elapsed() < crate::support::PATIENCE, "nobody encodes");
            if let Some(index) = others.iter().position(encodes) {
                std::mem::swap(&mut job.collector, &mut others[index]);
            }
        }
        (job, others)
    }

    /// Whether the result is not there, and nobody says it is.
    fn is_open(&self) -> bool {
        let (_, job) = self.server.get(&format!("/api/jobs/{}", self.id));
        ["processing", "stitching"].contains(&job["status"].as_str().unwrap())
    }

    fn submit(
        mill: Mill,
        workers: usize,
        image: &Path,
        fields: &[(&str, &str)],
        expected: &'static [u8],
    ) -> Self {
        let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
        let names: Vec<_> = (0..workers).map(|number| format!("w{number}")).collect();
        let workers = names.iter().map(|name| mill.work(name)).collect();
        for name in &names {
            until_worker(&server, name, "live");
        }
        let id = server.accepted(image, fields);
        Self { mill, server, collector, monitor, workers, id, expected }
    }

    fn until_done(&self, tiles: u64) {
        self.server.until(&self.id, |job| job["tiles_done"].as_u64() >= Some(tiles));
    }

    /// The last fault is over: the result must be right, and nothing may be left on its way. Then all
    /// leave.
    fn ends(self) {
        let over = Instant::now();
        let Self { mill, server, collector, monitor, workers, id, expected } = self;
        assert!(server.result(&id) == expected, "the result has other bytes");
        told(&mill.name, over.elapsed());
        server.until_idle();
        leave_all(workers.into_iter().chain([collector, monitor]));
        server.stop();
    }
}

/// What a job takes to which nothing happens: the first test finds out.
static OWN_TIME: OnceLock<Duration> = OnceLock::new();

/// Says how long a job took after the last fault; in the long run it must not have been too long.
fn told(name: &str, time: Duration) {
    eprintln!("{name}: ended {:.1} s after the last fault", time.as_secs_f64());
    if let (true, Some(own)) = (is_long(), OWN_TIME.get()) {
        // The others may have their worst moment then.
        let limit = DELAY + AT_ONCE * *own;
        assert!(time <= limit, "{time:?} after the last fault, more than {limit:?}");
    }
}

fn nothing(services: &Services, seed: u64) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let job = Job::begin_on(Mill::new(kafka, &redis, &format!("nothing-{seed}")), 0, 2);
    let began = Instant::now();
    job.ends();
    OWN_TIME.get_or_init(|| began.elapsed());
}

fn worker_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "worker-killed", seed);
    job.workers.remove(0).kill();
    job.ends();
}

fn worker_stopped(services: &Services, seed: u64) {
    let job = Job::begin(services, "worker-stopped", seed);
    job.workers[0].signal(Signal::STOP);
    // Longer than a session: others do its tiles, and what it sends later is there twice.
    std::thread::sleep(Duration::from_secs(if is_long() { 20 } else { 8 }));
    job.workers[0].signal(Signal::CONT);
    job.ends();
}

/// There is something to do until whoever joins has got some of it.
fn worker_comes(services: &Services, seed: u64) {
    let mut job = Job::begin_long(services, "worker-comes", seed);
    job.workers.push(job.mill.work("late"));
    let began = Instant::now();
    let has_done_some =
        |worker: &Value| worker["id"] == "late" && worker["done"].as_u64() > Some(0);
    let image = picture(job.mill.data.path(), "more.png", 700, 500);
    let expected = by_run(&image, FILTERS, "png");
    while !job.server.get("/api/workers").1.as_array().unwrap().iter().any(has_done_some) {
        assert!(began.elapsed() < crate::support::PATIENCE, "who comes later gets nothing to do");
        let more = job.server.accepted(&image, &FIELDS);
        assert!(job.server.result(&more) == expected, "the result has other bytes");
    }
    job.ends();
}

fn no_worker(services: &Services, seed: u64) {
    let name = format!("no-worker-{seed}");
    let mill = Mill::new(&services.kafka.address, &services.redis.address(), &name);
    let mut job = Job::begin_on(mill, seed, 0);
    let remedy = "no worker is running: start `tilemill work`";
    job.server.until(&job.id, |job| job["obstacle"] == remedy);
    std::thread::sleep(Duration::from_secs(if is_long() { 120 } else { 3 }));
    job.workers.push(job.mill.work("late"));
    job.ends();
}

fn storm(services: &Services, seed: u64) {
    let mut job = Job::begin_at(services, "storm", seed, seed % 3);
    let rounds = if is_long() { 10 } else { 3 };
    for round in 0..rounds {
        let guest = format!("guest-{round}");
        job.workers.push(job.mill.work(&guest));
        until_worker(&job.server, &guest, "live");
        let leaving = job.workers.remove(0);
        if round % 2 == 0 { leaving.leaves() } else { leaving.kill() }
    }
    job.ends();
}

fn collector_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "collector-killed", seed);
    job.collector.kill_and_start(|| job.mill.collect());
    job.ends();
}

fn collector_of_two_killed(services: &Services, seed: u64) {
    let name = format!("two-collectors-{seed}");
    let mill = Mill::new(&services.kafka.address, &services.redis.address(), &name);
    let other = mill.collect();
    let mut job = Job::begin_on(mill, seed, 2);
    if seed.is_multiple_of(2) {
        other.kill();
    } else {
        std::mem::replace(&mut job.collector, other).kill();
    }
    job.ends();
}

fn collector_killed_late(services: &Services, seed: u64) {
    let (mut job, _) = Job::begin_to_encode(services, &format!("killed-late-{seed}"), 0);
    job.collector.signal(Signal::STOP);
    assert!(job.is_open(), "it had the result already");
    job.collector.kill_and_start(|| job.mill.collect());
    job.ends();
}

/// Another collector, which sees the same files, does it all again. When the first goes on, it finds that it
/// is late.
fn collector_stopped(services: &Services, seed: u64) {
    let (mut job, others) = Job::begin_to_encode(services, &format!("collector-stopped-{seed}"), 2);
    job.collector.signal(Signal::STOP);
    assert!(job.is_open(), "it had the result already");
    std::thread::sleep(Duration::from_secs(if is_long() { 20 } else { 8 }));
    job.collector.signal(Signal::CONT);
    job.workers.extend(others);
    job.ends();
}

/// Results that nobody has read yet are deleted, and their reader dies: their tiles are sent again.
fn results_deleted(services: &Services, seed: u64) {
    let mut job = Job::begin_long(services, "results-deleted", seed);
    job.collector.signal(Signal::STOP);
    let runtime = crate::support::runtime();
    let results = Records::of(&services.kafka.address, job.mill.topic("RESULTS"), 2);
    let results = runtime.block_on(results);
    let ends = || runtime.block_on(results.ends());
    // What is on its way comes, and nobody reads it; without credit nothing more is sent.
    let (mut last, mut silent) = (ends(), 0);
    while silent < 3 {
        std::thread::sleep(Duration::from_secs(1));
        let now = ends();
        silent = if now == last { silent + 1 } else { 0 };
        last = now;
    }
    runtime.block_on(results.delete());
    job.collector.kill_and_start(|| job.mill.collect());
    let over = Instant::now();
    job.server.log().wait_for("sending lost tiles again");
    eprintln!("sent again {:.1} s after the fault", over.elapsed().as_secs_f64());
    job.ends();
}

/// Two servers, each with a collector that sees its files only: each job comes to the right one.
fn two_servers(services: &Services, seed: u64) {
    let job = Job::begin(services, "two-servers", seed);
    let data = TempDir::new().unwrap();
    let (server, collector) = (job.mill.serve_apart(&data), job.mill.collect_apart(&data));
    let image = picture(data.path(), "in.png", 700, 500);
    let expected = by_run(&image, FILTERS, "png");
    let jobs: Vec<_> = (0..4).map(|_| server.accepted(&image, &FIELDS)).collect();
    for other in jobs {
        assert!(server.result(&other) == expected, "the other server's result has other bytes");
    }
    leave_all([collector]);
    server.stop();
    job.ends();
}

fn monitor_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "monitor-killed", seed);
    job.monitor.kill_and_start(|| job.mill.monitor());
    job.ends();
}

fn server_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "server-killed", seed);
    job.server.kill();
    job.server = job.mill.serve();
    job.ends();
}

fn broker_restarted(services: &Services, seed: u64) {
    let Some(jars) = services.kafka.own_jars() else { return };
    let mut broker = Broker::start(jars);
    let mill = Mill::new(&broker.address(), &services.redis.address(), &format!("broker-{seed}"));
    let job = Job::begin_on(mill, seed, 2);
    if seed.is_multiple_of(2) {
        broker.stop();
    } else {
        broker.kill();
    }
    broker.resume();
    job.ends();
}

/// A job in work with a Redis of its own.
fn with_own_redis(services: &Services, name: &str, seed: u64) -> (Redis, Job) {
    let redis = Redis::start();
    let mill = Mill::new(&services.kafka.address, &redis.address(), &format!("{name}-{seed}"));
    (redis, Job::begin_on(mill, seed, 2))
}

fn redis_emptied(services: &Services, seed: u64) {
    let (redis, job) = with_own_redis(services, "redis-emptied", seed);
    crate::support::runtime().block_on(redis.empty());
    job.ends();
}

fn redis_restarted(services: &Services, seed: u64) {
    let (mut redis, job) = with_own_redis(services, "redis-restarted", seed);
    redis.kill();
    // All roles wait for it: what they notice, they say.
    for log in [job.server.log(), job.collector.log()] {
        log.wait_for("WARN");
    }
    redis.resume();
    job.ends();
}

fn redis_and_server_restarted(services: &Services, seed: u64) {
    let (mut redis, mut job) = with_own_redis(services, "redis-server", seed);
    redis.kill();
    job.server.kill();
    redis.resume();
    job.server = job.mill.serve();
    job.ends();
}

/// The server and the workers learn of partitions by and by; jobs that come meanwhile end, too.
fn scaled(services: &Services, seed: u64) {
    const BEFORE: u32 = 4;
    const AFTER: u32 = 9;
    let job = Job::begin(services, "scaled", seed);
    job.mill.topics(&["scale", "--partitions", &AFTER.to_string()]);
    let over = Instant::now();
    let runtime = crate::support::runtime();
    let tasks = Records::of(&services.kafka.address, job.mill.topic("TASKS"), AFTER);
    let tasks = runtime.block_on(tasks);
    let is_new_used =
        || runtime.block_on(tasks.ends()).into_iter().skip(BEFORE as usize).any(|end| end > 0);
    let image = picture(job.mill.data.path(), "more.png", 700, 500);
    let expected = by_run(&image, FILTERS, "png");
    while !is_new_used() {
        assert!(over.elapsed() < crate::support::PATIENCE, "no tile is sent to a new partition");
        let more = job.server.accepted(&image, &FIELDS);
        assert!(job.server.result(&more) == expected, "the result has other bytes");
    }
    eprintln!("new partitions are used {:.1} s later", over.elapsed().as_secs_f64());
    job.ends();
}

/// One tile of a job needs more memory than a worker may have, and ends each that takes it. The workers are
/// started again, as systemd would.
fn deadly_tile(services: &Services, seed: u64) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let large = [("TOPICS__MAX_MESSAGE", "90 MiB"), ("DISPATCH__MAX_BYTES_IN_FLIGHT", "512 MiB")];
    let mill = Mill::with(kafka, &redis, &format!("deadly-{seed}"), &large);
    let start = |number: usize| {
        let limited = "export MALLOC_ARENA_MAX=1; ulimit -v 600000; exec \"$@\"";
        mill.work_in(limited, &format!("mortal-{number}"))
    };
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let mut workers: Vec<_> = (0..3).map(start).collect();
    (0..3).for_each(|number| drop(until_worker(&server, &format!("mortal-{number}"), "live")));
    let image = picture(mill.data.path(), "in.png", 1450, 1001);
    let deadly = flat(mill.data.path(), 3300);
    let whole = [("filters", "blur:20"), ("format", "png"), ("tile_size", "3300")];
    let expected = EXPECTED.get_or_init(|| by_run(&image, FILTERS, "png"));
    let is_right = |good: &str| assert!(server.result(good) == *expected, "it has other bytes");
    let another = || server.accepted(&image, &FIELDS);
    let bad = server.accepted(&deadly, &whole);
    // At any time there is another job in work.
    let (mut good, mut done) = (another(), 0);
    let (began, mut deaths) = (Instant::now(), Vec::new());
    let failed = loop {
        let (_, job) = server.get(&format!("/api/jobs/{bad}"));
        if job["status"] == "failed" {
            break job;
        }
        assert!(began.elapsed() < 3 * crate::support::PATIENCE, "not given up: {deaths:#?}");
        for (number, worker) in workers.iter_mut().enumerate() {
            if worker.ended().is_some() {
                deaths.push((began.elapsed(), worker.log().lines()));
                *worker = start(number);
            }
        }
        let (_, other) = server.get(&format!("/api/jobs/{good}"));
        if other["finished_at"].is_string() {
            is_right(&good);
            good = another();
            done += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let time = began.elapsed().as_secs_f64();
    let count = deaths.len();
    eprintln!("given up after {count} deaths and {time:.1} s, beside {done} other jobs");
    assert!((3..=4).contains(&count), "{count} deaths: {deaths:#?}");
    assert_eq!(failed["error"]["tile"], 0, "{failed}");
    assert!(failed["error"]["cause"].as_str().unwrap().contains("died 3 times"), "{failed}");
    is_right(&good);
    // Their logs tell of the tile, as they should.
    drop(workers);
    leave_all([collector, monitor]);
    server.stop();
}

/// A square of 16 bit RGBA: small as a file, and 8 bytes a pixel where it is filtered.
fn flat(directory: &Path, side: u32) -> PathBuf {
    let path = directory.join("flat.png");
    image::ImageBuffer::from_pixel(side, side, image::Rgba([1_u16, 2, 3, 65_535]))
        .save(&path)
        .unwrap();
    path
}
