//! The partitions that this member owns, and how far each has been dealt with.
//!
//! Written by the group's member (what is assigned, lost, stored) and by the consumer (what is
//! delivered and acked), under one lock: an ack counts for the term in which its message was
//! delivered, or not at all.
//!
//! * `caution`: decides which messages may be handed out after a process has died of one.
//! * `tracker`: tracks which offset may be committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use self::caution::Caution;
pub(super) use self::caution::{Note, Verdict};
use self::tracker::Tracker;
use super::error::KafkaError;
use crate::locked::Locked;
use crate::queue::policy::Danger;

mod caution;
#[cfg(test)]
mod tests;
mod tracker;

/// How long a member waits for the messages in hand before it joins a rebalance: a message that kills its process
/// nearly always does so in that time.
const GRACE: Duration = Duration::from_secs(2);
/// The wait if a process died with one of them before, which makes it worth waiting for. With a heartbeat before it,
/// it is shorter than a rebalance waits for its members.
const LONG_GRACE: Duration = Duration::from_secs(8);

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) partition: u32,
    /// `None` if nothing was ever committed.
    pub(super) offset: Option<u64>,
    /// The note that is committed beside the offset.
    pub(super) note: Note,
}

/// What a member commits for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) partition: u32,
    /// The term in which the partition is held.
    pub(super) term: u64,
    /// Everything below it has been dealt with.
    pub(super) offset: u64,
    pub(super) note: Note,
}

impl Commit {
    fn place(&self) -> Place {
        Place { partition: self.partition, term: self.term, offset: self.offset }
    }
}

/// Whether this member belonged to the group in the generation just before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It did: no other member can have had the partitions that it keeps.
    Unbroken,
    /// It did not: other members may have had its partitions meanwhile.
    Broken,
}

/// A partition that this member owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) partition: u32,
    /// The number of the assignment; each new assignment gets another.
    pub(super) term: u64,
    /// Where to begin; `None` if nothing was ever committed.
    pub(super) start: Option<u64>,
}

/// The place of a message, and the term in which its partition was held when it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) term: u64,
    pub(super) offset: u64,
}

/// The partitions of one member.
pub(super) struct Ownership {
    danger: Danger,
    state: Mutex<State>,
    /// Notified when there is news or a message for the consumer.
    pub(super) news: Arc<Notify>,
    /// Notified when there may be something to commit.
    acked: Notify,
}

#[derive(Default)]
struct State {
    holdings: BTreeMap<u32, Holding>,
    terms: u64,
    changed: bool,
    /// Whether handing out is paused until the rebalance is over.
    settling: bool,
    /// A message that is alone in this process, or waits to be.
    suspect: Option<Place>,
    /// The fatal error, if there was one.
    failure: Option<Arc<KafkaError>>,
}

struct Holding {
    term: u64,
    start: Option<u64>,
    tracker: Tracker,
    stored: Option<u64>,
    caution: Caution,
}

impl Holding {
    fn new(term: u64, start: Option<u64>, note: Note) -> Self {
        let (tracker, caution) = (Tracker::new(start), Caution::new(note));
        Self { term, start, tracker, stored: start, caution }
    }

    /// Forgets what is committed, as it is not certain any more.
    fn doubt(&mut self) {
        self.stored = None;
        self.caution.stored(None);
    }
}

impl State {
    /// The holding of a place, if the partition is held in its term.
    fn holding(&mut self, place: Place) -> Option<&mut Holding> {
        self.holdings.get_mut(&place.partition).filter(|held| held.term == place.term)
    }

    fn is_idle(&self) -> bool {
        self.holdings.values().all(|holding| holding.tracker.is_idle())
    }

    /// Whether it is the message's turn in this process. A suspect has the process to itself: no other message is
    /// blamed for its death, and it is not blamed for another's. Messages of lost partitions that are still being
    /// worked on are not known here.
    fn has_turn(&mut self, place: Place) -> bool {
        let suspect = self.suspect.filter(|suspect| self.holding(*suspect).is_some());
        let is_suspect = |holding: &mut Holding| holding.caution.is_suspect(place.offset);
        self.suspect =
            suspect.or_else(|| self.holding(place).is_some_and(is_suspect).then_some(place));
        self.suspect.is_none_or(|suspect| suspect == place && self.is_idle())
    }
}

