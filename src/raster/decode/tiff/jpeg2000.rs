//! Strips and tiles that are codestreams of JPEG 2000 (compressions 34712, and 33003 and 33005 of Aperio).

use std::io::{self, Read, Take};

use super::super::jpeg::to_rgb;
use super::super::jpeg2000::{Chunk, chunk_memory, decode_chunk};
use super::webp::whole;
use crate::grid::Size;
use crate::pixels::StoredType;

/// The codestreams of one file.
#[derive(Debug)]
pub(super) struct Jpeg2000 {
    pub(super) stored: StoredType,
    /// Samples of a pixel in a chunk.
    pub(super) samples: usize,
    /// Whether three samples are YCbCr.
    pub(super) ycc: bool,
    /// Pixels in a row of a chunk.
    pub(super) width: u32,
    /// Bytes of the file.
    pub(super) length: u64,
}

impl Jpeg2000 {
    fn sample_bytes(&self) -> u64 {
        if matches!(self.stored, StoredType::U8 | StoredType::I8) { 1 } else { 2 }
    }

    /// The most memory that unpacking a chunk takes beside its `bytes`, if its data in the file are at most `packed`.
    pub(super) fn memory(&self, bytes: u64, packed: u64) -> u64 {
        chunk_memory(bytes / self.sample_bytes()).saturating_add(packed.min(self.length))
    }

    /// Fills `bytes` with a chunk in the byte order of this machine.
    pub(super) fn unpack(&self, packed: Take<impl Read>, bytes: &mut [u8]) -> io::Result<()> {
        let packed = whole(packed, self.length)?;
        let row = u64::from(self.width) * self.samples as u64 * self.sample_bytes();
        let height = u32::try_from(bytes.len() as u64 / row.max(1)).unwrap_or(u32::MAX);
        let size = Size::new(self.width, height);
        let chunk = Chunk { size, samples: self.samples, stored: self.stored };
        let is_rgb = decode_chunk(&packed, chunk, bytes)?;
        if self.ycc && !is_rgb && self.samples == 3 {
            for pixel in bytes.as_chunks_mut::<3>().0 {
                *pixel = to_rgb(*pixel);
            }
        }
        Ok(())
    }
}
