//! `grayscale`: the luma of an image.

use super::{Filter, FilterSpec, Window};
use crate::raster::pixels::{Channels, Colours, PixelFormat, Pixels, Samples};
use crate::raster::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "grayscale",
    summary: "Keeps the luma of every colour; alpha stays.",
    params: &[],
    build: |_| Box::new(Grayscale),
};

/// The weights of red, green and blue in ITU-R BT.601 luma, 0.299, 0.587 and 0.114, in 65,536ths.
/// Their sum is 65,536, so greys keep their value.
const LUMA: [u32; 3] = [19_595, 38_470, 7_471];

#[derive(Debug)]
struct Grayscale;

impl Filter for Grayscale {
    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        let channels = if input.has_alpha() { Channels::GreyAlpha } else { Channels::Grey };
        PixelFormat { channels, ..input }
    }

    fn reads(&self) -> Colours {
        Colours::Luma
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let pixels = window.pixels;
        if pixels.channels().colours() == 1 {
            return pixels.into_owned();
        }
        match pixels.samples() {
            Samples::U8(samples) => grayscale(samples, &pixels),
            Samples::U16(samples) => grayscale(samples, &pixels),
        }
    }
}

fn grayscale<S: Sample>(samples: &[S], pixels: &Pixels) -> Pixels {
    if pixels.channels().has_alpha() {
        let (rgba, _) = samples.as_chunks::<4>();
        let grey = rgba.iter().flat_map(|&[r, g, b, a]| [luma(r, g, b), a]).collect();
        Pixels::of(pixels.size(), Channels::GreyAlpha, grey)
    } else {
        let (rgb, _) = samples.as_chunks::<3>();
        let grey = rgb.iter().map(|&[r, g, b]| luma(r, g, b)).collect();
        Pixels::of::<S>(pixels.size(), Channels::Grey, grey)
    }
}

/// Rounded half up; the largest sum, 65,536 × 65,535 + 32,768, still fits.
#[inline]
fn luma<S: Sample>(r: S, g: S, b: S) -> S {
    let sum = LUMA[0] * r.to_u32() + LUMA[1] * g.to_u32() + LUMA[2] * b.to_u32();
    S::from_u32((sum + 32_768) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_keep_their_value_and_colours_are_rounded_to_the_nearest() {
        for value in 0..=255_u8 {
            assert_eq!(luma(value, value, value), value);
            assert_eq!(
                luma(u16::from(value) * 257, u16::from(value) * 257, u16::from(value) * 257),
                u16::from(value) * 257
            );
        }
        assert_eq!([luma(255_u8, 0, 0), luma(0_u8, 255, 0), luma(0_u8, 0, 255)], [76, 150, 29]);
        assert_eq!(luma(65_535_u16, 0, 0), 19_595);
    }
}
