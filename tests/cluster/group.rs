//! The Kafka adapter of the queue against a real Apache Kafka: who owns a partition, and when an
//! offset is committed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use tilemill::model::tile::{Retry, TileResult, TileTask};
use tilemill::model::worker::Heartbeat;
use tilemill::queue::admin::{TopicAdmin, TopicPlan};
use tilemill::queue::kafka::Danger;
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::topic::KafkaTopic;
use tilemill::queue::{Delivery, Event, QueueError, Topic, wire};

use crate::broker::topic::{
    Records, cluster as cluster_at, create, options, send, topic_with_health, until,
    until_committed,
};
use crate::broker::{Cluster, Test};
use crate::conformance::queue::message;
use crate::fleet::{Fleet, new_topic, own_name};
use crate::other_client::{OtherMember, describe, python, send_garbage};
use crate::our_member::OurMember;
use crate::support::{PATIENCE, block_on, named};

macro_rules! conforms {
    ($($check:ident),* $(,)?) => {
        [$((stringify!($check), |cluster| {
            block_on(async {
                let name = own_name(stringify!($check));
                let topic = new_topic(&cluster.address, &name, 4).await;
                crate::conformance::queue::$check(&*topic).await;
                KafkaAdmin::new(cluster_at(&cluster.address)).delete(&name).await.unwrap();
            });
        })),*]
    };
}

const CONFORMANCE: [(&str, Test); 10] = crate::conformance::each_queue_check!(conforms);

const TESTS: [(&str, Test); 12] = [
    ("a_group_with_members_of_another_client_shares_and_rebalances_both_ways", mixed),
    ("members_that_come_and_go_lose_nothing", storm),
    ("what_was_deleted_before_anybody_got_it_is_passed_over", deleted),
    ("records_that_are_no_messages_are_put_aside_however_they_are_written", unreadable),
    ("a_message_of_another_version_is_answered_and_not_put_aside", other_version),
    ("a_record_that_is_too_large_for_its_topic_is_refused", too_large),
    ("what_is_acked_while_a_rebalance_waits_is_committed_by_who_leaves", leaves_meanwhile),
    ("a_group_that_shares_in_another_way_refuses_a_member_which_names_it_and_tries_again", refused),
    ("a_partition_that_was_added_just_now_takes_messages", crate::remade::grown),
    ("a_topic_that_was_gone_while_the_group_rebalanced_is_found_again", crate::remade::gone),
    ("a_topic_that_is_made_anew_is_read_from_its_beginning", crate::remade::made_anew),
    ("kafkas_own_tools_see_the_members_and_their_lag", own_tools),
];

