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
#[path = "broker/other_client.rs"]
mod other_client;
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tilemill::model::worker::Heartbeat;
use tilemill::queue::admin::TopicAdmin;
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::topic::KafkaTopic;
use tilemill::queue::{Event, Topic};

use crate::broker::topic::{Records, cluster as cluster_at, send, until, until_committed};
use crate::broker::{Cluster, Test, block_on};
use crate::conformance::queue::message;
use crate::fleet::{Fleet, new_topic, own_name};
use crate::other_client::{OtherMember, OtherSeen, describe, python, send_garbage};

macro_rules! conforms {
    ($($check:ident),* $(,)?) => {
        [$((stringify!($check), |cluster| {
            block_on(async {
                let name = own_name(stringify!($check));
                let topic = new_topic(&cluster.address, &name, 4).await;
                conformance::queue::$check(&*topic).await;
                KafkaAdmin::new(cluster_at(&cluster.address)).delete(&name).await.unwrap();
            });
        })),*]
    };
}

const CONFORMANCE: [(&str, Test); 8] = conformance::each_queue_check!(conforms);

const TESTS: [(&str, Test); 5] = [
    ("a_group_with_members_of_another_client_shares_and_rebalances_both_ways", mixed),
    ("members_that_come_and_go_lose_nothing", storm),
    ("what_was_deleted_before_anybody_got_it_is_passed_over", deleted),
    ("records_that_are_no_messages_are_put_aside_however_they_are_written", unreadable),
    ("kafkas_own_tools_see_the_members_and_their_lag", own_tools),
];

fn main() -> ExitCode {
    let tests: Vec<_> = CONFORMANCE.into_iter().chain(TESTS).collect();
    broker::run(&tests)
}

/// Where nothing is left below the end, that is where the group stands, though nobody got anything.
fn deleted(cluster: &Cluster) {
    block_on(async {
        let name = own_name("deleted");
        let topic = new_topic(&cluster.address, &name, 2).await;
        let send_some = async || {
            for turn in 0..6 {
                send::<Heartbeat>(&topic, turn, || message(turn)).await;
            }
        };
        send_some().await;
        let member = OurMember::join(&topic).await;
        until_committed::<Heartbeat>(&topic).await;
        member.leave().await;
        send_some().await;
        Records::of(&cluster.address, &name, 2).await.delete().await;
        let member = OurMember::join(&topic).await;
        until_committed::<Heartbeat>(&topic).await;
        assert_eq!(member.seen().got, [], "nothing is delivered that is not there");
        send_some().await;
        until_committed::<Heartbeat>(&topic).await;
        assert_eq!(member.seen().got.len(), 6);
        member.leave().await;
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

/// Our member in the group, with what it knows.
struct OurMember {
    leave: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<()>,
    seen: Arc<Mutex<OtherSeen>>,
}

impl OurMember {
    async fn join(topic: &Arc<KafkaTopic>) -> Self {
        let mut consumer = <_ as Topic<Heartbeat>>::join(&**topic, "ours").await.unwrap();
        let leave = tokio_util::sync::CancellationToken::new();
        let seen = Arc::new(Mutex::new(OtherSeen::default()));
        let (stop, told) = (leave.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = consumer.next() => event.unwrap(),
                    () = stop.cancelled() => break,
                };
                match event {
                    Event::Assigned(partitions) => told.lock().unwrap().assigned = partitions,
                    Event::Delivery(delivery) => {
                        let place = (delivery.partition(), delivery.offset());
                        told.lock().unwrap().got.push(place);
                        delivery.ack();
                    }
                }
            }
            consumer.leave().await;
        });
        Self { leave, task, seen }
    }

    fn seen(&self) -> OtherSeen {
        self.seen.lock().unwrap().clone()
    }

    async fn leave(self) {
        self.leave.cancel();
        self.task.await.unwrap();
    }
}

/// Each assignor, with each client as the first member, which leads the group.
fn mixed(cluster: &Cluster) {
    let Some(python) = python() else { return };
    for (assignor, ours_first) in
        [("range", true), ("range", false), ("roundrobin", true), ("roundrobin", false)]
    {
        block_on(mix(&cluster.address, &python, assignor, ours_first));
    }
}

async fn mix(address: &str, python: &PathBuf, assignor: &str, ours_first: bool) {
    const ALL: [u32; 6] = [0, 1, 2, 3, 4, 5];
    let name = own_name(&format!("mixed-{assignor}-{ours_first}"));
    let topic = new_topic(address, &name, 6).await;
    let others = || OtherMember::join(python, address, &name, assignor);
    let (ours, theirs) = if ours_first {
        let ours = OurMember::join(&topic).await;
        until("ours has all", async || ours.seen().assigned == ALL).await;
        (ours, others())
    } else {
        let theirs = others();
        until("theirs has all", async || theirs.seen().assigned == ALL).await;
        (OurMember::join(&topic).await, theirs)
    };
    let shares = || [ours.seen().assigned, theirs.seen().assigned];
    until("they share", async || {
        let shares = shares();
        let mut all = shares.concat();
        all.sort_unstable();
        all == ALL && shares.iter().all(|share| share.len() == 3)
    })
    .await;
    // Which, the assignor says, not the client.
    let [mine, others] = shares();
    let of_first = |share: &[u32]| share.contains(&0);
    let expected =
        if assignor == "range" { [[0, 1, 2], [3, 4, 5]] } else { [[0, 2, 4], [1, 3, 5]] };
    let ordered = if of_first(&mine) { [&mine, &others] } else { [&others, &mine] };
    assert_eq!(ordered.map(Vec::as_slice), [&expected[0][..], &expected[1][..]]);
    let mut sent = Vec::new();
    for number in 0..24 {
        let partition = u32::try_from(number % 6).unwrap();
        sent.push((partition, topic.send(partition, message(number)).await.unwrap()));
    }
    let got = || [ours.seen().got, theirs.seen().got].concat();
    until("all is delivered", async || sent.iter().all(|place| got().contains(place))).await;
    let owned = |got: &[(u32, u64)], share: &[u32]| got.iter().all(|(at, _)| share.contains(at));
    assert!(owned(&ours.seen().got, &mine) && owned(&theirs.seen().got, &others));
    let described = || tokio::task::block_in_place(|| describe(python, address, &name, &name));
    until("all is committed", async || {
        ALL.iter().all(|partition| described()["committed"][partition.to_string()] == 4)
    })
    .await;
    let seen = described();
    assert_eq!(seen["members"]["ours"], serde_json::json!(mine), "{seen}");
    assert_eq!(seen["members"]["theirs"], serde_json::json!(others), "{seen}");
    if ours_first {
        ours.leave().await;
        until("theirs has all", async || theirs.seen().assigned == ALL).await;
    } else {
        tokio::task::block_in_place(|| theirs.leave());
        until("ours has all", async || ours.seen().assigned == ALL).await;
    }
}

fn unreadable(cluster: &Cluster) {
    let Some(python) = python() else { return };
    block_on(async {
        let name = own_name("unreadable");
        let topic = new_topic(&cluster.address, &name, 1).await;
        topic.send(0, message(1)).await.unwrap();
        let sent = tokio::task::block_in_place(|| send_garbage(&python, &cluster.address, &name));
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
        assert_eq!(topic.put_aside(), sent);
        until_committed::<Heartbeat>(&topic).await;
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
