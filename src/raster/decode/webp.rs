//! WebP: one image of it.

use std::io::{Seek, SeekFrom};

use image_webp::{DecodingError, WebPDecoder};

use super::container::Container;
use super::error::DecodeError;
use super::limits::{Limits, MOST_METADATA, raster_bytes};
use super::whole::from_exif_block;
use super::{Decoder, Input, Stored};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::metadata::Metadata;
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels};
use crate::raster::source::Rows;

/// Bytes of a pixel that the library has beside those it gives: without alpha the lossless kind as RGBA,
/// or luma and half as much chroma; with alpha that, and alpha as the green of a lossless image; or, since it
/// gives RGBA then, what it predicts from.
const BESIDE_OPAQUE: u64 = 4;
const BESIDE_LOSSY_ALPHA: u64 = 8;
const BESIDE_LOSSLESS_ALPHA: u64 = 1;

struct WebP<'r> {
    decoder: WebPDecoder<Input<'r>>,
    stored: Stored,
    metadata: Metadata,
    /// Bytes that the library takes for a pixel.
    beside: u64,
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) => DecodeError::from_io(Container::WebP, error),
        other => DecodeError::damaged(Container::WebP, other),
    }
}

/// The decoder for a file of one image.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut decoder = WebPDecoder::new(reader).map_err(broken)?;
    if decoder.is_animated() {
        return Err(DecodeError::animated(Container::WebP, &decoder.num_frames().to_string()));
    }
    let (width, height) = decoder.dimensions();
    let size = Size::new(width, height);
    limits.check_size(size)?;
    // The library takes as many bytes as the file says they are.
    decoder.set_memory_limit(MOST_METADATA);
    // What cannot be read of it is no part of the image.
    let metadata = Metadata {
        icc: decoder.icc_profile().ok().flatten(),
        exif: decoder.exif_metadata().ok().flatten(),
        xmp: decoder.xmp_metadata().ok().flatten(),
    };
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let format = PixelFormat::new(channels, Depth::Eight);
    let orientation = from_exif_block(metadata.exif.as_deref());
    let stored = Stored { size, format, orientation, inks: false };
    let beside = match channels {
        Channels::Rgba if decoder.is_lossy() => BESIDE_LOSSY_ALPHA,
        Channels::Rgba => BESIDE_LOSSLESS_ALPHA,
        _ => BESIDE_OPAQUE,
    };
    Ok(Box::new(WebP { decoder, stored, metadata, beside }))
}

impl Decoder for WebP<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn memory(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        raster_bytes(size, format).saturating_add(self.beside.saturating_mul(size.pixels()))
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let mut pixels = Pixels::zeroed(self.stored.size, self.stored.format);
        self.decoder.read_image(pixels.as_bytes_mut()).map_err(broken)?;
        // What the library keeps is not needed while rows are kept elsewhere.
        drop(self);
        rows.push(pixels).map_err(DecodeError::keep)
    }
}
