//! The pixel format that a file can hold, and the conversion to it, rounded exactly.

use std::borrow::Cow;
use std::fmt;

use super::options::{OutputFormat, OutputOptions};
use crate::colour::Model;
use crate::pixels::{Channels, Depth, PixelFormat, Pixels, Samples};
use crate::sample::{Mix, Sample};

/// The format of the pixels in the file for pixels of format `input`.
pub(super) fn stored_format(options: OutputOptions, input: PixelFormat) -> PixelFormat {
    match options.format {
        OutputFormat::Png | OutputFormat::Tiff => input,
        OutputFormat::WebP => PixelFormat { depth: Depth::Eight, ..input },
        OutputFormat::Jpeg => {
            let [r, g, b] = options.background;
            let grey = match input.channels {
                Channels::Grey => true,
                Channels::GreyAlpha => r == g && g == b,
                Channels::Rgb | Channels::Rgba => false,
            };
            let channels = if grey { Channels::Grey } else { Channels::Rgb };
            PixelFormat::new(channels, Depth::Eight)
        }
    }
}

/// The kind of colours that a profile in a file of such pixels is for; `None` if readers would take it for
/// another kind.
pub(super) fn model(format: OutputFormat, stored: PixelFormat) -> Option<Model> {
    // WebP knows no grey: its decoders give RGB.
    let model = Model::of(stored.channels);
    (format != OutputFormat::WebP || model == Model::Rgb).then_some(model)
}

/// Something that a file loses of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Alpha was laid over this background.
    Alpha([u8; 3]),
    /// Samples of 16 bit were rounded to 8.
    Depth,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Alpha([r, g, b]) => write!(f, "alpha was laid over #{r:02x}{g:02x}{b:02x}"),
            Loss::Depth => f.write_str("16 bit was rounded to 8 bit"),
        }
    }
}

/// What the conversion loses.
pub(super) fn losses(options: OutputOptions, input: PixelFormat, stored: PixelFormat) -> Vec<Loss> {
    let alpha = input.has_alpha() && !stored.has_alpha();
    let depth = input.depth == Depth::Sixteen && stored.depth == Depth::Eight;
    let alpha = alpha.then_some(Loss::Alpha(options.background));
    alpha.into_iter().chain(depth.then_some(Loss::Depth)).collect()
}

/// The picture in the format that the file holds.
pub(super) fn convert(
    pixels: &Pixels,
    stored: PixelFormat,
    background: [u8; 3],
) -> Cow<'_, Pixels> {
    if pixels.format() == stored {
        return Cow::Borrowed(pixels);
    }
    let flat = pixels.channels().has_alpha() && !stored.has_alpha();
    let eight = match pixels.samples() {
        Samples::U8(samples) if flat => flatten(samples, pixels.channels(), stored, background),
        Samples::U16(samples) if flat => flatten(samples, pixels.channels(), stored, background),
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().map(|&value| to_eight(value)).collect(),
    };
    Cow::Owned(Pixels::of(pixels.size(), stored.channels, eight))
}

/// `value` × 255 / 65,535, rounded to the nearest.
pub(crate) fn to_eight(value: u16) -> u8 {
    let rounded = (u32::from(value) * 255 + 32_767) / 65_535;
    u8::try_from(rounded).expect("65,535 becomes 255")
}

fn flatten<S: Sample>(
    samples: &[S],
    channels: Channels,
    stored: PixelFormat,
    background: [u8; 3],
) -> Vec<u8> {
    let count = stored.channel_count();
    let mut flat = Vec::with_capacity(samples.len() / channels.count() * count);
    for pixel in samples.chunks_exact(channels.count()) {
        let (alpha, colours) = pixel.split_last().expect("a pixel has samples");
        for channel in 0..count {
            // If the background is no grey, a grey counts as three equal colours.
            let colour = colours[channel.min(colours.len() - 1)];
            flat.push(over(colour, *alpha, background[channel]));
        }
    }
    flat
}

/// A colour laid over a background, in 255ths, rounded half up once at the end.
fn over<S: Sample>(colour: S, alpha: S, background: u8) -> u8 {
    let max = S::MAX.to_u64();
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
