//! What every queue adapter does. Each check wants a fresh topic of four partitions.

use std::collections::BTreeSet;
use std::time::Duration;

use tilemill::model::report::Report;
use tilemill::model::worker::{Heartbeat, Phase, WorkerId};
use tilemill::queue::{Consumer, Delivery, Event, QueueError, Topic};

type Messages = dyn Topic<Heartbeat>;

/// How long anything may take; nothing waits this long if all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// A message that carries a number.
pub fn message(number: u64) -> Heartbeat {
    Heartbeat {
        id: WorkerId::new("w"),
        host: "h".into(),
        threads: 1,
        in_flight: 0,
        done: number,
        failed: 0,
        rate: 0.0,
        version: "1".into(),
        phase: Phase::Working,
        report: Report::default(),
    }
}

fn number(delivery: &Delivery<Heartbeat>) -> u64 {
    delivery.message().done
}

async fn delivery(consumer: &mut dyn Consumer<Heartbeat>) -> Delivery<Heartbeat> {
    loop {
        if let Event::Delivery(delivery) = consumer.next().await.unwrap() {
            return delivery;
        }
    }
}

async fn assignment(consumer: &mut dyn Consumer<Heartbeat>) -> Vec<u32> {
    match consumer.next().await.unwrap() {
        Event::Assigned(partitions) => partitions,
        Event::Delivery(delivery) => panic!("{delivery:?} before an assignment"),
    }
}

async fn committed(topic: &Messages, partition: usize) -> u64 {
    topic.progress().await.unwrap()[partition].committed
}

/// Waits until an ack that comes later is committed, in partition 1: what came before has had its effect.
async fn acks_are_dealt_with(topic: &Messages, consumer: &mut dyn Consumer<Heartbeat>) {
    let later = topic.send(1, message(1_000)).await.unwrap();
    delivery(consumer).await.ack();
    commits(topic, 1, later + 1).await;
}

