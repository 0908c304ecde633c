//! The jobs that may have begun or ended since the last look.

use std::collections::BTreeSet;

use crate::model::job::JobId;

/// The jobs to look up in the storage.
#[derive(Debug, Default)]
pub(super) enum News {
    #[default]
    /// No job.
    None,
    /// These jobs.
    Jobs(BTreeSet<JobId>),
    /// All jobs, since it is time for that or signals were missed.
    Everything,
}

impl News {
    /// Adds one job.
    pub(super) fn add(&mut self, job: JobId) {
        match self {
            Self::None => *self = Self::Jobs(BTreeSet::from([job])),
            Self::Jobs(jobs) => {
                jobs.insert(job);
            }
            Self::Everything => {}
        }
    }

    /// Whether a job is among them.
    pub(super) fn is_about(&self, job: JobId) -> bool {
        match self {
            Self::None => false,
            Self::Jobs(jobs) => jobs.contains(&job),
            Self::Everything => true,
        }
    }
}
