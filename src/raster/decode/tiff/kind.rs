//! The kind of the samples of a TIFF file. Kinds that are not read are refused by name, with advice that fits.

use super::super::container::Container;
use super::super::error::DecodeError;
use super::codec::Codec;
use super::pages;
use super::picture::{
    BLACK_IS_ZERO, GROUP_3, GROUP_4, JPEG, PALETTE, Picture, RGB, RUNS, UNCOMPRESSED,
    WHITE_IS_ZERO, WORD_ALIGNED_RUNS, YCBCR, ZSTANDARD,
};
use crate::pixels::{Channels, Depth, PixelFormat};

const SCALE: &str = "scale it to 8 or 16 bit, as `gdal_translate -ot UInt16 -scale` does";
const WIDEN: &str = "scale it to 8 bit, as `gdal_translate -ot Byte -scale` does";
const EVEN_OUT: &str = "save it with 8 or with 16 bits in every sample";
pub(super) const RECOMPRESS: &str = "save it with LZW or deflate, as `tiffcp -c lzw` does";
const REPREDICT: &str = "save it with predictor 2, as `tiffcp -c lzw:2` does";
const CHOOSE_BANDS: &str = "choose up to three bands, as `gdal_translate -b 1 -b 2 -b 3` does";
const EXPAND: &str = "save it as RGB with alpha";
const TO_RGB: &str = "save it as RGB, as `tiff2rgba` does";
const CHOOSE_INKS: &str = "save it as CMYK or RGB";
const FLATTEN: &str = "save it as CMYK without alpha, or as RGB";
const ONE_PART: &str = "save the real or the imaginary part, in 8 or 16 bit";

const MASK: u64 = 4;
const SEPARATED: u64 = 5;

const UNSIGNED: u64 = 1;
const SIGNED: u64 = 2;
const FLOATING: u64 = 3;
/// A reader treats numbers of unknown kind as unsigned (TIFF 6.0, `SampleFormat`).
const UNKNOWN: u64 = 4;

const ASSOCIATED: u64 = 1;
const UNASSOCIATED: u64 = 2;

const HORIZONTAL: u64 = 2;
const FLOATING_POINT: u64 = 3;

/// The alpha that follows the colours of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// No alpha.
    None,
    /// Alpha by which the colours are multiplied.
    Associated,
    /// Alpha by which the colours are not multiplied.
    Separate,
}

/// The kind of a picture's samples; those of a palette are indexes, as grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) format: PixelFormat,
    /// Bits of a sample in the file: 1, 2, 4, 8 or 16.
    pub(super) bits: u8,
    /// Whether the samples are four inks.
    pub(super) inks: bool,
    /// Whether 0 is white.
    pub(super) inverted: bool,
    pub(super) alpha: Alpha,
    /// Whether each sample is the difference from the previous one of its colour.
    pub(super) predicted: bool,
}

pub(super) fn refused(what: &str, remedy: &str) -> DecodeError {
    DecodeError::unsupported(Container::Tiff, what, remedy)
}

/// The kind of the samples; fails for kinds that would be read wrongly.
pub(super) fn of(picture: &Picture) -> Result<Kind, DecodeError> {
    check_compression(picture)?;
    let colours = colours(picture)?;
    check_numbers(picture)?;
    let alpha = alpha(picture, colours)?;
    let bits = bits(picture)?;
    let predicted = predicted(picture, bits)?;
    check_jpeg(picture, colours, bits)?;
    let channels = match (colours, alpha) {
        (1, Alpha::None) => Channels::Grey,
        (1, _) => Channels::GreyAlpha,
        (3, Alpha::None) => Channels::Rgb,
        _ => Channels::Rgba,
    };
    let depth = if bits == 16 { Depth::Sixteen } else { Depth::Eight };
    Ok(Kind {
        format: PixelFormat { channels, depth },
        bits,
        inks: colours == 4,
        inverted: picture.photometric == WHITE_IS_ZERO,
        alpha,
        predicted,
    })
}

fn check_compression(picture: &Picture) -> Result<(), DecodeError> {
    let name = match picture.compression {
        UNCOMPRESSED | RUNS | GROUP_3 | GROUP_4 | WORD_ALIGNED_RUNS | 5 | JPEG | 8 | 32_946
        | 32_773 | ZSTANDARD => return Ok(()),
        6 => return Err(refused("old-style JPEG inside", TO_RGB)),
        33_003..=33_005 | 34_712 => {
            return Err(refused("JPEG 2000 inside", "save it with LZW or deflate"));
        }
        34_661 => "JBIG inside",
        34_887 => "LERC inside",
        34_925 => "LZMA inside",
        34_927 | 50_001 => "WebP inside",
        50_002 | 52_546 => "JPEG XL inside",
        other => return Err(refused(&format!("compression {other}"), RECOMPRESS)),
    };
    Err(refused(name, RECOMPRESS))
}

