//! Fetches one partition for one term, one batch ahead of the consumer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rskafka::record::RecordAndOffset;
use tokio::sync::Notify;
use tracing::debug;

use super::consumer::{Beginning, Source};
use super::inbox::Inbox;
use super::ownership::Owned;
use super::records::RecordsError;

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

/// Fills the inbox until the partition is no longer held.
pub(super) async fn fetch<M>(source: Arc<Source>, inbox: Arc<Inbox<M>>, owned: Owned) {
    let mut next = owned.start;
    let mut room: Option<Arc<Notify>> = None;
    loop {
        let fetched = match next {
            Some(offset) => {
                let bytes = share(inbox.partitions());
                source.records.fetch(owned.partition, offset, bytes).await
            }
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
                let records: Vec<_> = records.into_iter().map(content).collect();
                next = records.last().map(|(offset, _)| offset + 1);
                // The batch before this one is taken: memory holds two at most.
                if let Some(room) = room.take() {
                    room.notified().await;
                }
                room = inbox.put(&owned, records);
                if room.is_none() {
                    return;
                }
            }
            // Retention removed it, delivered or not.
            Err(RecordsError::OutOfRange) => {
                next = source.records.earliest(owned.partition).await.ok().or(next);
            }
            Err(error) => {
                let partition = owned.partition;
                debug!(
                    topic = source.topic,
                    partition,
                    error = &error as &dyn Error,
                    "could not fetch"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn begin(source: &Source, partition: u32) -> Result<u64, RecordsError> {
    match source.beginning {
        Beginning::Earliest => source.records.earliest(partition).await,
        Beginning::Latest => source.records.latest(partition).await,
    }
}

fn content(fetched: RecordAndOffset) -> (u64, Vec<u8>) {
    (u64::try_from(fetched.offset).unwrap_or(0), fetched.record.value.unwrap_or_default())
}
