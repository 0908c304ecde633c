//! Encodes a full canvas into the final image: bands in parallel, joined in order.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::BACK_OFF;
use super::mosaic::Painter;
use crate::model::job::{Failure, Outcome, Plan, Step, Timings};
use crate::raster::encode::{EncodedBand, Encoder};
use crate::raster::metadata::Metadata;
use crate::service::PortError;
use crate::service::canvas::Canvas;
use crate::service::encoding::{self, cannot_write};
use crate::service::pool::Pool;
use crate::storage::{ResultStorage, Staged, StorageError};
use crate::{blocking, causes};

/// A job whose tiles are all in its canvas.
pub(super) struct FullCanvas {
    pub(super) plan: Arc<Plan>,
    pub(super) canvas: Arc<Canvas>,
    pub(super) painter: Option<Arc<Painter>>,
    /// When the first tile was seen in the canvas.
    pub(super) filtering_since: Option<Instant>,
}

/// Finishes one job.
pub(super) struct Finish {
    pub(super) full: FullCanvas,
    /// Cancelled when the job has ended otherwise.
    pub(super) stop: CancellationToken,
    /// Where the result is stored.
    pub(super) storage: Arc<dyn ResultStorage>,
    /// Where it is encoded.
    pub(super) pool: Arc<Pool>,
}

impl Finish {
    /// Encodes and stores the final image, then the outcome. Returns the outcome that stands; `None` if it
    /// was stopped before the image was stored.
    pub(super) async fn run(self) -> Result<Option<Outcome>, PortError> {
        let started = Instant::now();
        let job = self.full.plan.id;
        if let Some(outcome) = self.storage.outcome(job).await? {
            return Ok(Some(outcome));
        }
        let metadata = encoding::metadata(&*self.storage, &self.full.plan).await?;
        let stored = match self.storage.count_start(job, Step::Encode).await {
            // If there is no room for the count, there is none for the result.
            Err(error) if error.is_full() => Err(cannot_write(error)),
            Err(error) => return Err(error.into()),
            Ok(start) if start > Step::MAX_STARTS => {
                let times = Step::MAX_STARTS;
                let cause = format!("encoding the result ended the process {times} times");
                Err(Failure::of_job(cause))
            }
            Ok(_) => {
                let stored = self.store(&metadata).await;
                // Encoding has ended, whatever becomes of the outcome. A count that stays does no harm yet.
                let _ = self.storage.clear_starts(job, Step::Encode).await;
                stored
            }
        };
        let outcome = match stored {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => self.complete(bytes, started),
            Err(failure) => Outcome::failed(failure),
        };
        match self.conclude(outcome).await {
            Err(StorageError::NotFound(..)) if self.is_gone().await => {
                // The job was removed meanwhile, so the image that was stored since then is removed, too.
                self.storage.remove_final(job).await?;
                Ok(Some(Outcome::cancelled()))
            }
            Err(error) => Err(error.into()),
            Ok(stands) => {
                if !stands.is_complete() {
                    self.storage.remove_final(job).await?;
                }
                Ok(Some(stands))
            }
        }
    }

    /// Whether it is certain that the job was removed.
    async fn is_gone(&self) -> bool {
        matches!(self.storage.plan(self.full.plan.id).await, Err(StorageError::NotFound(..)))
    }

    /// Hands over the outcome. Retries as long as the storage is away, since the image is stored already.
    async fn conclude(&self, outcome: Outcome) -> Result<Outcome, StorageError> {
        loop {
            match self.storage.conclude(self.full.plan.id, outcome.clone()).await {
                Err(error) if error.is_unavailable() => {
                    warn!(
                        job = %self.full.plan.id,
                        error = causes::field(&error),
                        "the outcome cannot be handed over yet"
                    );
                    tokio::time::sleep(BACK_OFF).await;
                }
                concluded => return concluded,
            }
        }
    }

    fn complete(&self, bytes: u64, started: Instant) -> Outcome {
        let finished_at = Timestamp::now();
        let total = finished_at.duration_since(self.full.plan.created_at).as_secs_f64();
        let stitch = started.elapsed().as_secs_f64();
        let since = self.full.filtering_since.unwrap_or(started);
        let filter = started.duration_since(since).as_secs_f64();
        let split = (total - filter - stitch).max(0.0);
        let timings = Timings { split, filter, stitch };
        let attempts = self.full.canvas.board().attempts();
        Outcome::Complete { finished_at, bytes, attempts, timings }
    }

    /// Stores the final image and returns its bytes; `None` if it was stopped before the image was encoded.
    async fn store(&self, metadata: &Metadata) -> Result<Option<u64>, Failure> {
        let image = self.storage.stage_final(&self.full.plan).await.map_err(cannot_write)?;
        let encoded = self.stop.run_until_cancelled(self.encode(image, metadata)).await;
        let Some(image) = encoded.transpose()? else { return Ok(None) };
        let length = image.file().metadata().map_err(cannot_write)?.len();
        self.storage.publish_final(&self.full.plan, image).await.map_err(cannot_write)?;
        self.keep_thumbnail().await;
        Ok(Some(length))
    }