/// Waits until the committed offset is `expected`: adapters may commit a little later.
async fn commits(topic: &Messages, partition: usize, expected: u64) {
    let reached = async {
        while committed(topic, partition).await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the offset is committed");
}

pub async fn messages_of_a_partition_arrive_in_the_order_of_their_offsets(topic: &Messages) {
    let mut offsets = Vec::new();
    for number in 0..20 {
        offsets.push(topic.send(2, message(number)).await.unwrap());
    }
    assert!(offsets.is_sorted_by(|a, b| a < b));
    let mut consumer = topic.join("a").await.unwrap();
    for expected in 0..20 {
        let delivery = delivery(&mut *consumer).await;
        assert_eq!((delivery.partition(), number(&delivery)), (2, expected));
        assert_eq!(delivery.offset(), offsets[usize::try_from(expected).unwrap()]);
        delivery.ack();
    }
}

pub async fn messages_sent_at_once_are_each_where_their_offset_says(topic: &Messages) {
    let sends = (0..200).map(|number| topic.send(2, message(number)));
    let offsets = futures_util::future::try_join_all(sends).await.unwrap();
    let mut consumer = topic.join("a").await.unwrap();
    let mut found = vec![0; offsets.len()];
    for _ in &offsets {
        let delivery = delivery(&mut *consumer).await;
        found[usize::try_from(number(&delivery)).unwrap()] = delivery.offset();
        delivery.ack();
    }
    assert_eq!(found, offsets);
}

pub async fn a_partition_that_is_not_there_is_refused(topic: &Messages) {
    let refused = topic.send(4, message(0)).await;
    assert!(matches!(refused, Err(QueueError::NoSuchPartition { partition: 4, partitions: 4 })));
}

pub async fn the_first_event_is_the_assignment_of_all_partitions(topic: &Messages) {
    topic.send(0, message(1)).await.unwrap();
    let mut consumer = topic.join("a").await.unwrap();
    assert_eq!(assignment(&mut *consumer).await, [0, 1, 2, 3]);
    delivery(&mut *consumer).await.ack();
}

pub async fn the_committed_offset_never_passes_an_unacked_message(topic: &Messages) {
    let mut offsets = Vec::new();
    for number in 0..3 {
        offsets.push(topic.send(0, message(number)).await.unwrap());
    }
    let mut consumer = topic.join("a").await.unwrap();
    let first = delivery(&mut *consumer).await;
    let second = delivery(&mut *consumer).await;
    let third = delivery(&mut *consumer).await;
    second.ack();
    third.ack();
    acks_are_dealt_with(topic, &mut *consumer).await;
    assert!(committed(topic, 0).await <= offsets[0]);
    first.ack();
    commits(topic, 0, offsets[2] + 1).await;
    assert!(topic.progress().await.unwrap()[0].end > offsets[2]);
}

pub async fn a_delivery_that_is_dropped_is_delivered_again(topic: &Messages) {
    topic.send(1, message(7)).await.unwrap();
    let mut consumer = topic.join("a").await.unwrap();
    drop(delivery(&mut *consumer).await);
    let again = delivery(&mut *consumer).await;
    assert_eq!(number(&again), 7);
    let offset = again.offset();
    again.ack();
    commits(topic, 1, offset + 1).await;
}

pub async fn what_a_member_held_when_it_left_goes_to_the_next_and_its_late_ack_is_void(
    topic: &Messages,
) {
    topic.send(3, message(1)).await.unwrap();
    topic.send(3, message(2)).await.unwrap();
    let mut first = topic.join("a").await.unwrap();
    let held = delivery(&mut *first).await;
    let offset = held.offset();
    drop(first);
    let mut second = topic.join("b").await.unwrap();
    let redelivered = delivery(&mut *second).await;
    assert_eq!(number(&redelivered), 1);
    held.ack();
    delivery(&mut *second).await.ack();
    acks_are_dealt_with(topic, &mut *second).await;
    assert_eq!(committed(topic, 3).await, offset);
    redelivered.ack();
    commits(topic, 3, offset + 2).await;
}

pub async fn members_share_the_partitions_and_every_message_is_delivered(topic: &Messages) {
    let mut first = topic.join("a").await.unwrap();
    assert_eq!(assignment(&mut *first).await.len(), 4);
    let mut second = topic.join("b").await.unwrap();
    let (theirs, ours) = tokio::join!(assignment(&mut *second), assignment(&mut *first));
    assert_eq!((theirs.len(), ours.len()), (2, 2));
    let all: BTreeSet<u32> = theirs.iter().chain(&ours).copied().collect();
    assert_eq!(all.len(), 4);
    for number in 0..40 {
        topic.send(u32::try_from(number % 4).unwrap(), message(number)).await.unwrap();
    }
    let mut seen = BTreeSet::new();
    for (consumer, own) in [(&mut first, &ours), (&mut second, &theirs)] {
        for _ in 0..20 {
            let delivery = delivery(&mut **consumer).await;
            assert!(own.contains(&delivery.partition()));
            assert!(seen.insert(number(&delivery)));
            delivery.ack();
        }
    }
    assert_eq!(seen.len(), 40);
}

pub async fn waiting_for_the_next_event_can_be_given_up_without_loss(topic: &Messages) {
    let mut consumer = topic.join("a").await.unwrap();
    assignment(&mut *consumer).await;
    let waited = tokio::time::timeout(Duration::from_millis(20), consumer.next()).await;
    assert!(waited.is_err());
    topic.send(0, message(5)).await.unwrap();
    assert_eq!(number(&delivery(&mut *consumer).await), 5);
}

pub async fn members_are_counted_from_outside(topic: &Messages) {
    let counted = async |expected| {
        let counted = async {
            while topic.members().await.unwrap() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.expect("the members are counted");
    };
    // Nobody has ever been one.
    counted(0).await;
    let mut first = topic.join("a").await.unwrap();
    assignment(&mut *first).await;
    counted(1).await;
    let second = topic.join("b").await.unwrap();
    counted(2).await;
    first.leave().await;
    second.leave().await;
    counted(0).await;
}
