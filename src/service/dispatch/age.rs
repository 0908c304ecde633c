//! Jobs that have not ended in time, whether they are in work or still wait.

use jiff::Timestamp;
use tracing::warn;

use crate::config::Seconds;
use crate::model::event::Look;
use crate::model::job::{Failure, Outcome, Plan};
use crate::service::PortError;
use crate::service::ledger::Ledger;
use crate::state::State;

/// Why a job fails that is older than `limit`.
pub(super) fn overdue(plan: &Plan, limit: Seconds) -> Option<Failure> {
    let age = Timestamp::now().duration_since(plan.created_at);
    let late = !age.is_negative() && age.unsigned_abs() > limit.duration();
    late.then(|| Failure::of_job(format!("not finished within {limit} (`job.max_age`)")))
}

/// Ends the jobs that wait, those that `is_waiting` says, when they are older than `limit`.
pub(super) async fn end_waiting(
    ledger: &Ledger,
    state: &dyn State,
    limit: Seconds,
    is_waiting: impl Fn(&Plan) -> bool,
) -> Result<(), PortError> {
    for plan in ledger.unfinished().into_iter().filter(|plan| is_waiting(plan)) {
        if let Some(failure) = overdue(&plan, limit) {
            warn!(job = %plan.id, %failure, "job failed");
            ledger.conclude(plan.id, Outcome::failed(failure)).await?;
            state.signal(Look::Job(plan.id)).await?;
        }
    }
    Ok(())
}
