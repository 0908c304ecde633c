//! The jobs that have to fail and whose failure is not recorded yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use crate::causes;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome};
use crate::service::{PortError, Troubles};
use crate::state::State;
use crate::storage::{ResultStorage, StorageError};

/// The failures that have to be recorded.
pub(super) struct Failures {
    state: Arc<dyn State>,
    storage: Arc<dyn ResultStorage>,
    waiting: BTreeMap<JobId, Failure>,
}

impl Failures {
    /// No failure yet.
    pub(super) fn new(state: Arc<dyn State>, storage: Arc<dyn ResultStorage>) -> Self {
        Self { state, storage, waiting: BTreeMap::new() }
    }

    /// Whether a job has to fail.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.waiting.contains_key(&job)
    }

    /// Ends a job, now or at a later look.
    pub(super) async fn add(&mut self, job: JobId, failure: Failure) {
        self.waiting.insert(job, failure);
        if let Err(error) = self.record().await {
            warn!(%job, error = causes::field(&error), "could not record a failure yet");
        }
    }

    /// Records those that wait, as far as that is possible now.
    pub(super) async fn record(&mut self) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for (job, failure) in self.waiting.clone() {
            troubles.note(self.record_one(job, failure).await)?;
        }
        troubles.end()
    }

    async fn record_one(&mut self, job: JobId, failure: Failure) -> Result<(), PortError> {
        match self.storage.conclude(job, Outcome::failed(failure.clone())).await {
            Ok(_) => warn!(%job, %failure, "job failed"),
            Err(StorageError::NotFound(..)) => {}
            Err(error) => return Err(error.into()),
        }
        self.waiting.remove(&job);
        Ok(self.state.signal(Look::Job(job)).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::service::example;
    use crate::state::embedded::EmbeddedState;
    use crate::storage::files::FileStorage;

    #[tokio::test]
    async fn a_failure_waits_until_it_can_be_recorded_and_holds_up_no_other() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let [damaged, job] =
            [example::accepted(&storage).await.id, example::accepted(&storage).await.id];
        let outcome = directory.path().join(format!("uploads/{damaged}/outcome.json"));
        fs::write(&outcome, "{").unwrap();
        let state = Arc::new(EmbeddedState::default());
        let mut failures = Failures::new(state, Arc::clone(&storage) as Arc<_>);
        failures.add(damaged, Failure::of_job("as intended")).await;
        failures.add(job, Failure::of_job("as intended")).await;
        assert!(failures.has(damaged) && !failures.has(job));
        assert!(matches!(storage.outcome(job).await, Ok(Some(Outcome::Failed { .. }))));
        assert!(failures.record().await.is_err());
    }
}
