//! Tiles that are sent all the time, `tilemill work` processes that come and go, and what must hold
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tilemill::model::job::JobId;
use tilemill::model::tile::{TileFailure, TileResult, TileTask};
use tilemill::queue::admin::TopicAdmin;
use tilemill::queue::kafka::Danger;
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::cluster::Cluster;
use tilemill::queue::kafka::topic::KafkaTopic;
use tilemill::queue::{Event, Topic};
use tilemill::raster;
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::pixels::{Bands, PixelFormat, Pixels, SampleType};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::topic::{self, until};
use crate::support::{Process, in_shell};

const RESULTS_PARTITIONS: u32 = 2;
/// Often enough for each partition to have tiles in hand at any time, seldom enough for two cores.
const SEND_EVERY: Duration = Duration::from_millis(15);
/// Tiles from this number on take long, and come in bursts.
const SLOW: u32 = 1 << 20;
/// So many of them for each partition: more than the workers can have in hand.
const BURST: u32 = 4;
/// Kills each worker that takes it.
const DEADLY: u32 = u32::MAX;

/// Tiles on their way.
pub struct Fleet {
    pub tasks: Arc<KafkaTopic>,
    pub results: Arc<KafkaTopic>,
    pub seen: Arc<Mutex<Seen>>,
    cluster: Cluster,
    directory: TempDir,
    settings: Vec<(String, String)>,
    stop_sending: CancellationToken,
    sender: Option<AbortOnDropHandle<()>>,
    _collector: AbortOnDropHandle<()>,
    _watch: AbortOnDropHandle<()>,
}

/// What was sent, and what came back.
#[derive(Default)]
pub struct Seen {
    pub sent: BTreeMap<u32, Sent>,
    pub answered: BTreeMap<u32, Vec<Answer>>,
    /// How far each partition of the results was read.
    read: [u64; RESULTS_PARTITIONS as usize],
}

#[derive(Clone, Copy)]
pub struct Sent {
    partition: u32,
    offset: u64,
    at: Instant,
}

pub struct Answer {
    pub at: Instant,
    pub worker: String,
    pub failure: Option<TileFailure>,
}

impl Fleet {
    /// Begins to send tiles to a new topic of so many partitions, in turn, and watches the commits.
    pub async fn start(address: &str, name: &str, partitions: u32) -> Self {
        let named = |role: &str| format!("{name}-{}-{role}", std::process::id());
        let create = async |role: &str, group: &str, partitions, danger| {
            topic::create(address, &named(role), group, partitions, danger).await
        };
        let group = Self::group(name);
        let tasks = create("tasks", &group, partitions, Danger::Deadly).await;
        let observers = named("observers");
        let results = create("results", &observers, RESULTS_PARTITIONS, Danger::None).await;
        create("heartbeats", &observers, 1, Danger::None).await;
        let setting = |key: &str, value: String| (format!("TILEMILL_{key}"), value);
        let settings = vec![
            setting("KAFKA__BROKERS", address.to_owned()),
            setting("KAFKA__TIMEOUT", "5s".into()),
            setting("WORKER__THREADS", "2".into()),
            setting("TOPICS__TASKS", named("tasks")),
            setting("TOPICS__TASKS_GROUP", group),
            setting("TOPICS__TASKS_PARTITIONS", partitions.to_string()),
            setting("TOPICS__RESULTS", named("results")),
            setting("TOPICS__RESULTS_PARTITIONS", RESULTS_PARTITIONS.to_string()),
            setting("TOPICS__HEARTBEATS", named("heartbeats")),
        ];
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop_sending = CancellationToken::new();
        let spawn_send = send(Arc::clone(&tasks), Arc::clone(&seen), stop_sending.clone());
        let collecting = collect(Arc::clone(&results), Arc::clone(&seen));
        let watching = watch(Arc::clone(&tasks), Arc::clone(&results), Arc::clone(&seen));
        Self {
            tasks,
            results,
            seen,
            cluster: topic::cluster(address),
            directory: TempDir::new().unwrap(),
            settings,
            stop_sending,
            sender: Some(AbortOnDropHandle::new(tokio::spawn(spawn_send))),
            _collector: AbortOnDropHandle::new(tokio::spawn(collecting)),
            _watch: AbortOnDropHandle::new(tokio::spawn(watching)),
        }
    }

    /// The group of the workers of a fleet.
    pub fn group(name: &str) -> String {
        format!("{name}-{}-tasks-group", std::process::id())
    }

