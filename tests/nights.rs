//! An operator's bad nights, on a real Kafka and a real Redis: whoever is killed, stopped or emptied, the
//! job ends, and its result has the bytes that `tilemill run` gives. Each test has seeds that choose when.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules that test programs share have no crate to be public in"
)]

mod broker;
mod mill;
mod store;
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::broker::Broker;
use crate::mill::{Mill, Services, by_run, leave_all, until_worker};
use crate::store::Redis;
use crate::support::{Process, Server, picture};

/// A night, with the seed that chooses when it begins.
type Night = fn(&Services, u64);

const NIGHTS: [(&str, Night); 12] = [
    ("a_worker_is_killed", worker_killed),
    ("a_worker_is_stopped_for_a_while", worker_stopped),
    ("a_worker_comes_in_the_middle_of_a_job", worker_comes),
    ("there_is_no_worker_for_a_while", no_worker),
    ("workers_come_and_go_all_the_time", storm),
    ("a_collector_is_killed_and_starts_again", collector_killed),
    ("one_of_two_collectors_is_killed", collector_of_two_killed),
    ("the_monitor_is_killed_and_starts_again", monitor_killed),
    ("the_server_is_killed_and_starts_again", server_killed),
    ("the_broker_starts_again", broker_restarted),
    ("redis_is_emptied_and_the_server_killed", redis_emptied),
    ("partitions_are_added", scaled),
];

/// The image: so many tiles that a job takes some seconds.
const FILTERS: &str = "blur:30,invert";
const FIELDS: [(&str, &str); 3] = [("filters", FILTERS), ("format", "png"), ("tile_size", "64")];
const TILES: u64 = 23 * 16;

fn main() -> ExitCode {
    mill::run_seeded(&NIGHTS, if is_long() { 25 } else { 2 })
}

fn is_long() -> bool {
    std::env::var_os("TILEMILL_TEST_LONG").is_some()
}

/// A job in work, with two workers on it.
struct Job {
    mill: Mill,
    server: Server,
    collector: Process,
    monitor: Process,
    workers: Vec<Process>,
    id: String,
    expected: Vec<u8>,
    began: Instant,
}

impl Job {
    /// Begins one, and returns when so many of its tiles are there as the seed says.
    fn begin(services: &Services, name: &str, seed: u64) -> Self {
        let mill = Mill::new(
            &services.kafka.address,
            &services.redis.address(),
            &format!("{name}-{seed}"),
        );
        Self::begin_on(mill, seed, 2)
    }

    fn begin_on(mill: Mill, seed: u64, workers: usize) -> Self {
        let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
        let names: Vec<_> = (0..workers).map(|number| format!("w{number}")).collect();
        let workers = names.iter().map(|name| mill.work(name)).collect();
        for name in &names {
            until_worker(&server, name, "live");
        }
        let image = picture(mill.data.path(), "in.png", 1450, 1001);
        let expected = by_run(&image, FILTERS, "png");
        let began = Instant::now();
        let id = server.accepted(&image, &FIELDS);
        let job = Self { mill, server, collector, monitor, workers, id, expected, began };
        // From the first tile to nearly the last.
        let after = if job.workers.is_empty() { 0 } else { 1 + seed * 97 % (TILES - 60) };
        job.until_done(after);
        job
    }

    fn until_done(&self, tiles: u64) {
        self.server.until(&self.id, |job| job["tiles_done"].as_u64() >= Some(tiles));
    }

    /// The result must be right, and nothing may be left on its way. Then all leave.
    fn ends(self) {
        let Self { server, collector, monitor, workers, id, expected, began, .. } = self;
        assert!(server.result(&id) == expected, "the result has other bytes");
        eprintln!("ended after {:.1} s", began.elapsed().as_secs_f64());
        server.until_idle();
        leave_all(workers.into_iter().chain([collector, monitor]));
        server.stop();
    }
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

fn worker_comes(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "worker-comes", seed % 2);
    job.workers.push(job.mill.work("late"));
    job.server.get_until("/api/workers", |workers| {
        let workers = workers.as_array().unwrap();
        workers.iter().any(|worker| worker["id"] == "late" && worker["done"].as_u64() > Some(0))
    });
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
    let mut job = Job::begin(services, "storm", seed % 3);
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
    let dead = std::mem::replace(&mut job.collector, job.mill.collect());
    dead.kill();
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

fn monitor_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "monitor-killed", seed);
    let dead = std::mem::replace(&mut job.monitor, job.mill.monitor());
    dead.kill();
    job.ends();
}

fn server_killed(services: &Services, seed: u64) {
    let mut job = Job::begin(services, "server-killed", seed);
    job.server.kill();
    job.server = job.mill.serve();
    job.ends();
}

fn broker_restarted(services: &Services, seed: u64) {
    let Some(jars) = &services.kafka.jars else { return };
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

fn redis_emptied(services: &Services, seed: u64) {
    let mut redis = Redis::start();
    let name = format!("redis-{seed}");
    let mill = Mill::new(&services.kafka.address, &redis.address(), &name);
    let mut job = Job::begin_on(mill, seed, 2);
    redis.kill();
    if seed.is_multiple_of(2) {
        job.server.kill();
        redis.resume();
        job.server = job.mill.serve();
    } else {
        redis.resume();
    }
    job.ends();
}

fn scaled(services: &Services, seed: u64) {
    let job = Job::begin(services, "scaled", seed);
    job.mill.topics(&["scale", "--partitions", "9"]);
    job.ends();
}
