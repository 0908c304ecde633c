//! Whether a broker is worth trying: one that failed is left alone for a while.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::error::KafkaError;
use crate::locked::Locked;

/// The first and the longest pause before a broker that failed is tried again: work has to go on soon after the
/// broker is back, and one that is away for long must not be tried all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known of the broker at one address. Its connections tell whether it answers.
#[derive(Default)]
pub(super) struct BrokerStanding(Mutex<Option<LastFailure>>);

/// Why a broker is left alone.
struct LastFailure {
    error: Arc<KafkaError>,
    pause: Duration,
    at: Instant,
}

impl BrokerStanding {
    fn last_failure(&self) -> MutexGuard<'_, Option<LastFailure>> {
        self.0.locked()
    }

    /// Whether it may be tried. If not, returns the last error.
    pub(super) fn is_worth_trying(&self) -> Result<(), KafkaError> {
        match &*self.last_failure() {
            Some(last) if last.at.elapsed() < last.pause => {
                Err(KafkaError::Again(Arc::clone(&last.error)))
            }
            _ => Ok(()),
        }
    }

    /// Notes a failure, and returns its error. Of several failures within a pause, only the first lengthens it.
    pub(super) fn failed(&self, error: KafkaError) -> KafkaError {
        let mut known = self.last_failure();
        let (error, at) = (Arc::new(error), Instant::now());
        let pause = match &*known {
            None => FIRST_PAUSE,
            Some(before) if before.at.elapsed() < before.pause => before.pause,
            Some(before) => (before.pause * 2).min(LONGEST_PAUSE),
        };
        *known = Some(LastFailure { error: Arc::clone(&error), pause, at });
        KafkaError::Again(error)
    }

    /// Notes that it answered.
    pub(super) fn answered(&self) {
        *self.last_failure() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::time::{advance, sleep};

    use super::{BrokerStanding, LONGEST_PAUSE};
    use crate::queue::kafka::error::KafkaError;

    fn refused() -> KafkaError {
        let source = io::ErrorKind::ConnectionRefused.into();
        KafkaError::Connect { address: "there".into(), source }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_is_away_is_tried_more_and_more_slowly_and_at_once_when_it_answered() {
        let (standing, mut tries) = (BrokerStanding::default(), 0);
        for _ in 0..10_000 {
            if standing.is_worth_trying().is_ok() {
                tries += 1;
                let error = standing.failed(refused());
                assert!(error.to_string().contains("there"), "{error}");
            }
            advance(Duration::from_millis(10)).await;
        }
        // In 100 s: a few while the pause grows, then one every two seconds.
        assert!((45..60).contains(&tries), "{tries}");
        let error = standing.is_worth_trying().unwrap_err();
        assert!(error.to_string().contains("cannot connect to"), "{error}");
        sleep(LONGEST_PAUSE).await;
        assert!(standing.is_worth_trying().is_ok());
        standing.failed(refused());
        standing.answered();
        assert!(standing.is_worth_trying().is_ok());
    }
}
