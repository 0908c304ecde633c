//! Decoders that need the whole image in memory.

use image::{ColorType, ExtendedColorType, ImageDecoder};

use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::limits::{Limits, raster_bytes};
use super::{Decoder, Stored};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::metadata::{Metadata, orientation_of};
use crate::raster::orientation::Orientation;
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels};
use crate::raster::source::Rows;

/// A decoder of a library that fills one buffer with the whole image.
pub(super) struct Whole<D> {
    container: Container,
    decoder: D,
    stored: Stored,
    metadata: Metadata,
    memory: u64,
}

/// What is known of an image beside what the library says of it.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) metadata: Metadata,
    pub(super) orientation: Orientation,
    /// Bytes that the library takes beside the buffer that it fills.
    pub(super) memory: u64,
}

impl<D: ImageDecoder> Whole<D> {
    /// Checks what the library found in the header.
    pub(super) fn new(
        container: Container,
        mut decoder: D,
        limits: &Limits,
        beside: Beside,
    ) -> Result<Whole<D>, DecodeError> {
        let (width, height) = decoder.dimensions();
        let size = Size::new(width, height);
        limits.check_size(size)?;
        let format = pixel_format(container, &decoder)?;
        let Beside { metadata, orientation, memory } = beside;
        let memory = raster_bytes(size, format).saturating_add(memory);
        limits.check_memory(memory)?;
        let limited = decoder.set_limits(limits.for_library());
        limited.map_err(|error| DecodeError::from_image(container, error))?;
        let stored = Stored { size, format, orientation, inks: false };
        Ok(Whole { container, decoder, stored, metadata, memory })
    }
}

impl<D: ImageDecoder> Decoder for Whole<D> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn read(self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let mut pixels = Pixels::zeroed(self.stored.size, self.stored.format);
        self.decoder
            .read_image(pixels.as_bytes_mut())
            .map_err(|error| DecodeError::from_image(self.container, error))?;
        rows.push(pixels).map_err(DecodeError::keep)
    }
}

/// The orientation that an Exif block tells, or none.
pub(super) fn from_exif_block(block: Option<&[u8]>) -> Orientation {
    block.and_then(orientation_of).unwrap_or_default()
}

fn pixel_format(
    container: Container,
    decoder: &impl ImageDecoder,
) -> Result<PixelFormat, DecodeError> {
    // The library would turn these inks into colours without their profile, that is wrongly. Those
    // that lie as usual do not come here.
    let inks = [ExtendedColorType::Cmyk8, ExtendedColorType::Cmyk16];
    if inks.contains(&decoder.original_color_type()) {
        return Err(DecodeError::unsupported(
            container,
            "CMYK colours in planes or with alpha",
            RESAVE,
        ));
    }
    let (channels, depth) = match decoder.color_type() {
        ColorType::L8 => (Channels::Grey, Depth::Eight),
        ColorType::La8 => (Channels::GreyAlpha, Depth::Eight),
        ColorType::Rgb8 => (Channels::Rgb, Depth::Eight),
        ColorType::Rgba8 => (Channels::Rgba, Depth::Eight),
        ColorType::L16 => (Channels::Grey, Depth::Sixteen),
        ColorType::La16 => (Channels::GreyAlpha, Depth::Sixteen),
        ColorType::Rgb16 => (Channels::Rgb, Depth::Sixteen),
        ColorType::Rgba16 => (Channels::Rgba, Depth::Sixteen),
        _ => return Err(DecodeError::unsupported(container, "floating-point samples", RESAVE)),
    };
    Ok(PixelFormat { channels, depth })
}
