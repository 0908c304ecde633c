//! Removes files of jobs that have ended, by age and by quota. Jobs that have not ended are never touched.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::PortError;
use super::ledger::{Ledger, LedgerEntry};
use super::pyramid::{Pyramids, Which};
use crate::causes;
use crate::config::{Retention, Seconds};
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome, Plan};
use crate::refusal::{Code, Refusal};
use crate::state::State;
use crate::storage::Kept;

/// The shortest and the longest time between two looks for files to remove.
const LOOK_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// What is removed of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// The original: the job can no longer be retried.
    Original,
    /// The final image: it can no longer be fetched.
    Result,
    /// The pyramids of both: they can be made again.
    Pyramids,
    /// The whole job: it is no longer listed.
    Record,
}

/// A job that has ended.
#[derive(Debug, Clone)]
struct Ended {
    plan: Arc<Plan>,
    age: Duration,
    kept: Kept,
    /// Bytes of the pyramids of its images, which are removed with them.
    pyramids: u64,
}

impl Ended {
    fn bytes(&self) -> u64 {
        self.kept.bytes() + self.pyramids
    }
}

/// The owners of the files.
pub struct Holders {
    /// The jobs and their images.
    pub ledger: Arc<Ledger>,
    /// The pyramids of the images.
    pub pyramids: Pyramids,
}

/// Removes files that are no longer to be kept, at once and periodically, until `shutdown`.
pub async fn run(
    holders: Holders,
    state: Arc<dyn State>,
    limits: Retention,
    shutdown: CancellationToken,
) {
    let [least, most] = LOOK_EVERY;
    let shortest = limits.originals.min(limits.results).min(limits.records).duration();
    let mut clock = tokio::time::interval(shortest.clamp(least, most));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = shutdown.cancelled() => return,
        }
        if let Err(error) = apply(&holders, &*state, &limits).await {
            warn!(error = causes::field(&error), "could not remove old files");
        }
    }
}

async fn apply(holders: &Holders, state: &dyn State, limits: &Retention) -> Result<(), PortError> {
    let ledger = &holders.ledger;
    let known = Arc::clone(ledger);
    let sizes = holders.pyramids.sizes(move |job, which| has(&known, job, which)).await;
    let mut jobs = Vec::new();
    for LedgerEntry { plan, outcome, mut kept } in ledger.ended() {
        let Some(outcome) = outcome else { continue };
        if kept.bytes() > 0 {
            match ledger.kept(&plan).await {
                Ok(found) => kept = found,
                Err(error) => say(&plan, &error),
            }
        }
        let pyramids = sizes.get(&plan.id).copied().unwrap_or(0);
        jobs.push(Ended { plan, age: outcome.age(), kept, pyramids });
    }
    for (plan, removal) in due(jobs, limits) {
        // Retried at the next look; the others are removed nevertheless.
        if let Err(error) = remove(holders, &plan, removal).await {
            say(&plan, &error);
            continue;
        }
        info!(job = %plan.id, ?removal, "removed by retention");
        // Without the signal, others see it at their next look.
        if let Err(error) = state.signal(Look::Job(plan.id)).await {
            debug!(error = causes::field(&error), "could not send a signal");
        }
    }
    Ok(())
}

