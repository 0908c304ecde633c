//! A member of a group that gets messages: what is fetched ahead for each of its partitions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::ownership::{Owned, Ownership};
use super::records::{Records, RecordsError};
use super::wire::{Message, Stranger, WireError};
use crate::blocking;
use crate::model::tile::TileResult;
use crate::queue::{Consumer, Delivery, Event, QueueError, Receipt, Topic};

/// How long a partition is left alone after its broker failed.
const FETCH_PAUSE: Duration = Duration::from_millis(200);

/// Where a group begins in a partition of which nothing was ever committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the first message that is still there.
    Earliest,
    /// With the next message.
    Latest,
}

/// What a fetcher needs, whatever its partition.
pub(super) struct Source {
    pub(super) topic: String,
    pub(super) records: Records,
    pub(super) beginning: Beginning,
    /// Where tiles of another version are answered.
    pub(super) answers: Option<Arc<dyn Topic<TileResult>>>,
}

/// A consumer over Kafka.
pub(super) struct KafkaConsumer<M: Send + Sync + 'static> {
    ownership: Arc<Ownership>,
    source: Arc<Source>,
    inbox: Arc<Inbox<M>>,
    fetchers: BTreeMap<u32, (u64, AbortOnDropHandle<()>)>,
    /// The partition to look at first, so that none of them is starved.
    turn: u32,
    _membership: DropGuard,
}

/// Messages on their way from the fetchers to the consumer.
struct Inbox<M> {
    slots: Mutex<BTreeMap<u32, Slot<M>>>,
    /// Shared with the ownership: somebody waits for either.
    filled: Arc<Notify>,
}

struct Slot<M> {
    term: u64,
    /// In the order of their offsets; `None` where a record holds no message for us.
    waiting: VecDeque<(u64, Option<Arc<M>>)>,
    /// Delivered and given back.
    returned: BTreeMap<u64, Arc<M>>,
    /// Told when `waiting` has become empty.
    emptied: Arc<Notify>,
}

/// A message that may be handed out.
struct Taken<M> {
    partition: u32,
    term: u64,
    offset: u64,
    message: Option<Arc<M>>,
}

impl<M: Message> KafkaConsumer<M> {
    pub(super) fn new(
        ownership: Arc<Ownership>,
        source: Arc<Source>,
        membership: DropGuard,
    ) -> Self {
        let filled = Arc::clone(&ownership.news);
        let inbox = Arc::new(Inbox { slots: Mutex::default(), filled });
        let fetchers = BTreeMap::new();
        Self { ownership, source, inbox, fetchers, turn: 0, _membership: membership }
    }

    /// Fetches for what is held now and no longer for anything else.
    fn follow(&mut self, owned: Vec<Owned>) -> Vec<u32> {
        let mut before = std::mem::take(&mut self.fetchers);
        self.inbox.keep(&owned);
        let mut partitions = Vec::new();
        for owned in owned {
            partitions.push(owned.partition);
            let kept = before.remove(&owned.partition).filter(|(term, _)| *term == owned.term);
            let fetcher = kept.unwrap_or_else(|| {
                let (source, inbox) = (Arc::clone(&self.source), Arc::clone(&self.inbox));
                let fetching = tokio::spawn(fetch(source, inbox, owned.clone()));
                (owned.term, AbortOnDropHandle::new(fetching))
            });
            self.fetchers.insert(owned.partition, fetcher);
        }
        partitions
    }

    /// A message whose partition is still held.
    fn take(&mut self) -> Option<Delivery<M>> {
        while let Some(taken) = self.inbox.take(self.turn) {
            let Taken { partition, term, offset, message } = taken;
            self.turn = partition + 1;
            let Some(message) = message else {
                self.ownership.ack(partition, term, offset);
                continue;
            };
            if self.ownership.deliver(partition, term, offset) {
                let (ownership, inbox) = (Arc::clone(&self.ownership), Arc::clone(&self.inbox));
                let copy = Arc::clone(&message);
                let receipt = KafkaReceipt { ownership, inbox, partition, term, offset, copy };
                return Some(Delivery::new(message, partition, offset, Box::new(receipt)));
            }
        }
        None
    }
}

#[async_trait]
impl<M: Message> Consumer<M> for KafkaConsumer<M> {
    async fn next(&mut self) -> Result<Event<M>, QueueError> {
        let changed = Arc::clone(&self.inbox.filled);
        loop {
            let mut changed = std::pin::pin!(changed.notified());
            // Listening begins before the look, so that nothing falls between the two.
            changed.as_mut().enable();
            if let Some(owned) = self.ownership.take_news()? {
                return Ok(Event::Assigned(self.follow(owned)));
            }
            if let Some(delivery) = self.take() {
                return Ok(Event::Delivery(delivery));
            }
            changed.await;
        }
    }
}

struct KafkaReceipt<M> {
    ownership: Arc<Ownership>,
    inbox: Arc<Inbox<M>>,
    partition: u32,
    term: u64,
    offset: u64,
    copy: Arc<M>,
}

impl<M: Send + Sync> Receipt for KafkaReceipt<M> {
    fn ack(self: Box<Self>) {
        self.ownership.ack(self.partition, self.term, self.offset);
    }

    fn give_back(self: Box<Self>) {
        if self.ownership.holds(self.partition, self.term) {
            self.inbox.put_back(self.partition, self.term, self.offset, self.copy);
        }
    }
}

