//! The kind of the samples of a TIFF file. Kinds that are not read are refused by name, with advice that fits.

use super::super::container::Container;
use super::super::error::DecodeError;
use super::codec::Codec;
use super::lab::Lab;
use super::pages;
use super::picture::{
    BLACK_IS_ZERO, CIE_LAB, GROUP_3, GROUP_4, ICC_LAB, JPEG, JPEG_2000, JPEG_2000_RGB,
    JPEG_2000_YCBCR, LERC, OLD_JPEG, OLD_WEBP, PALETTE, Picture, RGB, RUNS, UNCOMPRESSED, WEBP,
    WHITE_IS_ZERO, WORD_ALIGNED_RUNS, YCBCR, ZSTANDARD,
};
use crate::pixels::{Alpha, Bands, PixelFormat, StoredType};

const NARROW: &str =
    "save it with 8 or 16 bits, or as floats of 32 bits, as `gdal_translate -ot Float32` does";
const WIDEN: &str = "scale it to 8 bit, as `gdal_translate -ot Byte -scale` does";
const EVEN_OUT: &str = "save it with 8 or with 16 bits in every sample";
pub(super) const RECOMPRESS: &str = "save it with LZW or deflate, as `tiffcp -c lzw` does";
const REPREDICT: &str = "save it with predictor 2, as `tiffcp -c lzw:2` does";
const FEWER_BANDS: &str = "choose some, as `gdal_translate -b 1 -b 2 -b 3` does";
const EXPAND: &str = "save it as RGB with alpha";
const TO_RGB: &str = "save it as RGB, as `tiff2rgba` does";
const CHOOSE_INKS: &str = "save it as CMYK or RGB";
const FLATTEN: &str = "save it as CMYK without alpha, or as RGB";
const ONE_PART: &str = "save the real or the imaginary part alone";

/// More are no picture; hyperspectral cameras have some hundreds.
const MOST_BANDS: u16 = 4096;

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

/// The kind of a picture's samples; those of a palette are indexes, as grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The format of the pixels in memory.
    pub(super) format: PixelFormat,
    pub(super) stored: StoredType,
    /// Bits of a sample in the file: 1, 2, 4, 8, 12, 16, 32 or 64.
    pub(super) bits: u8,
    /// Whether the samples are four inks.
    pub(super) inks: bool,
    /// How the samples encode Lab, if they do.
    pub(super) lab: Option<Lab>,
    /// Whether 0 is white.
    pub(super) inverted: bool,
    /// Whether the file has multiplied alpha into the colours.
    pub(super) is_associated: bool,
    pub(super) prediction: Prediction,
}

/// What samples are stored as, in place of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prediction {
    /// Nothing else.
    None,
    /// The difference from the previous sample of their band.
    Horizontal,
    /// The differences of the bytes of floats, the highest bytes of a row first (TIFF Technical Note 3).
    Floating,
}

impl Kind {
    /// Bytes of a sample of a chunk; samples of other than 8, 16, 32 or 64 bits are packed, and are read as bytes.
    pub(super) fn sample_bytes(&self) -> usize {
        if self.is_packed() { 1 } else { usize::from(self.bits / 8) }
    }

    /// Whether samples do not begin at a byte each.
    pub(super) fn is_packed(&self) -> bool {
        self.bits < 8 || self.bits == 12
    }

    /// Whether a sample is stored as it is in memory.
    pub(super) fn is_as_in_memory(&self) -> bool {
        !self.is_packed() && self.stored == StoredType::from(self.format.sample)
    }
}

pub(super) fn refused(what: &str, remedy: &str) -> DecodeError {
    DecodeError::unsupported(Container::Tiff, what, remedy)
}

/// The kind of the samples; fails for kinds that would be read wrongly.
pub(super) fn of(picture: &Picture) -> Result<Kind, DecodeError> {
    check_compression(picture)?;
    let colours = colours(picture)?;
    let bits = bits(picture)?;
    let stored = stored(picture, bits)?;
    let (bands, is_associated) = bands(picture, colours, stored)?;
    let prediction = prediction(picture, stored, bits)?;
    check_jpeg(picture, colours, bits)?;
    check_webp(picture, stored)?;
    check_lerc(picture, stored, bits)?;
    check_jpeg_2000(picture, stored)?;
    check_colours(picture, stored, bits)?;
    Ok(Kind {
        format: PixelFormat { bands, sample: stored.in_memory() },
        stored,
        bits,
        inks: colours == 4,
        lab: lab(picture),
        inverted: picture.photometric == WHITE_IS_ZERO,
        is_associated,
        prediction,
    })
}

