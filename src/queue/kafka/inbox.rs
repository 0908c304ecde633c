//! Holds records on their way from the fetchers to a consumer: packed as they were fetched, and at most two
//! batches of a partition.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use super::batch::Fetched;
use super::ownership::{Owned, Ownership, Place, Verdict};
use crate::locked::Locked;

/// The partitions of one consumer.
pub(super) struct Inbox<M> {
    slots: Mutex<BTreeMap<u32, Slot<M>>>,
    /// Notified when there is more.
    filled: Arc<Notify>,
}

struct Slot<M> {
    term: u64,
    /// In the order of their offsets.
    waiting: VecDeque<Item>,
    /// Messages that were delivered and given back.
    returned: BTreeMap<u64, Arc<M>>,
    /// Notified when `waiting` has become empty.
    emptied: Arc<Notify>,
}

/// A fetched record, or a gap.
enum Item {
    Record(u64, Bytes),
    /// There is no record before this offset any more, or none for members.
    Gap(u64),
}

/// What a consumer takes next.
pub(super) enum Taken<M> {
    /// A record.
    Record(Bytes),
    /// A record that so many processes died of since the first.
    Deadly(Bytes, u32),
    /// A message that was delivered and given back.
    Again(Arc<M>),
}

impl<M> Inbox<M> {
    pub(super) fn new(filled: Arc<Notify>) -> Self {
        Self { slots: Mutex::default(), filled }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Slot<M>>> {
        self.slots.locked()
    }

    /// Drops the records of partitions and terms that are over, and adds slots for new ones.
    pub(super) fn keep(&self, owned: &[Owned]) {
        let mut slots = self.lock();
        let mut before = std::mem::take(&mut *slots);
        for Owned { partition, term, .. } in owned {
            let kept = before.remove(partition).filter(|slot| slot.term == *term);
            slots.insert(*partition, kept.unwrap_or_else(|| Slot::new(*term)));
        }
    }

    /// How many partitions are fetched.
    pub(super) fn partitions(&self) -> usize {
        self.lock().len()
    }

    /// Takes the next item that may be handed out, from partition `turn` on.
    pub(super) fn take(&self, turn: u32, ownership: &Ownership) -> Option<(Place, Taken<M>)> {
        let mut slots = self.lock();
        let from = slots.range(turn..).map(|(partition, _)| *partition);
        let order: Vec<_> =
            from.chain(slots.range(..turn).map(|(partition, _)| *partition)).collect();
        order.into_iter().find_map(|partition| {
            let slot = slots.get_mut(&partition)?;
            let place = |term, offset| Place { partition, term, offset };
            let term = slot.term;
            slot.pass_gaps(|offset| ownership.pass(place(term, offset)));
            let (offset, taken) = slot.take(|offset| ownership.judge(place(term, offset)))?;
            Some((place(term, offset), taken))
        })
    }

    /// Adds fetched records. Returns what to wait on before the next batch is added, or `None` if the partition
    /// is no longer held in that term.
    pub(super) fn put(&self, owned: &Owned, records: Vec<Fetched>) -> Option<Arc<Notify>> {
        let item = |Fetched { offset, value }| match value {
            Some(value) => Item::Record(offset, value),
            None => Item::Gap(offset + 1),
        };
        self.add(owned, records.into_iter().map(item))
    }

    /// Notes that there is no record before `offset`. This takes effect once earlier records are handed out.
    /// Returns `None` if the partition is no longer held in that term.
    pub(super) fn skip(&self, owned: &Owned, offset: u64) -> Option<()> {
        self.add(owned, [Item::Gap(offset)].into_iter()).map(drop)
    }

    fn add(&self, owned: &Owned, items: impl Iterator<Item = Item>) -> Option<Arc<Notify>> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&owned.partition).filter(|slot| slot.term == owned.term)?;
        slot.waiting.extend(items);
        let emptied = Arc::clone(&slot.emptied);
        drop(slots);
        self.filled.notify_waiters();
        Some(emptied)
    }

    pub(super) fn put_back(&self, place: Place, message: Arc<M>) {
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(&place.partition).filter(|slot| slot.term == place.term) {
            slot.returned.insert(place.offset, message);
        }
        drop(slots);
        self.filled.notify_waiters();
    }
}

impl<M> Slot<M> {
    fn new(term: u64) -> Self {
        let emptied = Arc::new(Notify::new());
        Self { term, waiting: VecDeque::new(), returned: BTreeMap::new(), emptied }
    }

    fn pass_gaps(&mut self, mut pass: impl FnMut(u64)) {
        while let Some(Item::Gap(offset)) = self.waiting.front() {
            pass(*offset);
            self.waiting.pop_front();
            if self.waiting.is_empty() {
                self.emptied.notify_one();
            }
        }
    }

    fn take(&mut self, judge: impl FnOnce(u64) -> Option<Verdict>) -> Option<(u64, Taken<M>)> {
        // A message that was given back was judged before, and still counts as in hand.
        if let Some((offset, message)) = self.returned.pop_first() {
            return Some((offset, Taken::Again(message)));
        }
        let Item::Record(first, _) = self.waiting.front()? else { return None };
        let verdict = judge(*first);
        if verdict == Some(Verdict::Wait) {
            return None;
        }
        let Item::Record(offset, record) = self.waiting.pop_front()? else { return None };
        if self.waiting.is_empty() {
            self.emptied.notify_one();
        }
        let taken = match verdict {
            Some(Verdict::Deadly(tries)) => Taken::Deadly(record, tries),
            _ => Taken::Record(record),
        };
        Some((offset, taken))
    }
}
