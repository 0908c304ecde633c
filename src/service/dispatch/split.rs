//! How much of each original is decoded, as the API tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::job::JobId;

/// Fractions are told in thousandths.
const STEPS: f64 = 1000.0;

/// The jobs whose originals are being decoded, or are; copies are the same.
#[derive(Clone, Default)]
pub struct Splits(Arc<Shared>);

#[derive(Default)]
struct Shared {
    fractions: Mutex<BTreeMap<JobId, f64>>,
    moved: Notify,
}

impl Splits {
    /// The fraction of a job's original that is decoded and can be cut, from its first rows until the job ends.
    #[must_use]
    pub fn of(&self, job: JobId) -> Option<f64> {
        self.fractions().get(&job).copied()
    }

    /// Waits until one has changed since the last call returned. Only one task may wait.
    pub async fn moved(&self) {
        self.0.moved.notified().await;
    }

    fn fractions(&self) -> MutexGuard<'_, BTreeMap<JobId, f64>> {
        // Nothing that can panic runs under the lock.
        self.0.fractions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of one job, until this is dropped.
pub(super) struct Split {
    job: JobId,
    splits: Splits,
}

impl Split {
    pub(super) fn new(job: JobId, splits: Splits) -> Self {
        Self { job, splits }
    }

    /// Sets the fraction that is decoded, if it is known by now.
    pub(super) fn tell(&self, fraction: Option<f64>) {
        let Some(fraction) = fraction.map(|fraction| (fraction * STEPS).floor() / STEPS) else {
            return;
        };
        if self.splits.fractions().insert(self.job, fraction) != Some(fraction) {
            self.splits.0.moved.notify_one();
        }
    }
}

impl Drop for Split {
    fn drop(&mut self) {
        self.splits.fractions().remove(&self.job);
    }
}
