//! Tasks and results as records.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pixels::{self, Shape};
use super::{Compression, Message, Prefix, VERSION, WireError, frame, open, unreadable};
use crate::model::tile::{TileFailure, TileResult, TileTask};
use crate::model::worker::WorkerId;
use crate::raster::filter::Chain;
use crate::raster::grid::{Region, Size};

/// The most bytes of a cause. A longer one is truncated, since a result that cannot be read would be worse.
const MAX_CAUSE: usize = 8 << 10;

/// The header of a task, without the fields of the prefix.
#[derive(Serialize, Deserialize)]
struct Task {
    revision: u32,
    filters: Chain,
    image: Size,
    window: Region,
    keep: Region,
    pixels: Shape,
}

/// The header of a result.
#[derive(Serialize, Deserialize)]
struct Answer {
    worker: WorkerId,
    elapsed: Duration,
    taken_over: bool,
    pixels: Result<Shape, TileFailure>,
}

impl Message for TileTask {
    fn encode(&self, compression: Compression) -> Vec<u8> {
        let prefix = Prefix {
            version: VERSION,
            job: self.job,
            tile: self.tile,
            attempt: self.attempt,
            results_partition: self.results_partition,
        };
        let header = |pixels| Task {
            revision: self.revision,
            filters: Chain::clone(&self.filters),
            image: self.image,
            window: self.window,
            keep: self.keep,
            pixels,
        };
        pixels::append(&self.pixels, compression, |shape| frame(&prefix, &header(shape)))
    }

    fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (prefix, task, bytes) = open::<Task>(record)?;
        if !fits(&task) {
            return Err(unreadable(
                "its tile is not inside its result, or its window not inside its image or too small",
            ));
        }
        Ok(Self {
            job: prefix.job,
            tile: prefix.tile,
            attempt: prefix.attempt,
            results_partition: prefix.results_partition,
            revision: task.revision,
            filters: Arc::new(task.filters),
            image: task.image,
            window: task.window,
            keep: task.keep,
            pixels: pixels::read(task.pixels, bytes)?,
        })
    }
}

impl Message for TileResult {
    fn encode(&self, compression: Compression) -> Vec<u8> {
        let Self { job, tile, attempt, .. } = *self;
        let prefix = Prefix { version: VERSION, job, tile, attempt, results_partition: 0 };
        let header = |pixels| Answer {
            worker: self.worker.clone(),
            elapsed: self.elapsed,
            taken_over: self.taken_over,
            pixels,
        };
        match &self.pixels {
            Ok(pixels) => {
                pixels::append(pixels, compression, |shape| frame(&prefix, &header(Ok(shape))))
            }
            Err(failure) => frame(&prefix, &header(Err(shortened(failure)))),
        }
    }

    fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (prefix, answer, bytes) = open::<Answer>(record)?;
        let pixels = match answer.pixels {
            Ok(shape) => Ok(pixels::read(shape, bytes)?),
            Err(failure) => Err(failure),
        };
        let Answer { worker, elapsed, taken_over, .. } = answer;
        let Prefix { job, tile, attempt, .. } = prefix;
        Ok(Self { job, tile, attempt, worker, elapsed, taken_over, pixels })
    }
}

fn shortened(failure: &TileFailure) -> TileFailure {
    let mut failure = failure.clone();
    failure.cause.truncate(failure.cause.floor_char_boundary(MAX_CAUSE));
    failure
}

/// Whether a tile can be made from what came with it.
fn fits(task: &Task) -> bool {
    let result = Region::of(task.filters.output_size(task.image));
    lies_in(task.window, Region::of(task.image))
        && task.filters.fits(task.image)
        && lies_in(task.keep, result)
        && task.window.contains(task.filters.needs(task.keep, task.image))
}

/// Whether a region, whose numbers are not checked yet, is valid and inside another.
fn lies_in(inner: Region, outer: Region) -> bool {
    let within = |start: u32, length: u32, from: u32, room: u32| {
        let [start, length, from, room] = [start, length, from, room].map(u64::from);
        length > 0 && start >= from && start + length <= from + room
    };
    within(inner.x, inner.width, outer.x, outer.width)
        && within(inner.y, inner.height, outer.y, outer.height)
}
