//! Sends and reads records of a tile's size through one broker, by tilemill's own adapter. Run by `benches/kafka.sh`.
//!
//! ```text
//! kafka create BROKER TOPIC PARTITIONS
//! kafka produce BROKER TOPIC COUNT          prints MB/s
//! kafka consume BROKER TOPIC GROUP COUNT    prints MB/s and the peak of resident memory in MB
//! kafka linger BROKER TOPIC GROUP COUNT     as consume, but slower than the broker
//! ```

#![expect(clippy::unwrap_used, reason = "a benchmark that fails gives no figure")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tilemill::model::job::JobId;
use tilemill::model::tile::TileTask;
use tilemill::queue::admin::{TopicAdmin, TopicPlan};
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::cluster::Cluster;
use tilemill::queue::kafka::topic::{KafkaTopic, TopicOptions};
use tilemill::queue::kafka::{Beginning, Danger, Group};
use tilemill::queue::wire::Compression;
use tilemill::queue::{Event, Topic};
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::pixels::{Bands, PixelFormat, Pixels, SampleType};
use tokio::task::JoinSet;

/// 512 × 512 pixels of RGB: 786,432 bytes.
const SIZE: Size = Size { width: 512, height: 512 };
/// As many records as a server has in flight.
const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["create", broker, topic, partitions] => create(broker, topic, partitions).await,
        ["produce", broker, topic, count] => {
            produce(open(broker, topic, "none"), number(count)).await;
        }
        ["consume", broker, topic, group, count] => {
            consume(open(broker, topic, group), number(count), Duration::ZERO).await;
        }
        ["linger", broker, topic, group, count] => {
            consume(open(broker, topic, group), number(count), Duration::from_millis(5)).await;
        }
        // `cargo test --benches` starts it without arguments.
        _ => eprintln!("run benches/kafka.sh"),
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap()
}

fn cluster(broker: &str) -> Cluster {
    Cluster::new(vec![broker.to_owned()], "bench", Duration::from_secs(10))
}

fn open(broker: &str, topic: &str, group: &str) -> Arc<KafkaTopic> {
    let options = TopicOptions {
        group: Group {
            name: group.to_owned(),
            key: "topics.tasks_group",
            session: Duration::from_secs(6),
        },
        beginning: Beginning::Earliest,
        compression: Compression::None,
        danger: Danger::Deadly,
        answers: None,
    };
    Arc::new(KafkaTopic::new(cluster(broker), topic, options))
}

async fn create(broker: &str, topic: &str, partitions: &str) {
    let admin = KafkaAdmin::new(cluster(broker));
    let settings = [("max.message.bytes".to_owned(), (16 << 20).to_string())].into();
    let partitions = number(partitions);
    let plan = TopicPlan { name: topic.into(), partitions, replication: None, settings };
    admin.create(&plan).await.unwrap();
}

fn task(tile: u32) -> TileTask {
    let format = PixelFormat::new(Bands::RGB, SampleType::U8);
    let mut pixels = Pixels::zeroed(SIZE, format);
    let mut noise = u64::from(tile) + 1;
    for byte in pixels.as_bytes_mut() {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        [.., *byte] = noise.to_le_bytes();
    }
    let all = Region::of(SIZE);
    TileTask {
        job: JobId::from_bytes([1; 16]),
        tile,
        attempt: 1,
        results_partition: 0,
        revision: 1,
        filters: Arc::new("grayscale".parse().unwrap()),
        image: SIZE,
        window: all,
        keep: all,
        pixels,
    }
}

async fn produce(topic: Arc<KafkaTopic>, count: u32) {
    let partitions = <KafkaTopic as Topic<TileTask>>::partitions(&topic).await.unwrap();
    // Made before the clock starts; a clone is the copy that cutting a tile makes.
    let tasks: Vec<TileTask> = (0..16).map(task).collect();
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for tile in 0..count {
        if sending.len() == AT_ONCE {
            sending.join_next().await;
        }
        let (topic, task) = (Arc::clone(&topic), tasks[tile as usize % tasks.len()].clone());
        sending.spawn(async move { topic.send(tile % partitions, task).await.unwrap() });
    }
    sending.join_all().await;
    print_rate(count, began.elapsed());
}

/// Holds as many messages as a worker with two threads does.
async fn consume(topic: Arc<KafkaTopic>, count: u32, pause: Duration) {
    let mut consumer = <KafkaTopic as Topic<TileTask>>::join(&topic, "bench").await.unwrap();
    let mut began = None;
    let mut in_hand = VecDeque::new();
    for _ in 0..count {
        let delivery = loop {
            if let Event::Delivery(delivery) = consumer.next().await.unwrap() {
                break delivery;
            }
        };
        began.get_or_insert_with(Instant::now);
        in_hand.push_back(delivery);
        if in_hand.len() > 4 {
            // A sleep of zero would take a millisecond.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            in_hand.pop_front().into_iter().for_each(tilemill::queue::Delivery::ack);
        }
    }
    let took = began.unwrap().elapsed();
    in_hand.into_iter().for_each(tilemill::queue::Delivery::ack);
    consumer.leave().await;
    print_rate(count, took);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024);
}

fn print_rate(count: u32, took: Duration) {
    let bytes = f64::from(count) * f64::from(SIZE.width * SIZE.height * 3);
    println!("{:.0}", bytes / 1e6 / took.as_secs_f64());
}