impl Ownership {
    pub(super) fn new(danger: Danger) -> Self {
        let (state, news, acked) = Default::default();
        Self { danger, state, news, acked }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    /// Sets the partitions that the group has assigned, in place of those before.
    pub(super) fn assign(&self, positions: &[Position], continuity: Continuity) {
        let mut state = self.lock();
        let mut before = std::mem::take(&mut state.holdings);
        for Position { partition, offset, note } in positions {
            let kept = before.remove(partition).filter(|_| continuity == Continuity::Unbroken);
            let mut holding = kept.unwrap_or_else(|| {
                state.terms += 1;
                Holding::new(state.terms, *offset, *note)
            });
            holding.caution.keep(!holding.tracker.is_idle());
            state.holdings.insert(*partition, holding);
        }
        state.changed = true;
        state.settling = false;
        drop(state);
        self.news.notify_waiters();
        // A count that was taken back before the rebalance may have to be committed again.
        self.acked.notify_one();
    }

    /// Begins a new term at `start`, as the partition's records have been replaced: acks of the former ones no
    /// longer count. Has no effect if the partition is no longer held in that term.
    pub(super) fn begin_again(&self, owned: &Owned, start: u64) {
        let mut state = self.lock();
        let term = state.terms + 1;
        let holding = state.holdings.get_mut(&owned.partition);
        let Some(holding) = holding.filter(|held| held.term == owned.term) else { return };
        // The committed offset may be anywhere.
        *holding = Holding::new(term, Some(start), Note::Free);
        holding.doubt();
        state.terms = term;
        state.changed = true;
        drop(state);
        self.news.notify_waiters();
        self.acked.notify_one();
    }

    /// Drops all partitions, as the group goes on without this member.
    pub(super) fn lose(&self) {
        let mut state = self.lock();
        state.changed |= !state.holdings.is_empty();
        state.settling = false;
        state.holdings.clear();
        drop(state);
        self.news.notify_waiters();
    }

    /// Drops all partitions, as the member cannot go on at all.
    pub(super) fn fail(&self, error: KafkaError) {
        self.lock().failure = Some(Arc::new(error));
        self.lose();
    }

    /// The partitions, if they have changed since the last call. After a fatal error, that error, at each call.
    pub(super) fn take_news(&self) -> Result<Option<Vec<Owned>>, Arc<KafkaError>> {
        let mut state = self.lock();
        if let Some(error) = &state.failure {
            return Err(Arc::clone(error));
        }
        let owned = state.holdings.iter().map(|(partition, holding)| Owned {
            partition: *partition,
            term: holding.term,
            start: holding.start,
        });
        let owned = owned.collect();
        Ok(std::mem::take(&mut state.changed).then_some(owned))
    }

    /// Whether the message at a place, the next in its partition, may be handed out; `None` if the partition
    /// is no longer held in that term.
    pub(super) fn judge(&self, place: Place) -> Option<Verdict> {
        if self.danger == Danger::None {
            return self.with(place, |_| Verdict::Deliver);
        }
        let mut state = self.lock();
        state.holding(place)?;
        if state.settling || !state.has_turn(place) {
            return Some(Verdict::Wait);
        }
        let holding = state.holding(place)?;
        let before = holding.caution.said();
        let alone = holding.tracker.is_idle();
        holding.tracker.reach(place.offset);
        let verdict = holding.caution.judge(place.offset, alone);
        let said = holding.caution.said() != before;
        drop(state);
        if said {
            self.acked.notify_one();
        }
        Some(verdict)
    }

    /// Notes a delivery, unless the partition is no longer held in that term.
    pub(super) fn deliver(&self, place: Place) -> bool {
        self.with(place, |holding| holding.tracker.deliver(place.offset)).is_some()
    }

    /// Notes an ack, unless the partition is no longer held in that term.
    pub(super) fn ack(&self, place: Place) {
        let mut state = self.lock();
        let Some(holding) = state.holding(place) else { return };
        holding.tracker.ack(place.offset);
        let idle = holding.tracker.is_idle();
        state.suspect = state.suspect.filter(|suspect| *suspect != place);
        drop(state);
        self.acked.notify_one();
        // Another message may have waited until it is alone, or until this one is done.
        if idle && self.danger == Danger::Deadly {
            self.news.notify_waiters();
        }
    }

    /// Notes that all messages before a place are in hand or dealt with, or never existed.
    pub(super) fn pass(&self, place: Place) {
        if self.with(place, |holding| holding.tracker.reach(place.offset)).is_some() {
            self.acked.notify_one();
        }
    }

    /// Whether the partition is held in that term.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.with(place, |_| {}).is_some()
    }

