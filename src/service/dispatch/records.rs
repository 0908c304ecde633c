//! What others can read about the jobs of a server: in the ledger whether they have begun or ended, in the state
//! whether they are active.

use std::sync::Arc;

use tracing::{debug, warn};

use super::active::Active;
use super::age;
use crate::blocking;
use crate::causes;
use crate::config::Seconds;
use crate::meters::Meters;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome, Plan};
use crate::service::PortError;
use crate::service::ledger::Ledger;
use crate::state::{State, StateError};
use crate::storage::StorageError;

/// Keeps the records of jobs.
pub(super) struct JobRecords {
    ledger: Arc<Ledger>,
    state: Arc<dyn State>,
    meters: Meters,
    /// The age beyond which a job fails.
    max_age: Seconds,
}

impl JobRecords {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        state: Arc<dyn State>,
        meters: Meters,
        max_age: Seconds,
    ) -> Self {
        Self { ledger, state, meters, max_age }
    }

    /// The jobs without an outcome, oldest first.
    pub(super) fn unfinished(&self) -> Vec<Arc<Plan>> {
        self.ledger.unfinished()
    }

    /// Notes that a job begins.
    pub(super) fn begun(&self, plan: &Plan) {
        self.ledger.begun(plan);
    }

    /// Publishes a job as active, for the first time.
    pub(super) async fn activate(&self, active: &Active) -> Result<(), StateError> {
        self.publish(active).await?;
        self.state.signal(Look::Job(active.id())).await
    }

    /// Publishes a job as active.
    pub(super) async fn publish(&self, active: &Active) -> Result<(), StateError> {
        self.state.activate(active.published()).await
    }

    /// Whether a job has ended, or was removed.
    pub(super) async fn has_ended(&self, job: JobId) -> Result<bool, StorageError> {
        // A removed job has no outcome and no entry.
        Ok(self.ledger.refresh(job).await?.is_some() || self.ledger.get(job).is_none())
    }

    /// Counts the times of the tiles of a job that has ended, which are kept in its mosaic only. Those that the state
    /// has lost are not counted.
    pub(super) async fn count_times(&self, job: JobId) {
        match self.state.mosaic(job).await {
            Ok(Some(mosaic)) => {
                let meters = self.meters.clone();
                blocking::run(move || meters.filtered(&mosaic)).await;
            }
            Ok(None) => {}
            Err(error) => {
                debug!(%job, error = causes::field(&error), "the times of its tiles are lost");
            }
        }
    }

    /// Notes that a job that has ended is no longer active.
    pub(super) async fn forget(&self, job: JobId) -> Result<(), StateError> {
        self.state.forget(job).await?;
        self.state.signal(Look::Job(job)).await
    }

    /// Ends a job with a failure.
    pub(super) async fn fail(&self, job: JobId, failure: &Failure) -> Result<(), StorageError> {
        self.ledger.conclude(job, Outcome::failed(failure.clone())).await?;
        warn!(%job, %failure, "job failed");
        Ok(())
    }

    /// The failure of a job that is too old.
    pub(super) fn overdue(&self, plan: &Plan) -> Option<Failure> {
        age::overdue(plan, self.max_age)
    }

    /// Ends the jobs for which `is_waiting` holds and that are too old.
    pub(super) async fn end_overdue(
        &self,
        is_waiting: impl Fn(&Plan) -> bool,
    ) -> Result<(), PortError> {
        age::end_waiting(&self.ledger, &*self.state, self.max_age, is_waiting).await
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::service::example;
    use crate::state::embedded::EmbeddedState;
    use crate::storage::files::FileStorage;

    #[tokio::test]
    async fn a_job_has_ended_once_its_failure_is_recorded_or_it_was_removed() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let [failed, removed] =
            [example::accepted(&storage).await.id, example::accepted(&storage).await.id];
        let ledger = Arc::new(Ledger::load(storage, Meters::default()).await.unwrap());
        let state = Arc::new(EmbeddedState::default());
        let max_age = Seconds::new(60);
        let records = JobRecords::new(Arc::clone(&ledger), state, Meters::default(), max_age);
        assert_eq!(records.unfinished().len(), 2);
        assert!(!records.has_ended(failed).await.unwrap());
        records.fail(failed, &Failure::of_job("as intended")).await.unwrap();
        ledger.remove(removed).await.unwrap();
        for job in [failed, removed] {
            assert!(records.has_ended(job).await.unwrap());
        }
        assert!(records.unfinished().is_empty());
    }
}
