//! JPEG: the whole image at once, in all its colours or in luma alone.

use std::io::{Read, Seek, SeekFrom};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::container::Container;
use super::error::DecodeError;
use super::extent::{self, Extent, Frame};
use super::limits::{Limits, raster_bytes};
use super::whole::from_exif_block;
use super::{Decoder, Input, Purpose, Stored};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels};
use crate::raster::source::Rows;

struct Jpeg {
    decoder: JpegDecoder<ZCursor<Vec<u8>>>,
    extent: Extent,
    stored: Stored,
    /// The colours of the file.
    colours: ColorSpace,
}

/// The decoder, which takes in the file as far as `purpose` needs it.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
    purpose: Purpose,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let extent = extent::extent(&mut reader)?;
    limits.check_size(extent.frame.size)?;
    let length = match purpose {
        Purpose::Probe => extent.header,
        Purpose::Decode => extent.image,
    };
    limits.check_memory(length)?;
    reader.seek(SeekFrom::Start(0))?;
    let mut file = Vec::new();
    reader.take(length).read_to_end(&mut file)?;
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options(ColorSpace::RGB));
    decoder.decode_headers().map_err(broken)?;
    let colours = decoder.input_colorspace().ok_or_else(|| misread("it has no colours"))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| misread("it has no size"))?;
    let size = [width, height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let size = Size::new(size[0], size[1]);
    limits.check_size(size)?;
    let channels = if colours == ColorSpace::Luma { Channels::Grey } else { Channels::Rgb };
    let orientation = from_exif_block(decoder.exif().map(Vec::as_slice));
    let stored = Stored { size, format: PixelFormat::new(channels, Depth::Eight), orientation };
    Ok(Box::new(Jpeg { decoder, extent, stored, colours }))
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
            DecodeError::Unsupported { container: Container::Jpeg, what }
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

    fn memory(&self) -> u64 {
        let Frame { progressive, components, .. } = self.extent.frame;
        // Of a progressive file all coefficients are kept, 16 bits each, until the last scan.
        let Stored { size, format, .. } = self.stored;
        let kept = if progressive { 2 * u64::from(components) * size.pixels() } else { 0 };
        raster_bytes(size, format) + self.extent.image + kept
    }

    fn read(mut self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let (given, channels) = match colours {
            Colours::Luma if self.has_luma() => (ColorSpace::Luma, Channels::Grey),
            _ if self.colours == ColorSpace::Luma => (ColorSpace::Luma, Channels::Grey),
            _ => (ColorSpace::RGB, Channels::Rgb),
        };
        self.decoder.set_options(options(given));
        let mut pixels = Pixels::zeroed(self.stored.size, PixelFormat::new(channels, Depth::Eight));
        self.decoder.decode_into(pixels.as_bytes_mut()).map_err(broken)?;
        rows.push(pixels).map_err(DecodeError::keep)
    }
}
