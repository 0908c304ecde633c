//! JPEG: the whole image at once, in all its colours or in luma alone.

use std::io::{Read, Seek, SeekFrom};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::extent::{self, Extent};
use super::limits::{Limits, raster_bytes};
use super::whole::from_exif_block;
use super::{Decoder, Input, Purpose, Stored};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::metadata::{Metadata, Resolution};
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels};
use crate::raster::sample::Sample;
use crate::raster::source::Rows;

struct Jpeg {
    decoder: JpegDecoder<ZCursor<Vec<u8>>>,
    extent: Extent,
    stored: Stored,
    /// The colours of the file.
    colours: ColorSpace,
    resolution: Option<Resolution>,
}

/// The decoder, which takes in the file as far as `purpose` needs it.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
    purpose: Purpose,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let extent = extent::extent(&mut reader)?;
    limits.check_size(extent.frame.size)?;
    if extent.frame.is_misread() {
        return Err(DecodeError::unsupported(
            Container::Jpeg,
            "colours in scans of their own",
            RESAVE,
        ));
    }
    let length = match purpose {
        Purpose::Probe => extent.header,
        Purpose::Decode => extent.image,
    };
    limits.check_memory(length)?;
    reader.seek(SeekFrom::Start(0))?;
    let mut file = Vec::new();
    reader.take(length).read_to_end(&mut file)?;
    let resolution = resolution(&file);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options(ColorSpace::RGB));
    decoder.decode_headers().map_err(broken)?;
    let told = decoder.input_colorspace().ok_or_else(|| misread("it has no colours"))?;
    let colours = colours(told, extent.frame.components)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| misread("it has no size"))?;
    let size = [width, height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let size = Size::new(size[0], size[1]);
    limits.check_size(size)?;
    let (channels, inks) = match colours {
        ColorSpace::Luma => (Channels::Grey, false),
        ColorSpace::CMYK | ColorSpace::YCCK => (Channels::Rgba, true),
        _ => (Channels::Rgb, false),
    };
    let orientation = from_exif_block(decoder.exif().map(Vec::as_slice));
    let format = PixelFormat::new(channels, Depth::Eight);
    let stored = Stored { size, format, orientation, inks };
    Ok(Box::new(Jpeg { decoder, extent, stored, colours, resolution }))
}

/// The colours of a file of so many components. What Adobe's segment says holds for three or for four of
/// them, and the decoder reads that segment before it knows how many there are.
fn colours(told: ColorSpace, components: u8) -> Result<ColorSpace, DecodeError> {
    match (components, told) {
        (1, _) => Ok(ColorSpace::Luma),
        (3, ColorSpace::RGB | ColorSpace::CMYK) => Ok(ColorSpace::RGB),
        (3, _) => Ok(ColorSpace::YCbCr),
        (4, ColorSpace::YCCK) => Ok(ColorSpace::YCCK),
        (4, _) => Ok(ColorSpace::CMYK),
        _ => {
            Err(DecodeError::unsupported(Container::Jpeg, "neither 1, 3 nor 4 components", RESAVE))
        }
    }
}

/// What the segment of JFIF says, which comes first.
fn resolution(file: &[u8]) -> Option<Resolution> {
    let [0xFF, 0xD8, 0xFF, 0xE0, _, _, segment @ ..] = file else { return None };
    match *segment.strip_prefix(b"JFIF\0")? {
        [_, _, unit, x1, x0, y1, y0, ..] => {
            let [x, y] = [[x1, x0], [y1, y0]].map(u16::from_be_bytes);
            Resolution::of_jfif(unit, x, y)
        }
        _ => None,
    }
}

/// Four samples of each pixel as inks, from 0 for none to 255.
fn to_inks(samples: &mut [u8], colours: ColorSpace, adobe: bool) {
    for pixel in samples.as_chunks_mut::<4>().0 {
        let [c, m, y, k] = *pixel;
        // Adobe stores the light that inks let through; in YCCK it has been turned round already.
        let [c, m, y] = match colours {
            ColorSpace::YCCK => to_rgb([c, m, y]),
            _ if adobe => [c, m, y].map(|light| 255 - light),
            _ => [c, m, y],
        };
        *pixel = [c, m, y, if adobe { 255 - k } else { k }];
    }
}

/// JFIF's colours in RGB, in 65,536ths, rounded half up.
fn to_rgb(ycc: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = ycc.map(i32::from);
    let (cb, cr) = (cb - 128, cr - 128);
    let rgb =
        [(y << 16) + 91_881 * cr, (y << 16) - 22_554 * cb - 46_802 * cr, (y << 16) + 116_130 * cb];
    rgb.map(|sum| u8::clamped(i64::from((sum + 32_768) >> 16)))
}

/// Damaged data are shown as far as they go, as everybody does; the limits were checked before.
fn options(colours: ColorSpace) -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(colours)
}

fn misread(what: &'static str) -> DecodeError {
    DecodeError::damaged(Container::Jpeg, what)
}

fn broken(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::Unsupported(scheme) => {
            let what = format!("features beyond ours ({scheme:?})");
            DecodeError::unsupported(Container::Jpeg, &what, RESAVE)
        }
        other => DecodeError::damaged(Container::Jpeg, format!("{other:?}")),
    }
}

impl Decoder for Jpeg {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn has_luma(&self) -> bool {
        self.colours == ColorSpace::YCbCr && self.extent.frame.samples_luma_fully()
    }

    fn metadata(&mut self) -> Metadata {
        let metadata = Metadata {
            icc: self.decoder.icc_profile(),
            exif: self.decoder.exif().cloned(),
            xmp: self.decoder.xmp().cloned(),
            ..Metadata::default()
        };
        metadata.with_resolution(self.resolution)
    }

    fn memory(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        let pixels = raster_bytes(size, format).saturating_add(self.extent.image);
        pixels.saturating_add(self.extent.frame.kept_bytes())
    }

    fn read(mut self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let (given, channels) = match colours {
            Colours::Luma if self.has_luma() => (ColorSpace::Luma, Channels::Grey),
            _ if self.colours == ColorSpace::Luma => (ColorSpace::Luma, Channels::Grey),
            _ if self.stored.inks => (self.colours, Channels::Rgba),
            _ => (ColorSpace::RGB, Channels::Rgb),
        };
        self.decoder.set_options(options(given));
        let mut pixels = Pixels::zeroed(self.stored.size, PixelFormat::new(channels, Depth::Eight));
        self.decoder.decode_into(pixels.as_bytes_mut()).map_err(broken)?;
        if self.stored.inks {
            to_inks(pixels.as_bytes_mut(), self.colours, self.extent.frame.adobe);
        }
        rows.push(pixels).map_err(DecodeError::keep)
    }
}
