//! Counts what Redis refused and which keys it evicted, and logs now and then that a count has grown.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::causes;
use crate::locked::Locked;
use crate::state::{Counters, StateError};

/// The least time between two log lines about one count.
const SAY_EVERY: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Counts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    refused: u64,
    /// As last seen.
    evicted: Option<u64>,
    refused_said: Said,
    evicted_said: Said,
}

/// The count that was logged last, and when.
#[derive(Default)]
struct Said {
    count: u64,
    at: Option<Instant>,
}

impl Said {
    /// How much the count has grown since it was logged, if a line is due.
    fn increase(&mut self, count: u64) -> Option<u64> {
        let increase = count.checked_sub(self.count).filter(|increase| *increase > 0)?;
        if self.at.is_some_and(|at| at.elapsed() < SAY_EVERY) {
            return None;
        }
        *self = Self { count, at: Some(Instant::now()) };
        Some(increase)
    }
}

impl Counts {
    pub(super) fn read(&self) -> Counters {
        let inner = self.lock();
        Counters { refused: inner.refused, evicted: inner.evicted }
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, error: &StateError) {
        let inner = &mut *self.lock();
        inner.refused += 1;
        if let Some(times) = inner.refused_said.increase(inner.refused) {
            warn!(times, error = causes::field(error), "Redis refuses commands");
        }
    }

    /// Notes how many keys the server has evicted since it started, if it says so.
    pub(super) fn evicted(&self, evicted: Option<u64>) {
        let inner = &mut *self.lock();
        let before = std::mem::replace(&mut inner.evicted, evicted);
        let Some(evicted) = evicted else { return };
        // Evictions from before this process connected are not news, and a server that restarted counts from zero.
        if before.is_none_or(|before| before > evicted) {
            inner.evicted_said.count = evicted;
        }
        if let Some(keys) = inner.evicted_said.increase(evicted) {
            let remedy = "raise `maxmemory`";
            warn!(keys, remedy, "Redis is full and evicts keys");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.locked()
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn only_new_evictions_are_logged_and_at_most_once_a_minute() {
        let (counts, said) =
            (Counts::default(), |counts: &Counts| counts.lock().evicted_said.count);
        counts.evicted(Some(100));
        assert_eq!((said(&counts), counts.lock().evicted_said.at), (100, None));
        counts.evicted(Some(103));
        assert!(counts.lock().evicted_said.at.is_some());
        counts.evicted(Some(105));
        assert_eq!(said(&counts), 103, "a minute has not passed");
        counts.evicted(Some(2));
        assert_eq!(said(&counts), 2, "the server has restarted");
        counts.evicted(None);
        assert_eq!(counts.read().evicted, None);
    }
}