pub fn run(arguments: &Arguments) -> Conclusion {
    let tests: Vec<_> = CONFORMANCE.into_iter().chain(TESTS).collect();
    crate::broker::run("group", arguments, named(&tests))
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

fn other_version(cluster: &Cluster) {
    for version in [wire::VERSION - 1, wire::VERSION + 1] {
        answered(cluster, version);
    }
}

fn answered(cluster: &Cluster, version: u16) {
    block_on(async {
        let name = own_name(&format!("version-{version}"));
        let answers = format!("{name}-answers");
        let answers = create(&cluster.address, &answers, &answers, 2, Danger::None).await;
        create(&cluster.address, &name, &name, 1, Danger::Deadly).await;
        let mut of_tasks = options(&name, Danger::Deadly);
        of_tasks.answers = Some(Arc::clone(&answers) as Arc<dyn Topic<TileResult>>);
        let tasks = KafkaTopic::new(cluster_at(&cluster.address), &name, of_tasks);
        let [tile, attempt, partition] = [9_u32, 3, 1].map(u32::to_be_bytes);
        let record =
            [b"tm", &version.to_be_bytes()[..], &[7; 16], &tile, &attempt, &partition, b"what"]
                .concat();
        Records::of(&cluster.address, &name, 1).await.append(record).await;
        let mut worker = <_ as Topic<TileTask>>::join(&tasks, "worker").await.unwrap();
        let mut collector = <_ as Topic<TileResult>>::join(&*answers, "collector").await.unwrap();
        let working = async {
            loop {
                assert!(matches!(worker.next().await.unwrap(), Event::Assigned(_)));
            }
        };
        let answer = async {
            loop {
                if let Event::Delivery(answer) = collector.next().await.unwrap() {
                    return answer;
                }
            }
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = working => unreachable!("it works for ever"),
        };
        let TileResult { tile, attempt, pixels, .. } = &**answer.message();
        let failure = pixels.as_ref().unwrap_err();
        assert_eq!((answer.partition(), *tile, *attempt), (1, 9, 3));
        assert_eq!(failure.retry, Retry::Elsewhere);
        assert!(failure.cause.contains("finish the upgrade"), "{}", failure.cause);
        until_committed::<TileTask>(&tasks).await;
        assert_eq!(tasks.put_aside(), 0, "it is no loss");
    });
}

fn too_large(cluster: &Cluster) {
    block_on(async {
        let (name, admin) = (own_name("large"), KafkaAdmin::new(cluster_at(&cluster.address)));
        let settings = [("max.message.bytes".to_owned(), "20000".to_owned())].into();
        let plan = TopicPlan { name: name.clone(), partitions: 1, replication: None, settings };
        admin.create(&plan).await.unwrap();
        until("it is there", async || admin.look(&plan).await.unwrap().is_some()).await;
        let topic =
            KafkaTopic::new(cluster_at(&cluster.address), &name, options(&name, Danger::None));
        let large = |bytes| Heartbeat { host: "h".repeat(bytes), ..message(1) };
        let Err(QueueError::Refused(cause)) = topic.send(0, large(100_000)).await else {
            panic!("it is not refused");
        };
        assert!(cause.to_string().contains("`topics.max_message`"), "{cause}");
        // Together they are too large, and one of them alone is, too.
        let sizes = (0..40).map(|at| if at == 20 { 100_000 } else { 5000 });
        let sent = join_all(sizes.map(|bytes| topic.send(0, large(bytes)))).await;
        let refused: Vec<_> = (0..40).filter(|at| sent[*at].is_err()).collect();
        assert_eq!(refused, [20], "{sent:?}");
    });
}

/// A member that does not come back keeps the group from deciding; another has to leave meanwhile.
fn leaves_meanwhile(cluster: &Cluster) {
    let Some(python) = python() else { return };
    block_on(async {
        let name = own_name("meanwhile");
        let topic = new_topic(&cluster.address, &name, 2).await;
        // It is waited for longer than anything here takes.
        let session = Duration::from_mins(2);
        let theirs = OtherMember::join_with(&python, &cluster.address, &name, "range", session);
        until("theirs has all", async || theirs.seen().assigned == [0, 1]).await;
        let mut ours = <_ as Topic<Heartbeat>>::join(&*topic, "ours").await.unwrap();
        let own = loop {
            match ours.next().await.unwrap() {
                Event::Assigned(partitions) if partitions.len() == 1 => break partitions[0],
                _ => {}
            }
        };
        let offset = topic.send(own, message(1)).await.unwrap();
        let held = loop {
            if let Event::Delivery(delivery) = ours.next().await.unwrap() {
                break delivery;
            }
        };
        theirs.signal(Signal::STOP);
        let third = OurMember::join(&topic).await;
        let state = || {
            let described =
                tokio::task::block_in_place(|| describe(&python, &cluster.address, &name, &name));
            described["state"].as_str().unwrap().to_owned()
        };
        until("the group prepares", async || state() == "PREPARING_REBALANCING").await;
        // Told by the next of its heartbeats, which come each second, it asks to join again.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        held.ack();
        ours.leave().await;
        let progress = <_ as Topic<Heartbeat>>::progress(&*topic).await.unwrap();
        assert_eq!(progress[own as usize].committed, offset + 1);
        third.leave().await;
    });
}

/// Nothing helps as long as the other member is there: it is named, and tried again.
fn refused(cluster: &Cluster) {
    let Some(python) = python() else { return };
    block_on(async {
        let name = own_name("refused");
        let (topic, health) = topic_with_health(&cluster.address, &name, 2).await;
        let theirs = OtherMember::join(&python, &cluster.address, &name, "cooperative-sticky");
        until("theirs has all", async || theirs.seen().assigned == [0, 1]).await;
        let mut ours = <_ as Topic<Heartbeat>>::join(&*topic, "ours").await.unwrap();
        until("the obstacle is named", async || health.obstacle().is_some()).await;
        let obstacle = health.obstacle().unwrap();
        for words in ["InconsistentGroupProtocol", &name, "`topics.tasks_group`"] {
            assert!(obstacle.contains(words), "{words}: {obstacle}");
        }
        theirs.leave();
        let event = tokio::time::timeout(PATIENCE, ours.next()).await.expect("it joins");
        assert!(matches!(event, Ok(Event::Assigned(all)) if all == [0, 1]));
        assert_eq!(health.obstacle(), None);
        ours.leave().await;
    });
}

fn own_tools(shared: &Cluster) {
    let Some(broker) = shared.own_broker() else { return };
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
        held.drain(..3).for_each(Delivery::ack);
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
