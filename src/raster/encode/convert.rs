//! The pixel format that a file can hold, and the conversion to it, rounded exactly.

use std::borrow::Cow;
use std::fmt;

use super::options::{OutputFormat, OutputOptions};
use crate::colour::Model;
use crate::pixels::{Alpha, Bands, PixelFormat, Pixels, SampleType, Samples, StoredType};
use crate::sample::{Mix, Sample, Whole, with_samples};

/// The format of the pixels in the file for pixels of format `input`, which the file format can hold.
pub(super) fn stored_format(options: OutputOptions, input: PixelFormat) -> PixelFormat {
    let shown = if input.bands.has_mask() { Alpha::Opacity } else { input.bands.alpha() };
    match options.format {
        OutputFormat::Tiff if input.bands.has_mask() => {
            let alpha =
                if options.empty_value(input.sample).is_some() { Alpha::None } else { shown };
            PixelFormat { bands: input.bands.with(alpha), ..input }
        }
        OutputFormat::Png | OutputFormat::Tiff => {
            PixelFormat { bands: input.bands.with(shown), ..input }
        }
        OutputFormat::WebP => PixelFormat::new(input.bands.with(shown), SampleType::U8),
        OutputFormat::Jpeg => {
            let [r, g, b] = options.background;
            let is_grey = input.bands.colours() == 1 && (!input.has_alpha() || r == g && g == b);
            PixelFormat::new(if is_grey { Bands::GREY } else { Bands::RGB }, SampleType::U8)
        }
    }
}

/// The kind of colours that a profile in a file of such pixels is for; `None` if readers would take it for
/// another kind.
pub(super) fn model(format: OutputFormat, stored: PixelFormat) -> Option<Model> {
    // WebP knows no grey: its decoders give RGB.
    let model = Model::of(stored.bands);
    let is_named = format != OutputFormat::WebP || model == Model::Rgb;
    (is_named && stored.bands.are_colours()).then_some(model)
}

/// Something that a file loses of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Alpha was laid over this background.
    Alpha([u8; 3]),
    /// Samples of 16 bit were rounded to 8.
    Depth,
    /// Floats were rounded to the numbers of this type, and clamped to its range.
    Rounded(StoredType),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Alpha([r, g, b]) => write!(f, "alpha was laid over #{r:02x}{g:02x}{b:02x}"),
            Loss::Depth => f.write_str("16 bit was rounded to 8 bit"),
            Loss::Rounded(stored) => write!(f, "results were rounded to {stored}"),
        }
    }
}

/// What the conversion loses.
pub(super) fn losses(options: OutputOptions, input: PixelFormat, stored: PixelFormat) -> Vec<Loss> {
    let is_flat = input.has_alpha() && !stored.has_alpha() && options.format != OutputFormat::Tiff;
    let alpha = is_flat.then_some(Loss::Alpha(options.background));
    let is_narrow = (input.sample, stored.sample) == (SampleType::U16, SampleType::U8);
    let written = options.stored_type(stored.sample);
    let is_rounded = stored.sample == SampleType::F32 && written != StoredType::F32;
    let narrow = is_narrow.then_some(Loss::Depth);
    alpha.into_iter().chain(narrow).chain(is_rounded.then_some(Loss::Rounded(written))).collect()
}

/// The picture in the format that the file holds.
pub(super) fn convert(
    pixels: &Pixels,
    stored: PixelFormat,
    options: OutputOptions,
) -> Cow<'_, Pixels> {
    if pixels.format() == stored {
        return Cow::Borrowed(pixels);
    }
    let (bands, is_flat) = (pixels.bands(), pixels.bands().has_alpha() && !stored.has_alpha());
    if let (true, Some(value)) = (is_flat, options.empty_value(pixels.format().sample)) {
        return Cow::Owned(with_samples!(pixels.samples(), samples => {
            let filled = fill(samples, bands.count(), value, options.stored_type(stored.sample));
            Pixels::of(pixels.size(), stored.bands, filled)
        }));
    }
    let eight = match pixels.samples() {
        Samples::U8(samples) if is_flat => flatten(samples, bands, stored, options.background),
        Samples::U16(samples) if is_flat => flatten(samples, bands, stored, options.background),
        Samples::U16(samples) if stored.sample == SampleType::U8 => {
            samples.iter().map(|&value| to_eight(value)).collect()
        }
        // Only the meaning of alpha differs.
        samples => {
            return Cow::Owned(with_samples!(samples, samples => {
                Pixels::of(pixels.size(), stored.bands, samples.clone())
            }));
        }
    };
    Cow::Owned(Pixels::of(pixels.size(), stored.bands, eight))
}

