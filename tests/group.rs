//! The Kafka adapter of the queue against a real Apache Kafka: who owns a partition, and when an
//! offset is committed.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules that test programs share have no crate to be public in"
)]

mod broker;
mod conformance;
#[path = "broker/fleet.rs"]
mod fleet;
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tilemill::model::worker::Heartbeat;
use tilemill::queue::admin::TopicAdmin;
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::{Event, Topic};

use crate::broker::{Broker, Cluster, Test};
use crate::fleet::{Fleet, block_on, message, new_topic, own_name, until};

/// A session and what comes after it; asserted generously, the times are printed.
const TAKEN_OVER: Duration = Duration::from_secs(10);

macro_rules! conformance {
    ($($check:ident),* $(,)?) => {
        [$((stringify!($check), |cluster| {
            block_on(async {
                let name = own_name(stringify!($check));
                let topic = new_topic(&cluster.address, &name, 4).await;
                conformance::queue::$check(&*topic).await;
                KafkaAdmin::new(fleet::cluster(&cluster.address)).delete(&name).await.unwrap();
            });
        })),*]
    };
}

const CONFORMANCE: [(&str, Test); 8] = conformance![
    messages_of_a_partition_arrive_in_the_order_of_their_offsets,
    a_partition_that_is_not_there_is_refused,
    the_first_event_is_the_assignment_of_all_partitions,
    the_committed_offset_never_passes_an_unacked_message,
    a_delivery_that_is_dropped_is_delivered_again,
    what_a_member_held_when_it_left_goes_to_the_next_and_its_late_ack_is_void,
    members_share_the_partitions_and_every_message_is_delivered,
    waiting_for_the_next_event_can_be_given_up_without_loss,
];

const TESTS: [(&str, Test); 7] = [
    ("what_a_dead_member_held_is_delivered_elsewhere", dead_member),
    ("members_that_come_and_go_lose_nothing", storm),
    ("partitions_added_in_place_are_delivered_without_anybody_joining", growth),
    ("a_broker_that_starts_again_is_used_again", restart),
    ("a_broker_that_stalls_is_noticed_and_used_again", stall),
    ("a_record_that_is_no_message_is_passed_over", unreadable),
    ("kafkas_own_tools_see_the_members_and_their_lag", own_tools),
];

fn main() -> ExitCode {
    let tests: Vec<_> = CONFORMANCE.into_iter().chain(TESTS).collect();
    broker::run(&tests)
}

fn dead_member(cluster: &Cluster) {
    block_on(async {
        let topic = new_topic(&cluster.address, &own_name("dead"), 4).await;
        let fleet = Fleet::start(topic);
        let survivor = fleet.member("survivor");
        let mortal = fleet.mortal("mortal");
        let works = |name: &'static str| {
            let seen = fleet.seen.clone();
            async move || {
                let seen = seen.lock().unwrap();
                seen.delivered.values().flatten().any(|(_, by)| by == name)
            }
        };
        until("both work", works("mortal")).await;
        mortal.shutdown_background();
        let died = Instant::now();
        fleet.until_all_flow(4).await;
        eprintln!("a dead member's partitions flow again after {:?}", died.elapsed());
        assert!(died.elapsed() < TAKEN_OVER);
        fleet.end().await;
        drop(survivor);
    });
}

fn storm(cluster: &Cluster) {
    let rounds = if std::env::var_os("TILEMILL_TEST_LONG").is_some() { 30 } else { 4 };
    block_on(async {
        let fleet = Fleet::start(new_topic(&cluster.address, &own_name("storm"), 8).await);
        let steady = fleet.member("steady");
        let mut guests = Vec::new();
        for round in 0..rounds {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if round % 2 == 0 {
                guests.push(fleet.member(&format!("guest {round}")));
            } else {
                guests.clear();
            }
        }
        guests.clear();
        let calm = fleet.until_all_flow(8).await;
        eprintln!("after a storm all partitions flow again after {calm:?}");
        fleet.end().await;
        drop(steady);
    });
}

fn growth(cluster: &Cluster) {
    block_on(async {
        let name = own_name("growth");
        let fleet = Fleet::start(new_topic(&cluster.address, &name, 4).await);
        let members = [fleet.member("a"), fleet.member("b")];
        fleet.until_all_flow(4).await;
        let admin = KafkaAdmin::new(fleet::cluster(&cluster.address));
        admin.grow(&name, 8).await.unwrap();
        let grown = fleet.until_all_flow(8).await;
        eprintln!("new partitions flow after {grown:?}");
        fleet.end().await;
        drop(members);
    });
}