    /// Adds partitions to the tasks, in place.
    pub async fn grow(&self, partitions: u32) {
        let admin = KafkaAdmin::new(self.cluster.clone());
        admin.grow(self.tasks.name(), partitions).await.unwrap();
    }

    /// A worker of this name.
    pub fn worker(&self, id: &str) -> Process {
        self.worker_in("exec \"$@\"", id)
    }

    /// The same by a shell script that ends with `exec "$@"`.
    pub fn worker_in(&self, script: &str, id: &str) -> Process {
        let settings = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut command = in_shell(script, self.directory.path());
        Process::start(command.args(["work", "--id", id]).envs(settings))
    }

    /// Waits until a tile of each partition that was sent from now on has come back.
    pub async fn until_all_flow(&self, partitions: u32) -> Duration {
        let began = Instant::now();
        let flowing = || {
            let seen = self.seen.lock().unwrap();
            let fresh = seen.sent.iter().filter(|(_, sent)| sent.at > began);
            let back = fresh.filter(|(tile, _)| seen.answered.contains_key(tile));
            back.map(|(_, sent)| sent.partition).collect::<BTreeSet<_>>().len()
        };
        until("tiles of each partition come back", async || flowing() >= partitions as usize).await;
        began.elapsed()
    }

    /// Waits until this worker has answered a tile from now on.
    pub async fn until_works(&self, worker: &str) {
        let began = Instant::now();
        until(&format!("{worker} works"), async || self.has_answered(worker, began) > 0).await;
    }

    /// How many tiles this worker has answered since then.
    pub fn has_answered(&self, worker: &str, since: Instant) -> usize {
        let seen = self.seen.lock().unwrap();
        let by = |answer: &&Answer| answer.worker == worker && answer.at > since;
        seen.answered.values().flatten().filter(by).count()
    }

    /// Waits until all that is on its way now has come back.
    pub async fn until_answered(&self) -> Duration {
        let began = Instant::now();
        let on_way: Vec<u32> = {
            let seen = self.seen.lock().unwrap();
            seen.sent.keys().filter(|tile| !seen.answered.contains_key(tile)).copied().collect()
        };
        assert!(!on_way.is_empty(), "nothing was in hand");
        until("what was on its way comes back", async || {
            let seen = self.seen.lock().unwrap();
            on_way.iter().all(|tile| seen.answered.contains_key(tile))
        })
        .await;
        began.elapsed()
    }

    /// Sends a tile of one's own.
    pub async fn send(&self, partition: u32, task: TileTask) {
        let tile = task.tile;
        let at = Instant::now();
        let offset = self.tasks.send(partition, task).await.unwrap();
        self.seen.lock().unwrap().sent.insert(tile, Sent { partition, offset, at });
    }

    async fn send_slow(&self, partitions: u32) {
        for tile in SLOW..SLOW + BURST * partitions {
            self.send(tile % partitions, task(tile)).await;
        }
    }

    /// Sends the tile that kills its workers.
    pub async fn send_deadly(&self, partition: u32) {
        self.send(partition, deadly()).await;
    }

    /// The same, before slow tiles in all partitions.
    pub async fn send_deadly_with_slow(&self, partition: u32, partitions: u32) {
        self.send_deadly(partition).await;
        self.send_slow(partitions).await;
    }

    /// Why the tile that kills its workers was given up, if it was.
    pub fn given_up(&self) -> Option<TileFailure> {
        let seen = self.seen.lock().unwrap();
        let answers = seen.answered.get(&DEADLY)?;
        Some(answers[0].failure.clone().expect("nobody can filter it"))
    }

    /// Sends so many slow tiles to each partition that all workers are busy, and returns when one has
    /// come back: from then on, whoever is killed has tiles in hand.
    pub async fn keep_busy(&self, partitions: u32) {
        let tiles = SLOW..SLOW + BURST * partitions;
        self.send_slow(partitions).await;
        until("a slow tile comes back", async || {
            self.seen.lock().unwrap().answered.range(tiles.clone()).next().is_some()
        })
        .await;
    }

