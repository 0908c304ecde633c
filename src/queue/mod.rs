//! The queue port: topics of partitioned messages, delivered at least once.
//!
//! * [`embedded`]: topics in the memory of this process.
//! * [`kafka`]: topics in Apache Kafka.
//! * [`admin`]: sets topics up.
//! * [`wire`]: a message as bytes, for adapters that carry it to other machines.
//! * [`policy`]: what becomes of messages that are not handed out as they are.
//!
//! # Contract
//!
//! A [`Topic`] has partitions, numbered from 0. A message is sent to one partition and gets the next
//! offset there; offsets rise but may have gaps. A topic has one consumer group: every partition
//! belongs to at most one of its members at a time, and each member gets the messages of its
//! partitions in offset order as [`Delivery`]s, as many as it asks for.
//!
//! A delivery is **acked**, in any order, or **dropped**, which gives it back: it is delivered again.
//! When a member leaves or loses a partition, the deliveries that it holds are delivered again to the
//! partition's next owner; an ack after that has no effect. A partition's **committed** offset is the
//! lowest offset that is not acked: every message below it has been dealt with.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub mod admin;
pub mod embedded;
pub mod kafka;
pub mod policy;
pub mod wire;

/// Why a queue operation failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The topic has no such partition.
    #[error("the topic has {partitions} partitions and no partition {partition}")]
    NoSuchPartition {
        /// The requested partition.
        partition: u32,
        /// How many the topic has.
        partitions: u32,
    },
    /// The queue refused permanently: trying again does not help.
    #[error("the queue refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The queue cannot be reached; trying again later may help.
    #[error("the queue is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One topic and its consumer group.
#[async_trait]
pub trait Topic<M: Send + Sync + 'static>: Send + Sync {
    /// How many partitions the topic has; it never shrinks.
    async fn partitions(&self) -> Result<u32, QueueError>;

    /// Appends `message` durably to `partition` and returns its offset. Messages that are sent concurrently may come in
    /// any order. After an error, or when the future is dropped, the message may have been appended anyway.
    async fn send(&self, partition: u32, message: M) -> Result<u64, QueueError>;

    /// Joins the topic's consumer group under the name `member`.
    async fn join(&self, member: &str) -> Result<Box<dyn Consumer<M>>, QueueError>;

    /// Where the group stands in every partition, by partition number.
    async fn progress(&self) -> Result<Vec<Progress>, QueueError>;

    /// How many members the group has.
    async fn members(&self) -> Result<usize, QueueError>;
}

/// Where the consumer group stands in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Every message below this offset is acked.
    pub committed: u64,
    /// A lower bound of the offset that the next message will get.
    pub end: u64,
}

/// A member of a topic's consumer group.
///
/// When it is dropped, it leaves the group after a while: the messages that it holds are delivered again to others.
#[async_trait]
pub trait Consumer<M: Send + Sync + 'static>: Send {
    /// Waits for the next event. Cancel-safe: a call that is dropped has taken nothing.
    ///
    /// The first event is the first assignment.
    async fn next(&mut self) -> Result<Event<M>, QueueError>;

    /// Leaves the group in an orderly way: when this returns, acked messages are committed, and held
    /// ones are free for others, if the queue could be reached.
    async fn leave(self: Box<Self>);
}

/// An event of a consumer.
#[derive(Debug)]
pub enum Event<M: Send + Sync + 'static> {
    /// From now on, exactly these partitions belong to the member.
    Assigned(Vec<u32>),
    /// A message.
    Delivery(Delivery<M>),
}

/// A message that a consumer holds.
pub struct Delivery<M: Send + Sync + 'static> {
    message: Arc<M>,
    partition: u32,
    offset: u64,
    taken_over: bool,
    /// Taken by the ack; a delivery that is dropped with its receipt goes back to the queue.
    receipt: Option<Box<dyn Receipt>>,
}

/// Tells an adapter how a delivery ended. One of the two methods is called, once.
pub trait Receipt: Send + Sync {
    /// The message has been dealt with.
    fn ack(self: Box<Self>);
    /// The message has to be delivered again.
    fn give_back(self: Box<Self>);
}

impl<M: Send + Sync + 'static> Delivery<M> {
    /// A delivery whose end is told to `receipt`.
    pub fn new(message: Arc<M>, partition: u32, offset: u64, receipt: Box<dyn Receipt>) -> Self {
        Self { message, partition, offset, taken_over: false, receipt: Some(receipt) }
    }

    /// Sets whether a member that died had the message before.
    #[must_use]
    pub fn taken_over(mut self, taken_over: bool) -> Self {
        self.taken_over = taken_over;
        self
    }

    /// Whether a member that died had the message before, as far as the adapter knows.
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Arc<M> {
        &self.message
    }

    /// The partition it came from.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Its offset in that partition.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Acknowledges the message: it need not be delivered again.
    pub fn ack(mut self) {
        if let Some(receipt) = self.receipt.take() {
            receipt.ack();
        }
    }
}

impl<M: Send + Sync + 'static> Drop for Delivery<M> {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            receipt.give_back();
        }
    }
}

impl<M: Send + Sync + 'static> fmt::Debug for Delivery<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({}/{})", self.partition, self.offset)
    }
}
