//! Filters one tile.

use std::cmp::Ordering;

use crate::model::tile::{Retry, TileFailure, TileTask};
use crate::model::worker::WorkerId;
use crate::raster;
use crate::raster::pixels::Pixels;

/// Makes a task's tile by its filters.
pub(super) fn filter_tile(task: &TileTask, worker: &WorkerId) -> Result<Pixels, TileFailure> {
    if let Some(cause) = other_revision(task.revision, worker) {
        return Err(TileFailure { cause, retry: Retry::Elsewhere });
    }
    if task.pixels.size() != task.window.size() {
        let cause = "the tile's pixels do not have the size of its window".into();
        return Err(TileFailure { cause, retry: Retry::Futile });
    }
    if task.filters.surveys() {
        let cause =
            format!("{} was sent without the survey of the image that it needs", task.filters);
        return Err(TileFailure { cause, retry: Retry::Futile });
    }
    Ok(task.filters.apply(&task.pixels, task.window, task.keep, task.image))
}

/// Why a worker leaves a tile to others: another revision would give other bytes than the job needs.
fn other_revision(needed: u32, worker: &WorkerId) -> Option<String> {
    let own = raster::REVISION;
    let age = match own.cmp(&needed) {
        Ordering::Less => "old",
        Ordering::Equal => return None,
        Ordering::Greater => "new",
    };
    Some(format!(
        "worker {worker}, revision {own}, is too {age} for a job of revision {needed}: finish the upgrade"
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::job::JobId;
    use crate::raster::grid::{Region, Size};
    use crate::raster::pixels::{Bands, PixelFormat, SampleType};

    /// A task with a chain.
    pub(in crate::service::mill) fn task(filters: &str) -> TileTask {
        let (size, format) = (Size::new(4, 3), PixelFormat::new(Bands::GREY, SampleType::U8));
        TileTask {
            job: JobId::generate(),
            tile: 0,
            attempt: 1,
            results_partition: 0,
            revision: raster::REVISION,
            filters: Arc::new(filters.parse().unwrap()),
            image: size,
            window: Region::of(size),
            keep: Region::of(size),
            pixels: Pixels::zeroed(size, format),
        }
    }

    #[test]
    fn a_tile_whose_chain_was_not_told_of_its_image_is_a_failure_and_no_guess() {
        let task = task("equalize");
        let failure = filter_tile(&task, &WorkerId::new("w")).unwrap_err();
        assert_eq!(failure.retry, Retry::Futile);
        let histogram = raster::filter::Histogram::of(&task.pixels);
        let filters = Arc::new(task.filters.informed(&histogram));
        assert!(filter_tile(&TileTask { filters, ..task }, &WorkerId::new("w")).is_ok());
    }
}
