//! Topics in the memory of this process, for one machine without Kafka.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Consumer, Delivery, Event, Progress, QueueError, Receipt, Topic};
use crate::locked::Locked;

/// A topic held in memory; a message's memory is freed once it and all before it are acked.
pub struct EmbeddedTopic<M> {
    shared: Arc<Shared<M>>,
}

struct Shared<M> {
    log: Mutex<Log<M>>,
    changed: Notify,
}

struct Log<M> {
    partitions: Vec<Partition<M>>,
    members: BTreeMap<MemberKey, Member>,
    joined: u64,
}

/// Members get their partitions in the order of their names; the number tells members of one name apart.
type MemberKey = (String, u64);

struct Member {
    partitions: Vec<u32>,
    /// Whether the member still has to be told of `partitions`.
    news: bool,
    /// The index of the partition to look at first, so that none is starved.
    turn: usize,
}

struct Partition<M> {
    /// The committed offset, which is that of `records[0]`.
    base: u64,
    records: VecDeque<Record<M>>,
    /// The lowest offset that was not delivered in this term.
    cursor: u64,
    /// Offsets that were delivered in this term and given back.
    returned: BTreeSet<u64>,
    /// Rises with every change of owner: receipts of earlier terms are void.
    term: u64,
    owner: Option<MemberKey>,
}

struct Record<M> {
    message: Arc<M>,
    acked: bool,
}

impl<M> EmbeddedTopic<M> {
    /// An empty topic of `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let partitions = (0..partitions).map(|_| Partition::new()).collect();
        let log = Log { partitions, members: BTreeMap::new(), joined: 0 };
        Self { shared: Arc::new(Shared { log: Mutex::new(log), changed: Notify::new() }) }
    }
}

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, Log<M>> {
        self.log.locked()
    }
}

impl<M> Partition<M> {
    fn new() -> Self {
        Self {
            base: 0,
            records: VecDeque::new(),
            cursor: 0,
            returned: BTreeSet::new(),
            term: 0,
            owner: None,
        }
    }

    fn end(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    fn record(&mut self, offset: u64) -> Option<&mut Record<M>> {
        let index = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        self.records.get_mut(index)
    }

    fn take(&mut self) -> Option<(u64, Arc<M>)> {
        if let Some(offset) = self.returned.pop_first() {
            return self.record(offset).map(|record| (offset, Arc::clone(&record.message)));
        }
        while self.cursor < self.end() {
            let offset = self.cursor;
            self.cursor += 1;
            // A record may have been acked in an earlier term, while one before it was not.
            if let Some(record) = self.record(offset).filter(|record| !record.acked) {
                return Some((offset, Arc::clone(&record.message)));
            }
        }
        None
    }

    fn ack(&mut self, offset: u64) {
        if let Some(record) = self.record(offset) {
            record.acked = true;
        }
        while self.records.front().is_some_and(|record| record.acked) {
            self.records.pop_front();
            self.base += 1;
        }
    }

    fn change_owner(&mut self, owner: Option<&MemberKey>) {
        if self.owner.as_ref() != owner {
            self.owner = owner.cloned();
            self.term += 1;
            self.cursor = self.base;
            self.returned.clear();
        }
    }
}

impl<M> Log<M> {
    /// Shares the partitions out as contiguous ranges. If they do not divide evenly, the first members get one more.
    fn rebalance(&mut self) {
        let count = self.partitions.len();
        let members = self.members.len();
        let mut first = 0;
        for (index, (key, member)) in self.members.iter_mut().enumerate() {
            let share = count / members + usize::from(index < count % members);
            let range = first..first + share;
            self.partitions[range.clone()].iter_mut().for_each(|p| p.change_owner(Some(key)));
            let partitions = range.filter_map(|p| u32::try_from(p).ok()).collect();
            member.news |= member.partitions != partitions;
            member.partitions = partitions;
            first += share;
        }
        if members == 0 {
            self.partitions.iter_mut().for_each(|partition| partition.change_owner(None));
        }
    }