    /// Whether an owner died with the message at a place in hand, or about to be.
    pub(super) fn is_inherited(&self, place: Place) -> bool {
        self.with(place, |holding| holding.caution.is_inherited(place.offset)).unwrap_or(false)
    }

    fn with<T>(&self, place: Place, effect: impl FnOnce(&mut Holding) -> T) -> Option<T> {
        self.lock().holding(place).map(effect)
    }

    /// Hands out nothing new until the rebalance is over, and waits for the messages in hand if they may be
    /// deadly, for at most [`GRACE`] or [`LONG_GRACE`]: a death after [`Self::hand_over`] would not be counted.
    pub(super) async fn settle(&self) {
        if self.danger == Danger::None {
            return;
        }
        let grace = {
            let mut state = self.lock();
            state.settling = true;
            let mut in_hand = state.holdings.values().filter(|held| !held.tracker.is_idle());
            let tried = in_hand.any(|holding| holding.caution.is_trying());
            if tried { LONG_GRACE } else { GRACE }
        };
        let settled = async {
            while self.has_in_hand() {
                self.acked().await;
            }
        };
        // A message that takes longer is slow, and the group cannot wait for it.
        let _ = timeout(grace, settled).await;
    }

    fn has_in_hand(&self) -> bool {
        !self.lock().is_idle()
    }

    /// Takes counts back, as this member is alive and may be about to lose its partitions. It goes on with the
    /// messages in hand.
    pub(super) fn hand_over(&self) {
        for Holding { caution, tracker, .. } in self.lock().holdings.values_mut() {
            caution.hand_over(tracker.committable(), tracker.in_hand_until());
        }
    }

    /// As [`Self::hand_over`], for a member that leaves and goes on with no message.
    pub(super) fn give_up(&self) {
        for Holding { caution, tracker, .. } in self.lock().holdings.values_mut() {
            caution.hand_over(tracker.committable(), None);
        }
    }

    /// What can be committed and is not yet.
    pub(super) fn due(&self) -> Vec<Commit> {
        let state = self.lock();
        let due = state.holdings.iter().filter_map(|(partition, holding)| {
            let (offset, note) = (holding.tracker.committable()?, holding.caution.said());
            let stored = holding.stored == Some(offset) && holding.caution.is_stored();
            let (partition, term) = (*partition, holding.term);
            (!stored).then_some(Commit { partition, term, offset, note })
        });
        due.collect()
    }

    /// Notes that the coordinator has stored these commits.
    pub(super) fn stored(&self, commits: &[Commit]) {
        let mut state = self.lock();
        for commit in commits {
            if let Some(holding) = state.holding(commit.place()) {
                holding.stored = Some(commit.offset);
                holding.caution.stored(Some(commit.note));
            }
        }
        drop(state);
        if self.danger == Danger::Deadly {
            self.news.notify_waiters();
        }
    }

    /// Makes everything due again, as the coordinator may have stored the last commit or not.
    pub(super) fn doubt(&self) {
        self.lock().holdings.values_mut().for_each(Holding::doubt);
        self.acked.notify_one();
    }

    /// Waits until there may be something to commit. Cancel-safe: an ack is kept for the next wait.
    pub(super) async fn acked(&self) {
        self.acked.notified().await;
    }
}
