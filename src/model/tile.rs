//! A tile on its way to a worker and back.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::JobId;
use super::worker::WorkerId;
use crate::raster::filter::Chain;
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::Pixels;

/// Work for one worker: pixels, and all that is needed to filter them.
#[derive(Debug, Clone)]
pub struct TileTask {
    /// The job.
    pub job: JobId,
    /// The tile's index in the job's grid, row by row.
    pub tile: u32,
    /// The number of the attempt, from 1: a failed result raises it, a re-send does not.
    pub attempt: u32,
    /// The partition of the results topic that the answer goes to.
    pub results_partition: u32,
    /// The revision in the job's plan.
    pub revision: u32,
    /// The filters, in order.
    pub filters: Arc<Chain>,
    /// Size of the whole image.
    pub image: Size,
    /// The part of the image that the pixels show: all that the tile depends on.
    pub window: Region,
    /// The tile itself: the part of the result that the worker sends back.
    pub keep: Region,
    /// The pixels of `window`.
    pub pixels: Pixels,
}

/// A worker's answer to one [`TileTask`].
#[derive(Debug, Clone)]
pub struct TileResult {
    /// The job.
    pub job: JobId,
    /// The tile's index in the job's grid.
    pub tile: u32,
    /// The attempt that this answers.
    pub attempt: u32,
    /// The worker that answers.
    pub worker: WorkerId,
    /// How long the filters took.
    pub elapsed: Duration,
    /// Whether a worker that died had it before.
    pub taken_over: bool,
    /// The filtered tile, or why there is none.
    pub pixels: Result<Pixels, TileFailure>,
}

/// Why a worker could not filter a tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}")]
pub struct TileFailure {
    /// The cause, in words.
    pub cause: String,
    /// Whether another attempt can help.
    pub retry: Retry,
}

/// Whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// It may be the worker's fault.
    Useful,
    /// This input fails on every worker.
    Futile,
    /// This worker cannot filter it, another may: not an attempt, sent again after a while.
    Elsewhere,
}
