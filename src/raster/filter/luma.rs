//! Luma: how bright a colour looks, computed from its red, green and blue.

use crate::pixels::Pixels;
use crate::sample::{Sample, Whole, with_samples};

/// The weights of red, green and blue in ITU-R BT.601 luma, 0.299, 0.587 and 0.114, in 65,536ths.
/// The weights sum to 65,536, so greys keep their value.
pub(super) const BT601: [u32; 3] = [19_595, 38_470, 7_471];

/// Like [`BT601`], for ITU-R BT.709 luma: 0.2126, 0.7152 and 0.0722.
pub(super) const BT709: [u32; 3] = [13_933, 46_871, 4_732];

/// The luma of one colour, rounded half up; the largest sum, 65,536 × 65,535 + 32,768, fits in `u32`.
#[inline]
pub(super) fn luma<S: Whole>([r, g, b]: [S; 3], weights: [u32; 3]) -> S {
    let sum = weights[0] * r.to_u32() + weights[1] * g.to_u32() + weights[2] * b.to_u32();
    S::from_u32((sum + 32_768) >> 16)
}

/// A sample that luma can be computed of.
pub(super) trait Colour: Sample {
    /// The luma of one colour.
    fn luma(colour: [Self; 3], weights: [u32; 3]) -> Self;
}

macro_rules! colour {
    ($($whole:ty),*) => {$(
        impl Colour for $whole {
            #[inline]
            fn luma(colour: [$whole; 3], weights: [u32; 3]) -> $whole {
                luma(colour, weights)
            }
        }
    )*};
}

colour!(u8, u16);

impl Colour for f32 {
    #[inline]
    fn luma(colour: [f32; 3], weights: [u32; 3]) -> f32 {
        let parts = colour.iter().zip(weights).map(|(v, weight)| v.to_f64() * f64::from(weight));
        f32::from_f64(parts.sum::<f64>() / 65_536.0)
    }
}

/// The picture in grey; alpha stays.
///
/// # Panics
/// When its bands are not known to be colours.
pub(super) fn to_grey(pixels: &Pixels, weights: [u32; 3]) -> Pixels {
    with_samples!(pixels.samples(), samples => grey(samples, pixels, weights))
}

fn grey<S: Colour>(samples: &[S], pixels: &Pixels, weights: [u32; 3]) -> Pixels {
    let bands = pixels.bands();
    assert!(bands.are_colours(), "{bands} are no colours");
    let grey = match bands.count() {
        1 | 2 => return pixels.clone(),
        3 => samples.as_chunks::<3>().0.iter().map(|&rgb| S::luma(rgb, weights)).collect(),
        _ => {
            let (rgba, _) = samples.as_chunks::<4>();
            rgba.iter().flat_map(|&[r, g, b, a]| [S::luma([r, g, b], weights), a]).collect()
        }
    };
    Pixels::of::<S>(pixels.size(), bands.to_grey(), grey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_keep_their_value_and_colours_are_rounded_to_the_nearest() {
        for value in 0..=255_u8 {
            for weights in [BT601, BT709] {
                assert_eq!(luma([value; 3], weights), value);
                assert_eq!(luma([u16::from(value) * 257; 3], weights), u16::from(value) * 257);
            }
        }
        let primaries = [[255_u8, 0, 0], [0, 255, 0], [0, 0, 255]];
        assert_eq!(primaries.map(|colour| luma(colour, BT601)), [76, 150, 29]);
        assert_eq!(primaries.map(|colour| luma(colour, BT709)), [54, 182, 18]);
        assert_eq!(luma([65_535_u16, 0, 0], BT601), 19_595);
    }
}
