//! Means over pixels that may be transparent: colours are weighted by alpha.

use super::Window;
use crate::grid::Region;
use crate::pixels::{Bands, Pixels, Samples};
use crate::sample::{Mix, Sample, Whole};

/// A plane of interleaved samples, and the part that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane<'a, M> {
    /// Rows of `at.width` × `bands` values.
    pub(super) values: &'a [M],
    /// Values of one pixel.
    pub(super) bands: usize,
    /// Where the values lie.
    pub(super) at: Region,
    /// The part that is wanted.
    pub(super) keep: Region,
}

/// A mean of the values around each pixel, band by band.
pub(super) trait Smooth {
    /// The mean for every pixel of `plane.keep`.
    fn smooth<M: Mix>(&self, plane: Plane<'_, M>) -> Vec<M>;

    /// Like [`Smooth::smooth`], of floats. Each sum is taken in one order, whatever the plane.
    fn smooth_floats(&self, plane: Plane<'_, f64>) -> Vec<f64>;
}

/// The mean of a window, alpha included. Transparent pixels do not bleed into others.
pub(super) fn smooth(window: &Window<'_>, mean: &impl Smooth) -> Pixels {
    let bands = window.pixels.bands();
    match window.pixels.samples() {
        Samples::U8(samples) => smooth_whole(samples, bands, window, mean),
        Samples::U16(samples) => smooth_whole(samples, bands, window, mean),
        Samples::F32(samples) => {
            let weighted = weighted(samples, bands);
            let means = mean.smooth_floats(plane(&weighted, bands.count(), window));
            Pixels::of(window.keep.size(), bands, unweighted(&means, bands))
        }
    }
}

fn smooth_whole<S: Whole>(
    samples: &[S],
    bands: Bands,
    window: &Window<'_>,
    mean: &impl Smooth,
) -> Pixels {
    let count = bands.count();
    let smoothed = if bands.has_alpha() {
        let products = premultiply(samples, count);
        unpremultiply(&mean.smooth(plane(&products, count, window)), count)
    } else {
        mean.smooth(plane(samples, count, window))
    };
    Pixels::of(window.keep.size(), bands, smoothed)
}

/// `values`, which lie where the window's pixels do, as a plane.
pub(super) fn plane<'a, M>(values: &'a [M], bands: usize, window: &Window<'_>) -> Plane<'a, M> {
    Plane { values, bands, at: window.at, keep: window.keep }
}

/// Colours times alpha, and alpha times [`Sample::FULL`], so that both are on one scale.
pub(super) fn premultiply<S: Whole>(samples: &[S], bands: usize) -> Vec<S::Product> {
    let mut products = Vec::with_capacity(samples.len());
    for pixel in samples.chunks_exact(bands) {
        let alpha = pixel[bands - 1];
        products.extend(pixel[..bands - 1].iter().map(|colour| colour.product(alpha)));
        products.push(alpha.product(S::FULL));
    }
    products
}

/// Undoes [`premultiply`], rounding half up. Where alpha is 0, colours become 0.
fn unpremultiply<S: Whole>(products: &[S::Product], bands: usize) -> Vec<S> {
    let max = S::FULL.to_u64();
    let mut samples = Vec::with_capacity(products.len());
    for pixel in products.chunks_exact(bands) {
        let alpha = pixel[bands - 1].to_u64();
        for &colour in &pixel[..bands - 1] {
            let colour = (colour.to_u64() * max + alpha / 2).checked_div(alpha);
            samples.push(S::from_u64(colour.unwrap_or(0).min(max)));
        }
        samples.push(S::from_u64((alpha + max / 2) / max));
    }
    samples
}

/// Floats with colours times alpha; without alpha, as they are.
pub(super) fn weighted(samples: &[f32], bands: Bands) -> Vec<f64> {
    let mut weighted: Vec<f64> = samples.iter().map(|value| f64::from(*value)).collect();
    if bands.has_alpha() {
        for pixel in weighted.chunks_exact_mut(bands.count()) {
            let (alpha, colours) = pixel.split_last_mut().expect("a pixel has samples");
            for colour in colours {
                // What cannot be seen may be no number.
                *colour = if *alpha == 0.0 { 0.0 } else { *colour * *alpha };
            }
        }
    }
    weighted
}

/// Undoes [`weighted`]. Where alpha is 0, colours become 0.
fn unweighted(means: &[f64], bands: Bands) -> Vec<f32> {
    let mut samples: Vec<f32> = Vec::with_capacity(means.len());
    if !bands.has_alpha() {
        samples.extend(means.iter().map(|mean| f32::from_f64(*mean)));
        return samples;
    }
    for pixel in means.chunks_exact(bands.count()) {
        let (alpha, colours) = pixel.split_last().expect("a pixel has samples");
        let colour = |sum: &f64| if *alpha == 0.0 { 0.0 } else { f32::from_f64(sum / alpha) };
        samples.extend(colours.iter().map(colour));
        samples.push(f32::from_f64(*alpha));
    }
    samples
}
