//! What the tags of a TIFF file say of its samples, and which of that is not read.

use std::io::{Read, Seek};

use tiff::TiffResult;
use tiff::decoder::Decoder as Reader;
use tiff::tags::{ByteOrder, Tag};

use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::tiff::broken;
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels, SamplesMut};

const INK_SET: u16 = 332;

/// Compressions that are undone row by row or strip by strip, within limits: none, CCITT group 4, LZW,
/// deflate under its old and its new number, `PackBits`.
const COMPRESSIONS: [u16; 6] = [UNCOMPRESSED, 4, 5, 8, 32_946, 32_773];
const UNCOMPRESSED: u16 = 1;

const LOW_BIT_FIRST: u16 = 2;

const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const PALETTE: u16 = 3;
const MASK: u16 = 4;
const SEPARATED: u16 = 5;
const INKS_ARE_CMYK: u16 = 1;
const INTERLEAVED: u16 = 1;
const UNSIGNED: u16 = 1;

const ASSOCIATED: u16 = 1;
const UNASSOCIATED: u16 = 2;

/// What follows the colours of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// Nothing.
    None,
    /// Alpha, by which the colours are multiplied.
    Associated,
    /// Alpha.
    Separate,
}

/// Refuses what would be read wrongly, or as more than was asked for, and tells what follows the colours.
pub(super) fn check<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Alpha, DecodeError> {
    let compression = number(reader, Tag::Compression, UNCOMPRESSED)?;
    if !COMPRESSIONS.contains(&compression) {
        return Err(refused(&name_of(compression)));
    }
    if number(reader, Tag::FillOrder, 0)? == LOW_BIT_FIRST {
        return Err(refused("the bits of its bytes turned round (FillOrder 2)"));
    }
    alpha(reader)
}

fn refused(what: &str) -> DecodeError {
    DecodeError::unsupported(Container::Tiff, what, RESAVE)
}

fn number<R: Read + Seek>(
    reader: &mut Reader<R>,
    tag: Tag,
    absent: u16,
) -> Result<u16, DecodeError> {
    Ok(reader.find_tag_unsigned(tag).map_err(broken)?.unwrap_or(absent))
}

/// A compression in words.
fn name_of(compression: u16) -> String {
    let name = match compression {
        2 | 3 => "CCITT group 3 inside",
        6 | 7 => "JPEG inside",
        33_003..=33_005 | 34_712 => "JPEG 2000 inside",
        34_887 => "LERC inside",
        34_925 => "LZMA inside",
        34_927 | 50_001 => "WebP inside",
        50_000 => "Zstandard inside",
        50_002 | 52_546 => "JPEG XL inside",
        other => return format!("compression {other}"),
    };
    name.to_owned()
}

/// Bands beside the colours may be anything, near infrared or a spot colour; only what is said to be alpha
/// is that.
fn alpha<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Alpha, DecodeError> {
    let colours = match number(reader, Tag::PhotometricInterpretation, BLACK_IS_ZERO)? {
        WHITE_IS_ZERO | BLACK_IS_ZERO => 1,
        PALETTE => return Err(refused("a palette")),
        MASK => return Err(refused("a mask")),
        SEPARATED => 4,
        _ => 3,
    };
    let bands = number(reader, Tag::SamplesPerPixel, 1)?;
    let extra: Option<Vec<u16>> =
        reader.find_tag_unsigned_vec(Tag::ExtraSamples).map_err(broken)?;
    match extra.unwrap_or_default()[..] {
        [] if bands == colours => Ok(Alpha::None),
        [ASSOCIATED] if bands == colours + 1 => Ok(Alpha::Associated),
        [UNASSOCIATED] if bands == colours + 1 => Ok(Alpha::Separate),
        _ if bands < colours => Err(refused(&format!("{bands} of {colours} bands"))),
        _ => {
            let what = format!("{bands} bands, of which only {colours} are known to be colours,");
            Err(refused(&what))
        }
    }
}

/// Samples that lie as ours do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) format: PixelFormat,
    /// Whether they are four inks.
    pub(super) inks: bool,
    /// Whether 0 is white.
    inverted: bool,
    byte_order: ByteOrder,
}

impl Plain {
    /// Turns the bytes of samples as they lie in the file round, if this machine has them otherwise.
    pub(super) fn to_native(self, pixels: &mut Pixels) {
        let SamplesMut::U16(samples) = pixels.samples_mut() else { return };
        let native = match self.byte_order {
            ByteOrder::LittleEndian => u16::from_le,
            ByteOrder::BigEndian => u16::from_be,
        };
        for sample in samples.iter_mut() {
            *sample = native(*sample);
        }
    }

    /// Makes 0 black, in samples of either size and either byte order.
    pub(super) fn to_light(self, pixels: &mut Pixels) {
        if self.inverted {
            pixels.as_bytes_mut().iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
}

/// The samples of a file of interleaved, unsigned grey, RGB or CMYK; `None` for any other file.
pub(super) fn plain<R: Read + Seek>(
    reader: &mut Reader<R>,
    alpha: Alpha,
) -> TiffResult<Option<Plain>> {
    let photometric: Option<u16> = reader.find_tag_unsigned(Tag::PhotometricInterpretation)?;
    let (inks, inverted) = (photometric == Some(SEPARATED), photometric == Some(WHITE_IS_ZERO));
    let channels = match (photometric, alpha) {
        (Some(BLACK_IS_ZERO | WHITE_IS_ZERO), Alpha::None) => Channels::Grey,
        (Some(BLACK_IS_ZERO), _) => Channels::GreyAlpha,
        (Some(RGB), Alpha::None) => Channels::Rgb,
        (Some(RGB), _) | (Some(SEPARATED), Alpha::None) => Channels::Rgba,
        _ => return Ok(None),
    };
    let depth = match reader.colortype()?.bit_depth() {
        8 => Depth::Eight,
        16 => Depth::Sixteen,
        _ => return Ok(None),
    };
    let set = reader.find_tag_unsigned(Tag::Unknown(INK_SET))?.unwrap_or(INKS_ARE_CMYK);
    let layout = reader.find_tag_unsigned(Tag::PlanarConfiguration)?.unwrap_or(INTERLEAVED);
    let formats: Option<Vec<u16>> = reader.find_tag_unsigned_vec(Tag::SampleFormat)?;
    let plain = set == INKS_ARE_CMYK
        // One plane is all there is.
        && (layout == INTERLEAVED || channels == Channels::Grey)
        && formats.is_none_or(|formats| formats.iter().all(|&format| format == UNSIGNED));
    let format = PixelFormat { channels, depth };
    let byte_order = reader.byte_order();
    Ok(plain.then_some(Plain { format, inks, inverted, byte_order }))
}

/// Whether the samples of a pixel lie apart from one another.
pub(super) fn planar<R: Read + Seek>(reader: &mut Reader<R>) -> TiffResult<bool> {
    let layout = reader.find_tag_unsigned(Tag::PlanarConfiguration)?.unwrap_or(INTERLEAVED);
    Ok(layout != INTERLEAVED)
}

/// Bytes of the image as it lies in the file, uncompressed.
pub(super) fn stored_bytes<R: Read + Seek>(reader: &mut Reader<R>) -> TiffResult<u64> {
    let (width, height) = reader.dimensions()?;
    let bands: u64 = reader.find_tag_unsigned(Tag::SamplesPerPixel)?.unwrap_or(1);
    let bits = bands.saturating_mul(reader.colortype()?.bit_depth().into());
    Ok(u64::from(width).saturating_mul(bits).div_ceil(8).saturating_mul(height.into()))
}