impl<M> Inbox<M> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Slot<M>>> {
        // No code that can panic runs under the lock, so the slots are whole even if poisoned.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what belongs to partitions or terms that are over, and makes room for new ones.
    fn keep(&self, owned: &[Owned]) {
        let mut slots = self.lock();
        let mut before = std::mem::take(&mut *slots);
        for Owned { partition, term, .. } in owned {
            let kept = before.remove(partition).filter(|slot| slot.term == *term);
            slots.insert(*partition, kept.unwrap_or_else(|| Slot::new(*term)));
        }
    }

    fn take(&self, turn: u32) -> Option<Taken<M>> {
        let mut slots = self.lock();
        let from = slots.range(turn..).map(|(partition, _)| *partition);
        let order: Vec<_> =
            from.chain(slots.range(..turn).map(|(partition, _)| *partition)).collect();
        order.into_iter().find_map(|partition| {
            let slot = slots.get_mut(&partition)?;
            let (offset, message) = slot.take()?;
            Some(Taken { partition, term: slot.term, offset, message })
        })
    }

    /// Adds what was fetched; says what to wait on before the next fetch.
    fn put(&self, owned: &Owned, messages: Vec<(u64, Option<Arc<M>>)>) -> Option<Arc<Notify>> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&owned.partition).filter(|slot| slot.term == owned.term)?;
        slot.waiting.extend(messages);
        let emptied = Arc::clone(&slot.emptied);
        drop(slots);
        self.filled.notify_waiters();
        Some(emptied)
    }

    fn put_back(&self, partition: u32, term: u64, offset: u64, message: Arc<M>) {
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(&partition).filter(|slot| slot.term == term) {
            slot.returned.insert(offset, message);
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

    fn take(&mut self) -> Option<(u64, Option<Arc<M>>)> {
        if let Some((offset, message)) = self.returned.pop_first() {
            return Some((offset, Some(message)));
        }
        let next = self.waiting.pop_front();
        if next.is_some() && self.waiting.is_empty() {
            self.emptied.notify_one();
        }
        next
    }
}

/// Fetches a partition for one term, one batch ahead of the consumer.
async fn fetch<M: Message>(source: Arc<Source>, inbox: Arc<Inbox<M>>, owned: Owned) {
    let mut next = owned.start;
    let mut room: Option<Arc<Notify>> = None;
    loop {
        let fetched = match next {
            Some(offset) => source.records.fetch(owned.partition, offset).await,
            None => match begin(&source, owned.partition).await {
                Ok(offset) => {
                    next = Some(offset);
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        match fetched {
            Ok(records) if records.is_empty() => {}
            Ok(records) => {
                next = records.last().and_then(|last| u64::try_from(last.offset + 1).ok());
                let messages = decode(&source, owned.partition, records).await;
                // The batch before this one is taken: memory holds two at most.
                if let Some(room) = room.take() {
                    room.notified().await;
                }
                room = inbox.put(&owned, messages);
                if room.is_none() {
                    return;
                }
            }
            // Retention removed it, delivered or not.
            Err(RecordsError::OutOfRange) => {
                next = source.records.earliest(owned.partition).await.ok().or(next);
            }
            Err(error) => {
                trouble(&source, owned.partition, &error);
                tokio::time::sleep(FETCH_PAUSE).await;
            }
        }
    }
}

fn trouble(source: &Source, partition: u32, error: &RecordsError) {
    let error = error as &dyn std::error::Error;
    debug!(topic = source.topic, partition, error, "could not fetch");
}

async fn begin(source: &Source, partition: u32) -> Result<u64, RecordsError> {
    match source.beginning {
        Beginning::Earliest => source.records.earliest(partition).await,
        Beginning::Latest => source.records.latest(partition).await,
    }
}

/// The messages in records. What is none is put aside: it stays in the topic, and is passed over.
async fn decode<M: Message>(
    source: &Source,
    partition: u32,
    records: Vec<rskafka::record::RecordAndOffset>,
) -> Vec<(u64, Option<Arc<M>>)> {
    let decoded = blocking::run(move || {
        let decode = |record: rskafka::record::RecordAndOffset| {
            let value = record.record.value.unwrap_or_default();
            (u64::try_from(record.offset).unwrap_or(0), M::decode(&value))
        };
        records.into_iter().map(decode).collect::<Vec<_>>()
    });
    let mut messages = Vec::new();
    for (offset, decoded) in decoded.await {
        let message = match decoded {
            Ok(message) => Some(message),
            Err(error) => strange(source, partition, offset, &error).await,
        };
        messages.push((offset, message.map(Arc::new)));
    }
    messages
}

/// Deals with a record that cannot be read here.
async fn strange<M: Message>(
    source: &Source,
    partition: u32,
    offset: u64,
    error: &WireError,
) -> Option<M> {
    warn_of(source, partition, offset, error, "a record was put aside");
    let WireError::OtherVersion(prefix) = error else { return None };
    match (M::stranger(prefix), &source.answers) {
        (Stranger::Deliver(message), _) => Some(message),
        (Stranger::Answer(answer), Some(answers)) => {
            // Passed over only when it is answered: nobody else will.
            while let Err(error) = answers.send(prefix.results_partition, answer.clone()).await {
                warn_of(source, partition, offset, &error, "could not answer a tile");
                if matches!(error, QueueError::NoSuchPartition { .. }) {
                    break;
                }
                tokio::time::sleep(FETCH_PAUSE).await;
            }
            None
        }
        (Stranger::Answer(_) | Stranger::Ignore, _) => None,
    }
}

fn warn_of(
    source: &Source,
    partition: u32,
    offset: u64,
    error: &(dyn std::error::Error + 'static),
    what: &str,
) {
    warn!(topic = source.topic, partition, offset, error, "{what}");
}
