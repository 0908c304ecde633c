//! The queue port: topics of partitioned, at-least-once delivered messages.
//!
//! * [`embedded`]: topics in the memory of this process.
//! * [`kafka`]: topics in Apache Kafka.
//! * [`admin`]: setting topics up.
//!
//! # Contract
//!
//! A [`Topic`] has partitions, numbered from 0. A message is sent to one partition and gets the next
//! offset there; offsets rise but may have gaps. A topic has one consumer group: every partition
//! belongs to at most one of its members at a time, and each member gets the messages of its
//! partitions in offset order as [`Delivery`]s, as many as it asks for.
//!
//! A delivery is **acked**, in any order, or **dropped**, which gives it back: it is delivered again.
//! What a member held when it left, or when it lost a partition, is delivered again to the
//! partition's next owner; an ack that comes after that changes nothing. A partition's **committed**
//! offset is the lowest offset that is not acked, so that everything below it has been dealt with.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub mod admin;
pub mod embedded;
pub mod kafka;

/// A queue operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The topic has no such partition.
    #[error("the topic has {partitions} partitions and no partition {partition}")]
    NoSuchPartition {
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The queue understood, and will not do it: trying again does not help.
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

    /// Appends `message` durably to `partition` and returns its offset. Messages that are sent at once come in any
    /// order. After an error, or when this is dropped, the message may be there all the same.
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
    /// The offset that the next message will get, or more.
    pub end: u64,
}

/// A member of a topic's consumer group.
///
/// Dropped, it leaves the group by and by: what it holds is delivered again to others.
#[async_trait]
pub trait Consumer<M: Send + Sync + 'static>: Send {
    /// Waits for what comes next. Cancel-safe: a call that is dropped has taken nothing.
    ///
    /// The first event is the first assignment.
    async fn next(&mut self) -> Result<Event<M>, QueueError>;

    /// Leaves the group in good order: when this returns, what was acked is committed, and what was
    /// held is free for others, if the queue could be reached.
    async fn leave(self: Box<Self>);
}

/// What a consumer is told.
#[derive(Debug)]
pub enum Event<M: Send + Sync + 'static> {
    /// These partitions, all of them and no others, belong to the member from now on.
    Assigned(Vec<u32>),
    /// A message.
    Delivery(Delivery<M>),
}

/// A message in the hands of a consumer.
pub struct Delivery<M: Send + Sync + 'static> {
    message: Arc<M>,
    partition: u32,
    offset: u64,
    taken_over: bool,
    /// Taken by the ack; a delivery dropped with its receipt goes back to the queue.
    receipt: Option<Box<dyn Receipt>>,
}

/// How an adapter learns what became of a delivery; one of the two methods is called, once.
pub trait Receipt: Send + Sync {
    /// The message has been dealt with.
    fn ack(self: Box<Self>);
    /// The message has to be delivered again.
    fn give_back(self: Box<Self>);
}

impl<M: Send + Sync + 'static> Delivery<M> {
    /// A delivery whose fate is told to `receipt`.
    pub fn new(message: Arc<M>, partition: u32, offset: u64, receipt: Box<dyn Receipt>) -> Self {
        Self { message, partition, offset, taken_over: false, receipt: Some(receipt) }
    }

    /// The same, of which it is known whether a member that died was to deal with it before.
    #[must_use]
    pub fn taken_over(mut self, taken_over: bool) -> Self {
        self.taken_over = taken_over;
        self
    }

    /// Whether a member that died was to deal with it before, as far as the adapter knows.
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

    /// Says that the message has been dealt with: it need not be delivered again.
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
