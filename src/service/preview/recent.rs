//! A small cache that drops the least recently used entry, and each entry that is idle for too long.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::locked::Locked;

/// Values by their keys, the most recently used at the end.
pub(super) struct Recent<K, V> {
    entries: Mutex<Vec<Cached<K, V>>>,
    most: usize,
    idle: Duration,
}

struct Cached<K, V> {
    key: K,
    value: V,
    used: Instant,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// A cache of at most `most` values, each of which expires after `idle` without use.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self { entries: Mutex::default(), most, idle }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Cached<K, V>>> {
        self.entries.locked()
    }

    /// Adds a value; if there are too many, the least recently used is dropped.
    pub(super) fn put(&self, key: K, value: V) {
        let mut entries = self.entries();
        entries.retain(|entry| entry.key != key);
        let beyond = (entries.len() + 1).saturating_sub(self.most);
        entries.drain(..beyond);
        entries.push(Cached { key, value, used: Instant::now() });
    }

    /// The value of a key, unless it has expired. Counts as use.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| entry.key == *key)?;
        let entry = entries.remove(at);
        if entry.used + self.idle <= Instant::now() {
            return None;
        }
        let value = entry.value.clone();
        entries.push(Cached { used: Instant::now(), ..entry });
        Some(value)
    }

    /// Waits until the value of a key is gone, and removes it when it expires.
    pub(super) async fn expire(&self, key: &K) {
        while let Some(until) = self.end_of(key) {
            sleep_until(until).await;
        }
    }

    /// When the value of a key expires; removes it and returns `None` if it has expired.
    fn end_of(&self, key: &K) -> Option<Instant> {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| entry.key == *key)?;
        let until = entries[at].used + self.idle;
        if until <= Instant::now() {
            entries.remove(at);
            return None;
        }
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_idle_for_too_long_goes_by_itself_and_use_puts_that_off() {
        let (recent, value) = (Arc::new(Recent::new(2, IDLE)), Arc::new(()));
        recent.put("a", Arc::clone(&value));
        let (expiring, started) = (Arc::clone(&recent), Instant::now());
        let expired = tokio::spawn(async move { expiring.expire(&"a").await });
        sleep(IDLE / 2).await;
        assert!(recent.get(&"a").is_some());
        expired.await.unwrap();
        assert_eq!(started.elapsed().as_secs(), (IDLE + IDLE / 2).as_secs());
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_last_stays_longest() {
        let recent = Recent::new(2, IDLE);
        for key in ["a", "b"] {
            recent.put(key, key);
        }
        assert_eq!(recent.get(&"a"), Some("a"));
        recent.put("c", "c");
        assert_eq!(["a", "b", "c"].map(|key| recent.get(&key)), [Some("a"), None, Some("c")]);
        sleep(IDLE).await;
        assert_eq!(recent.get(&"a"), None);
    }
}
