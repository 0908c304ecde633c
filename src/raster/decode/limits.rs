//! Limits on size and memory, checked by the header of an image.

use super::error::{DecodeError, Quantity};
use crate::grid::Size;
use crate::pixels::PixelFormat;

/// The most that an image may have and take. All limits are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the image.
    pub max_pixels: u64,
    /// Pixels of its longer side.
    pub max_side: u32,
    /// Bytes of memory that decoding it takes.
    pub max_bytes: u64,
    /// Threads that decode its chunks, where a format has some.
    pub threads: usize,
}

impl Limits {
    /// No limits, for a file that has been checked already.
    pub const NONE: Limits =
        Limits { max_pixels: u64::MAX, max_side: u32::MAX, max_bytes: u64::MAX, threads: 1 };

    /// Checks a size as soon as it is known.
    pub(super) fn check_size(&self, size: Size) -> Result<(), DecodeError> {
        if size.is_empty() {
            return Err(DecodeError::EmptyImage { size });
        }
        let longer = u64::from(size.width.max(size.height));
        refuse_above(Quantity::Pixels, size.pixels(), self.max_pixels)?;
        refuse_above(Quantity::Side, longer, self.max_side.into())
    }

    /// Checks the bytes of memory that decoding takes.
    pub(super) fn check_memory(&self, bytes: u64) -> Result<(), DecodeError> {
        refuse_above(Quantity::Memory, bytes, self.max_bytes)
    }

    /// Checks the pixels of all frames that are drawn, one over the other.
    pub(super) fn check_drawn(&self, pixels: u64) -> Result<(), DecodeError> {
        refuse_above(Quantity::Drawn, pixels, self.max_pixels)
    }

    /// These limits for a library; the memory that it needs beside the raster has been checked.
    pub(super) fn for_library(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_image_width = Some(self.max_side);
        limits.max_image_height = Some(self.max_side);
        limits.max_alloc = Some(self.max_bytes);
        limits
    }
}

fn refuse_above(quantity: Quantity, value: u64, limit: u64) -> Result<(), DecodeError> {
    if value <= limit {
        return Ok(());
    }
    Err(DecodeError::TooLarge { quantity, value, limit })
}

/// The most bytes of metadata that are read; profiles, texts and notes together have fewer.
pub(super) const MOST_METADATA: usize = 16 << 20;

/// Bytes of an image in memory.
pub(super) fn raster_bytes(size: Size, format: PixelFormat) -> u64 {
    u64::try_from(format.bytes(size)).unwrap_or(u64::MAX)
}

/// About how many bytes a decoder that goes row by row passes on at a time.
const BAND_BYTES: u64 = 1 << 20;

/// The rows that such a decoder passes on at a time, at least 1.
pub(super) fn band_rows(size: Size, format: PixelFormat) -> u32 {
    let row = u64::from(size.width) * format.bytes_per_pixel() as u64;
    u32::try_from(BAND_BYTES / row.max(1)).unwrap_or(u32::MAX).clamp(1, size.height)
}
