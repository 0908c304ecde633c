//! Limits the number of uploads and jobs, before any of their body is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::refusal::{Code, Refusal};
use crate::service::ledger::Ledger;

/// Lets uploads and jobs in. A job that is still being uploaded counts, so that the limit holds when many come at once.
pub(super) struct Door {
    ledger: Arc<Ledger>,
    coming: Arc<AtomicUsize>,
    active: usize,
    queued: usize,
    uploads: Arc<Semaphore>,
    max_uploads: u32,
}

/// A job that is being created; counted until this is dropped.
pub(super) struct Coming(Arc<AtomicUsize>);

/// A job whose image is being uploaded; both are counted until this is dropped.
pub(super) struct Uploading {
    _coming: Coming,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    pub(super) fn new(config: &Config, ledger: Arc<Ledger>) -> Self {
        let max_uploads = config.limits.uploads;
        Self {
            ledger,
            coming: Arc::default(),
            active: config.jobs.active as usize,
            queued: config.jobs.queued as usize,
            uploads: Arc::new(Semaphore::new(max_uploads as usize)),
            max_uploads,
        }
    }

    /// Lets in an upload that creates a job.
    pub(super) fn upload(&self) -> Result<Uploading, Refusal> {
        let coming = self.job()?;
        Ok(Uploading { _coming: coming, _permit: self.file()? })
    }

    /// Lets in an upload that creates no job.
    pub(super) fn file(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| {
            Refusal::new(Code::TooManyUploads, "too many uploads are in progress; try again soon")
                .value(format!("{} uploads", self.max_uploads))
                .limit(format!("{} uploads", self.max_uploads), "limits.uploads")
        })
    }

    /// Lets in a job whose image is stored already.
    pub(super) fn job(&self) -> Result<Coming, Refusal> {
        let before = self.coming.fetch_add(1, Ordering::AcqRel) + self.ledger.count_unfinished();
        let coming = Coming(Arc::clone(&self.coming));
        if before < self.active + self.queued {
            return Ok(coming);
        }
        Err(Refusal::new(Code::TooManyJobs, "too many jobs are waiting; try again later")
            .value(format!("{} jobs", before.saturating_sub(self.active)))
            .limit(format!("{} jobs", self.queued), "jobs.queued"))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
