use std::pin::pin;

use kafka_protocol::ResponseError;
use tokio::time::timeout;

use super::{
    Commit, Continuity, Danger, GRACE, KafkaError, Note, Owned, Ownership, Place, Position, Verdict,
};

const PARTITION: u32 = 3;

/// Assigns the partition from `offset` on.
fn assigned(ownership: &Ownership, offset: u64, note: Note, continuity: Continuity) -> Owned {
    let position = Position { partition: PARTITION, offset: Some(offset), note };
    ownership.assign(&[position], continuity);
    let owned = ownership.take_news().unwrap().unwrap();
    owned.into_iter().next().unwrap()
}

fn place(owned: &Owned, offset: u64) -> Place {
    Place { partition: PARTITION, term: owned.term, offset }
}

/// Commits what is due, as the member does.
fn commit(ownership: &Ownership) -> Option<(u64, Note)> {
    let due = ownership.due();
    ownership.stored(&due);
    let due = due.into_iter().next();
    due.map(|Commit { offset, note, .. }| (offset, note))
}

#[test]
fn a_member_that_keeps_a_partition_says_again_what_is_in_hand() {
    let ownership = Ownership::new(Danger::Deadly);
    let found = Note::Trying { offset: 10, tries: 1, until: 12 };
    let owned = assigned(&ownership, 10, found, Continuity::Broken);
    let place = place(&owned, 10);
    assert_eq!(ownership.judge(place), Some(Verdict::Wait));
    let said = Note::Trying { offset: 10, tries: 2, until: 12 };
    assert_eq!(commit(&ownership), Some((10, said)));
    assert_eq!(ownership.judge(place), Some(Verdict::Deliver));
    assert!(ownership.deliver(place));
    ownership.hand_over();
    assert_eq!(commit(&ownership), Some((10, found)), "nobody has died of it");
    assigned(&ownership, 10, found, Continuity::Unbroken);
    assert_eq!(commit(&ownership), Some((10, said)), "it can be died of again");
    ownership.ack(place);
    ownership.hand_over();
    assigned(&ownership, 11, found, Continuity::Unbroken);
    assert_eq!(commit(&ownership).map(|(offset, _)| offset), Some(11));
    assert_eq!(commit(&ownership), None);
}

#[test]
fn what_is_in_hand_is_lent_by_a_member_that_goes_on_and_not_by_one_that_leaves() {
    let ownership = Ownership::new(Danger::Deadly);
    let owned = assigned(&ownership, 0, Note::Free, Continuity::Broken);
    assert_eq!(ownership.judge(place(&owned, 0)), Some(Verdict::Wait));
    commit(&ownership);
    assert!(ownership.deliver(place(&owned, 0)));
    ownership.hand_over();
    assert_eq!(commit(&ownership), Some((0, Note::Lent { until: 1 })));
    ownership.give_up();
    assert_eq!(commit(&ownership), Some((0, Note::Free)));
}

fn position(partition: u32, note: Note) -> Position {
    Position { partition, offset: Some(0), note }
}

#[test]
fn a_message_that_others_died_with_is_alone_in_its_process() {
    let ownership = Ownership::new(Danger::Deadly);
    let suspect = Note::Trying { offset: 0, tries: 1, until: 9 };
    let notes = [Note::Free, suspect, suspect];
    let positions: Vec<_> = (0..).zip(notes).map(|(at, note)| position(at, note)).collect();
    ownership.assign(&positions, Continuity::Broken);
    let terms: Vec<_> =
        ownership.take_news().unwrap().unwrap().iter().map(|owned| owned.term).collect();
    let place = |partition: u32, offset| Place {
        partition,
        term: terms[usize::try_from(partition).unwrap()],
        offset,
    };
    assert_eq!(ownership.judge(place(0, 0)), Some(Verdict::Wait));
    commit(&ownership);
    assert_eq!(ownership.judge(place(0, 0)), Some(Verdict::Deliver));
    assert!(ownership.deliver(place(0, 0)));
    assert_eq!(ownership.judge(place(1, 0)), Some(Verdict::Wait), "another is in hand");
    assert_eq!(commit(&ownership), None, "nor is it counted");
    assert_eq!(ownership.judge(place(0, 1)), Some(Verdict::Wait), "it comes first");
    ownership.ack(place(0, 0));
    assert_eq!(ownership.judge(place(2, 0)), Some(Verdict::Wait), "one at a time");
    assert_eq!(ownership.judge(place(1, 0)), Some(Verdict::Wait));
    commit(&ownership);
    assert_eq!(ownership.judge(place(1, 0)), Some(Verdict::Deliver));
    assert!(ownership.deliver(place(1, 0)));
    assert_eq!(ownership.judge(place(0, 1)), Some(Verdict::Wait));
    assert_eq!(ownership.judge(place(2, 0)), Some(Verdict::Wait));
    ownership.ack(place(1, 0));
    assert_eq!(ownership.judge(place(0, 1)), Some(Verdict::Deliver));
    // A suspect whose partition was lost holds up no other message.
    assert_eq!(ownership.judge(place(2, 0)), Some(Verdict::Wait));
    assert_eq!(ownership.judge(place(0, 1)), Some(Verdict::Wait));
    ownership.assign(&positions[..1], Continuity::Unbroken);
    assert_eq!(ownership.judge(place(0, 1)), Some(Verdict::Deliver));
}

