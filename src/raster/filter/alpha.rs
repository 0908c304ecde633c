//! Means over pixels that may be transparent: colours are weighted by alpha.

use super::Window;
use crate::grid::Region;
use crate::pixels::{Channels, Pixels, Samples};
use crate::sample::{Mix, Sample};

/// A plane of interleaved samples, and the part that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane<'a, M> {
    /// Rows of `at.width` × `channels` values.
    pub(super) values: &'a [M],
    /// Values of one pixel.
    pub(super) channels: usize,
    /// Where the values lie.
    pub(super) at: Region,
    /// The part that is wanted.
    pub(super) keep: Region,
}

/// A mean of the values around each pixel, channel by channel.
pub(super) trait Smooth {
    /// The mean for every pixel of `plane.keep`.
    fn smooth<M: Mix>(&self, plane: Plane<'_, M>) -> Vec<M>;
}

/// The mean of a window, alpha included. Transparent pixels do not bleed into others.
pub(super) fn smooth(window: &Window<'_>, mean: &impl Smooth) -> Pixels {
    let channels = window.pixels.channels();
    match window.pixels.samples() {
        Samples::U8(samples) => smooth_samples(samples, channels, window, mean),
        Samples::U16(samples) => smooth_samples(samples, channels, window, mean),
    }
}

fn smooth_samples<S: Sample>(
    samples: &[S],
    channels: Channels,
    window: &Window<'_>,
    mean: &impl Smooth,
) -> Pixels {
    let count = channels.count();
    let smoothed = if channels.has_alpha() {
        let products = premultiply(samples, count);
        unpremultiply(&mean.smooth(plane(&products, count, window)), count)
    } else {
        mean.smooth(plane(samples, count, window))
    };
    Pixels::of(window.keep.size(), channels, smoothed)
}

/// `values`, which lie where the window's pixels do, as a plane.
pub(super) fn plane<'a, M>(values: &'a [M], channels: usize, window: &Window<'_>) -> Plane<'a, M> {
    Plane { values, channels, at: window.at, keep: window.keep }
}

/// Colours times alpha, and alpha times [`Sample::MAX`], so that both are on one scale.
pub(super) fn premultiply<S: Sample>(samples: &[S], channels: usize) -> Vec<S::Product> {
    let mut products = Vec::with_capacity(samples.len());
    for pixel in samples.chunks_exact(channels) {
        let alpha = pixel[channels - 1];
        products.extend(pixel[..channels - 1].iter().map(|colour| colour.product(alpha)));
        products.push(alpha.product(S::MAX));
    }
    products
}

/// Undoes [`premultiply`], rounding half up. Where alpha is 0, colours become 0.
fn unpremultiply<S: Sample>(products: &[S::Product], channels: usize) -> Vec<S> {
    let max = S::MAX.to_u64();
    let mut samples = Vec::with_capacity(products.len());
    for pixel in products.chunks_exact(channels) {
        let alpha = pixel[channels - 1].to_u64();
        for &colour in &pixel[..channels - 1] {
            let colour = (colour.to_u64() * max + alpha / 2).checked_div(alpha);
            samples.push(S::from_u64(colour.unwrap_or(0).min(max)));
        }
        samples.push(S::from_u64((alpha + max / 2) / max));
    }
    samples
}
