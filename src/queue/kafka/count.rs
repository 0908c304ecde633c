//! The number of partitions of a topic, remembered for a while.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::error::KafkaError;
use crate::locked::Locked;

/// How long a count is used without asking again: it only grows, and rarely.
const HOLDS: Duration = Duration::from_secs(5);

/// The count of one topic. Only one request for it is in flight at a time.
#[derive(Default)]
pub(super) struct Count {
    known: Mutex<Option<Known>>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy)]
struct Known {
    count: u32,
    /// When the request for it began.
    at: Instant,
}

impl Count {
    /// The last count, however old.
    pub(super) fn last(&self) -> Option<u32> {
        self.known().map(|known| known.count)
    }

    /// A recent count, or an older one while no broker can be asked.
    pub(super) async fn recent(
        &self,
        ask: impl AsyncFnOnce() -> Result<u32, KafkaError>,
    ) -> Result<u32, KafkaError> {
        let old = match self.known() {
            Some(known) if known.at.elapsed() < HOLDS => return Ok(known.count),
            old => old,
        };
        let _asking = match (self.asking.try_lock(), old) {
            (Ok(asking), _) => asking,
            // Another task asks already, and the old count will do.
            (Err(_), Some(known)) => return Ok(known.count),
            (Err(_), None) => {
                let asking = self.asking.lock().await;
                if let Some(known) = self.known() {
                    return Ok(known.count);
                }
                asking
            }
        };
        match (self.learn(ask).await, old) {
            (Err(error), Some(Known { count, .. })) if error.code().is_none() => {
                // Retried after as long as after an answer.
                self.set(Known { count, at: Instant::now() });
                Ok(count)
            }
            (asked, _) => asked,
        }
    }

    /// The current count.
    pub(super) async fn now(
        &self,
        ask: impl AsyncFnOnce() -> Result<u32, KafkaError>,
    ) -> Result<u32, KafkaError> {
        let came = Instant::now();
        let _asking = self.asking.lock().await;
        // A request that began after this call serves all callers that wait here.
        if let Some(known) = self.known().filter(|known| known.at > came) {
            return Ok(known.count);
        }
        self.learn(ask).await
    }

    fn known(&self) -> Option<Known> {
        *self.known.locked()
    }

    async fn learn(
        &self,
        ask: impl AsyncFnOnce() -> Result<u32, KafkaError>,
    ) -> Result<u32, KafkaError> {
        let at = Instant::now();
        let count = ask().await?;
        self.set(Known { count, at });
        Ok(count)
    }

    fn set(&self, known: Known) {
        *self.known.locked() = Some(known);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Count, KafkaError};

    fn away() -> KafkaError {
        let source = io::ErrorKind::ConnectionRefused.into();
        KafkaError::Connect { address: "there".into(), source }
    }

    #[tokio::test]
    async fn a_known_count_stands_while_no_broker_can_be_asked() {
        let mut count = Count::default();
        assert!(count.recent(async || Err(away())).await.is_err());
        assert_eq!(count.recent(async || Ok(4)).await.ok(), Some(4));
        assert_eq!(count.recent(async || Ok(8)).await.ok(), Some(4), "it is not asked for again");
        age(&mut count);
        assert_eq!(count.recent(async || Err(away())).await.ok(), Some(4));
        assert_eq!(count.now(async || Ok(8)).await.ok(), Some(8));
        assert_eq!(count.last(), Some(8));
    }

    #[tokio::test]
    async fn a_known_count_is_given_at_once_while_another_caller_asks() {
        let mut count = Count::default();
        assert_eq!(count.now(async || Ok(4)).await.ok(), Some(4));
        age(&mut count);
        let count = &count;
        let asked = count.recent(async || {
            assert_eq!(count.recent(async || unreachable!()).await.ok(), Some(4));
            Ok(8)
        });
        assert_eq!(asked.await.ok(), Some(8));
    }

    fn age(count: &mut Count) {
        let known = count.known.get_mut().unwrap().as_mut().unwrap();
        known.at = known.at.checked_sub(super::HOLDS).unwrap();
    }
}
