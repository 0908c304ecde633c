//! What becomes of each kind of message.

use std::time::Duration;

use crate::model::tile::{Retry, TileFailure, TileResult, TileTask};
use crate::model::worker::{Heartbeat, WorkerId};
use crate::queue::wire::{Message, Prefix, VERSION};

/// What an adapter does with a message that it has taken.
#[derive(Debug)]
pub enum Fate<M> {
    /// It hands this message out.
    Deliver(M),
    /// It sends this answer, and acks the message only then: no other process will answer it.
    Answer(StandIn),
    /// It acks the message: nothing else is needed.
    Ack,
}

/// An answer to a tile in the place of a worker.
#[derive(Debug)]
pub struct StandIn {
    /// The partition of the results topic that it goes to.
    pub(super) partition: u32,
    pub(super) result: TileResult,
}

impl StandIn {
    fn new(prefix: &Prefix, result: TileResult) -> Self {
        Self { partition: prefix.results_partition, result }
    }
}

/// A message, and what becomes of it if it is not handed out as it is.
pub trait Judged: Message {
    /// What becomes of a message of another version, of which only the prefix can be read.
    fn of_other_version(prefix: &Prefix) -> Fate<Self>;

    /// What becomes of a message of which `tries` processes have died since the first. `member` is the member that
    /// answers.
    #[must_use]
    fn deadly(_prefix: &Prefix, _tries: u32, _member: &str) -> Fate<Self> {
        Fate::Ack
    }
}

impl Judged for TileTask {
    fn of_other_version(prefix: &Prefix) -> Fate<Self> {
        Fate::Answer(StandIn::new(prefix, left_to_others(prefix, "a worker")))
    }

    fn deadly(prefix: &Prefix, tries: u32, member: &str) -> Fate<Self> {
        let cause =
            format!("workers died {tries} times with this tile in hand, at last with no other");
        let failure = TileFailure { cause, retry: Retry::Futile };
        let Prefix { job, tile, attempt, .. } = *prefix;
        let (worker, elapsed) = (WorkerId::new(member), Duration::ZERO);
        let (taken_over, pixels) = (true, Err(failure));
        let result = TileResult { job, tile, attempt, worker, elapsed, taken_over, pixels };
        Fate::Answer(StandIn::new(prefix, result))
    }
}

impl Judged for TileResult {
    fn of_other_version(prefix: &Prefix) -> Fate<Self> {
        Fate::Deliver(left_to_others(prefix, "a collector"))
    }
}

impl Judged for Heartbeat {
    fn of_other_version(_: &Prefix) -> Fate<Self> {
        Fate::Ack
    }
}

/// The result for a tile that has to be sent again, which does not count as an attempt.
fn left_to_others(prefix: &Prefix, reader: &str) -> TileResult {
    let Prefix { version, job, tile, attempt, .. } = *prefix;
    let age = if version > VERSION { "old" } else { "new" };
    let cause = format!(
        "{reader} that reads messages of version {VERSION} is too {age} for one of version \
         {version}: finish the upgrade"
    );
    let failure = TileFailure { cause, retry: Retry::Elsewhere };
    let (worker, elapsed) = (WorkerId::new("unknown"), Duration::ZERO);
    let (taken_over, pixels) = (false, Err(failure));
    TileResult { job, tile, attempt, worker, elapsed, taken_over, pixels }
}
