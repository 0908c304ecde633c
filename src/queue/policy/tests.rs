//! Tests of what becomes of messages that are not handed out as they are.

use std::sync::Arc;

use super::{Fate, Judge};
use crate::health::Health;
use crate::model::job::JobId;
use crate::model::tile::{Retry, TileResult, TileTask};
use crate::model::worker::Heartbeat;
use crate::queue::embedded::EmbeddedTopic;
use crate::queue::wire::{Prefix, VERSION, WireError};
use crate::queue::{Event, Topic};

/// What can be read of a tile of another version.
fn prefix() -> Prefix {
    let (version, job) = (VERSION + 1, JobId::from_bytes([7; 16]));
    Prefix { version, job, tile: 4, attempt: 2, results_partition: 1 }
}

fn judge(answers: &Arc<EmbeddedTopic<TileResult>>, health: &Health) -> Judge {
    let answers = Arc::clone(answers) as Arc<dyn Topic<TileResult>>;
    Judge::new("tasks", "w", Some(answers), health.clone())
}

fn stranger<M>() -> Result<M, WireError> {
    Err(WireError::OtherVersion(prefix()))
}

/// The answer to a tile, which comes through the partition that its task names.
async fn answer_to(
    judge: Judge,
    fate: Fate<TileTask>,
    sent_to: &EmbeddedTopic<TileResult>,
) -> TileResult {
    let Fate::Answer(answer) = fate else { panic!("{fate:?}") };
    judge.send(answer).await;
    let mut consumer = sent_to.join("c").await.unwrap();
    loop {
        if let Event::Delivery(delivery) = consumer.next().await.unwrap() {
            assert_eq!(delivery.partition(), prefix().results_partition);
            return TileResult::clone(delivery.message());
        }
    }
}

#[tokio::test]
async fn a_tile_of_another_version_is_left_to_others() {
    let (answers, health) = (Arc::new(EmbeddedTopic::new(2)), Health::default());
    let judge = judge(&answers, &health);
    let fate = judge.read(0, 0, stranger());
    let answer = answer_to(judge, fate, &answers).await;
    let failure = answer.pixels.unwrap_err();
    assert_eq!((answer.job, answer.tile, answer.attempt), (prefix().job, 4, 2));
    assert_eq!(failure.retry, Retry::Elsewhere);
    assert!(failure.cause.contains("too old"), "{}", failure.cause);
}

#[tokio::test]
async fn a_tile_that_killed_its_workers_is_answered_in_their_place() {
    let (answers, health) = (Arc::new(EmbeddedTopic::new(2)), Health::default());
    let judge = judge(&answers, &health);
    let mut record = b"tm".to_vec();
    record.extend_from_slice(&VERSION.to_be_bytes());
    let Prefix { job, tile, attempt, results_partition, .. } = prefix();
    record.extend_from_slice(&job.to_bytes());
    for number in [tile, attempt, results_partition] {
        record.extend_from_slice(&number.to_be_bytes());
    }
    let fate = judge.deadly(0, 0, &record, 3);
    let answer = answer_to(judge, fate, &answers).await;
    assert_eq!((answer.tile, answer.worker.as_str(), answer.taken_over), (4, "w", true));
    assert_eq!(answer.pixels.unwrap_err().retry, Retry::Futile);
}

#[test]
fn a_result_of_another_version_is_handed_out_as_a_failure_and_a_heartbeat_is_dropped() {
    let health = Health::default();
    let judge = judge(&Arc::new(EmbeddedTopic::new(1)), &health);
    let result = judge.read::<TileResult>(0, 0, stranger());
    let Fate::Deliver(TileResult { pixels: Err(failure), .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(failure.retry, Retry::Elsewhere);
    assert!(matches!(judge.read::<Heartbeat>(0, 0, stranger()), Fate::Ack));
}

#[test]
fn what_cannot_be_read_is_put_aside_and_counted() {
    let health = Health::default();
    let judge = judge(&Arc::new(EmbeddedTopic::new(1)), &health);
    let unreadable = WireError::Unreadable("it is noise".into());
    assert!(matches!(judge.read::<TileTask>(0, 0, Err(unreadable)), Fate::Ack));
    assert!(matches!(judge.deadly::<TileTask>(0, 1, b"noise", 3), Fate::Ack));
    let aside = &health.report().put_aside[..];
    assert!(matches!(aside, [one] if one.topic == "tasks" && one.records == 1), "{aside:?}");
}
