//! Counts the tiles of a worker, for its heartbeats.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The tiles of one worker.
#[derive(Default)]
pub(super) struct TileTally {
    in_flight: AtomicU32,
    done: AtomicU64,
    failed: AtomicU64,
}

/// The kind of result that a task got.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Pixels,
    Failure,
}

impl TileTally {
    /// Notes that a tile is taken in hand.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// Notes that a task got its result.
    pub(super) fn answered(&self, answer: Answer) {
        let counter = match answer {
            Answer::Pixels => &self.done,
            Answer::Failure => &self.failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Notes that a tile is no longer in hand.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Tiles in hand.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Tiles that were filtered.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Tiles that could not be filtered.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

/// Measures tiles per second between two readings of a counter.
pub(super) struct Rate {
    at: Instant,
    done: u64,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), done: 0 }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn measure(&mut self, done: u64) -> f64 {
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        let rate = (done - self.done) as f64 / seconds;
        *self = Self { at: Instant::now(), done };
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tiles_that_got_a_result_are_counted_as_done_or_failed() {
        let tally = TileTally::default();
        for answer in [Some(Answer::Pixels), Some(Answer::Failure), Some(Answer::Failure), None] {
            tally.begin();
            assert_eq!(tally.in_flight(), 1);
            if let Some(answer) = answer {
                tally.answered(answer);
            }
            tally.end();
        }
        assert_eq!((tally.in_flight(), tally.done(), tally.failed()), (0, 1, 2));
    }
}
