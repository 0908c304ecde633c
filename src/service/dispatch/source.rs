//! Decodes the original of a job, in a way that an image which kills its process does so only thrice.

use std::io::BufReader;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::blocking;
use crate::model::job::{Failure, Plan, Step};
use crate::raster::decode::{self, DecodeError, Limits};
use crate::raster::source::Source;
use crate::refusal::Refusal;
use crate::storage::{Storage, StorageError};

/// Decodes originals, as many at a time as jobs may be active.
#[derive(Clone)]
pub(super) struct Decoder {
    storage: Arc<dyn Storage>,
    limits: Limits,
    places: Arc<Semaphore>,
    count: u32,
}

impl Decoder {
    /// Decodes at most `count` images at a time.
    pub(super) fn new(storage: Arc<dyn Storage>, limits: Limits, count: u32) -> Self {
        Self { storage, limits, places: Arc::new(Semaphore::new(count as usize)), count }
    }

    /// Decodes the original of a job, or says why the job has to fail; `None` if it ended meanwhile.
    ///
    /// Only an image that was alone can be blamed for the end of its process: one that was being
    /// decoded when a process ended is decoded alone the next time.
    pub(super) async fn decode(&self, plan: &Plan) -> Option<Result<Source, Failure>> {
        let shared = self.places.acquire().await.ok()?;
        if !matches!(self.storage.outcome(plan.id).await, Ok(None)) {
            return None;
        }
        let start = match self.storage.count_start(plan.id, Step::Decode).await {
            Ok(start) => start,
            Err(error) => return Some(Err(unreadable(&error))),
        };
        if start > Step::MAX_STARTS {
            let times = Step::MAX_STARTS;
            let cause = format!("decoding this image ended the process {times} times");
            return Some(Err(Failure::of_job(cause)));
        }
        let alone = if start > 1 {
            drop(shared);
            Some(self.places.acquire_many(self.count).await.ok()?)
        } else {
            None
        };
        let result = self.read(plan).await;
        drop(alone);
        // A count that stays costs at most a place alone, the next time.
        let _ = self.storage.clear_starts(plan.id, Step::Decode).await;
        Some(result)
    }

    async fn read(&self, plan: &Plan) -> Result<Source, Failure> {
        let original =
            self.storage.open_original(plan.id).await.map_err(|error| unreadable(&error))?;
        let limits = self.limits;
        let source = blocking::caught(move || decode::decode(BufReader::new(original), &limits))
            .await
            .map_err(|_| Failure::of_job("the image cannot be decoded: the decoder gave up"))?
            .map_err(|error: DecodeError| Failure::of_job(Refusal::from(error).to_string()))?;
        if (source.size(), source.format()) != (plan.size, plan.format) {
            return Err(Failure::of_job("the original is not the image that was accepted"));
        }
        Ok(source)
    }
}

fn unreadable(error: &StorageError) -> Failure {
    Failure::of_job(format!("cannot read the image: {error}"))
}
