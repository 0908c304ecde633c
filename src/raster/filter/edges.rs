//! `edges`: how steeply luma changes.

use std::borrow::Cow;
use std::ops::{Add, Sub};

use super::around::Threes;
use super::luma::{BT601, to_grey};
use super::{Filter, FilterSpec, Window};
use crate::pixels::{Colours, PixelFormat, Pixels, Samples};
use crate::sample::{Sample, Whole};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "edges",
    summary: "Shows how steeply luma changes (Sobel): edges white, surfaces black; alpha stays.",
    params: &[],
    build: |_| Box::new(Edges),
};

/// A quarter of the gradient's length by Sobel's kernels, √(gx² + gy²) / 4, so that an upright step
/// from black to white is white (I. Sobel, "An Isotropic 3×3 Image Gradient Operator").
///
/// Bands that are no colours have edges each of its own. Transparent pixels have no edges: each neighbour is mixed with the centre by the neighbour's alpha.
#[derive(Debug)]
struct Edges;

impl Filter for Edges {
    fn radius(&self) -> u32 {
        1
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        let bands = if input.bands.are_colours() { input.bands.to_grey() } else { input.bands };
        PixelFormat { bands, ..input }
    }

    fn reads(&self) -> Colours {
        Colours::Luma
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let grey = if window.pixels.bands().are_colours() {
            Cow::Owned(to_grey(&window.pixels, BT601))
        } else {
            Cow::Borrowed(&*window.pixels)
        };
        match grey.samples() {
            Samples::U8(samples) => edges(samples, &grey, &window),
            Samples::U16(samples) => edges(samples, &grey, &window),
            Samples::F32(samples) => edges(samples, &grey, &window),
        }
    }
}

fn edges<S: Steep>(samples: &[S], grey: &Pixels, window: &Window<'_>) -> Pixels {
    let bands = grey.bands();
    let count = bands.count();
    let mut edges = Vec::with_capacity(window.wanted(bands));
    let threes = Threes::new(samples, count, window);
    if bands.has_alpha() {
        threes.for_each(|rows| push_clear(rows, count, &mut edges));
    } else if count == 1 {
        threes.for_each(|rows| push_single(rows, &mut edges));
    } else {
        threes.for_each(|rows| push_opaque(rows, count, &mut edges));
    }
    Pixels::of(window.keep.size(), bands, edges)
}

/// A sample with a way to compute gradients: in `i32` and `i64` of whole numbers, in `f64` of floats.
trait Steep: Sample {
    /// A sample, or a sum of some.
    type Rise: Copy + Add<Output = Self::Rise> + Sub<Output = Self::Rise>;

    fn rise(self) -> Self::Rise;

    /// How far the sample, which has this alpha, rises above a centre, times its alpha. The sum of eight is divided by
    /// full opacity in [`Steep::share`].
    fn rise_above(self, centre: Self, alpha: Self) -> Self::Weighted;

    type Weighted: Copy + Add<Output = Self::Weighted> + Sub<Output = Self::Weighted>;

    fn share(sum: Self::Weighted) -> Self::Rise;

    fn steepness(across: Self::Rise, down: Self::Rise) -> Self;
}

macro_rules! steep {
    ($($whole:ty),*) => {$(
        impl Steep for $whole {
            type Rise = i32;
            type Weighted = i64;

            #[inline]
            fn rise(self) -> i32 {
                self.into()
            }

            #[inline]
            fn rise_above(self, centre: $whole, alpha: $whole) -> i64 {
                (i64::from(self) - i64::from(centre)) * i64::from(alpha)
            }

            /// Rounded half away from zero.
            #[inline]
            #[expect(clippy::cast_possible_truncation, reason = "eight times a sample at most")]
            fn share(sum: i64) -> i32 {
                let max = i64::from(Self::FULL);
                ((sum + sum.signum() * (max / 2)) / max) as i32
            }

            #[inline]
            fn steepness(across: i32, down: i32) -> $whole {
                Whole::steepness(across, down)
            }
        }
    )*};
}

steep!(u8, u16);

impl Steep for f32 {
    type Rise = f64;
    type Weighted = f64;

    #[inline]
    fn rise(self) -> f64 {
        self.into()
    }

    #[inline]
    fn rise_above(self, centre: f32, alpha: f32) -> f64 {
        // What cannot be seen may be no number.
        if alpha == 0.0 { 0.0 } else { (f64::from(self) - f64::from(centre)) * f64::from(alpha) }
    }

    #[inline]
    fn share(sum: f64) -> f64 {
        sum
    }

    #[inline]
    fn steepness(across: f64, down: f64) -> f32 {
        f32::from_f64((across * across + down * down).sqrt() * 0.25)
    }
}

/// The gradient around the middle of three rows of three values, whose corners come first.
#[inline]
fn gradient<V: Copy + Add<Output = V> + Sub<Output = V>>(at: impl Fn(usize, usize) -> V) -> [V; 2] {
    let right = at(0, 2) + at(1, 2) + at(1, 2) + at(2, 2);
    let left = at(0, 0) + at(1, 0) + at(1, 0) + at(2, 0);
    let lower = at(2, 0) + at(2, 1) + at(2, 1) + at(2, 2);
    let upper = at(0, 0) + at(0, 1) + at(0, 1) + at(0, 2);
    [right - left, lower - upper]
}

/// Like [`push_opaque`], for a single band, as most images have here.
fn push_single<S: Steep>([above, here, below]: [&[S]; 3], edges: &mut Vec<S>) {
    let count = here.len() - 2;
    let at = |row: &'_ [S], x: usize| row[x].rise();
    // Slices of one length, so that the compiler drops the bounds check of each index.
    let [above, here, below] = [above, here, below].map(|row| &row[..count + 2]);
    edges.extend((0..count).map(|x| {
        let [across, down] = gradient(|row, column| match row {
            0 => at(above, x + column),
            1 => at(here, x + column),
            _ => at(below, x + column),
        });
        S::steepness(across, down)
    }));
}

fn push_opaque<S: Steep>(rows: [&[S]; 3], bands: usize, edges: &mut Vec<S>) {
    let count = rows[1].len() - 2 * bands;
    edges.extend((0..count).map(|start| {
        let [across, down] = gradient(|row, column| rows[row][start + column * bands].rise());
        S::steepness(across, down)
    }));
}

fn push_clear<S: Steep>(rows: [&[S]; 3], bands: usize, edges: &mut Vec<S>) {
    for start in (0..rows[1].len() - 2 * bands).step_by(bands) {
        let centre = &rows[1][start + bands..][..bands];
        for band in 0..bands - 1 {
            let [across, down] = gradient(|row, column| {
                let pixel = &rows[row][start + column * bands..][..bands];
                pixel[band].rise_above(centre[band], pixel[bands - 1])
            });
            edges.push(S::steepness(S::share(across), S::share(down)));
        }
        edges.push(centre[bands - 1]);
    }
}
