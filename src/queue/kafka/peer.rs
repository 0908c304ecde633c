//! One broker, as this process uses it: the connections that its parts share, and whether it is worth trying.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::error::KafkaError;
use super::producer::Producer;

/// The first and the longest pause before a broker that failed is tried again: work has to go on soon after the
/// broker is back, and one that is away for long must not be tried all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A broker at one address.
pub(super) struct Peer {
    address: String,
    /// The connection for requests that are answered at once, one at a time. `None` while there is none.
    pub(super) prompt: tokio::sync::Mutex<Option<Connection>>,
    /// For records, which may take longer: one request is in flight while the next is built.
    pub(super) producers: [OnceLock<Producer>; 2],
    trouble: Mutex<Option<Trouble>>,
}

/// Why a broker is left alone.
struct Trouble {
    error: Arc<KafkaError>,
    pause: Duration,
    at: Instant,
}

impl Peer {
    pub(super) fn new(address: &str) -> Self {
        let (address, trouble) = (address.to_owned(), Mutex::default());
        let (prompt, producers) = (tokio::sync::Mutex::default(), Default::default());
        Self { address, prompt, producers, trouble }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        // No code that can panic runs under the lock.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be tried. If not, returns the last error.
    pub(super) fn is_worth_trying(&self) -> Result<(), KafkaError> {
        match &*self.trouble() {
            Some(trouble) if trouble.at.elapsed() < trouble.pause => {
                Err(KafkaError::Again(Arc::clone(&trouble.error)))
            }
            _ => Ok(()),
        }
    }

    /// Notes a failure, and returns its error. Of several failures within a pause, only the first lengthens it.
    pub(super) fn failed(&self, error: KafkaError) -> KafkaError {
        let mut known = self.trouble();
        let (error, at) = (Arc::new(error), Instant::now());
        let pause = match &*known {
            None => FIRST_PAUSE,
            Some(before) if before.at.elapsed() < before.pause => before.pause,
            Some(before) => (before.pause * 2).min(LONGEST_PAUSE),
        };
        *known = Some(Trouble { error: Arc::clone(&error), pause, at });
        KafkaError::Again(error)
    }

    /// Notes that it answered.
    pub(super) fn answered(&self) {
        *self.trouble() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::time::{advance, sleep};

    use super::{LONGEST_PAUSE, Peer};
    use crate::queue::kafka::error::KafkaError;

    fn refused() -> KafkaError {
        let source = io::ErrorKind::ConnectionRefused.into();
        KafkaError::Connect { address: "there".into(), source }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_is_away_is_tried_more_and_more_slowly_and_at_once_when_it_answered() {
        let (peer, mut tries) = (Peer::new("there"), 0);
        for _ in 0..10_000 {
            if peer.is_worth_trying().is_ok() {
                tries += 1;
                let error = peer.failed(refused());
                assert!(error.to_string().contains("there"), "{error}");
            }
            advance(Duration::from_millis(10)).await;
        }
        // In 100 s: a few while the pause grows, then one every two seconds.
        assert!((45..60).contains(&tries), "{tries}");
        let error = peer.is_worth_trying().unwrap_err();
        assert!(error.to_string().contains("cannot connect to"), "{error}");
        sleep(LONGEST_PAUSE).await;
        assert!(peer.is_worth_trying().is_ok());
        peer.failed(refused());
        peer.answered();
        assert!(peer.is_worth_trying().is_ok());
    }
}
