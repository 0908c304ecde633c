//! Any numbers as whole numbers from black to white.

use super::{ParamKind, ParamSpec};
use crate::pixels::{Pixels, SampleType};
use crate::sample::{Sample, with_samples};

/// The bits of the result.
pub(super) const BITS: ParamSpec = ParamSpec {
    name: "bits",
    summary: "bits of the result",
    kind: ParamKind::Choice { choices: &["8", "16"], default: "8" },
};

/// The type of samples of so many `bits`.
pub(super) fn sample(bits: &str) -> SampleType {
    if bits == "16" { SampleType::U16 } else { SampleType::U8 }
}

/// Pixels whose colours are the `share` of full intensity that a band's number and a value have, clamped and rounded half
/// up; a NaN becomes black. Alpha stays.
pub(super) fn stretched(
    pixels: &Pixels,
    sample: SampleType,
    share: impl Fn(usize, f64) -> f64,
) -> Pixels {
    match sample {
        SampleType::U16 => of::<u16>(pixels, share),
        _ => of::<u8>(pixels, share),
    }
}

fn of<T: Sample>(pixels: &Pixels, share: impl Fn(usize, f64) -> f64) -> Pixels {
    let bands = pixels.bands();
    let made = with_samples!(pixels.samples(), samples => {
        samples_of::<_, T>(samples, bands.count(), bands.colours(), share)
    });
    Pixels::of(pixels.size(), bands, made)
}

fn samples_of<S: Sample, T: Sample>(
    samples: &[S],
    count: usize,
    colours: usize,
    share: impl Fn(usize, f64) -> f64,
) -> Vec<T> {
    let full = T::FULL.to_f64();
    let mut made = Vec::with_capacity(samples.len());
    for pixel in samples.chunks_exact(count) {
        let (values, alpha) = pixel.split_at(colours);
        let shares = values.iter().enumerate().map(|(band, value)| share(band, value.to_f64()));
        made.extend(shares.map(|share| T::from_f64(share * full)));
        let opacity = alpha.iter().map(|alpha| alpha.to_f64() / S::FULL.to_f64());
        made.extend(opacity.map(|share| T::from_f64(share * full)));
    }
    made
}