fn lab(picture: &Picture) -> Option<Lab> {
    match picture.photometric {
        CIE_LAB => Some(Lab::Cie),
        ICC_LAB => Some(Lab::Icc),
        _ => None,
    }
}

fn check_compression(picture: &Picture) -> Result<(), DecodeError> {
    let name = match picture.compression {
        UNCOMPRESSED | RUNS | GROUP_3 | GROUP_4 | WORD_ALIGNED_RUNS | 5 | JPEG | 8 | 32_946
        | 32_773 | ZSTANDARD | LERC | WEBP | OLD_WEBP | JPEG_2000 | JPEG_2000_YCBCR
        | JPEG_2000_RGB => return Ok(()),
        OLD_JPEG => return check_old_jpeg(picture),
        34_661 => "JBIG inside",
        34_925 => "LZMA inside",
        50_002 | 52_546 => "JPEG XL inside",
        other => return Err(refused(&format!("compression {other}"), RECOMPRESS)),
    };
    Err(refused(name, RECOMPRESS))
}

/// Refuses old-style JPEG in other forms than one strip, which is a whole stream at an offset of its own.
fn check_old_jpeg(picture: &Picture) -> Result<(), DecodeError> {
    let what = if picture.interchange.is_none() {
        "old-style JPEG inside whose tables are in tags"
    } else if picture.grid.tiled {
        "old-style JPEG inside in tiles"
    } else if picture.planar {
        "old-style JPEG inside in planes"
    } else if picture.grid.count() > 1 {
        "old-style JPEG inside in several strips"
    } else {
        return Ok(());
    };
    Err(refused(what, TO_RGB))
}