fn say(plan: &Plan, error: &(dyn std::error::Error + 'static)) {
    warn!(job = %plan.id, error, "could not remove old files");
}

fn has(ledger: &Ledger, job: JobId, which: Which) -> bool {
    ledger.get(job).is_some_and(|entry| match which {
        Which::Original => entry.kept.original.is_some(),
        Which::Result => entry.kept.result.is_some(),
    })
}

async fn remove(
    Holders { ledger, pyramids }: &Holders,
    plan: &Plan,
    removal: Removal,
) -> Result<(), PortError> {
    match removal {
        Removal::Original => {
            ledger.remove_original(plan.id).await?;
            pyramids.remove(plan.id, Which::Original).await;
        }
        Removal::Result => {
            ledger.remove_result(plan).await?;
            pyramids.remove(plan.id, Which::Result).await;
        }
        Removal::Pyramids => pyramids.remove_both(plan.id).await,
        Removal::Record => {
            ledger.remove(plan.id).await?;
            pyramids.remove_both(plan.id).await;
        }
    }
    Ok(())
}

/// What is to be removed: first everything that is too old; then, from the oldest on, what exceeds the quota: pyramids,
/// and images only if that is not enough.
fn due(mut jobs: Vec<Ended>, limits: &Retention) -> Vec<(Arc<Plan>, Removal)> {
    jobs.sort_by_key(|job| Reverse(job.age));
    let mut removals: Vec<_> = jobs.iter_mut().flat_map(|job| too_old(job, limits)).collect();
    let mut bytes: u64 = jobs.iter().map(Ended::bytes).sum();
    for job in jobs.iter_mut().filter(|job| job.pyramids > 0) {
        if bytes <= limits.max_bytes.get() {
            break;
        }
        bytes -= std::mem::take(&mut job.pyramids);
        removals.push((Arc::clone(&job.plan), Removal::Pyramids));
    }
    for mut job in jobs {
        if bytes <= limits.max_bytes.get() {
            break;
        }
        bytes -= job.bytes();
        removals.extend(take_files(&mut job, [true; 2]));
    }
    removals
}

fn too_old(job: &mut Ended, limits: &Retention) -> Vec<(Arc<Plan>, Removal)> {
    if job.age > limits.records.duration() {
        (job.kept, job.pyramids) = (Kept::default(), 0);
        return vec![(Arc::clone(&job.plan), Removal::Record)];
    }
    let old = [limits.originals, limits.results].map(|limit| job.age > limit.duration());
    take_files(job, old)
}

/// Takes the original, the result, or both from a job, as far as it has them.
fn take_files(job: &mut Ended, wanted: [bool; 2]) -> Vec<(Arc<Plan>, Removal)> {
    let [original, result] = wanted;
    let original = original.then(|| job.kept.original.take()).flatten();
    let result = result.then(|| job.kept.result.take()).flatten();
    let removals = [original.map(|_| Removal::Original), result.map(|_| Removal::Result)];
    removals.into_iter().flatten().map(|removal| (Arc::clone(&job.plan), removal)).collect()
}

/// Why the original of a job that has ended is no longer kept.
#[must_use]
pub fn original_gone(entry: &LedgerEntry, limits: &Retention) -> Refusal {
    gone(entry, "original", limits.originals, "retention.originals", limits)
}

/// Why the result of a complete job is no longer kept.
#[must_use]
pub fn result_gone(entry: &LedgerEntry, limits: &Retention) -> Refusal {
    gone(entry, "result", limits.results, "retention.results", limits)
}

fn gone(
    entry: &LedgerEntry,
    what: &str,
    limit: Seconds,
    setting: &'static str,
    limits: &Retention,
) -> Refusal {
    let job: JobId = entry.plan.id;
    let age = entry.outcome.as_ref().map_or(Duration::ZERO, Outcome::age);
    let what = format!("the {what} of job {job} is no longer kept");
    let refusal =
        Refusal::new(Code::Gone, what).value(format!("the job ended {} s ago", age.as_secs()));
    if age > limit.duration() {
        refusal.limit(limit, setting)
    } else {
        refusal.limit(format!("{} for all jobs", limits.max_bytes), "retention.max_bytes")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Ended, Removal, due};
    use crate::config::{Bytes, Retention, Seconds};
    use crate::model::job::StorageId;
    use crate::service::example;
    use crate::storage::Kept;

    fn ended(age: u64, original: u64, result: u64) -> Ended {
        let kept = [original, result].map(|bytes| (bytes > 0).then_some(bytes));
        let [original, result] = kept;
        let (age, kept) = (Duration::from_secs(age), Kept { original, result });
        let plan = Arc::new(example::plan(StorageId("here".into())));
        Ended { plan, age, kept, pyramids: 0 }
    }

    fn limits(max_bytes: u64) -> Retention {
        let max_bytes = max_bytes.to_string().parse().unwrap_or(Bytes::mib(0));
        let [originals, results, records] = [10, 20, 30].map(Seconds::new);
        Retention { originals, results, records, max_bytes }
    }

    fn removals(jobs: &[Ended], max_bytes: u64) -> Vec<Vec<Removal>> {
        let due = due(jobs.to_vec(), &limits(max_bytes));
        let of = |id| due.iter().filter(move |(plan, _)| plan.id == id).map(|(_, what)| *what);
        jobs.iter().map(|job| of(job.plan.id).collect()).collect()
    }

    #[test]
    fn originals_results_and_records_go_each_in_its_time() {
        let jobs = [ended(10, 5, 5), ended(11, 5, 5), ended(21, 5, 5), ended(31, 5, 5)];
        let all = [
            vec![],
            vec![Removal::Original],
            vec![Removal::Original, Removal::Result],
            vec![Removal::Record],
        ];
        assert_eq!(removals(&jobs, 1000), all);
    }

    #[test]
    fn what_is_gone_is_not_removed_again() {
        assert_eq!(removals(&[ended(25, 0, 0), ended(15, 0, 5)], 1000), [vec![], vec![]]);
    }

    #[test]
    fn beyond_the_quota_the_oldest_give_way_until_it_is_kept() {
        let jobs = [ended(1, 5, 5), ended(3, 5, 5), ended(2, 0, 10)];
        let both = vec![Removal::Original, Removal::Result];
        assert_eq!(removals(&jobs, 30), [vec![], vec![], vec![]]);
        assert_eq!(removals(&jobs, 29), [vec![], both.clone(), vec![]]);
        assert_eq!(removals(&jobs, 19), [vec![], both.clone(), vec![Removal::Result]]);
        assert_eq!(removals(&jobs, 0), [both.clone(), both, vec![Removal::Result]]);
    }

    #[test]
    fn pyramids_count_as_much_as_images_and_go_before_them() {
        let mut jobs = [ended(3, 0, 5), ended(1, 0, 5)];
        (jobs[0].pyramids, jobs[1].pyramids) = (10, 10);
        assert_eq!(removals(&jobs, 30), [vec![], vec![]]);
        assert_eq!(removals(&jobs, 29), [vec![Removal::Pyramids], vec![]]);
        assert_eq!(removals(&jobs, 19), [vec![Removal::Pyramids], vec![Removal::Pyramids]]);
        let oldest = vec![Removal::Pyramids, Removal::Result];
        assert_eq!(removals(&jobs, 9), [oldest, vec![Removal::Pyramids]]);
    }
}
