//! Joins encoded bands into a file.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use super::checksum::Adler32;
use super::codec::{Codec, Encoded, Joined};
use super::error::EncodeError;

/// One encoded band of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBand {
    pub(super) index: u32,
    pub(super) encoded: Encoded,
}

impl EncodedBand {
    /// The index of the band, from 0.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The bytes it takes in the file, and about as many in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.encoded.bytes.len()
    }

    /// Whether it takes no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.encoded.bytes.is_empty()
    }
}

/// Takes the bands of one image in order and writes them to `W`.
#[derive(Debug)]
pub struct BandWriter<W> {
    out: W,
    codec: Arc<dyn Codec>,
    bands: u32,
    next: u32,
    joined: Joined,
}

impl<W: Write + Seek> BandWriter<W> {
    pub(super) fn new(
        mut out: W,
        codec: Arc<dyn Codec>,
        bands: u32,
    ) -> Result<BandWriter<W>, EncodeError> {
        let head = codec.head()?;
        out.write_all(&head)?;
        let length = head.len() as u64;
        let joined = Joined { checksum: Adler32::EMPTY, parts: Vec::new(), length };
        Ok(BandWriter { out, codec, bands, next: 0, joined })
    }

    /// Writes the next band.
    pub fn push(&mut self, band: &EncodedBand) -> Result<(), EncodeError> {
        if band.index != self.next || self.next == self.bands {
            return Err(EncodeError::OutOfOrder { expected: self.next, given: band.index });
        }
        let separator = if self.next > 0 { self.codec.separator() } else { &[] };
        let Encoded { bytes, checksum, parts } = &band.encoded;
        self.out.write_all(separator)?;
        self.out.write_all(bytes)?;
        self.joined.length += (separator.len() + bytes.len()) as u64;
        self.joined.checksum = self.joined.checksum.followed_by(*checksum);
        self.joined.parts.extend_from_slice(parts);
        self.next += 1;
        Ok(())
    }

    /// Writes the end of the file and returns the writer.
    pub fn finish(mut self) -> Result<W, EncodeError> {
        if self.next != self.bands {
            return Err(EncodeError::OutOfOrder { expected: self.next, given: self.bands });
        }
        self.out.write_all(&self.codec.tail(&self.joined))?;
        if let Some((place, bytes)) = self.codec.correction(&self.joined) {
            self.out.seek(SeekFrom::Start(place))?;
            self.out.write_all(&bytes)?;
            self.out.seek(SeekFrom::End(0))?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}
