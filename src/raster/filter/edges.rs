//! `edges`: how steeply luma changes.

use super::around::Threes;
use super::luma::{BT601, grey_channels, to_grey};
use super::{Filter, FilterSpec, Window};
use crate::pixels::{Colours, PixelFormat, Pixels, Samples};
use crate::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "edges",
    summary: "Shows how steeply luma changes (Sobel): edges white, surfaces black; alpha stays.",
    params: &[],
    build: |_| Box::new(Edges),
};

/// A quarter of the gradient's length by Sobel's kernels, √(gx² + gy²) / 4, so that an upright step
/// from black to white is white (I. Sobel, "An Isotropic 3×3 Image Gradient Operator").
///
/// Transparent pixels have no edges: each neighbour is mixed with the centre by the neighbour's alpha.
#[derive(Debug)]
struct Edges;

impl Filter for Edges {
    fn radius(&self) -> u32 {
        1
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { channels: grey_channels(input.channels), ..input }
    }

    fn reads(&self) -> Colours {
        Colours::Luma
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let grey = to_grey(&window.pixels, BT601);
        match grey.samples() {
            Samples::U8(samples) => edges(samples, &grey, &window),
            Samples::U16(samples) => edges(samples, &grey, &window),
        }
    }
}

fn edges<S: Sample>(samples: &[S], grey: &Pixels, window: &Window<'_>) -> Pixels {
    let channels = grey.channels();
    let mut edges = Vec::with_capacity(window.wanted(channels));
    let threes = Threes::new(samples, channels.count(), window);
    if channels.has_alpha() {
        threes.for_each(|rows| push_clear(rows, &mut edges));
    } else {
        threes.for_each(|rows| push_opaque(rows, &mut edges));
    }
    Pixels::of(window.keep.size(), channels, edges)
}

#[expect(clippy::cast_possible_wrap, reason = "a sample has 16 bits at most")]
fn signed<S: Sample>(sample: S) -> i32 {
    sample.to_u32() as i32
}

fn push_opaque<S: Sample>([above, here, below]: [&[S]; 3], edges: &mut Vec<S>) {
    let count = here.len() - 2;
    let at = |row: &'_ [S], x: usize| signed(row[x]);
    // Slices of one length, so that the compiler drops the bounds check of each index.
    let [above, here, below] = [above, here, below].map(|row| &row[..count + 2]);
    edges.extend((0..count).map(|x| {
        let right = at(above, x + 2) + 2 * at(here, x + 2) + at(below, x + 2);
        let left = at(above, x) + 2 * at(here, x) + at(below, x);
        let lower = at(below, x) + 2 * at(below, x + 1) + at(below, x + 2);
        let upper = at(above, x) + 2 * at(above, x + 1) + at(above, x + 2);
        S::steepness(right - left, lower - upper)
    }));
}

fn push_clear<S: Sample>(rows: [&[S]; 3], edges: &mut Vec<S>) {
    let [above, here, below] = rows.map(|row| row.as_chunks::<2>().0);
    for x in 0..here.len() - 2 {
        let [centre, alpha] = here[x + 1];
        let rise = |[luma, alpha]: [S; 2]| {
            let rise = i64::from(luma.to_u32()) - i64::from(centre.to_u32());
            rise * i64::from(alpha.to_u32())
        };
        let right = rise(above[x + 2]) + 2 * rise(here[x + 2]) + rise(below[x + 2]);
        let left = rise(above[x]) + 2 * rise(here[x]) + rise(below[x]);
        let lower = rise(below[x]) + 2 * rise(below[x + 1]) + rise(below[x + 2]);
        let upper = rise(above[x]) + 2 * rise(above[x + 1]) + rise(above[x + 2]);
        edges.extend([S::steepness(share::<S>(right - left), share::<S>(lower - upper)), alpha]);
    }
}

/// `product` divided by full opacity, rounded half away from zero.
#[expect(clippy::cast_possible_truncation, reason = "eight times a sample at most")]
fn share<S: Sample>(product: i64) -> i32 {
    let max = i64::from(S::MAX.to_u32());
    ((product + product.signum() * (max / 2)) / max) as i32
}
