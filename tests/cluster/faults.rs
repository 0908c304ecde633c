//! Workers and brokers that fail in every way, on a real Apache Kafka: no tile is lost, and no tile is
//! committed before its result is stored. Each test has seeds that choose when, and who.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;

use crate::broker::{Broker, Cluster, Pair};
use crate::support::{Process, block_on, seeded};
use crate::workers::Fleet;

/// A test of which each seed makes another.
type SeededTest = fn(&Cluster, u64);

const TESTS: [(&str, SeededTest); 12] = [
    ("a_worker_leaves_and_one_joins", leave_and_join),
    ("a_worker_is_killed", killed),
    ("a_worker_is_stopped_and_comes_back", stopped),
    ("workers_come_and_go_all_the_time", storm),
    ("partitions_are_added", growth),
    ("the_broker_starts_again", restart),
    ("the_broker_is_stopped_for_a_while", stall),
    ("the_coordinator_moves", coordinator),
    ("an_address_that_never_answers_stands_first", silent_address),
    ("a_tile_kills_its_workers", deadly_tile),
    ("a_tile_kills_its_workers_while_others_come_and_go", deadly_tile_in_storm),
    ("a_tile_kills_its_workers_beside_slow_ones", deadly_tile_beside_slow_ones),
];

const PARTITIONS: u32 = 4;
/// How often another worker joins or leaves, where one does so all the time.
const GUEST_EVERY: Duration = Duration::from_millis(700);
/// Whoever waits for an address for as long as this lets the test wait too long.
const FOR_EVER: &str = "export TILEMILL_KAFKA__TIMEOUT=600s; exec \"$@\"";

pub fn run(arguments: &Arguments) -> Conclusion {
    let seeds = if std::env::var_os("TILEMILL_TEST_LONG").is_some() { 50 } else { 2 };
    crate::broker::run("faults", arguments, seeded(&TESTS, seeds))
}

fn is_long() -> bool {
    std::env::var_os("TILEMILL_TEST_LONG").is_some()
}

/// Choices that depend on the seed only.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5555)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    async fn a_moment(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.below(1500))).await;
    }

    /// One of two workers, then the other.
    fn choose<T>(&mut self, [a, b]: [T; 2]) -> (T, T) {
        if self.below(2) == 0 { (a, b) } else { (b, a) }
    }
}

/// A fleet with two workers at work.
async fn two(cluster: &str, name: &str, seed: u64) -> (Fleet, [Process; 2]) {
    let fleet = Fleet::start(cluster, &format!("{name}-{seed}"), PARTITIONS).await;
    let workers = ["a", "b"].map(|id| fleet.worker(id));
    for id in ["a", "b"] {
        fleet.until_works(id).await;
    }
    (fleet, workers)
}

fn told(what: &str, seed: u64, time: Duration) {
    eprintln!("{what}, seed {seed}: all partitions flow after {:.1} s", time.as_secs_f64());
}

fn leave_and_join(cluster: &Cluster, seed: u64) {
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, [a, b]) = two(&cluster.address, "leave", seed).await;
        dice.a_moment().await;
        let ((leaving, id), (staying, _)) = dice.choose([(a, "a"), (b, "b")]);
        fleet.keep_busy(PARTITIONS).await;
        let asked = Instant::now();
        tokio::task::block_in_place(|| leaving.leaves());
        told("left", seed, fleet.until_all_flow(PARTITIONS).await);
        assert!(fleet.has_answered(id, asked) > 0, "it finished nothing of what it had in hand");
        let fresh = fleet.worker("c");
        fleet.until_works("c").await;
        told("joined", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| [fresh, staying].map(Process::leaves));
    });
}

fn killed(cluster: &Cluster, seed: u64) {
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, workers) = two(&cluster.address, "killed", seed).await;
        dice.a_moment().await;
        let (victim, survivor) = dice.choose(workers);
        fleet.keep_busy(PARTITIONS).await;
        victim.kill();
        let back = fleet.until_answered().await.as_secs_f64();
        eprintln!("killed, seed {seed}: what was on its way is back after {back:.1} s");
        told("killed", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| survivor.leaves());
    });
}

