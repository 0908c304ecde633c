//! Partitions that take nothing for now, because their broker is away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a partition that took nothing is left alone, the first time, as long as there are others: all tiles that
/// are sent together wait for it.
const FIRST_REST: Duration = Duration::from_secs(30);
/// The longest time that a partition is left alone.
const LONGEST_REST: Duration = Duration::from_mins(8);

/// The partitions that are left alone, and until when. Each further failure doubles the time.
#[derive(Debug, Default)]
pub(super) struct Resting(BTreeMap<u32, Rest>);

#[derive(Debug)]
struct Rest {
    length: Duration,
    until: Instant,
}

impl Resting {
    /// Whether other partitions are to be preferred.
    pub(super) fn rests(&self, partition: u32, now: Instant) -> bool {
        self.0.get(&partition).is_some_and(|rest| now < rest.until)
    }

    /// Notes that a partition took nothing. Only the first of several tiles that were sent together counts.
    pub(super) fn refused(&mut self, partition: u32, now: Instant) {
        let first = Rest { length: FIRST_REST, until: now + FIRST_REST };
        self.0
            .entry(partition)
            .and_modify(|rest| {
                if rest.until <= now {
                    rest.length = LONGEST_REST.min(rest.length * 2);
                    rest.until = now + rest.length;
                }
            })
            .or_insert(first);
    }

    /// Notes that a partition took a tile. If it was resting, all partitions are tried again: the cause may be gone.
    pub(super) fn took(&mut self, partition: u32) {
        if self.0.remove(&partition).is_some() {
            self.0.clear();
        }
    }
}

/// How long nothing is sent after the queue has refused a tile, the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time that nothing is sent after a refusal.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Pauses the sending after the queue has refused a tile, which an immediate retry would not change.
#[derive(Debug, Default)]
pub(super) struct Refusals(Option<Rest>);

impl Refusals {
    /// Whether a tile may be sent.
    pub(super) fn allow(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|rest| rest.until <= now)
    }

    /// Notes a refusal. Only the first of several tiles that were sent together counts.
    pub(super) fn note(&mut self, now: Instant) {
        if self.allow(now) {
            let length = self.0.as_ref().map_or(FIRST_PAUSE, |rest| rest.length * 2);
            let length = length.min(LONGEST_PAUSE);
            self.0 = Some(Rest { length, until: now + length });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{FIRST_REST, LONGEST_REST, Refusals, Resting};

    #[test]
    fn a_partition_that_takes_nothing_rests_longer_each_time_and_none_when_one_takes_something() {
        let (mut resting, mut now) = (Resting::default(), Instant::now());
        for partition in [1, 1, 2] {
            resting.refused(partition, now);
        }
        assert!(resting.rests(1, now) && resting.rests(2, now) && !resting.rests(3, now));
        let mut length = FIRST_REST;
        for _ in 0..9 {
            assert!(resting.rests(1, now + length / 2));
            now += length;
            assert!(!resting.rests(1, now));
            resting.refused(1, now);
            length = LONGEST_REST.min(length * 2);
        }
        resting.took(3);
        assert!(resting.rests(1, now), "others say nothing of it");
        resting.took(1);
        assert!(!resting.rests(1, now) && !resting.rests(2, now));
    }

    #[test]
    fn nothing_is_sent_for_a_while_after_a_refusal_and_longer_after_the_next() {
        let (mut refusals, mut now) = (Refusals::default(), Instant::now());
        assert!(refusals.allow(now));
        for seconds in [1, 2, 4, 4] {
            refusals.note(now);
            refusals.note(now);
            assert!(!refusals.allow(now + Duration::from_millis(seconds * 1000 - 1)), "{seconds}");
            now += Duration::from_secs(seconds);
            assert!(refusals.allow(now), "{seconds}");
        }
    }
}