/// The number of samples of a pixel that are colours.
fn colours(picture: &Picture) -> Result<u64, DecodeError> {
    let (what, remedy) = match picture.photometric {
        WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE => return Ok(1),
        RGB => return Ok(3),
        YCBCR if picture.compression == JPEG => return Ok(3),
        SEPARATED if picture.ink_set == 1 && picture.inks == 4 => return Ok(4),
        SEPARATED => {
            let Picture { ink_set, inks, .. } = picture;
            let what = format!("inks that are not CMYK (InkSet {ink_set}, NumberOfInks {inks})");
            (what, CHOOSE_INKS)
        }
        MASK => ("a mask and no picture".to_owned(), "save it as grey"),
        YCBCR => ("YCbCr colours".to_owned(), TO_RGB),
        8 => ("CIELab colours".to_owned(), TO_RGB),
        9 => ("ICCLab colours".to_owned(), TO_RGB),
        10 => ("ITULab colours".to_owned(), TO_RGB),
        32_844 => ("LogL samples".to_owned(), TO_RGB),
        32_845 => ("LogLuv colours".to_owned(), TO_RGB),
        32_803 | 34_892 => return Err(pages::raw()),
        other => {
            (format!("colours of an unknown kind (photometric {other})"), "save it as grey or RGB")
        }
    };
    Err(refused(&what, remedy))
}

/// Refuses samples that are not unsigned integers, or have more than 16 bits.
fn check_numbers(picture: &Picture) -> Result<(), DecodeError> {
    let odd = picture.formats.iter().find(|format| ![UNSIGNED, UNKNOWN].contains(*format));
    let bits = picture.bits[0];
    match odd {
        None if bits > 16 => Err(refused(&format!("{bits}-bit integer samples"), SCALE)),
        None => Ok(()),
        Some(&SIGNED) => Err(refused(&format!("signed {bits}-bit samples"), SCALE)),
        Some(&FLOATING) => Err(refused(&format!("{bits}-bit floating-point samples"), SCALE)),
        Some(5 | 6) => Err(refused(&format!("complex {bits}-bit samples"), ONE_PART)),
        Some(other) => Err(refused(&format!("samples of an unknown kind ({other})"), SCALE)),
    }
}

/// The alpha of the samples. Bands beside the colours may be anything, such as near infrared or a spot colour; only a
/// band that is declared as alpha counts as alpha.
fn alpha(picture: &Picture, colours: u64) -> Result<Alpha, DecodeError> {
    let bands = picture.samples;
    let alpha = match picture.extra[..] {
        [] if bands == colours => return Ok(Alpha::None),
        [ASSOCIATED] if bands == colours + 1 => Alpha::Associated,
        [UNASSOCIATED] if bands == colours + 1 => Alpha::Separate,
        _ if bands < colours => {
            return Err(refused(&format!("{bands} of {colours} bands"), "save it as grey"));
        }
        _ => {
            let known = match colours {
                1 => "1 is known to be a colour".to_owned(),
                _ => format!("{colours} are known to be colours"),
            };
            let what = format!("{bands} bands, of which only {known},");
            return Err(refused(&what, CHOOSE_BANDS));
        }
    };
    match picture.photometric {
        SEPARATED => Err(refused("CMYK colours and alpha", FLATTEN)),
        PALETTE => Err(refused("a palette and alpha", EXPAND)),
        _ => Ok(alpha),
    }
}

/// Bits of a sample; fails if they cannot be read.
fn bits(picture: &Picture) -> Result<u8, DecodeError> {
    let Some(bits) = picture.bits() else {
        let list: Vec<String> = picture.bits.iter().map(u64::to_string).collect();
        return Err(refused(&format!("samples of {} bits", list.join(", ")), EVEN_OUT));
    };
    let is_grey = picture.samples == 1;
    match bits {
        1 if is_grey => Ok(1),
        _ if matches!(picture.codec(), Codec::Fax { .. }) => {
            let group = if picture.compression == GROUP_4 { 4 } else { 3 };
            Err(refused(&format!("CCITT group {group} of {bits}-bit samples"), RECOMPRESS))
        }
        2 if is_grey => Ok(2),
        4 if is_grey => Ok(4),
        8 => Ok(8),
        16 => Ok(16),
        0..8 => Err(refused(&format!("{bits}-bit samples"), WIDEN)),
        _ => Err(refused(&format!("{bits}-bit samples"), SCALE)),
    }
}

/// Whether samples are differences. Only LZW, deflate and Zstandard have them, in libtiff and in the programs that use
/// it.
fn predicted(picture: &Picture, bits: u8) -> Result<bool, DecodeError> {
    if ![5, 8, 32_946, ZSTANDARD].contains(&picture.compression) {
        return Ok(false);
    }
    let (what, remedy) = match picture.predictor {
        1 => return Ok(false),
        HORIZONTAL if bits >= 8 => return Ok(true),
        HORIZONTAL => (format!("predictor 2 of {bits}-bit samples"), RECOMPRESS),
        FLOATING_POINT => ("predictor 3 of integer samples".to_owned(), REPREDICT),
        other => (format!("predictor {other}"), REPREDICT),
    };
    Err(refused(&what, remedy))
}

/// Refuses what a JPEG inside cannot hold, or what libtiff does not make pixels of.
fn check_jpeg(picture: &Picture, colours: u64, bits: u8) -> Result<(), DecodeError> {
    if picture.compression != JPEG {
        return Ok(());
    }
    let (what, remedy) = match picture.photometric {
        _ if bits != 8 => (format!("JPEG inside of {bits}-bit samples"), RECOMPRESS),
        PALETTE => ("JPEG inside of a palette".to_owned(), TO_RGB),
        YCBCR if picture.planar => ("YCbCr colours in planes".to_owned(), TO_RGB),
        YCBCR if picture.samples != colours => ("YCbCr colours and alpha".to_owned(), TO_RGB),
        _ if picture.samples == 2 && !picture.planar => {
            ("JPEG inside of grey and alpha".to_owned(), RECOMPRESS)
        }
        _ => return Ok(()),
    };
    Err(refused(&what, remedy))
}
