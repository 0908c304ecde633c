//! `pixelate`: large squares of one colour.

use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::grid::Region;
use crate::pixels::{Channels, Pixels, Samples};
use crate::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "pixelate",
    summary: "Fills squares, counted from the image's top left corner, with their mean colour.",
    params: &[ParamSpec {
        name: "size",
        summary: "side of a square",
        kind: ParamKind::Integer { min: 1, max: 256, step: 1, unit: "pixels", default: 16 },
    }],
    build: |values| {
        Box::new(Pixelate { side: u32::try_from(values.integer(0)).expect("at most 256") })
    },
};

/// The mean of each square, colours weighted by alpha, rounded half up. Squares at the right and bottom
/// edges are cut off, and have the mean of the pixels that are there.
#[derive(Debug)]
struct Pixelate {
    side: u32,
}

impl Filter for Pixelate {
    fn radius(&self) -> u32 {
        self.side - 1
    }

    fn changes_nothing(&self) -> bool {
        self.side == 1
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        match window.pixels.samples() {
            Samples::U8(samples) => self.pixelate(samples, &window),
            Samples::U16(samples) => self.pixelate(samples, &window),
        }
    }
}

impl Pixelate {
    fn pixelate<S: Sample>(&self, samples: &[S], window: &Window<'_>) -> Pixels {
        let (keep, channels) = (window.keep, window.pixels.channels());
        let squares = |range: std::ops::Range<u32>| {
            let (first, last) = (range.start / self.side, (range.end - 1) / self.side);
            first..=last
        };
        let mut pixels = Vec::new();
        for row in squares(keep.rows()) {
            let mut line = Vec::with_capacity(keep.width as usize * channels.count());
            let mut height = 0;
            for column in squares(keep.columns()) {
                let square = self.square(column, row, window);
                let seen = overlap(square, keep);
                let mean = mean(samples, channels, square.relative_to(window.at), window.at.width);
                (0..seen.width).for_each(|_| line.extend_from_slice(&mean));
                height = seen.height;
            }
            (0..height).for_each(|_| pixels.extend_from_slice(&line));
        }
        Pixels::of(keep.size(), channels, pixels)
    }

    /// A square of the image's grid, clipped to the image.
    fn square(&self, column: u32, row: u32, window: &Window<'_>) -> Region {
        let (x, y) = (column * self.side, row * self.side);
        let (width, height) = (window.image.width - x, window.image.height - y);
        Region { x, y, width: self.side.min(width), height: self.side.min(height) }
    }
}

fn overlap(one: Region, other: Region) -> Region {
    let (x, y) = (one.x.max(other.x), one.y.max(other.y));
    let right = one.columns().end.min(other.columns().end);
    let bottom = one.rows().end.min(other.rows().end);
    Region { x, y, width: right - x, height: bottom - y }
}

fn mean<S: Sample>(samples: &[S], channels: Channels, square: Region, width: u32) -> Vec<S> {
    let count = channels.count();
    let (mut sums, mut weight) = ([0_u64; 4], 0_u64);
    for y in square.rows() {
        let start = (y as usize * width as usize + square.x as usize) * count;
        for pixel in samples[start..][..square.width as usize * count].chunks_exact(count) {
            let alpha = if channels.has_alpha() { pixel[count - 1].to_u64() } else { 1 };
            weight += alpha;
            for (sum, colour) in sums.iter_mut().zip(&pixel[..channels.colours()]) {
                *sum += colour.to_u64() * alpha;
            }
        }
    }
    let nearest = |sum: u64, of: u64| S::from_u64((sum + of / 2).checked_div(of).unwrap_or(0));
    let mut mean: Vec<S> =
        sums[..channels.colours()].iter().map(|&sum| nearest(sum, weight)).collect();
    if channels.has_alpha() {
        mean.push(nearest(weight, square.size().pixels()));
    }
    mean
}
