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

/// Fills the inbox until the partition is no longer held.
pub(super) async fn fetch<M>(source: Arc<Source>, inbox: Arc<Inbox<M>>, owned: Owned) {
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