/// Pixels without their mask: empty ones get the `value` of empty pixels, and others that would have it in all bands
/// move one step towards the middle of the range.
#[expect(clippy::float_cmp, reason = "it is the value itself that counts, and -0 is 0")]
fn fill<S: Sample>(samples: &[S], count: usize, value: f64, written: StoredType) -> Vec<S> {
    let (empty, beside) = (S::from_f64(value), S::from_f64(beside(value, written)));
    let mut filled = Vec::with_capacity(samples.len() / count * (count - 1));
    for pixel in samples.chunks_exact(count) {
        let (alpha, colours) = pixel.split_last().expect("a pixel has samples");
        let is_like = |sample: &S| rounded(sample.to_f64(), written) == value;
        if *alpha == S::default() {
            filled.resize(filled.len() + colours.len(), empty);
        } else if colours.iter().all(is_like) {
            filled.resize(filled.len() + colours.len(), beside);
        } else {
            filled.extend_from_slice(colours);
        }
    }
    filled
}

/// The value that is written for `value`.
#[expect(clippy::cast_possible_truncation, reason = "halves are rounded from floats of 32 bits")]
pub(super) fn rounded(value: f64, written: StoredType) -> f64 {
    let whole = |low: f64, high: f64| (value + 0.5).floor().clamp(low, high);
    match written {
        StoredType::I8 => whole(i8::MIN.into(), i8::MAX.into()),
        StoredType::I16 => whole(i16::MIN.into(), i16::MAX.into()),
        StoredType::F16 => half::f16::from_f32(value as f32).into(),
        _ => value,
    }
}

/// The value of the type next to `value`, towards the middle of its range.
#[expect(clippy::cast_possible_truncation, reason = "it is a value of the type")]
fn beside(value: f64, written: StoredType) -> f64 {
    let towards = |middle: f64| if value < middle { value + 1.0 } else { value - 1.0 };
    match written {
        StoredType::U8 => towards(127.5),
        StoredType::U16 => towards(32_767.5),
        StoredType::I8 | StoredType::I16 => towards(-0.5),
        StoredType::F16 => {
            let bits = half::f16::from_f32(value as f32).to_bits();
            half::f16::from_bits(if value == 0.0 { 1 } else { bits - 1 }).into()
        }
        _ if value == 0.0 => f32::from_bits(1).into(),
        _ => f32::from_bits((value as f32).to_bits() - 1).into(),
    }
}

/// `value` × 255 / 65,535, rounded to the nearest.
pub(crate) fn to_eight(value: u16) -> u8 {
    let rounded = (u32::from(value) * 255 + 32_767) / 65_535;
    u8::try_from(rounded).expect("65,535 becomes 255")
}

fn flatten<S: Whole>(
    samples: &[S],
    bands: Bands,
    stored: PixelFormat,
    background: [u8; 3],
) -> Vec<u8> {
    let count = stored.samples_per_pixel();
    let mut flat = Vec::with_capacity(samples.len() / bands.count() * count);
    for pixel in samples.chunks_exact(bands.count()) {
        let (alpha, colours) = pixel.split_last().expect("a pixel has samples");
        for (band, background) in background[..count].iter().enumerate() {
            // If the background is no grey, a grey counts as three equal colours.
            let colour = colours[band.min(colours.len() - 1)];
            flat.push(over(colour, *alpha, *background));
        }
    }
    flat
}

/// A colour laid over a background, in 255ths, rounded half up once at the end.
fn over<S: Whole>(colour: S, alpha: S, background: u8) -> u8 {
    let max = S::FULL.to_u64();
    let (colour, alpha) = (colour.to_u64(), alpha.to_u64());
    let background = u64::from(background) * (max / 255);
    let mixed = colour * alpha + background * (max - alpha);
    u8::from_u64((mixed * 255 + max * max / 2) / (max * max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_the_nearest_of_eight() {
        for value in 0..=255_u16 {
            assert_eq!(u16::from(to_eight(value * 257)), value);
        }
        assert_eq!([to_eight(128), to_eight(129)], [0, 1]);
        assert_eq!([to_eight(65_406), to_eight(65_407)], [254, 255]);
    }

    #[test]
    fn opaque_colours_stay_and_clear_ones_show_the_background() {
        for value in 0..=255 {
            assert_eq!(over(value, 255, 7), value);
            assert_eq!(over(7_u8, 0, value), value);
            assert_eq!(over(u16::from(value) * 257, 65_535, 7), value);
        }
        assert_eq!(over(255_u8, 128, 0), 128);
        assert_eq!(over(0_u16, 32_768, 255), 127);
    }
}