fn stopped(cluster: &Cluster, seed: u64) {
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, [a, b]) = two(&cluster.address, "stopped", seed).await;
        dice.a_moment().await;
        let ((victim, id), survivor) = dice.choose([(a, "a"), (b, "b")]);
        fleet.keep_busy(PARTITIONS).await;
        victim.signal(Signal::STOP);
        told("stopped", seed, fleet.until_all_flow(PARTITIONS).await);
        dice.a_moment().await;
        victim.signal(Signal::CONT);
        fleet.until_works(id).await;
        told("went on", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| [victim, survivor.0].map(Process::leaves));
    });
}

/// A worker joins or leaves every two seconds; one that leaves may do so by SIGKILL.
fn storm(cluster: &Cluster, seed: u64) {
    let rounds = if is_long() { 30 } else { 5 };
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, [a, b]) = two(&cluster.address, "storm", seed).await;
        let (steady, mut guests) = (a, vec![b]);
        for round in 0..rounds {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let index = usize::try_from(dice.below(4)).unwrap();
            if index < guests.len() {
                let guest = guests.swap_remove(index);
                match dice.below(4) {
                    0 => guest.kill(),
                    _ => tokio::task::block_in_place(|| guest.leaves()),
                }
            } else {
                guests.push(fleet.worker(&format!("guest-{round}")));
            }
        }
        told("the storm was over", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| {
            guests.into_iter().chain([steady]).for_each(Process::leaves);
        });
    });
}

fn growth(cluster: &Cluster, seed: u64) {
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, workers) = two(&cluster.address, "growth", seed).await;
        dice.a_moment().await;
        fleet.grow(2 * PARTITIONS).await;
        told("grown", seed, fleet.until_all_flow(2 * PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| workers.map(Process::leaves));
    });
}

fn restart(cluster: &Cluster, seed: u64) {
    with_own_broker(cluster, "restart", seed, move |broker| {
        end(broker, seed);
        broker.resume();
    });
}

/// In good order, or not.
fn end(broker: &mut Broker, seed: u64) {
    if seed.is_multiple_of(2) {
        broker.stop();
    } else {
        broker.kill();
    }
}

fn stall(cluster: &Cluster, seed: u64) {
    let stalled = Duration::from_secs(if is_long() { 20 } else { 9 });
    with_own_broker(cluster, "stall", seed, move |broker| {
        broker.signal(Signal::STOP);
        std::thread::sleep(stalled);
        broker.signal(Signal::CONT);
    });
}

/// Two workers on a broker to which something happens.
fn with_own_broker(
    cluster: &Cluster,
    name: &str,
    seed: u64,
    fault: impl FnOnce(&mut Broker) + Send + 'static,
) {
    let Some(jars) = cluster.own_jars() else { return };
    let mut broker = Broker::start(jars);
    block_on(async {
        let mut dice = Dice::new(seed);
        let (fleet, workers) = two(&broker.address(), name, seed).await;
        dice.a_moment().await;
        tokio::task::block_in_place(|| fault(&mut broker));
        told(name, seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| workers.map(Process::leaves));
    });
}

/// The broker that coordinates the group goes away, and another takes its place.
fn coordinator(cluster: &Cluster, seed: u64) {
    let Some(jars) = cluster.own_jars() else { return };
    let mut pair = Pair::start(jars);
    block_on(async {
        let mut dice = Dice::new(seed);
        let name = |number: u32| format!("moves{number}");
        let group = |number| Fleet::group(&format!("{}-{seed}", name(number)));
        let number = tokio::task::block_in_place(|| pair.coordinated_by_second(group));
        let (fleet, workers) = two(&pair.address(), &name(number), seed).await;
        dice.a_moment().await;
        let second = &mut pair.second;
        tokio::task::block_in_place(|| end(second, seed));
        told("the coordinator went", seed, fleet.until_all_flow(PARTITIONS).await);
        tokio::task::block_in_place(|| second.resume());
        told("it came back", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| workers.map(Process::leaves));
    });
}

