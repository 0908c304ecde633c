//! `sharpen`: an unsharp mask.

use super::alpha::{plane, premultiply, weighted};
use super::gaussian::{Kernel, blur};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Bands, Pixels, Samples, SamplesMut};
use crate::sample::{Blend, Mix, Sample, Whole};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "sharpen",
    summary: "Adds what a blur would take away (unsharp mask); alpha stays.",
    params: &[
        ParamSpec {
            name: "amount",
            summary: "how much of the difference is added",
            kind: ParamKind::Number { min: 0.0, max: 10.0, step: 0.1, unit: "", default: 1.0 },
        },
        ParamSpec {
            name: "radius",
            summary: "standard deviation of the blur",
            kind: ParamKind::Number {
                min: 0.1,
                max: 100.0,
                step: 0.1,
                unit: "pixels",
                default: 1.0,
            },
        },
        ParamSpec {
            name: "threshold",
            summary: "smaller differences, often noise, stay as they are",
            kind: ParamKind::Number {
                min: 0.0,
                max: 255.0,
                step: 1.0,
                unit: "of 255 levels, or of floats",
                default: 0.0,
            },
        },
    ],
    build: |values| Box::new(Sharpen::new(values.number(0), values.number(1), values.number(2))),
};

/// v + amount × (v - blurred v) where the difference reaches the threshold (as `UnsharpMask` of
/// Pillow and `unsharp_mask` of scikit-image), blurred as `blur` does, in 256ths of a level.
#[derive(Debug)]
struct Sharpen {
    kernel: Kernel,
    /// In 256ths.
    amount: i64,
    /// In 256ths of a level of 8 bits.
    threshold: i64,
}

impl Sharpen {
    #[expect(clippy::cast_possible_truncation, reason = "both are below 2^16")]
    fn new(amount: f64, radius: f64, threshold: f64) -> Sharpen {
        let (amount, threshold) = ((amount * 256.0).round(), (threshold * 256.0).round());
        Sharpen { kernel: Kernel::new(radius), amount: amount as i64, threshold: threshold as i64 }
    }
}

impl Filter for Sharpen {
    fn radius(&self) -> u32 {
        self.kernel.reach()
    }

    fn changes_nothing(&self) -> bool {
        self.amount == 0
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        match window.pixels.samples() {
            Samples::U8(samples) => self.sharpen(samples, &window),
            Samples::U16(samples) => self.sharpen(samples, &window),
            Samples::F32(samples) => self.sharpen_floats(samples, &window),
        }
    }
}

impl Sharpen {
    fn sharpen<S: Whole>(&self, samples: &[S], window: &Window<'_>) -> Pixels {
        let bands = window.pixels.bands();
        let count = bands.count();
        let mut pixels = window.pixels.crop(window.keep.relative_to(window.at));
        if bands.has_alpha() {
            let products = premultiply(samples, count);
            let blurred = blur(plane(&products, count, window), &self.kernel, S::Product::mean);
            self.sharpen_clear::<S>(&mut pixels, bands, &blurred);
        } else {
            let blurred = blur(plane(samples, count, window), &self.kernel, S::fine);
            let kept = S::of(pixels.samples_mut());
            for (sample, blurred) in kept.iter_mut().zip(blurred) {
                *sample = self.sharper(*sample, signed(blurred.into()));
            }
        }
        pixels
    }

    /// Sharpens colours, weighted by alpha; a transparent pixel among transparent ones stays.
    fn sharpen_clear<S: Whole>(&self, pixels: &mut Pixels, bands: Bands, blurred: &[S::Product]) {
        let (count, kept) = (bands.count(), S::of(pixels.samples_mut()));
        let fine = 256 * S::FULL.to_u64();
        for (pixel, around) in kept.chunks_exact_mut(count).zip(blurred.chunks_exact(count)) {
            let weight = around[count - 1].to_u64();
            for (colour, around) in pixel[..count - 1].iter_mut().zip(around) {
                let mean = (around.to_u64() * fine + weight / 2).checked_div(weight);
                let mean = mean.map_or(256 * i64::from(colour.to_u32()), signed);
                *colour = self.sharper(*colour, mean);
            }
        }
    }

    /// One sharpened colour; `blurred` is its blur in 256ths.
    #[inline]
    fn sharper<S: Whole>(&self, colour: S, blurred: i64) -> S {
        let colour = i64::from(colour.to_u32());
        let difference = 256 * colour - blurred;
        let threshold = self.threshold * i64::from(S::FULL.to_u32() / 255);
        if difference.abs() < threshold {
            return S::clamped(colour);
        }
        S::clamped(colour + ((difference * self.amount + 32_768) >> 16))
    }

    /// Like [`Sharpen::sharpen`]. A threshold is in the unit of the samples, and nothing is clamped.
    #[expect(clippy::cast_precision_loss, reason = "both are below 2^16")]
    fn sharpen_floats(&self, samples: &[f32], window: &Window<'_>) -> Pixels {
        let bands = window.pixels.bands();
        let (count, colours) = (bands.count(), bands.colours());
        let (amount, threshold) = (self.amount as f64 / 256.0, self.threshold as f64 / 256.0);
        let mut pixels = window.pixels.crop(window.keep.relative_to(window.at));
        let values = weighted(samples, bands);
        let blurred = blur(plane(&values, count, window), &self.kernel, f64::mean);
        let SamplesMut::F32(kept) = pixels.samples_mut() else { return pixels };
        for (pixel, around) in kept.chunks_exact_mut(count).zip(blurred.chunks_exact(count)) {
            let weight = if bands.has_alpha() { around[colours] } else { 1.0 };
            for (colour, sum) in pixel[..colours].iter_mut().zip(around) {
                let difference = colour.to_f64() - sum / weight;
                if weight > 0.0 && difference.abs() >= threshold {
                    *colour = f32::from_f64(colour.to_f64() + difference * amount);
                }
            }
        }
        pixels
    }
}

#[expect(clippy::cast_possible_wrap, reason = "a sample in 256ths has 24 bits")]
fn signed(fine: u64) -> i64 {
    fine as i64
}
