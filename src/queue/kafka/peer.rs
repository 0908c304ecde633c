//! One broker, as this process uses it: what it shares of the connections there, and whether it is worth
//! trying.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::error::KafkaError;
use super::producer::Producer;

/// How long a broker is left alone that could not be used, at first and at last: work is to go on soon after
/// the broker does, and one that is away for long must not be knocked at all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A broker at one address.
pub(super) struct Peer {
    address: String,
    /// For requests that are answered at once; one at a time. None while there is no connection.
    pub(super) prompt: tokio::sync::Mutex<Option<Connection>>,
    /// For records, which may take longer: one request is on its way while the next is made.
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

    /// Whether it may be tried; if not, why it could not be used before.
    pub(super) fn is_worth_trying(&self) -> Result<(), KafkaError> {
        match &*self.trouble() {
            Some(trouble) if trouble.at.elapsed() < trouble.pause => {
                Err(KafkaError::Again(Arc::clone(&trouble.error)))
            }
            _ => Ok(()),
        }
    }

    /// Notes that it could not be used, and gives the error back. Of several attempts at a time, one counts.
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

    /// Notes that it does what it is asked.
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
        // In 100 s: some while the pause grows, then one in two seconds.
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
