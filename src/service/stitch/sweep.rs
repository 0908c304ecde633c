//! Deletes canvases that are no longer needed. They were left by a process that died, or by one whose results have gone
//! to another collector since.

use std::sync::Arc;

use tracing::warn;

use super::ended::has_ended;
use crate::blocking;
use crate::model::job::JobId;
use crate::service::canvas::{self, Scratch};
use crate::storage::ResultStorage;

/// Sweeps the scratch directory of a collector.
pub(super) struct Sweeper {
    scratch: Scratch,
    storage: Arc<dyn ResultStorage>,
}

impl Sweeper {
    pub(super) fn new(scratch: Scratch, storage: Arc<dyn ResultStorage>) -> Self {
        Self { scratch, storage }
    }

    /// Deletes canvases, of one job or of all, that no process has open and whose jobs have ended. Those that `are_open`
    /// here stay.
    pub(super) async fn sweep(&self, job: Option<JobId>, are_open: impl Fn(JobId) -> bool) {
        let Scratch::Named(directory) = self.scratch.clone() else { return };
        let listed = directory.clone();
        let found = blocking::run(move || canvas::jobs(&listed)).await.unwrap_or_default();
        let mut found: Vec<JobId> = found.into_iter().collect();
        found.retain(|found| job.is_none_or(|job| job == *found));
        for job in found {
            if are_open(job) || !matches!(has_ended(&*self.storage, job).await, Ok(true)) {
                continue;
            }
            let directory = directory.clone();
            if let Err(error) = blocking::run(move || canvas::sweep(&directory, job)).await {
                warn!(%job, %error, "could not delete an old canvas");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::model::job::Outcome;
    use crate::service::canvas::Canvas;
    use crate::service::example;
    use crate::storage::files::FileStorage;

    #[tokio::test]
    async fn a_canvas_goes_once_its_job_has_ended_and_it_is_not_open() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let canvases = TempDir::new().unwrap();
        let scratch = Scratch::Named(canvases.path().to_owned());
        let [open, ended, active] = [(); 3].map(|()| Box::pin(example::accepted(&storage)));
        let plans = [open.await, ended.await, active.await];
        for plan in &plans {
            drop(Canvas::open(&scratch, plan).unwrap());
        }
        for plan in &plans[..2] {
            storage.conclude(plan.id, Outcome::cancelled()).await.unwrap();
        }
        let sweeper = Sweeper::new(scratch, Arc::clone(&storage) as Arc<_>);
        let left = || canvas::jobs(canvases.path()).unwrap().len();
        sweeper.sweep(Some(plans[2].id), |_| false).await;
        assert_eq!(left(), 3);
        sweeper.sweep(None, |job| job == plans[0].id).await;
        assert_eq!(left(), 2);
        sweeper.sweep(Some(plans[0].id), |_| false).await;
        assert_eq!(left(), 1);
    }
}