fn restart(cluster: &Cluster) {
    with_own_broker(cluster, |broker| {
        broker.stop();
        broker.resume();
    });
}

fn stall(cluster: &Cluster) {
    let stalled = match std::env::var_os("TILEMILL_TEST_LONG") {
        Some(_) => Duration::from_secs(20),
        None => Duration::from_secs(9),
    };
    with_own_broker(cluster, move |broker| {
        broker.signal(Signal::STOP);
        std::thread::sleep(stalled);
        broker.signal(Signal::CONT);
    });
}

/// Two members on a broker to which something happens.
fn with_own_broker(cluster: &Cluster, fault: impl FnOnce(&mut Broker) + Send + 'static) {
    let Some(jars) = &cluster.jars else { return };
    let mut broker = Broker::start(jars);
    block_on(async {
        let fleet = Fleet::start(new_topic(&broker.address(), &own_name("fault"), 4).await);
        let members = [fleet.member("a"), fleet.member("b")];
        fleet.until_all_flow(4).await;
        tokio::task::block_in_place(|| fault(&mut broker));
        let mended = fleet.until_all_flow(4).await;
        eprintln!("after the fault all partitions flow again after {mended:?}");
        fleet.end().await;
        drop(members);
    });
}

fn unreadable(cluster: &Cluster) {
    block_on(async {
        let name = own_name("unreadable");
        let topic = new_topic(&cluster.address, &name, 1).await;
        topic.send(0, message(1)).await.unwrap();
        let client = rskafka::client::ClientBuilder::new(vec![cluster.address.clone()]);
        let client = client.build().await.unwrap();
        let handling = rskafka::client::partition::UnknownTopicHandling::Retry;
        let partition = client.partition_client(&name, 0, handling).await.unwrap();
        let garbage = rskafka::record::Record {
            key: None,
            value: Some(b"no message".to_vec()),
            headers: std::collections::BTreeMap::new(),
            timestamp: rskafka::chrono::DateTime::default(),
        };
        let plain = rskafka::client::partition::Compression::NoCompression;
        partition.produce(vec![garbage], plain).await.unwrap();
        topic.send(0, message(2)).await.unwrap();
        let mut consumer = <_ as Topic<Heartbeat>>::join(&*topic, "a").await.unwrap();
        let mut numbers = Vec::new();
        while numbers.len() < 2 {
            if let Event::Delivery(delivery) = consumer.next().await.unwrap() {
                numbers.push(delivery.message().done);
                delivery.ack();
            }
        }
        assert_eq!(numbers, [1, 2]);
        until("all is committed", async || {
            let progress = <_ as Topic<Heartbeat>>::progress(&*topic).await.unwrap();
            progress[0].committed == 3
        })
        .await;
    });
}

fn own_tools(shared: &Cluster) {
    let Some(broker) = &shared.broker else { return };
    let name = own_name("tools");
    let described = || {
        let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let line = ["--bootstrap-server", &shared.address, "--describe", "--group", &name];
        String::from_utf8(broker.tool(class, &line).stdout).unwrap()
    };
    block_on(async {
        let topic = new_topic(&shared.address, &name, 4).await;
        for number in 0..8 {
            topic.send(2, message(number)).await.unwrap();
        }
        let mut consumer = <_ as Topic<Heartbeat>>::join(&*topic, "worker-1").await.unwrap();
        let mut held = Vec::new();
        while held.len() < 8 {
            if let Event::Delivery(delivery) = consumer.next().await.unwrap() {
                held.push(delivery);
            }
        }
        held.drain(..3).for_each(tilemill::queue::Delivery::ack);
        until("3 are committed", async || {
            let progress = <_ as Topic<Heartbeat>>::progress(&*topic).await.unwrap();
            progress[2].committed == 3
        })
        .await;
        let text = tokio::task::block_in_place(described);
        let line = text.lines().find(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.get(1..6) == Some(&[&*name, "2", "3", "8", "5"])
        });
        assert!(line.is_some_and(|line| line.contains("worker-1-")), "{text}");
    });
}
