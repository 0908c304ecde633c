//! `pixelate`: large squares of one colour.

use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::grid::Region;
use crate::pixels::{Bands, Pixels, Samples};
use crate::sample::{Sample, Whole};

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
            Samples::U8(samples) => self.pixelate(samples, &window, mean),
            Samples::U16(samples) => self.pixelate(samples, &window, mean),
            Samples::F32(samples) => self.pixelate(samples, &window, mean_of_floats),
        }
    }
}

impl Pixelate {
    fn pixelate<S: Sample>(
        &self,
        samples: &[S],
        window: &Window<'_>,
        mean: impl Fn(&Square<'_, S>) -> Vec<S>,
    ) -> Pixels {
        let (keep, bands) = (window.keep, window.pixels.bands());
        let squares = |range: std::ops::Range<u32>| {
            let (first, last) = (range.start / self.side, (range.end - 1) / self.side);
            first..=last
        };
        let mut pixels = Vec::new();
        for row in squares(keep.rows()) {
            let mut line = Vec::with_capacity(keep.width as usize * bands.count());
            let mut height = 0;
            for column in squares(keep.columns()) {
                let square = self.square(column, row, window);
                let seen = overlap(square, keep);
                let at = square.relative_to(window.at);
                let mean = mean(&Square { samples, bands, at, width: window.at.width });
                (0..seen.width).for_each(|_| line.extend_from_slice(&mean));
                height = seen.height;
            }
            (0..height).for_each(|_| pixels.extend_from_slice(&line));
        }
        Pixels::of(keep.size(), bands, pixels)
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

/// The pixels of a square that lie in a window.
struct Square<'a, S> {
    samples: &'a [S],
    bands: Bands,
    at: Region,
    /// Pixels in a row of the window.
    width: u32,
}

impl<S: Sample> Square<'_, S> {
    fn pixels(&self) -> impl Iterator<Item = &[S]> {
        let count = self.bands.count();
        self.at.rows().flat_map(move |y| {
            let start = (y as usize * self.width as usize + self.at.x as usize) * count;
            self.samples[start..][..self.at.width as usize * count].chunks_exact(count)
        })
    }
}

fn mean<S: Whole>(square: &Square<'_, S>) -> Vec<S> {
    let Square { bands, at, .. } = *square;
    let (mut sums, mut weight) = (vec![0_u64; bands.colours()], 0_u64);
    for pixel in square.pixels() {
        let (colours, alpha) = pixel.split_at(bands.colours());
        let alpha = alpha.first().map_or(1, |alpha| alpha.to_u64());
        weight += alpha;
        sums.iter_mut().zip(colours).for_each(|(sum, colour)| *sum += colour.to_u64() * alpha);
    }
    let nearest = |sum: u64, of: u64| S::from_u64((sum + of / 2).checked_div(of).unwrap_or(0));
    let mut mean: Vec<S> = sums.into_iter().map(|sum| nearest(sum, weight)).collect();
    mean.extend(bands.has_alpha().then(|| nearest(weight, at.size().pixels())));
    mean
}

#[expect(clippy::cast_precision_loss, reason = "a square has 65,536 pixels at most")]
fn mean_of_floats(square: &Square<'_, f32>) -> Vec<f32> {
    let Square { bands, at, .. } = *square;
    let (mut sums, mut weight) = (vec![0.0; bands.colours()], 0.0);
    for pixel in square.pixels() {
        let (colours, alpha) = pixel.split_at(bands.colours());
        let alpha = alpha.first().map_or(1.0, |alpha| alpha.to_f64());
        // What cannot be seen may be no number.
        if alpha != 0.0 {
            weight += alpha;
            sums.iter_mut().zip(colours).for_each(|(sum, colour)| *sum += colour.to_f64() * alpha);
        }
    }
    let colour = |sum: f64| if weight == 0.0 { 0.0 } else { f32::from_f64(sum / weight) };
    let mut mean: Vec<f32> = sums.into_iter().map(colour).collect();
    mean.extend(bands.has_alpha().then(|| f32::from_f64(weight / at.size().pixels() as f64)));
    mean
}
