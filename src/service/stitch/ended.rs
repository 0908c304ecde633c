//! Whether a job has ended, by what the storage has of it.

use crate::model::job::JobId;
use crate::storage::{ResultStorage, StorageError};

/// Whether it is certain that a job has ended, or is gone.
pub(super) async fn has_ended(
    storage: &dyn ResultStorage,
    job: JobId,
) -> Result<bool, StorageError> {
    Ok(match storage.outcome(job).await? {
        Some(_) => true,
        None => matches!(storage.plan(job).await, Err(StorageError::NotFound(..))),
    })
}
