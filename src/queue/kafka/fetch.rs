//! Fetches one partition for one term, one batch ahead of the consumer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::Notify;
use tracing::debug;

use super::consumer::{Beginning, Source};
use super::inbox::Inbox;
use super::ownership::Owned;
use super::reader::{Read, Reader};

/// How long a partition is left alone after its broker failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What one fetch of all partitions of a member asks for together. Three of each are in memory at most:
/// one that is read, one that comes, and one that waits for room.
const ALL_BYTES: i32 = 32 << 20;
/// What the fetch of one partition asks for at least: a tile of the usual size.
const LEAST_BYTES: i32 = 1 << 20;
/// And at most: more brings nothing.
const MOST_BYTES: i32 = 8 << 20;

/// What each fetch asks for when so many partitions are fetched.
fn share(partitions: usize) -> i32 {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX).max(1);
    (ALL_BYTES / partitions).clamp(LEAST_BYTES, MOST_BYTES)
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Fills the inbox until the partition is no longer held.
pub(super) async fn fetch<M>(source: Arc<Source>, inbox: Arc<Inbox<M>>, owned: Owned) {
    let mut reader = Reader::new(&source.cluster, &source.topic, owned.partition);
    let mut start = owned.start;
    let mut room: Option<Arc<Notify>> = None;
    loop {
        let batch = match step(&source, &mut reader, start, share(inbox.partitions())).await {
            Ok(batch) => batch,
            Err(error) => {
                debug!(
                    topic = source.topic,
                    partition = owned.partition,
                    error = &*error as &dyn Error,
                    "could not fetch"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
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

/// Finds where to start, or reads from there.
async fn step(
    source: &Source,
    reader: &mut Reader,
    start: Option<u64>,
    bytes: i32,
) -> Result<Read, BoxError> {
    let partition = reader.partition();
    let Some(offset) = start else {
        let next = match source.beginning {
            Beginning::Earliest => source.records.earliest(partition).await?,
            Beginning::Latest => source.records.latest(partition).await?,
        };
        return Ok(Read { records: Vec::new(), next });
    };
    match reader.read(offset, bytes).await {
        // Retention removed it, delivered or not.
        Err(error) if error.code() == Some(ResponseError::OffsetOutOfRange) => {
            Ok(Read { records: Vec::new(), next: source.records.earliest(partition).await? })
        }
        read => Ok(read?),
    }
}
