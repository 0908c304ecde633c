//! `blur`: a Gaussian blur.

use super::gaussian::{Kernel, Plane, blur};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::raster::pixels::{Pixels, Samples};
use crate::raster::sample::{Mix, Sample};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "blur",
    summary: "Blurs with a Gaussian bell, as a lens out of focus does.",
    params: &[ParamSpec {
        name: "sigma",
        summary: "standard deviation of the bell",
        kind: ParamKind::Number {
            min: 0.1,
            max: 100.0,
            step: 0.1,
            unit: "pixels",
            default: 2.0,
        },
    }],
    build: |values| {
        Box::new(Blur {
            kernel: Kernel::new(values.number(0)),
        })
    },
};

/// Colours are weighted by their alpha, so that what cannot be seen does not bleed.
#[derive(Debug)]
struct Blur {
    kernel: Kernel,
}

impl Filter for Blur {
    fn radius(&self) -> u32 {
        u32::try_from(self.kernel.radius()).expect("a radius is at most 300")
    }

    fn apply(&self, window: Window) -> Pixels {
        match window.pixels.samples() {
            Samples::U8(samples) => self.blur(samples, &window),
            Samples::U16(samples) => self.blur(samples, &window),
        }
    }
}

impl Blur {
    fn blur<S: Sample>(&self, samples: &[S], window: &Window) -> Pixels {
        let channels = window.pixels.channels();
        let count = channels.count();
        let blurred = if channels.has_alpha() {
            let products = premultiply(samples, count);
            unpremultiply(&blur(plane(&products, count, window), &self.kernel), count)
        } else {
            blur(plane(samples, count, window), &self.kernel)
        };
        Pixels::of(window.keep.size(), channels, blurred)
    }
}

fn plane<'a, M>(values: &'a [M], channels: usize, window: &Window) -> Plane<'a, M> {
    Plane {
        values,
        channels,
        at: window.at,
        keep: window.keep,
    }
}

/// Colours times alpha, and alpha times [`Sample::MAX`], so that both are on one scale.
fn premultiply<S: Sample>(samples: &[S], channels: usize) -> Vec<S::Product> {
    let mut products = Vec::with_capacity(samples.len());
    for pixel in samples.chunks_exact(channels) {
        let alpha = pixel[channels - 1];
        products.extend(
            pixel[..channels - 1]
                .iter()
                .map(|colour| colour.product(alpha)),
        );
        products.push(alpha.product(S::MAX));
    }
    products
}

/// Undoes [`premultiply`], rounding half up. Where nothing can be seen colours become 0.
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