    /// Stops sending; all that was sent must come back, and be committed.
    pub async fn end(mut self) {
        self.stop_sending.cancel();
        self.sender.take().unwrap().await.unwrap();
        let sent: BTreeSet<u32> = self.seen.lock().unwrap().sent.keys().copied().collect();
        assert!(!sent.is_empty());
        until("all tiles come back", async || {
            let seen = self.seen.lock().unwrap();
            sent.iter().all(|tile| seen.answered.contains_key(tile))
        })
        .await;
        topic::until_committed::<TileTask>(&self.tasks).await;
        let seen = self.seen.lock().unwrap();
        for (tile, answers) in seen.answered.iter().filter(|(tile, _)| **tile != DEADLY) {
            let failure = answers.iter().find_map(|answer| answer.failure.as_ref());
            assert!(failure.is_none(), "tile {tile}: {failure:?}");
        }
    }
}

/// Small on its way, and half a gigabyte where it arrives.
fn deadly() -> TileTask {
    let size = Size::new(8000, 8000);
    let format = PixelFormat::new(Bands::RGBA, SampleType::U16);
    let all = Region::of(size);
    let filters = Arc::new("invert".parse().unwrap());
    let pixels = Pixels::zeroed(size, format);
    TileTask { tile: DEADLY, filters, image: size, window: all, keep: all, pixels, ..task(0) }
}

/// The tile of a number: small, now and then one that takes a while.
pub fn task(tile: u32) -> TileTask {
    let (side, filters) = match tile {
        SLOW.. => (512, "blur:50"),
        _ if tile.is_multiple_of(11) => (96, "blur:9"),
        _ => (8, "invert"),
    };
    let size = Size::new(side, side);
    let mut pixels = Pixels::zeroed(size, PixelFormat::new(Bands::GREY, SampleType::U8));
    pixels.as_bytes_mut().fill(shade(tile));
    TileTask {
        job: JobId::from_bytes([7; 16]),
        tile,
        attempt: 1,
        results_partition: tile % RESULTS_PARTITIONS,
        revision: raster::REVISION,
        filters: Arc::new(filters.parse().unwrap()),
        image: size,
        window: Region::of(size),
        keep: Region::of(size),
        pixels,
    }
}

fn shade(tile: u32) -> u8 {
    u8::try_from(tile % 251).unwrap()
}

/// What must come back for the tile of a number.
fn check(result: &TileResult) {
    let Ok(pixels) = &result.pixels else { return };
    let tile = result.tile;
    let is_blurred = tile >= SLOW || tile.is_multiple_of(11);
    let expected = if is_blurred { shade(tile) } else { 255 - shade(tile) };
    assert!(pixels.as_bytes().iter().all(|byte| *byte == expected), "tile {tile} is wrong");
}

async fn send(tasks: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    for tile in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let (partition, offset, at) = topic::send(&tasks, tile.into(), || task(tile)).await;
        seen.lock().unwrap().sent.insert(tile, Sent { partition, offset, at });
        tokio::time::sleep(SEND_EVERY).await;
    }
}

async fn collect(results: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>) {
    let mut consumer = topic::join::<TileResult>(&results, "observer").await;
    loop {
        let Event::Delivery(delivery) = consumer.next().await.unwrap() else { continue };
        let result = delivery.message();
        check(result);
        let answer = Answer {
            at: Instant::now(),
            worker: result.worker.as_str().to_owned(),
            failure: result.pixels.as_ref().err().cloned(),
        };
        let mut seen = seen.lock().unwrap();
        seen.answered.entry(result.tile).or_default().push(answer);
        let read = &mut seen.read[delivery.partition() as usize];
        *read = (*read).max(delivery.offset() + 1);
        drop(seen);
        delivery.ack();
    }
}

/// No tile below a committed offset is without a result in the results topic, at any time.
async fn watch(tasks: Arc<KafkaTopic>, results: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let Some(committed) = topic::progress::<TileTask>(&tasks).await else { continue };
        // What was committed then had its results before this.
        let Some(ends) = topic::progress::<TileResult>(&results).await else { continue };
        let is_read = || {
            let seen = seen.lock().unwrap();
            ends.iter().zip(&seen.read).all(|(end, read)| *read >= end.end)
        };
        while !is_read() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = seen.lock().unwrap();
        for (tile, Sent { partition, offset, .. }) in &seen.sent {
            let committed = committed.get(*partition as usize).map_or(0, |of| of.committed);
            if *offset < committed && !seen.answered.contains_key(tile) {
                eprintln!(
                    "tile {tile}, offset {offset} of {partition}, has no result, and {committed} is committed"
                );
                std::process::abort();
            }
        }
    }
}
