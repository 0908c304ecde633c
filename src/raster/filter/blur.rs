//! `blur`: a Gaussian blur.

use super::alpha::{Plane, Smooth, smooth};
use super::gaussian::{Kernel, blur};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::Pixels;
use crate::sample::{Blend, Mix};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "blur",
    summary: "Blurs with a Gaussian, like a lens out of focus.",
    params: &[ParamSpec {
        name: "sigma",
        summary: "standard deviation of the Gaussian",
        kind: ParamKind::Number { min: 0.1, max: 100.0, step: 0.1, unit: "pixels", default: 2.0 },
    }],
    build: |values| Box::new(Blur { kernel: Kernel::new(values.number(0)) }),
};

/// Colours are weighted by alpha, so transparent pixels do not bleed into others.
#[derive(Debug)]
struct Blur {
    kernel: Kernel,
}

impl Filter for Blur {
    fn radius(&self) -> u32 {
        self.kernel.reach()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        smooth(&window, self)
    }
}

impl Smooth for Blur {
    fn smooth<M: Mix>(&self, plane: Plane<'_, M>) -> Vec<M> {
        blur(plane, &self.kernel, M::mean)
    }

    fn smooth_floats(&self, plane: Plane<'_, f64>) -> Vec<f64> {
        blur(plane, &self.kernel, f64::mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Chain;
    use crate::grid::{Region, Size};
    use crate::pixels::{Bands, Samples};
    use crate::sample::Sample;

    const SIZE: Size = Size { width: 13, height: 9 };

    fn apply<S: Sample>(text: &str, bands: Bands, samples: Vec<S>) -> Samples {
        let all = Region::of(SIZE);
        let pixels = Pixels::of(SIZE, bands, samples);
        let chain: Chain = text.parse().unwrap();
        chain.apply(&pixels, all, all, SIZE).samples().clone()
    }

    fn value(x: i32, y: i32) -> u8 {
        (x * 7919 + y * 1043 + x * y * 77).to_le_bytes()[0]
    }

    /// The definition in two dimensions, in floating point, with the edges repeated.
    fn expected(sigma: f64, reach: i32, x: i32, y: i32) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (dx, dy) in (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx, dy))) {
            let weight = (-f64::from(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp();
            sum += weight * f64::from(value((x + dx).clamp(0, 12), (y + dy).clamp(0, 8)));
            weights += weight;
        }
        sum / weights
    }

    #[test]
    fn a_blur_is_the_gaussian_mean_with_the_edges_repeated() {
        let places: Vec<_> = (0..9).flat_map(|y| (0..13).map(move |x| (x, y))).collect();
        for (sigma, reach) in [(0.3, 1), (1.0, 3), (2.5, 8), (9.0, 27)] {
            let text = format!("blur:{sigma}");
            let eight: Vec<u8> = places.iter().map(|&(x, y)| value(x, y)).collect();
            let sixteen = eight.iter().map(|&value| u16::from(value) * 257).collect();
            let (Samples::U8(eight), Samples::U16(sixteen)) =
                (apply::<u8>(&text, Bands::GREY, eight), apply::<u16>(&text, Bands::GREY, sixteen))
            else {
                panic!("a blur keeps the type of the samples");
            };
            for (index, &(x, y)) in places.iter().enumerate() {
                let expected = expected(sigma, reach, x, y);
                let eight = f64::from(eight[index]) - expected;
                let sixteen = f64::from(sixteen[index]) - expected * 257.0;
                assert!(eight.abs() < 0.55 && sixteen.abs() < 8.0, "{sigma}: {eight}, {sixteen}");
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_does_not_bleed() {
        let clear_red = [255_u8, 0, 0, 0];
        let pixels =
            (0..13 * 9).flat_map(|i| if i % 13 < 6 { clear_red } else { [9, 99, 199, 255] });
        let Samples::U8(blurred) = apply("blur:2", Bands::RGBA, pixels.collect()) else {
            panic!("a blur keeps the type of the samples");
        };
        for pixel in blurred.chunks_exact(4).filter(|pixel| pixel[3] > 2) {
            assert!(pixel[0].abs_diff(9) < 2 && pixel[2].abs_diff(199) < 2, "{pixel:?}");
        }
    }
}
