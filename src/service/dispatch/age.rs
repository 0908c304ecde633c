//! Ends jobs that are too old, whether they are in work or waiting.

use jiff::Timestamp;
use tracing::warn;

use crate::config::Seconds;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Outcome, Plan};
use crate::service::ledger::Ledger;
use crate::service::{PortError, Troubles};
use crate::state::State;

/// The failure of a job that is older than `limit`.
pub(super) fn overdue(plan: &Plan, limit: Seconds) -> Option<Failure> {
    let age = Timestamp::now().duration_since(plan.created_at);
    let late = !age.is_negative() && age.unsigned_abs() > limit.duration();
    late.then(|| Failure::of_job(format!("not finished within {limit} (`job.max_age`)")))
}

/// Ends the jobs for which `is_waiting` holds and that are older than `limit`.
pub(super) async fn end_waiting(
    ledger: &Ledger,
    state: &dyn State,
    limit: Seconds,
    is_waiting: impl Fn(&Plan) -> bool,
) -> Result<(), PortError> {
    let mut troubles = Troubles::default();
    for plan in ledger.unfinished().into_iter().filter(|plan| is_waiting(plan)) {
        if let Some(failure) = overdue(&plan, limit) {
            troubles.note(end(plan.id, failure, ledger, state).await)?;
        }
    }
    troubles.end()
}

async fn end(
    job: JobId,
    failure: Failure,
    ledger: &Ledger,
    state: &dyn State,
) -> Result<(), PortError> {
    let text = failure.to_string();
    ledger.conclude(job, Outcome::failed(failure)).await?;
    warn!(%job, failure = text, "job failed");
    Ok(state.signal(Look::Job(job)).await?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::meters::Meters;
    use crate::service::example;
    use crate::state::embedded::EmbeddedState;
    use crate::storage::files::FileStorage;

    #[tokio::test]
    async fn a_job_that_cannot_be_ended_keeps_no_younger_one_waiting() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let damaged = example::accepted(&storage).await.id;
        let waiting = example::accepted(&storage).await.id;
        let ledger = Ledger::load(storage, Meters::default()).await.unwrap();
        fs::write(directory.path().join(format!("uploads/{damaged}/outcome.json")), "{").unwrap();
        let limit = Seconds::new(0);
        let ended = end_waiting(&ledger, &EmbeddedState::default(), limit, |_| true).await;
        assert!(ended.unwrap_err().to_string().contains("damaged"));
        assert!(matches!(ledger.get(waiting).unwrap().outcome, Some(Outcome::Failed { .. })));
        assert!(ledger.get(damaged).unwrap().outcome.is_none());
    }
}
