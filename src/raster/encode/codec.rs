//! The interface of an output format: it encodes one band, and gives the bytes around the bands.

use std::fmt::Debug;

use super::checksum::Adler32;
use super::error::EncodeError;
use crate::grid::Size;
use crate::pixels::{PixelFormat, Pixels};

/// About how many bytes of pixels go into a band if the format leaves the choice: enough that a
/// fresh start costs nothing, few enough that many threads have work.
pub(super) const BAND_BYTES: u64 = 1 << 20;

/// An output format, set up for one image.
pub(super) trait Codec: Debug + Send + Sync {
    /// Rows of every band but the last, at least 1.
    fn rows_per_band(&self) -> u32;

    /// Rows above a band that encoding it needs.
    fn context_rows(&self) -> u32 {
        0
    }

    /// The bytes of a band.
    fn encode(&self, band: &Band<'_>) -> Result<Encoded, EncodeError>;

    /// The bytes before the first band.
    fn head(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    /// The bytes between two bands.
    fn separator(&self) -> &'static [u8] {
        &[]
    }

    /// The bytes after the last band.
    fn tail(&self, _joined: &Joined) -> Vec<u8> {
        Vec::new()
    }

    /// An offset in the head and the bytes that replace those written there first, if any.
    fn correction(&self, _joined: &Joined) -> Option<(u64, Vec<u8>)> {
        None
    }
}

/// One band, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// The checksum of its content, if the format needs one.
    pub(super) checksum: Adler32,
    /// The lengths of its parts, if the format needs them.
    pub(super) parts: Vec<u32>,
}

impl From<Vec<u8>> for Encoded {
    fn from(bytes: Vec<u8>) -> Encoded {
        Encoded { bytes, checksum: Adler32::EMPTY, parts: Vec::new() }
    }
}

/// Checksum and lengths of all bands, once they are joined.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) checksum: Adler32,
    pub(super) parts: Vec<u32>,
    /// Bytes of the head and of all bands.
    pub(super) length: u64,
}

/// The rows of one band, in the format that the file holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band<'a> {
    /// Rows of context, then the rows of the band.
    pub(super) pixels: &'a Pixels,
    /// How many rows of `pixels` are context.
    pub(super) context: u32,
    /// Whether no band comes before it.
    pub(super) first: bool,
    /// Whether no band comes after it.
    pub(super) last: bool,
}

/// The multiple of `unit` rows that holds about [`BAND_BYTES`], at least one `unit`.
pub(super) fn rows_per_band(size: Size, format: PixelFormat, unit: u32) -> u32 {
    let unit_bytes = u64::from(size.width) * format.bytes_per_pixel() as u64 * u64::from(unit);
    let units = (BAND_BYTES / unit_bytes.max(1)).max(1);
    u32::try_from(units).unwrap_or(u32::MAX).saturating_mul(unit)
}
