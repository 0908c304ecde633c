//! Fetches one partition for one term, one batch ahead of the consumer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::consumer::{Beginning, Source};
use super::error::BoxError;
use super::inbox::Inbox;
use super::ownership::{Owned, Ownership};
use super::reader::{Read, Reader};
use super::remedy;

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

/// The bytes that each fetch asks for when so many partitions are fetched.
fn share(partitions: usize) -> i32 {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX).max(1);
    (MEMBER_BYTES / partitions).clamp(LEAST_BYTES, MOST_BYTES)
}

/// Fills the inbox until the partition is no longer held.
pub(super) async fn fetch<M>(
    source: Arc<Source>,
    ownership: Arc<Ownership>,
    inbox: Arc<Inbox<M>>,
    owned: Owned,
) {
    let fetches = Arc::clone(&source.fetches);
    let mut reader = Reader::new(&source.cluster, fetches, &source.topic, owned.partition);
    let mut start = owned.start;
    let mut room: Option<Arc<Notify>> = None;
    let mut trouble = None;
    loop {
        let step = step(&source, &mut reader, start, share(inbox.partitions())).await;
        let batch = match step {
            Ok(Step::Read(batch)) => batch,
            Ok(Step::BeginAgain(offset)) => {
                warn!(
                    topic = source.topic,
                    partition = owned.partition,
                    from = start,
                    to = offset,
                    "the partition ends before the offset read: it was recreated, or has lost its end"
                );
                // The consumer starts another fetcher for the new term.
                return ownership.begin_again(&owned, offset);
            }
            Err(error) => {
                let trouble = trouble.get_or_insert_with(|| Trouble::new(&source, &owned));
                trouble.pause(&*error).await;
                continue;
            }
        };
        if let Some(trouble) = trouble.take() {
            trouble.end();
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
enum Step {
    Read(Read),
    /// The partition ends before the offset that was read. It has to be read again from here.
    BeginAgain(u64),
}

/// Finds where to start, or reads from there.
async fn step(
    source: &Source,
    reader: &mut Reader,
    start: Option<u64>,
    bytes: i32,
) -> Result<Step, BoxError> {
    let nothing = |next| Ok(Step::Read(Read::from(next)));
    let partition = reader.partition();
    let Some(offset) = start else {
        return nothing(beginning(source, partition).await?);
    };
    let error = match reader.read(offset, bytes).await {
        Err(error) if error.code() == Some(ResponseError::OffsetOutOfRange) => error,
        read => return Ok(Step::Read(read?)),
    };
    let earliest = source.records.earliest(partition).await?;
    // Retention removed the record, delivered or not.
    if earliest > offset {
        return nothing(earliest);
    }
    // The offset is beyond the end. Of a topic that was recreated nothing was delivered; of one that has lost
    // its end some messages are delivered again, which does no harm.
    match beginning(source, partition).await? {
        begin if begin < offset => Ok(Step::BeginAgain(begin)),
        // The brokers do not agree yet.
        _ => Err(error.into()),
    }
}

/// Where to begin in a partition of which nothing was read.
async fn beginning(source: &Source, partition: u32) -> Result<u64, BoxError> {
    Ok(match source.beginning {
        Beginning::Earliest => source.records.earliest(partition).await?,
        Beginning::Latest => source.records.latest(partition).await?,
    })
}

/// A partition that cannot be fetched at the moment.
struct Trouble<'a> {
    source: &'a Source,
    partition: u32,
    began: Instant,
    pause: Duration,
    told: bool,
}

impl<'a> Trouble<'a> {
    fn new(source: &'a Source, owned: &Owned) -> Self {
        let (partition, began) = (owned.partition, Instant::now());
        Self { source, partition, began, pause: FIRST_PAUSE, told: false }
    }

    /// Sleeps, for longer each time. If the trouble lasts, reports an obstacle, and logs it once.
    async fn pause(&mut self, error: &(dyn Error + Send + Sync + 'static)) {
        let (topic, partition) = (&self.source.topic, self.partition);
        let lasts = self.began.elapsed() >= WORTH_TELLING;
        if lasts {
            let text = remedy::of_reading(topic, error);
            self.source.cluster.health().hinder(self.obstacle(), text);
        }
        if lasts && !std::mem::replace(&mut self.told, true) {
            warn!(topic, partition, error = error as &dyn Error, "the partition cannot be fetched");
        } else {
            debug!(topic, partition, error = error as &dyn Error, "could not fetch");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn obstacle(&self) -> String {
        format!("read {} {}", self.source.topic, self.partition)
    }

    fn end(self) {
        if self.told {
            let seconds = self.began.elapsed().as_secs();
            let Self { source: Source { topic, .. }, partition, .. } = &self;
            info!(topic, partition, seconds, "the partition is fetched again");
        }
    }
}

impl Drop for Trouble<'_> {
    /// The trouble is over, or the partition belongs to another member.
    fn drop(&mut self) {
        self.source.cluster.health().clear(&self.obstacle());
    }
}
