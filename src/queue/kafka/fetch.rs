//! Fetches one partition for one term, one batch ahead of the consumer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::cluster::Cluster;
use super::error::BoxError;
use super::fetches::Fetches;
use super::inbox::Inbox;
use super::ownership::{Owned, Ownership};
use super::reader::{Read, Reader};
use super::records::Records;
use super::remedy;
use crate::causes;

/// The first pause of a partition after its broker failed.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause: fetching has to go on soon after the broker is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(1600);
/// Shorter failures are only logged as debug messages: a leader moved, or a broker restarted.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// The bytes that one fetch of each partition of a member asks for in all. At most three fetches of each are in
/// memory: one that is being read, one that arrives, and one that waits for room.
const MEMBER_BYTES: i32 = 32 << 20;
/// The least bytes that the fetch of one partition asks for: a tile of the usual size.
const LEAST_BYTES: i32 = 1 << 20;
/// The most bytes: more is not faster.
const MOST_BYTES: i32 = 8 << 20;

/// Where a group begins in a partition for which nothing was ever committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At the first message that is still there.
    Earliest,
    /// At the next message.
    Latest,
}

/// What all fetchers of a consumer need.
pub(super) struct Feed {
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    pub(super) records: Records,
    pub(super) beginning: Beginning,
    pub(super) fetches: Arc<Fetches>,
}

/// The bytes that each fetch asks for when so many partitions are fetched.
fn share(partitions: usize) -> i32 {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX).max(1);
    (MEMBER_BYTES / partitions).clamp(LEAST_BYTES, MOST_BYTES)
}

/// Fills the inbox until the partition is no longer held.
pub(super) async fn fetch<M>(
    feed: Arc<Feed>,
    ownership: Arc<Ownership>,
    inbox: Arc<Inbox<M>>,
    owned: Owned,
) {
    let fetches = Arc::clone(&feed.fetches);
    let mut reader = Reader::new(&feed.cluster, fetches, &feed.topic, owned.partition);
    let mut start = owned.start;
    let mut room: Option<Arc<Notify>> = None;
    let mut outage = None;
    loop {
        let step = step(&feed, &mut reader, start, share(inbox.partitions())).await;
        let batch = match step {
            Ok(Advance::Read(batch)) => batch,
            Ok(Advance::BeginAgain(offset)) => {
                warn!(
                    topic = feed.topic,
                    partition = owned.partition,
                    from = start,
                    to = offset,
                    "the partition ends before the offset read: it was recreated, or has lost its end"
                );
                // The consumer starts another fetcher for the new term.
                return ownership.begin_again(&owned, offset);
            }
            Err(error) => {
                let outage = outage.get_or_insert_with(|| Outage::new(&feed, &owned));
                outage.pause(&*error).await;
                continue;
            }
        };
        if let Some(outage) = outage.take() {
            outage.end();
        }
        let before = start.replace(batch.next);
        if batch.records.is_empty() {
            // Retention or a deletion left a gap: it has to be committed, or a dispatcher would wait for it.
            let gap = before.is_some_and(|before| before < batch.next);
            if gap && inbox.skip(&owned, batch.next).is_none() {
                return;
            }
            continue;
        }
        // Wait until the batch before is taken: the inbox holds two at most.
        if let Some(room) = room.take() {
            room.notified().await;
        }
        room = inbox.put(&owned, batch.records);
        if room.is_none() {
            return;
        }
    }
}

/// The result of one step.
enum Advance {
    Read(Read),
    /// The partition ends before the offset that was read. It has to be read again from here.
    BeginAgain(u64),
}

/// Finds where to start, or reads from there.
async fn step(
    feed: &Feed,
    reader: &mut Reader,
    start: Option<u64>,
    bytes: i32,
) -> Result<Advance, BoxError> {
    let nothing = |next| Ok(Advance::Read(Read::from(next)));
    let partition = reader.partition();
    let Some(offset) = start else {
        return nothing(beginning(feed, partition).await?);
    };
    let error = match reader.read(offset, bytes).await {
        Err(error) if error.code() == Some(ResponseError::OffsetOutOfRange) => error,
        read => return Ok(Advance::Read(read?)),
    };
    let earliest = feed.records.earliest(partition).await?;
    // Retention removed the record, delivered or not.
    if earliest > offset {
        return nothing(earliest);
    }
    // The offset is beyond the end. Of a topic that was recreated nothing was delivered; of one that has lost
    // its end some messages are delivered again, which does no harm.
    match beginning(feed, partition).await? {
        begin if begin < offset => Ok(Advance::BeginAgain(begin)),
        // The brokers do not agree yet.
        _ => Err(error.into()),
    }
}

/// Where to begin in a partition of which nothing was read.
async fn beginning(feed: &Feed, partition: u32) -> Result<u64, BoxError> {
    Ok(match feed.beginning {
        Beginning::Earliest => feed.records.earliest(partition).await?,
        Beginning::Latest => feed.records.latest(partition).await?,
    })
}

/// A partition that cannot be fetched at the moment.
struct Outage<'a> {
    feed: &'a Feed,
    partition: u32,
    began: Instant,
    pause: Duration,
    told: bool,
}

impl<'a> Outage<'a> {
    fn new(feed: &'a Feed, owned: &Owned) -> Self {
        let (partition, began) = (owned.partition, Instant::now());
        Self { feed, partition, began, pause: FIRST_PAUSE, told: false }
    }

    /// Sleeps, for longer each time. If the outage lasts, reports an obstacle, and logs it once.
    async fn pause(&mut self, error: &(dyn Error + Send + Sync + 'static)) {
        let (topic, partition) = (&self.feed.topic, self.partition);
        let lasts = self.began.elapsed() >= WORTH_TELLING;
        if lasts {
            let text = remedy::of_reading(topic, error);
            self.feed.cluster.health().hinder(self.obstacle(), text);
        }
        if lasts && !std::mem::replace(&mut self.told, true) {
            warn!(
                topic,
                partition,
                error = causes::field(error),
                "the partition cannot be fetched"
            );
        } else {
            debug!(topic, partition, error = causes::field(error), "could not fetch");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn obstacle(&self) -> String {
        format!("read {} {}", self.feed.topic, self.partition)
    }

    fn end(self) {
        if self.told {
            let seconds = self.began.elapsed().as_secs();
            let Self { feed: Feed { topic, .. }, partition, .. } = &self;
            info!(topic, partition, seconds, "the partition is fetched again");
        }
    }
}

impl Drop for Outage<'_> {
    /// The outage is over, or the partition belongs to another member.
    fn drop(&mut self) {
        self.feed.cluster.health().clear(&self.obstacle());
    }
}
