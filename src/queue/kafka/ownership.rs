//! Which partitions are this member's, and how far each has been dealt with.
//!
//! Written by the group's member (what is assigned, lost, stored) and by the consumer (what is
//! delivered and acked), under one lock: an ack counts for the term in which its message was
//! delivered, or not at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::error::KafkaError;
use super::tracker::Tracker;

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) partition: u32,
    /// None where nothing was ever committed.
    pub(super) offset: Option<u64>,
    /// The text that is committed beside the offset.
    pub(super) note: String,
}

/// Whether this member owned partitions in the generation just before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It did: nobody else can have had what it keeps.
    Unbroken,
    /// Somebody else may have had everything in the meantime.
    Broken,
}

/// A partition that is this member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) partition: u32,
    /// Another for each time it is assigned anew.
    pub(super) term: u64,
    /// Where to begin; `None` where nothing was ever committed.
    pub(super) start: Option<u64>,
}

/// The partitions of one member.
#[derive(Default)]
pub(super) struct Ownership {
    state: Mutex<State>,
    /// There is news for the consumer, or a message.
    pub(super) news: Arc<Notify>,
    /// There may be something to be committed.
    acked: Notify,
}

#[derive(Default)]
struct State {
    holdings: BTreeMap<u32, Holding>,
    terms: u64,
    changed: bool,
    failure: Option<KafkaError>,
}

struct Holding {
    term: u64,
    start: Option<u64>,
    tracker: Tracker,
    stored: Option<u64>,
}

impl Ownership {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so the state is whole even if poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group has decided: these and no others.
    pub(super) fn assign(&self, positions: &[Position], continuity: Continuity) {
        let mut state = self.lock();
        let mut before = std::mem::take(&mut state.holdings);
        for Position { partition, offset, .. } in positions {
            let kept = before.remove(partition).filter(|_| continuity == Continuity::Unbroken);
            let holding = kept.unwrap_or_else(|| {
                state.terms += 1;
                let tracker = Tracker::new(*offset);
                Holding { term: state.terms, start: *offset, tracker, stored: *offset }
            });
            state.holdings.insert(*partition, holding);
        }
        state.changed = true;
        drop(state);
        self.news.notify_waiters();
    }

    /// The group goes on without this member.
    pub(super) fn lose(&self) {
        let mut state = self.lock();
        state.changed |= !state.holdings.is_empty();
        state.holdings.clear();
        drop(state);
        self.news.notify_waiters();
    }

    /// The member cannot go on at all.
    pub(super) fn fail(&self, error: KafkaError) {
        self.lock().failure = Some(error);
        self.news.notify_waiters();
    }

    /// What the consumer has not been told yet.
    pub(super) fn take_news(&self) -> Result<Option<Vec<Owned>>, KafkaError> {
        let mut state = self.lock();
        if let Some(error) = state.failure.take() {
            return Err(error);
        }
        let owned = state.holdings.iter().map(|(partition, holding)| Owned {
            partition: *partition,
            term: holding.term,
            start: holding.start,
        });
        let owned = owned.collect();
        Ok(std::mem::take(&mut state.changed).then_some(owned))
    }

    /// Notes a delivery, unless the partition is no longer held in that term.
    pub(super) fn deliver(&self, partition: u32, term: u64, offset: u64) -> bool {
        self.with(partition, term, |tracker| tracker.deliver(offset))
    }

    /// Notes an ack, unless the partition is no longer held in that term.
    pub(super) fn ack(&self, partition: u32, term: u64, offset: u64) {
        if self.with(partition, term, |tracker| tracker.ack(offset)) {
            self.acked.notify_one();
        }
    }

    /// Whether the partition is held in that term.
    pub(super) fn holds(&self, partition: u32, term: u64) -> bool {
        self.with(partition, term, |_| {})
    }

    fn with(&self, partition: u32, term: u64, effect: impl FnOnce(&mut Tracker)) -> bool {
        let mut state = self.lock();
        let holding = state.holdings.get_mut(&partition).filter(|held| held.term == term);
        holding.map(|held| effect(&mut held.tracker)).is_some()
    }

    /// What can be committed and is not stored yet.
    pub(super) fn due(&self) -> Vec<Position> {
        let state = self.lock();
        let due = state.holdings.iter().filter_map(|(partition, holding)| {
            let offset = holding.tracker.committable();
            let note = String::new();
            (offset != holding.stored).then_some(Position { partition: *partition, offset, note })
        });
        due.collect()
    }

    /// The coordinator has stored these.
    pub(super) fn stored(&self, positions: &[Position]) {
        let mut state = self.lock();
        for Position { partition, offset, .. } in positions {
            if let Some(holding) = state.holdings.get_mut(partition) {
                holding.stored = *offset;
            }
        }
    }

    /// Waits for an ack. Cancel-safe: an ack during a wait that was given up ends the next.
    pub(super) async fn acked(&self) {
        self.acked.notified().await;
    }
}