/// The number of samples of a pixel that are colours.
fn colours(picture: &Picture) -> Result<u64, DecodeError> {
    let (what, remedy) = match picture.photometric {
        WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE => return Ok(1),
        RGB | CIE_LAB | ICC_LAB => return Ok(3),
        YCBCR if [JPEG, OLD_JPEG].contains(&picture.compression) || is_jpeg_2000(picture) => {
            return Ok(3);
        }
        SEPARATED if picture.ink_set == 1 && picture.inks == 4 => return Ok(4),
        SEPARATED => {
            let Picture { ink_set, inks, .. } = picture;
            let what = format!("inks that are not CMYK (InkSet {ink_set}, NumberOfInks {inks})");
            (what, CHOOSE_INKS)
        }
        MASK => ("a mask and no picture".to_owned(), "save it as grey"),
        YCBCR => ("YCbCr colours".to_owned(), TO_RGB),
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

/// The type of samples of so many bits.
fn stored(picture: &Picture, bits: u8) -> Result<StoredType, DecodeError> {
    // The photometric tells which samples of Lab have a sign, whatever the tag says.
    let is_whole =
        picture.formats.iter().all(|format| [UNSIGNED, SIGNED, UNKNOWN].contains(format));
    let formats =
        if lab(picture).is_some() && is_whole { &[UNSIGNED] } else { &picture.formats[..] };
    let [format] = *formats else {
        return Err(refused("samples of several kinds", "save it with samples of one kind"));
    };
    Ok(match (format, bits) {
        (UNSIGNED | UNKNOWN, ..=8) => StoredType::U8,
        (UNSIGNED | UNKNOWN, 12 | 16) => StoredType::U16,
        (UNSIGNED | UNKNOWN, 32) => StoredType::U32,
        (SIGNED, 8) => StoredType::I8,
        (SIGNED, 16) => StoredType::I16,
        (SIGNED, 32) => StoredType::I32,
        (FLOATING, 16) => StoredType::F16,
        (FLOATING, 32) => StoredType::F32,
        (FLOATING, 64) => StoredType::F64,
        (UNSIGNED | UNKNOWN, _) => return Err(refused(&format!("{bits}-bit samples"), NARROW)),
        (SIGNED, _) => return Err(refused(&format!("signed {bits}-bit samples"), NARROW)),
        (FLOATING, _) => {
            return Err(refused(&format!("{bits}-bit floating-point samples"), NARROW));
        }
        (5 | 6, _) => return Err(refused(&format!("complex {bits}-bit samples"), ONE_PART)),
        (other, _) => {
            return Err(refused(&format!("samples of an unknown kind ({other})"), NARROW));
        }
    })
}

/// The bands of a pixel, and whether alpha is multiplied into them. Only a last band that is declared as alpha counts as
/// alpha; others beside the colours may be anything, such as near infrared or a spot colour, and then no band counts as
/// a colour.
fn bands(
    picture: &Picture,
    colours: u64,
    stored: StoredType,
) -> Result<(Bands, bool), DecodeError> {
    let count = picture.samples;
    if count < colours {
        return Err(refused(&format!("{count} of {colours} bands"), "save it as grey"));
    }
    let Some(all) = u16::try_from(count).ok().filter(|count| *count <= MOST_BANDS) else {
        let what = format!("{count} bands, which are more than {MOST_BANDS},");
        return Err(refused(&what, FEWER_BANDS));
    };
    let alpha = match picture.extra.last() {
        Some(&kind) if count > colours && picture.extra_count() <= count => {
            // What is full alpha in other types is not agreed upon.
            let has_alpha = stored.in_memory().is_whole() || is_float(stored);
            Some(kind).filter(|kind| has_alpha && [ASSOCIATED, UNASSOCIATED].contains(kind))
        }
        _ => None,
    };
    let named = u64::from(all - u16::from(alpha.is_some())) == colours;
    let bands = match (picture.photometric, named) {
        (SEPARATED, true) if alpha.is_some() => {
            return Err(refused("CMYK colours and alpha", FLATTEN));
        }
        (SEPARATED, false) => return Err(refused("CMYK colours and other bands", FLATTEN)),
        (PALETTE, _) if count > 1 => return Err(refused("a palette and alpha", EXPAND)),
        // The decoder of inks gives RGB; its own samples are four.
        (SEPARATED, true) => Bands::RGBA,
        (CIE_LAB | ICC_LAB, _) if !named || alpha == Some(ASSOCIATED) => {
            return Err(refused(
                "Lab colours and other bands, or alpha multiplied into them,",
                TO_RGB,
            ));
        }
        (RGB | YCBCR | CIE_LAB | ICC_LAB, true) => Bands::RGB,
        _ => Bands::unnamed(all - u16::from(alpha.is_some())),
    };
    let bands = if alpha.is_some() { bands.with(Alpha::Opacity) } else { bands };
    Ok((bands, alpha == Some(ASSOCIATED)))
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
        _ if matches!(Codec::of(picture), Codec::Fax { .. }) => {
            let group = if picture.compression == GROUP_4 { 4 } else { 3 };
            Err(refused(&format!("CCITT group {group} of {bits}-bit samples"), RECOMPRESS))
        }
        2 if is_grey => Ok(2),
        4 if is_grey => Ok(4),
        8 => Ok(8),
        12 => Ok(12),
        16 => Ok(16),
        32 => Ok(32),
        64 => Ok(64),
        0..8 => Err(refused(&format!("{bits}-bit samples"), WIDEN)),
        _ => Err(refused(&format!("{bits}-bit samples"), NARROW)),
    }
}

/// How samples are predicted. Only LZW, deflate and Zstandard have that, in libtiff and in the programs that use it.
fn prediction(picture: &Picture, stored: StoredType, bits: u8) -> Result<Prediction, DecodeError> {
    if ![5, 8, 32_946, ZSTANDARD].contains(&picture.compression) {
        return Ok(Prediction::None);
    }
    let (what, remedy) = match picture.predictor {
        1 => return Ok(Prediction::None),
        HORIZONTAL if bits >= 8 && bits != 12 => return Ok(Prediction::Horizontal),
        HORIZONTAL => (format!("predictor 2 of {bits}-bit samples"), RECOMPRESS),
        FLOATING_POINT if is_float(stored) => return Ok(Prediction::Floating),
        FLOATING_POINT => ("predictor 3 of integer samples".to_owned(), REPREDICT),
        other => (format!("predictor {other}"), REPREDICT),
    };
    Err(refused(&what, remedy))
}

fn is_float(stored: StoredType) -> bool {
    matches!(stored, StoredType::F16 | StoredType::F32 | StoredType::F64)
}

/// Refuses what LERC inside cannot hold.
fn check_lerc(picture: &Picture, stored: StoredType, bits: u8) -> Result<(), DecodeError> {
    if picture.compression != LERC || [8, 16, 32, 64].contains(&bits) && stored != StoredType::F16 {
        return Ok(());
    }
    Err(refused(&format!("LERC inside of {bits}-bit samples"), RECOMPRESS))
}

/// Refuses what WebP inside cannot hold.
fn check_webp(picture: &Picture, stored: StoredType) -> Result<(), DecodeError> {
    let is_held = stored == StoredType::U8
        && [3, 4].contains(&picture.samples)
        && picture.photometric == RGB
        && !picture.planar;
    if ![WEBP, OLD_WEBP].contains(&picture.compression) || is_held {
        return Ok(());
    }
    Err(refused("WebP inside of other pixels than RGB and RGBA of 8 bits", RECOMPRESS))
}

/// Whether the strips and tiles of a picture are codestreams of JPEG 2000.
pub(super) fn is_jpeg_2000(picture: &Picture) -> bool {
    [JPEG_2000, JPEG_2000_YCBCR, JPEG_2000_RGB].contains(&picture.compression)
}

/// Refuses what is not read of JPEG 2000 inside.
fn check_jpeg_2000(picture: &Picture, stored: StoredType) -> Result<(), DecodeError> {
    use StoredType::{I8, I16, U8, U16};
    let is_ycc = picture.photometric == YCBCR || picture.compression == JPEG_2000_YCBCR;
    let what = match stored {
        _ if !is_jpeg_2000(picture) => return Ok(()),
        _ if is_ycc && (stored != U8 || picture.samples != 3 || picture.planar) => {
            "JPEG 2000 inside of YCbCr colours of other than 8 bits, in planes, or with alpha"
        }
        U8 | U16 | I8 | I16 if matches!(picture.bits(), Some(8 | 16)) => return Ok(()),
        _ => "JPEG 2000 inside of samples that have neither 8 nor 16 bits",
    };
    Err(refused(what, RECOMPRESS))
}

/// Refuses samples of a type that such colours cannot have.
fn check_colours(picture: &Picture, stored: StoredType, bits: u8) -> Result<(), DecodeError> {
    let is_whole = stored.in_memory().is_whole();
    let what = match picture.photometric {
        PALETTE if !is_whole || bits == 12 => {
            format!("indexes of {bits} bits, {stored}, into a palette")
        }
        CIE_LAB | ICC_LAB if bits == 12 => "Lab colours of 12 bit".to_owned(),
        CIE_LAB | ICC_LAB if !is_whole => format!("Lab colours of {stored}"),
        _ if is_whole => return Ok(()),
        WHITE_IS_ZERO => format!("samples of {stored} whose 0 is white"),
        SEPARATED => format!("CMYK colours of {stored}"),
        YCBCR => format!("YCbCr colours of {stored}"),
        _ => return Ok(()),
    };
    Err(refused(&what, "save it as grey or RGB"))
}

/// Refuses what a JPEG inside cannot hold, or what libtiff does not make pixels of.
fn check_jpeg(picture: &Picture, colours: u64, bits: u8) -> Result<(), DecodeError> {
    if ![JPEG, OLD_JPEG].contains(&picture.compression) {
        return Ok(());
    }
    let (what, remedy) = match picture.photometric {
        _ if bits != 8 => (format!("JPEG inside of {bits}-bit samples"), RECOMPRESS),
        _ if picture.samples > 4 && !picture.planar => {
            (format!("JPEG inside of {} bands", picture.samples), RECOMPRESS)
        }
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
