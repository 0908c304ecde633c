//! Decodes the original of a job, in a way that an image which kills its process does so only thrice.

use std::io::BufReader;

use crate::model::job::{Failure, JobId, Step};
use crate::raster::decode::{self, Limits};
use crate::raster::source::Source;
use crate::refusal::Refusal;
use crate::storage::{Storage, StorageError};

/// Decodes the original of `job`, or says why the job has to fail.
pub(super) async fn decode(
    storage: &dyn Storage,
    job: JobId,
    limits: Limits,
) -> Result<Source, Failure> {
    let unreadable =
        |error: StorageError| Failure::of_job(format!("cannot read the image: {error}"));
    let start = storage.count_start(job, Step::Decode).await.map_err(unreadable)?;
    if start > Step::MAX_STARTS {
        let cause = format!("decoding this image ended the process {} times", Step::MAX_STARTS);
        return Err(Failure::of_job(cause));
    }
    let original = storage.open_original(job).await.map_err(unreadable)?;
    let decoding = move || decode::decode(BufReader::new(original), &limits);
    let result = tokio::task::spawn_blocking(decoding).await;
    storage.clear_starts(job, Step::Decode).await.map_err(unreadable)?;
    match result {
        Ok(Ok(source)) => Ok(source),
        Ok(Err(error)) => Err(Failure::of_job(Refusal::from(error).to_string())),
        Err(_panic) => Err(Failure::of_job("the image cannot be decoded: the decoder gave up")),
    }
}
