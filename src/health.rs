//! The obstacles that the parts of this process have met, and what those parts have counted.
//!
//! A part that meets an obstacle reports it under a key of its own, and clears it when it is over.
//! The roles publish it: a worker in its heartbeats, the others in the state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::locked::Locked;
use crate::model::report::{PutAside, Report};

/// The health of one process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    obstacles: Mutex<BTreeMap<String, Obstacle>>,
    put_aside: Mutex<BTreeMap<(String, &'static str), u64>>,
    refusals: AtomicU64,
    connections: AtomicU64,
}

#[derive(Debug)]
struct Obstacle {
    text: String,
    since: Instant,
    /// When it counts as over, unless it is reported again.
    until: Option<Instant>,
}

/// Counts one connection until it is dropped.
#[derive(Debug)]
pub struct Connected(Health);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Relaxed);
    }
}

impl Health {
    fn obstacles(&self) -> MutexGuard<'_, BTreeMap<String, Obstacle>> {
        self.0.obstacles.locked()
    }

    /// Reports an obstacle, which stands until it is cleared.
    pub fn hinder(&self, key: impl Into<String>, text: impl Into<String>) {
        self.note(key.into(), text.into(), None);
    }

    /// Reports an obstacle whose end cannot be noticed: it stands for `time`.
    pub fn hinder_for(&self, key: impl Into<String>, text: impl Into<String>, time: Duration) {
        self.note(key.into(), text.into(), Some(Instant::now() + time));
    }

    fn note(&self, key: String, text: String, until: Option<Instant>) {
        let mut obstacles = self.obstacles();
        let now = Instant::now();
        let known = obstacles.get(&key).filter(|known| known.until.is_none_or(|until| now < until));
        let since = known.map_or(now, |known| known.since);
        obstacles.insert(key, Obstacle { text, since, until });
    }

    /// Clears an obstacle, if there is one under `key`.
    pub fn clear(&self, key: &str) {
        self.obstacles().remove(key);
    }

    /// The oldest obstacle.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let now = Instant::now();
        let mut obstacles = self.obstacles();
        obstacles.retain(|_, obstacle| obstacle.until.is_none_or(|until| now < until));
        let oldest = obstacles.values().min_by_key(|obstacle| obstacle.since);
        oldest.map(|obstacle| obstacle.text.clone())
    }

    /// Counts a record of a topic that was put aside. Returns how many there are so far.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it counts")]
    pub fn put_aside(&self, topic: &str, reason: &'static str) -> u64 {
        let mut counts = self.0.put_aside.locked();
        let count = counts.entry((topic.to_owned(), reason)).or_default();
        *count += 1;
        *count
    }

    /// Counts a request that was refused permanently.
    pub fn refused(&self) {
        self.0.refusals.fetch_add(1, Relaxed);
    }

    /// Counts a connection until the returned value is dropped.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.0.connections.fetch_add(1, Relaxed);
        Connected(self.clone())
    }

    /// The oldest obstacle and all counts, to be published.
    #[must_use]
    pub fn report(&self) -> Report {
        let counts = self.0.put_aside.locked();
        let put_aside = counts.iter().map(|((topic, reason), records)| PutAside {
            topic: topic.clone(),
            reason: (*reason).to_owned(),
            records: *records,
        });
        Report {
            put_aside: put_aside.collect(),
            obstacle: self.obstacle(),
            refusals: self.0.refusals.load(Relaxed),
            connections: self.0.connections.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Health;

    #[test]
    fn the_oldest_obstacle_is_told_until_it_is_cleared_or_too_old() {
        let health = Health::default();
        health.hinder("a", "first");
        health.hinder_for("b", "second", Duration::from_mins(10));
        health.hinder("a", "first, in other words");
        assert_eq!(health.obstacle().as_deref(), Some("first, in other words"));
        health.clear("a");
        health.clear("a");
        assert_eq!(health.obstacle().as_deref(), Some("second"));
        health.hinder_for("b", "second", Duration::ZERO);
        assert_eq!(health.obstacle(), None);
    }

    #[test]
    fn connections_count_as_long_as_they_last() {
        let health = Health::default();
        let (one, _another) = (health.connected(), health.connected());
        assert_eq!(health.report().connections, 2);
        drop(one);
        assert_eq!(health.report().connections, 1);
    }

    #[test]
    fn records_are_counted_by_topic_and_reason() {
        let health = Health::default();
        for (topic, reason) in [("t", "batch"), ("t", "record"), ("t", "batch"), ("u", "batch")] {
            health.put_aside(topic, reason);
        }
        let report = health.report();
        let counts: Vec<_> = report
            .put_aside
            .iter()
            .map(|aside| (aside.topic.as_str(), aside.reason.as_str(), aside.records))
            .collect();
        assert_eq!(counts, [("t", "batch", 2), ("t", "record", 1), ("u", "batch", 1)]);
    }
}
