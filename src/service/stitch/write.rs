//! Writes one result into its canvas, or tells why its job has to fail.

use std::io;
use std::sync::Arc;

use super::mosaic::Painter;
use crate::model::board::FailedAttempt;
use crate::model::job::{Failure, JobId};
use crate::model::mosaic::Maker;
use crate::model::tile::{Retry, TileResult};
use crate::raster::pixels::Pixels;
use crate::service::canvas::Canvas;

/// A result and the canvas it belongs to.
pub(super) struct Write {
    pub(super) canvas: Arc<Canvas>,
    pub(super) painter: Option<Arc<Painter>>,
    pub(super) result: Arc<TileResult>,
}

impl Write {
    /// Writes the tile, or notes that the attempt failed. Blocks on the disk.
    ///
    /// Returns the failure of the whole job if this ends it: an error that every worker would have, the
    /// last attempt, or a canvas that cannot be written.
    pub(super) fn put(&self, max_attempts: u32) -> Option<(JobId, Failure)> {
        let result = &*self.result;
        let failure = match &result.pixels {
            Ok(pixels) => match self.canvas.put(result.tile, pixels) {
                Ok(()) => {
                    self.paint(pixels);
                    return None;
                }
                Err(error) => canvas_failure(&error),
            },
            // The tile was sent twice, such as after a restart of the server, and the other attempt succeeded.
            Err(_) if self.canvas.has(result.tile) => return None,
            Err(failure) => {
                let (worker, cause) = (result.worker.clone(), failure.cause.clone());
                if failure.retry == Retry::Elsewhere {
                    self.canvas.put_off(result.tile, cause);
                    return None;
                }
                let futile = failure.retry == Retry::Futile;
                if !futile && result.attempt < max_attempts {
                    let attempt = FailedAttempt { attempt: result.attempt, worker, cause };
                    self.canvas.fail(result.tile, attempt);
                    return None;
                }
                let (tile, attempts) = (Some(result.tile), Some(result.attempt));
                Failure { cause, tile, worker: Some(worker), attempts, futile }
            }
        };
        Some((result.job, failure))
    }
}

impl Write {
    fn paint(&self, pixels: &Pixels) {
        let TileResult { worker, attempt, elapsed, taken_over, .. } = &*self.result;
        let millis = u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX);
        let (worker, taken_over) = (worker.clone(), *taken_over);
        let maker = Maker { worker, attempt: *attempt, millis, taken_over };
        if let Some(painter) = &self.painter {
            painter.paint(self.result.tile, pixels, Some(maker));
        }
    }
}

/// The failure of a job whose canvas cannot be used.
pub(super) fn canvas_failure(error: &io::Error) -> Failure {
    Failure::of_job(format!("cannot keep the tiles: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::job::StorageId;
    use crate::model::tile::TileFailure;
    use crate::model::worker::WorkerId;
    use crate::service::canvas::Scratch;
    use crate::service::example;

    #[test]
    fn a_tile_that_is_there_ends_no_job_however_often_it_fails_later() {
        let directory = tempfile::tempdir().unwrap();
        let plan = example::plan(StorageId("here".into()));
        let scratch = Scratch::Unnamed(directory.path().to_owned());
        let canvas = Arc::new(Canvas::open(&scratch, &plan).unwrap());
        let put = |pixels| {
            let (worker, elapsed) = (WorkerId::new("w"), Duration::ZERO);
            let (job, tile, attempt, taken_over) = (plan.id, 0, 3, false);
            let result = TileResult { job, tile, attempt, worker, elapsed, taken_over, pixels };
            let canvas = Arc::clone(&canvas);
            Write { canvas, painter: None, result: Arc::new(result) }.put(3)
        };
        let failure = |retry| Err(TileFailure { cause: "out of luck".into(), retry });
        assert!(put(failure(Retry::Useful)).is_some());
        let size = plan.grid().region(0).size();
        assert!(put(Ok(Pixels::zeroed(size, plan.result_format()))).is_none());
        assert!(put(failure(Retry::Useful)).is_none() && put(failure(Retry::Futile)).is_none());
    }
}
