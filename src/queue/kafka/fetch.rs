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

/// How long a partition is left alone after its broker failed, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// And at last: work is to go on soon after the broker does.
const LONGEST_PAUSE: Duration = Duration::from_millis(1600);
/// A leader that moves, or a broker that starts again, is no news.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// What one fetch of all partitions of a member asks for together. Three of each are in memory at most:
/// one that is read, one that comes, and one that waits for room.
const MEMBER_BYTES: i32 = 32 << 20;
/// What the fetch of one partition asks for at least: a tile of the usual size.
const LEAST_BYTES: i32 = 1 << 20;
/// And at most: more brings nothing.
const MOST_BYTES: i32 = 8 << 20;

/// What each fetch asks for when so many partitions are fetched.
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
                    "the partition ends before what was read of it: it was made anew, or has lost its end"
                );
                // The consumer fetches for the new term.
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
            // Deleted or outlived by retention: it has to be committed, or it would be waited for.
            let gap = before.is_some_and(|before| before < batch.next);
            if gap && inbox.skip(&owned, batch.next).is_none() {
                return;
            }
            continue;
        }
        // The batch before this one is taken: memory holds two at most.
        if let Some(room) = room.take() {
            room.notified().await;
        }
        room = inbox.put(&owned, batch.records);
        if room.is_none() {
            return;
        }
    }
}

/// What one step brought.
enum Step {
    Read(Read),
    /// The partition has less than was read of it: what it has is to be read from here.
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
    // Retention removed it, delivered or not.
    if earliest > offset {
        return nothing(earliest);
    }
    // It lies beyond the end. In a topic that was made anew nothing was delivered; in one that has lost its
    // end something is delivered again, which does no harm.
    match beginning(source, partition).await? {
        begin if begin < offset => Ok(Step::BeginAgain(begin)),
        // Brokers do not agree yet.
        _ => Err(error.into()),
    }
}

/// Where to read a partition of which nothing was read.
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

    /// Leaves it alone, for longer from time to time, and says so once if it lasts.
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
    /// It is over, or the partition is somebody else's.
    fn drop(&mut self) {
        self.source.cluster.health().clear(&self.obstacle());
    }
}