#[test]
fn what_may_not_have_been_stored_is_stored_again() {
    let ownership = Ownership::new(Danger::Deadly);
    let owned = assigned(&ownership, 0, Note::Free, Continuity::Broken);
    let first = place(&owned, 0);
    assert_eq!(ownership.judge(first), Some(Verdict::Wait));
    let held = commit(&ownership).unwrap();
    assert!(ownership.deliver(first));
    ownership.hand_over();
    ownership.doubt();
    assigned(&ownership, 0, Note::Free, Continuity::Unbroken);
    assert_eq!(ownership.judge(place(&owned, 1)), Some(Verdict::Wait));
    assert_eq!(commit(&ownership), Some(held));
    assert_eq!(ownership.judge(place(&owned, 1)), Some(Verdict::Deliver));
}

#[test]
fn a_failure_stays() {
    let ownership = Ownership::new(Danger::None);
    let owned = assigned(&ownership, 0, Note::Free, Continuity::Broken);
    let code = ResponseError::GroupAuthorizationFailed;
    ownership.fail(KafkaError::refused("joining".into(), code));
    for _ in 0..2 {
        assert!(ownership.take_news().is_err());
    }
    assert!(!ownership.deliver(place(&owned, 0)), "it is somebody else's");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_settles_takes_nothing_new_until_the_group_has_decided() {
    let ownership = Ownership::new(Danger::Deadly);
    let owned = assigned(&ownership, 0, Note::Free, Continuity::Broken);
    let (first, second) = (place(&owned, 0), place(&owned, 1));
    assert_eq!(ownership.judge(first), Some(Verdict::Wait));
    commit(&ownership);
    assert!(ownership.deliver(first));
    assert_eq!(ownership.judge(second), Some(Verdict::Deliver));
    let mut settled = pin!(ownership.settle());
    assert!(timeout(GRACE / 2, settled.as_mut()).await.is_err(), "one is in hand");
    assert_eq!(ownership.judge(second), Some(Verdict::Wait));
    ownership.ack(first);
    assert!(timeout(GRACE / 4, settled).await.is_ok(), "none is in hand");
    assert_eq!(ownership.judge(second), Some(Verdict::Wait));
    assigned(&ownership, 1, Note::Free, Continuity::Unbroken);
    assert_eq!(ownership.judge(second), Some(Verdict::Deliver));
}

#[test]
fn where_a_partition_begins_again_acks_from_before_are_void() {
    let ownership = Ownership::new(Danger::None);
    let before = assigned(&ownership, 100, Note::Free, Continuity::Broken);
    assert!(ownership.deliver(place(&before, 2)));
    ownership.begin_again(&before, 0);
    let news = ownership.take_news().unwrap().unwrap();
    assert_eq!((news.len(), news[0].start), (1, Some(0)));
    assert_eq!(commit(&ownership), Some((0, Note::Free)));
    ownership.ack(place(&before, 2));
    ownership.begin_again(&before, 50);
    assert_eq!(commit(&ownership), None, "that term is over");
    assert!(ownership.deliver(place(&news[0], 0)));
    ownership.ack(place(&news[0], 0));
    assert_eq!(commit(&ownership), Some((1, Note::Free)));
}
