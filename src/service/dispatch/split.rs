//! Publishes how much of each original is decoded, for the API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::locked::Locked;
use crate::model::job::JobId;

/// The resolution of fractions: thousandths.
const STEPS: f64 = 1000.0;

/// The decoded fractions of the originals of jobs in work. Clones share them.
#[derive(Clone, Default)]
pub struct Splits(Arc<Fractions>);

#[derive(Default)]
struct Fractions {
    by_job: Mutex<BTreeMap<JobId, f64>>,
    moved: Notify,
}

impl Splits {
    /// The fraction of a job's original that is decoded and can be cut, from its first rows until the job ends.
    #[must_use]
    pub fn of(&self, job: JobId) -> Option<f64> {
        self.fractions().get(&job).copied()
    }

    /// Waits until a fraction has changed since the last call returned. Only one task may wait.
    pub async fn moved(&self) {
        self.0.moved.notified().await;
    }

    fn fractions(&self) -> MutexGuard<'_, BTreeMap<JobId, f64>> {
        self.0.by_job.locked()
    }
}

/// The entry of one job, which is removed when this is dropped.
pub(super) struct Split {
    job: JobId,
    splits: Splits,
}

impl Split {
    pub(super) fn new(job: JobId, splits: Splits) -> Self {
        Self { job, splits }
    }

    /// Sets the decoded fraction, if it is known.
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