    fn take(&mut self, key: &MemberKey) -> Option<Taken<M>> {
        let member = self.members.get_mut(key)?;
        if std::mem::take(&mut member.news) {
            return Some(Taken::Assigned(member.partitions.clone()));
        }
        let count = member.partitions.len();
        for step in 0..count {
            let partition = member.partitions[(member.turn + step) % count];
            let log = &mut self.partitions[partition as usize];
            if let Some((offset, message)) = log.take() {
                member.turn = (member.turn + step + 1) % count;
                return Some(Taken::Message { partition, offset, term: log.term, message });
            }
        }
        None
    }
}

enum Taken<M> {
    Assigned(Vec<u32>),
    Message { partition: u32, offset: u64, term: u64, message: Arc<M> },
}

#[async_trait]
impl<M: Send + Sync + 'static> Topic<M> for EmbeddedTopic<M> {
    async fn partitions(&self) -> Result<u32, QueueError> {
        Ok(u32::try_from(self.shared.lock().partitions.len()).unwrap_or(u32::MAX))
    }

    async fn send(&self, partition: u32, message: M) -> Result<u64, QueueError> {
        let partitions = self.partitions().await?;
        let mut log = self.shared.lock();
        let target = log
            .partitions
            .get_mut(partition as usize)
            .ok_or(QueueError::NoSuchPartition { partition, partitions })?;
        let offset = target.end();
        target.records.push_back(Record { message: Arc::new(message), acked: false });
        drop(log);
        self.shared.changed.notify_waiters();
        Ok(offset)
    }

    async fn join(&self, member: &str) -> Result<Box<dyn Consumer<M>>, QueueError> {
        let mut log = self.shared.lock();
        log.joined += 1;
        let key = (member.to_owned(), log.joined);
        log.members.insert(key.clone(), Member { partitions: Vec::new(), news: true, turn: 0 });
        log.rebalance();
        drop(log);
        self.shared.changed.notify_waiters();
        Ok(Box::new(EmbeddedConsumer { shared: Arc::clone(&self.shared), key }))
    }

    async fn progress(&self) -> Result<Vec<Progress>, QueueError> {
        let log = self.shared.lock();
        Ok(log.partitions.iter().map(|p| Progress { committed: p.base, end: p.end() }).collect())
    }

    async fn members(&self) -> Result<usize, QueueError> {
        Ok(self.shared.lock().members.len())
    }
}

struct EmbeddedConsumer<M> {
    shared: Arc<Shared<M>>,
    key: MemberKey,
}

#[async_trait]
impl<M: Send + Sync + 'static> Consumer<M> for EmbeddedConsumer<M> {
    async fn next(&mut self) -> Result<Event<M>, QueueError> {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Listening begins before the look, so that no change in between is missed.
            changed.as_mut().enable();
            match self.shared.lock().take(&self.key) {
                Some(Taken::Assigned(partitions)) => return Ok(Event::Assigned(partitions)),
                Some(Taken::Message { partition, offset, term, message }) => {
                    let shared = Arc::clone(&self.shared);
                    let receipt = Box::new(EmbeddedReceipt { shared, partition, offset, term });
                    let delivery = Delivery::new(message, partition, offset, receipt);
                    return Ok(Event::Delivery(delivery));
                }
                None => {}
            }
            changed.await;
        }
    }

    async fn leave(self: Box<Self>) {}
}

impl<M> Drop for EmbeddedConsumer<M> {
    fn drop(&mut self) {
        let mut log = self.shared.lock();
        log.members.remove(&self.key);
        log.rebalance();
        drop(log);
        self.shared.changed.notify_waiters();
    }
}

struct EmbeddedReceipt<M> {
    shared: Arc<Shared<M>>,
    partition: u32,
    offset: u64,
    term: u64,
}

impl<M> EmbeddedReceipt<M> {
    /// Runs `effect` on the partition, unless its owner has changed since the delivery.
    fn settle(&self, effect: impl FnOnce(&mut Partition<M>)) {
        let mut log = self.shared.lock();
        let partition = &mut log.partitions[self.partition as usize];
        if partition.term == self.term {
            effect(partition);
        }
    }
}

impl<M: Send + Sync> Receipt for EmbeddedReceipt<M> {
    fn ack(self: Box<Self>) {
        self.settle(|partition| partition.ack(self.offset));
    }

    fn give_back(self: Box<Self>) {
        self.settle(|partition| {
            partition.returned.insert(self.offset);
        });
        self.shared.changed.notify_waiters();
    }
}
