//! The raw samples of a TIFF file: a compressed strip, a tile, or some rows of uncompressed strips. A single strip may
//! be the whole image.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Take};
use std::ops::Range;

use super::super::Input;
use super::codec::Codec;
use super::jpeg::Jpeg;
use super::jpeg2000::Jpeg2000;
use super::lerc::Lerc;
use super::places::{Place, Places};
use super::samples::Pattern;
use super::webp::WebP;

/// Whether samples come from the file, or stand for a chunk that it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// In the byte order of the file, and predicted if it says so.
    Stored,
    /// In the byte order of this machine.
    Native,
    Missing,
}

/// How samples are packed into chunks.
#[derive(Debug)]
pub(super) enum Packing {
    Bytes(Codec),
    Jpeg(Jpeg),
    WebP(WebP),
    Lerc(Lerc),
    Jpeg2000(Jpeg2000),
}

impl Packing {
    /// The most memory that unpacking a chunk takes beside its `bytes`, if its data in the file are at most `packed`.
    pub(super) fn memory(&self, bytes: u64, packed: u64) -> u64 {
        match self {
            Packing::Bytes(codec) => codec.memory(bytes),
            Packing::Jpeg(jpeg) => jpeg.memory(packed),
            Packing::WebP(webp) => webp.memory(bytes, packed),
            Packing::Lerc(lerc) => lerc.memory(bytes, packed),
            Packing::Jpeg2000(jpeg) => jpeg.memory(bytes, packed),
        }
    }
}

/// The chunks of a file.
pub(super) struct Chunks {
    pub(super) places: Places,
    /// How far behind its place in the list a chunk begins.
    pub(super) shift: u64,
    pub(super) packing: Packing,
    /// Whether the bits of each byte are in reverse order (`FillOrder` 2).
    pub(super) turned: bool,
    /// Bytes that are repeated in each row of a chunk that is left out.
    pub(super) missing: Pattern,
    /// Bytes of a row of a chunk.
    pub(super) row: usize,
}

impl Chunks {
    /// Fills `bytes` with a chunk.
    pub(super) fn read(
        &self,
        file: &mut Input<'_>,
        chunk: u64,
        bytes: &mut [u8],
    ) -> io::Result<Filled> {
        match self.find(file, chunk)? {
            Some(packed) => self.unpack(chunk, packed, bytes),
            None => Ok(self.leave_out(bytes)),
        }
    }

    /// The data of a chunk in the file, to be given to [`Chunks::fill`] when the file is wanted by others; `None` if the
    /// file leaves it out.
    pub(super) fn packed(&self, file: &mut Input<'_>, chunk: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(mut packed) = self.find(file, chunk)? else { return Ok(None) };
        let mut data = Vec::new();
        packed.read_to_end(&mut data)?;
        Ok(Some(data))
    }

    /// Fills `bytes` with a chunk whose data in the file are `packed`.
    pub(super) fn fill(
        &self,
        chunk: u64,
        packed: Option<&[u8]>,
        bytes: &mut [u8],
    ) -> io::Result<Filled> {
        match packed {
            Some(packed) => self.unpack(chunk, packed.take(packed.len() as u64), bytes),
            None => Ok(self.leave_out(bytes)),
        }
    }

    fn find<'f, 'r>(
        &self,
        file: &'f mut Input<'r>,
        chunk: u64,
    ) -> io::Result<Option<Take<&'f mut Input<'r>>>> {
        let Place::At(offset, length) = self.places.get(chunk)? else { return Ok(None) };
        file.seek(SeekFrom::Start(offset.saturating_add(self.shift)))?;
        Ok(Some(file.take(length)))
    }

    fn unpack(
        &self,
        chunk: u64,
        packed: Take<impl BufRead>,
        bytes: &mut [u8],
    ) -> io::Result<Filled> {
        match &self.packing {
            // libtiff does not turn the bits of these, whatever `FillOrder` is.
            Packing::Jpeg(jpeg) => jpeg.unpack(chunk, packed, bytes)?,
            Packing::WebP(webp) => webp.unpack(packed, bytes)?,
            Packing::Lerc(lerc) => {
                lerc.unpack(packed, bytes)?;
                return Ok(Filled::Native);
            }
            Packing::Jpeg2000(jpeg) => {
                jpeg.unpack(packed, bytes)?;
                return Ok(Filled::Native);
            }
            Packing::Bytes(codec) if self.turned => codec.unpack(Turned::new(packed), bytes)?,
            Packing::Bytes(codec) => codec.unpack(packed, bytes)?,
        }
        Ok(Filled::Stored)
    }

    /// Fills `bytes` with rows of uncompressed strips, of a plane whose first strip is `first`. Each strip has
    /// `in_strip` rows, each row `row_bytes` bytes.
    pub(super) fn read_rows(
        &self,
        file: &mut Input<'_>,
        first: u64,
        rows: Range<u32>,
        [in_strip, row_bytes]: [u64; 2],
        mut bytes: &mut [u8],
    ) -> io::Result<()> {
        let (mut top, end) = (u64::from(rows.start), u64::from(rows.end));
        while top < end {
            let (strip, row) = (top / in_strip, top % in_strip);
            let count = (in_strip - row).min(end - top);
            let [skipped, length] = [row, count].map(|rows| rows * row_bytes);
            let (part, rest) = bytes.split_at_mut(usize::try_from(length).unwrap_or(usize::MAX));
            self.read_part(file, first + strip, skipped, part)?;
            (bytes, top) = (rest, top + count);
        }
        Ok(())
    }

    /// Fills `part` with the bytes of an uncompressed strip behind its first `skipped` ones.
    fn read_part(
        &self,
        file: &mut Input<'_>,
        strip: u64,
        skipped: u64,
        part: &mut [u8],
    ) -> io::Result<()> {
        let Place::At(offset, length) = self.places.get(strip)? else {
            self.leave_out(part);
            return Ok(());
        };
        let start = offset.checked_add(skipped).and_then(|start| start.checked_add(self.shift));
        let inside = skipped + part.len() as u64 <= length;
        let too_short = || io::Error::new(ErrorKind::InvalidData, "a strip is too short");
        let start = start.filter(|_| inside).ok_or_else(too_short)?;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if self.turned {
            turn(part);
        }
        Ok(())
    }

    fn leave_out(&self, bytes: &mut [u8]) -> Filled {
        for row in bytes.chunks_mut(self.row.max(1)) {
            for part in row.chunks_mut(self.missing.len()) {
                part.copy_from_slice(&self.missing[..part.len()]);
            }
        }
        Filled::Missing
    }
}

/// Reverses the bits of each byte.
fn turn(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = byte.reverse_bits();
    }
}

/// Bytes that are reversed at a time.
const BLOCK: usize = 1 << 13;

/// A reader of another reader's bytes, the bits of each reversed.
struct Turned<R> {
    packed: R,
    block: Vec<u8>,
    taken: usize,
}

impl<R: Read> Turned<R> {
    fn new(packed: R) -> Turned<R> {
        Turned { packed, block: Vec::new(), taken: 0 }
    }
}

impl<R: Read> BufRead for Turned<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.block.len() {
            self.block.resize(BLOCK, 0);
            let length = self.packed.read(&mut self.block)?;
            self.block.truncate(length);
            turn(&mut self.block);
            self.taken = 0;
        }
        Ok(&self.block[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

impl<R: Read> Read for Turned<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut block = self.fill_buf()?;
        let length = block.read(bytes)?;
        self.consume(length);
        Ok(length)
    }
}
