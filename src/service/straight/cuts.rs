//! Which rows of an image make which bands of its result.

use std::collections::VecDeque;
use std::ops::Range;

use crate::model::job::Plan;
use crate::raster::encode::Encoder;
use crate::raster::grid::Region;
use crate::raster::pixels::PixelFormat;

/// Bytes of a window that are worth the way to another thread.
const LEAST: u64 = 1 << 20;
/// The most bytes of a window: images that need more go by tiles.
const MOST: u64 = 32 << 20;
/// How many times more rows a window makes than its chain reads beside them.
const WORTH: u32 = 4;

/// A window of rows, as wide as the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The bands that are made of it.
    pub(super) bands: Range<u32>,
    /// The region of the result that these need.
    pub(super) keep: Region,
    /// The region of the image that the chain needs for that.
    pub(super) needs: Region,
}

/// The windows of an image, from the top; `None` if they would be too large.
pub(super) fn of(plan: &Plan, encoder: &Encoder) -> Option<VecDeque<Cut>> {
    let bytes = |format: PixelFormat| {
        u64::from(plan.size.width).saturating_mul(format.bytes_per_pixel() as u64)
    };
    let row = bytes(plan.format).max(bytes(plan.result_format())).max(1);
    let beside = reach(plan);
    let wanted = u32::try_from(LEAST / row).unwrap_or(u32::MAX).max(beside.saturating_mul(WORTH));
    let mut cuts = VecDeque::new();
    let mut first = 0;
    while first < encoder.band_count() {
        let mut end = first + 1;
        while end < encoder.band_count() && rows(encoder, first..end).len() < wanted as usize {
            end += 1;
        }
        let keep = region(plan, rows(encoder, first..end));
        let needs = plan.filters.needs(keep, plan.size);
        if u64::from(needs.height.max(keep.height)).saturating_mul(row) > MOST {
            return None;
        }
        cuts.push_back(Cut { bands: first..end, keep, needs });
        first = end;
    }
    Some(cuts)
}

/// The rows of the result that bands need.
fn rows(encoder: &Encoder, bands: Range<u32>) -> Range<u32> {
    encoder.input_rows(bands.start).start..encoder.input_rows(bands.end - 1).end
}

fn region(plan: &Plan, rows: Range<u32>) -> Region {
    Region { x: 0, y: rows.start, width: plan.size.width, height: rows.end - rows.start }
}

/// Rows that the chain reads beside one of them.
fn reach(plan: &Plan) -> u32 {
    let middle = plan.size.height / 2;
    plan.filters.needs(region(plan, middle..middle + 1), plan.size).height - 1
}
