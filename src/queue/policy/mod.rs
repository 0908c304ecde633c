//! What becomes of messages that are not handed out as they are: those that cannot be read, those of another version,
//! and those that killed one process after another.
//!
//! These rules belong to the messages, and are the same over every adapter that carries them as bytes. Such an adapter
//! asks here, and does what the [`Fate`] says. It tells how often processes have died of a message; how it keeps that
//! count is its own affair.
//!
//! * `fate`: what becomes of each kind of message.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, warn};

pub use self::fate::{Fate, Judged, StandIn};
use super::wire::{Prefix, WireError};
use super::{QueueError, Topic};
use crate::causes;
use crate::health::Health;
use crate::model::tile::TileResult;

mod fate;
#[cfg(test)]
mod tests;

/// How many processes may die of a message after the first: one with others in hand, then two with it alone.
pub const MAX_TRIES: u32 = 3;

/// The first and the longest pause before an answer is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether messages may kill the process that has them in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// They may: they are worked on.
    Deadly,
    /// They do not: they are only read.
    None,
}

/// Decides what becomes of the messages of a topic, for one of its members.
pub struct Judge {
    topic: String,
    /// The name of the member.
    member: String,
    /// The topic for answers to tiles of another version, and to tiles that kill their workers.
    answers: Option<Arc<dyn Topic<TileResult>>>,
    /// Where records that are put aside are counted.
    health: Health,
}

impl Judge {
    /// The judge of the member `member` for the messages of `topic`. Answers in the place of workers go to `answers`;
    /// `health` counts what is put aside.
    #[must_use]
    pub fn new(
        topic: &str,
        member: &str,
        answers: Option<Arc<dyn Topic<TileResult>>>,
        health: Health,
    ) -> Self {
        Self { topic: topic.to_owned(), member: member.to_owned(), answers, health }
    }

    /// What becomes of a record of a partition, after it was read as a message.
    #[must_use]
    pub fn read<M: Judged>(
        &self,
        partition: u32,
        offset: u64,
        read: Result<M, WireError>,
    ) -> Fate<M> {
        match read {
            Ok(message) => Fate::Deliver(message),
            Err(WireError::OtherVersion(prefix)) => {
                let (topic, version) = (&self.topic, prefix.version);
                debug!(topic, partition, offset, version, "a message of another version");
                // It is not lost: its sender gets an answer.
                M::of_other_version(&prefix)
            }
            Err(error) => self.put_aside(partition, offset, &error),
        }
    }

    /// Puts aside a record that cannot be read. It stays in the topic.
    fn put_aside<M>(&self, partition: u32, offset: u64, error: &WireError) -> Fate<M> {
        let (topic, error) = (&self.topic, causes::field(error));
        // Not within `warn!`, which evaluates nothing if the log level is off.
        let put_aside = self.health.put_aside(topic, "record");
        warn!(topic, partition, offset, error, put_aside, "a record was put aside");
        Fate::Ack
    }

    /// What becomes of a record of a partition of which `tries` processes have died since the first. It may be answered
    /// in the place of these.
    #[must_use]
    pub fn deadly<M: Judged>(
        &self,
        partition: u32,
        offset: u64,
        record: &[u8],
        tries: u32,
    ) -> Fate<M> {
        error!(
            topic = self.topic,
            partition, offset, tries, "gave up on a message that killed one process after another"
        );
        let prefix = Prefix::read(record).map(|(prefix, _)| prefix);
        prefix.map_or(Fate::Ack, |prefix| M::deadly(&prefix, tries, &self.member))
    }

    /// Sends an answer until it is stored, or cannot be expected any more. A refusal is retried, too: it may be
    /// lifted, and a tile that is not answered must stay in its topic.
    pub async fn send(&self, StandIn { partition, result }: StandIn) {
        let Some(answers) = &self.answers else { return };
        let mut pause = FIRST_PAUSE;
        while let Err(error) = answers.send(partition, result.clone()).await {
            warn!(
                topic = self.topic,
                job = %result.job,
                tile = result.tile,
                error = causes::field(&error),
                "could not answer a tile"
            );
            // The tile's sender knew another topic.
            if matches!(error, QueueError::NoSuchPartition { .. }) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