    /// Stores the thumbnail. Errors are only logged: a job is complete without it.
    async fn keep_thumbnail(&self) {
        let Some(painter) = self.full.painter.clone() else { return };
        let job = self.full.plan.id;
        match blocking::caught(move || painter.thumbnail()).await {
            Ok(Ok(thumbnail)) => match self.storage.keep_thumbnail(job, thumbnail).await {
                // The job was deleted.
                Ok(()) | Err(StorageError::NotFound(..)) => {}
                Err(error) => {
                    warn!(%job, error = causes::field(&error), "no thumbnail was kept");
                }
            },
            Ok(Err(error)) => {
                warn!(%job, error = causes::field(&error), "no thumbnail was made");
            }
            Err(_) => warn!(%job, "no thumbnail was made"),
        }
    }

    async fn encode(&self, image: Staged, metadata: &Metadata) -> Result<Staged, Failure> {
        let encoder = encoding::encoder(&self.full.plan, metadata)?;
        let bands = stream::iter(0..encoder.band_count())
            .map(|index| self.encode_band(Arc::clone(&encoder), index));
        let look_ahead = self.pool.threads() + 1;
        encoding::write(Arc::clone(&encoder), image, look_ahead, bands).await
    }

    async fn encode_band(
        &self,
        encoder: Arc<Encoder>,
        index: u32,
    ) -> Result<Vec<EncodedBand>, Failure> {
        let canvas = Arc::clone(&self.full.canvas);
        let work = self.pool.run(move || {
            let rows = canvas.rows(encoder.input_rows(index));
            let rows = rows.map_err(|error| super::write::canvas_failure(&error))?;
            encoder.encode_band(index, &rows).map(|band| vec![band]).map_err(cannot_write)
        });
        work.await.unwrap_or_else(|panicked| Err(cannot_write(panicked)))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use async_trait::async_trait;
    use tempfile::TempDir;

    use super::*;
    use crate::model::job::{JobId, StorageId};
    use crate::raster::pixels::Pixels;
    use crate::service::canvas::Scratch;
    use crate::service::example;
    use crate::storage::Storage;
    use crate::storage::files::FileStorage;

    /// The end of a job whose tiles are all in the canvas.
    async fn finish(storage: Arc<FileStorage>, scratch: &TempDir) -> Finish {
        let plan = example::accepted(&storage).await;
        let scratch = Scratch::Unnamed(scratch.path().to_owned());
        let canvas = Canvas::open(&scratch, &plan).unwrap();
        for tile in 0..canvas.board().tiles() {
            let size = plan.grid().region(tile).size();
            canvas.put(tile, &Pixels::zeroed(size, plan.result_format())).unwrap();
        }
        let full = FullCanvas {
            plan: Arc::new(plan),
            canvas: Arc::new(canvas),
            painter: None,
            filtering_since: None,
        };
        let pool = Arc::new(Pool::new("codec", NonZeroUsize::MIN).unwrap());
        Finish { full, stop: CancellationToken::new(), storage, pool }
    }

    #[tokio::test]
    async fn an_encode_that_is_stopped_leaves_neither_an_image_nor_an_outcome() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let stopped = finish(Arc::clone(&storage), &directory).await;
        let plan = Arc::clone(&stopped.full.plan);
        stopped.stop.cancel();
        assert_eq!(stopped.run().await.unwrap(), None);
        assert_eq!(storage.outcome(plan.id).await.unwrap(), None);
        assert!(storage.open_final(&plan).await.is_err());
        let done = finish(storage, &directory).await.run().await.unwrap();
        assert!(matches!(done, Some(Outcome::Complete { .. })), "{done:?}");
    }

    /// Claims when an outcome is handed over that the job is gone, although it is not.
    struct Mistaken(Arc<FileStorage>);

    #[async_trait]
    impl ResultStorage for Mistaken {
        fn id(&self) -> &StorageId {
            self.0.id()
        }

        async fn plan(&self, job: JobId) -> Result<Plan, StorageError> {
            self.0.plan(job).await
        }

        async fn metadata(&self, job: JobId) -> Result<Metadata, StorageError> {
            self.0.metadata(job).await
        }

        async fn stage_final(&self, plan: &Plan) -> Result<Staged, StorageError> {
            self.0.stage_final(plan).await
        }

        async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<(), StorageError> {
            self.0.publish_final(plan, image).await
        }

        async fn remove_final(&self, job: JobId) -> Result<(), StorageError> {
            self.0.remove_final(job).await
        }

        async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<(), StorageError> {
            self.0.keep_thumbnail(job, png).await
        }

        async fn conclude(&self, job: JobId, _outcome: Outcome) -> Result<Outcome, StorageError> {
            Err(StorageError::NotFound(job, "plan"))
        }

        async fn outcome(&self, job: JobId) -> Result<Option<Outcome>, StorageError> {
            self.0.outcome(job).await
        }

        async fn count_start(&self, job: JobId, step: Step) -> Result<u32, StorageError> {
            self.0.count_start(job, step).await
        }

        async fn clear_starts(&self, job: JobId, step: Step) -> Result<(), StorageError> {
            self.0.clear_starts(job, step).await
        }
    }

    #[tokio::test]
    async fn an_image_is_not_deleted_as_long_as_its_plan_is_there() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let mut mistaken = finish(Arc::clone(&storage), &directory).await;
        mistaken.storage = Arc::new(Mistaken(Arc::clone(&storage)));
        let plan = Arc::clone(&mistaken.full.plan);
        assert!(mistaken.run().await.is_err());
        assert!(storage.open_final(&plan).await.is_ok());
    }
}
