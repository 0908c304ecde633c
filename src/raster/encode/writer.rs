//! Joins encoded bands into a file.

use std::io::{Seek, Write};
use std::sync::Arc;

use super::checksum::Adler32;
use super::codec::Codec;
use super::error::EncodeError;

/// One band of a file, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBand {
    pub(super) index: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) checksum: Adler32,
}

impl EncodedBand {
    /// Which band it is, counted from 0.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The bytes it takes in the file, and so, about, in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it takes no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Takes the bands of one image in order and writes them to `W`.
#[derive(Debug)]
pub struct BandWriter<W> {
    out: W,
    codec: Arc<dyn Codec>,
    bands: u32,
    next: u32,
    checksum: Adler32,
}

impl<W: Write + Seek> BandWriter<W> {
    pub(super) fn new(
        mut out: W,
        codec: Arc<dyn Codec>,
        bands: u32,
    ) -> Result<BandWriter<W>, EncodeError> {
        out.write_all(&codec.head()?)?;
        Ok(BandWriter { out, codec, bands, next: 0, checksum: Adler32::EMPTY })
    }

    /// Writes the next band.
    pub fn push(&mut self, band: &EncodedBand) -> Result<(), EncodeError> {
        if band.index != self.next || self.next == self.bands {
            return Err(EncodeError::OutOfOrder { expected: self.next, given: band.index });
        }
        if self.next > 0 {
            self.out.write_all(self.codec.separator())?;
        }
        self.out.write_all(&band.bytes)?;
        self.checksum = self.checksum.followed_by(band.checksum);
        self.next += 1;
        Ok(())
    }

    /// Writes the end of the file and gives the writer back.
    pub fn finish(mut self) -> Result<W, EncodeError> {
        if self.next != self.bands {
            return Err(EncodeError::OutOfOrder { expected: self.next, given: self.bands });
        }
        self.out.write_all(&self.codec.tail(self.checksum))?;
        self.out.flush()?;
        Ok(self.out)
    }
}