/// Of two addresses, the first accepts connections and says nothing. Work begins and goes on as without it.
fn silent_address(cluster: &Cluster, seed: u64) {
    let silent = TcpListener::bind((crate::support::own_address(), 0)).unwrap();
    let addresses = format!("{},{}", silent.local_addr().unwrap(), cluster.address);
    block_on(async {
        let mut dice = Dice::new(seed);
        let began = Instant::now();
        let fleet = Fleet::start(&addresses, &format!("silent-{seed}"), PARTITIONS).await;
        let workers = ["a", "b"].map(|id| fleet.worker_in(FOR_EVER, id));
        for id in ["a", "b"] {
            fleet.until_works(id).await;
        }
        told("begun", seed, began.elapsed());
        dice.a_moment().await;
        let (victim, survivor) = dice.choose(workers);
        fleet.keep_busy(PARTITIONS).await;
        victim.kill();
        told("killed beside silence", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        tokio::task::block_in_place(|| survivor.leaves());
    });
}

/// What happens beside a tile that kills its workers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// Small tiles come and go.
    Nothing,
    /// Another worker joins or leaves all the time: that a group decides anew must hide no death.
    Guest,
    /// Each worker has slow tiles of all its partitions in hand, too: none of them must be blamed.
    SlowTiles,
}

/// A tile that needs more memory than a worker may have ends each that takes it; they are started
/// again, as systemd would. The tile is given up with its cause, all others come back.
fn deadly_tile(cluster: &Cluster, seed: u64) {
    deadly_tile_beside(cluster, "deadly", seed, Beside::Nothing);
}

fn deadly_tile_in_storm(cluster: &Cluster, seed: u64) {
    deadly_tile_beside(cluster, "deadly-storm", seed, Beside::Guest);
}

fn deadly_tile_beside_slow_ones(cluster: &Cluster, seed: u64) {
    deadly_tile_beside(cluster, "deadly-slow", seed, Beside::SlowTiles);
}

fn deadly_tile_beside(cluster: &Cluster, name: &str, seed: u64, beside: Beside) {
    block_on(async {
        let mut dice = Dice::new(seed);
        let fleet = Fleet::start(&cluster.address, &format!("{name}-{seed}"), PARTITIONS).await;
        // With one thread, whatever is handed out beside the deadly tile waits for it.
        let threads = if beside == Beside::SlowTiles { 1 } else { 2 };
        let limited = format!(
            "export MALLOC_ARENA_MAX=1 TILEMILL_WORKER__THREADS={threads}; ulimit -v 600000; exec \"$@\""
        );
        let start = |id: usize| fleet.worker_in(&limited, &format!("mortal-{id}"));
        let mut workers: Vec<_> = (0..2).map(&start).collect();
        fleet.until_all_flow(PARTITIONS).await;
        dice.a_moment().await;
        let partition = u32::try_from(dice.below(u64::from(PARTITIONS))).unwrap();
        match beside {
            Beside::SlowTiles => fleet.send_deadly_with_slow(partition, PARTITIONS).await,
            Beside::Nothing | Beside::Guest => fleet.send_deadly(partition).await,
        }
        let (began, mut deaths) = (Instant::now(), 0);
        let (mut guest, mut turned): (Option<Process>, _) = (None, began);
        let failure = loop {
            if let Some(failure) = fleet.given_up() {
                break failure;
            }
            assert!(
                began.elapsed() < crate::support::PATIENCE,
                "not given up after {deaths} deaths"
            );
            for (id, worker) in workers.iter_mut().enumerate() {
                if worker.ended().is_some() {
                    deaths += 1;
                    *worker = start(id);
                }
            }
            if let Some(status) = guest.as_mut().and_then(Process::ended) {
                // One that was told to leave before it knew how did not die of the tile.
                let is_told = status.signal() == Some(Signal::TERM.as_raw());
                deaths += u32::from(!status.success() && !is_told);
                guest = None;
            }
            if beside == Beside::Guest && turned.elapsed() >= GUEST_EVERY {
                turned = Instant::now();
                match &guest {
                    Some(guest) => guest.signal(Signal::TERM),
                    None => guest = Some(start(workers.len())),
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        eprintln!("{name}, seed {seed}: {deaths} deaths, {:.1} s", began.elapsed().as_secs_f64());
        assert!(failure.cause.contains("died 3 times"), "{}", failure.cause);
        assert!((3..=4).contains(&deaths), "{deaths}");
        drop(guest);
        told("given up", seed, fleet.until_all_flow(PARTITIONS).await);
        fleet.end().await;
        drop(workers);
    });
}
