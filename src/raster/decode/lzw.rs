//! Chunks of a TIFF file by LZW. The library's own reader takes some tiles that reach over the edge of the image for
//! cut off (image-rs/image-tiff, issue 395), so these are read here.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use tiff::TiffResult;
use tiff::decoder::{ChunkType, Decoder as Reader};
use tiff::tags::Tag;
use weezl::BitOrder;
use weezl::decode::Configuration;

use super::samples::Plain;
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{Pixels, SamplesMut};

const COMPRESSION: u16 = 5;
/// Each sample is the difference from the one of the same colour before it.
const HORIZONTAL: u16 = 2;

/// Where the chunks lie, and how their samples are written.
#[derive(Debug)]
pub(super) struct Lzw {
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    /// Whether a chunk at an edge is written as large as all others.
    padded: bool,
    predicted: bool,
    plain: Plain,
}

impl Lzw {
    /// Those of this file; `None` if its chunks are compressed otherwise.
    pub(super) fn of<R: Read + Seek>(
        reader: &mut Reader<R>,
        plain: Plain,
    ) -> TiffResult<Option<Self>> {
        if reader.find_tag_unsigned(Tag::Compression)? != Some(COMPRESSION) {
            return Ok(None);
        }
        let padded = reader.get_chunk_type() == ChunkType::Tile;
        let [offsets, lengths] = if padded {
            [Tag::TileOffsets, Tag::TileByteCounts]
        } else {
            [Tag::StripOffsets, Tag::StripByteCounts]
        };
        Ok(Some(Self {
            offsets: reader.get_tag_u64_vec(offsets)?,
            lengths: reader.get_tag_u64_vec(lengths)?,
            padded,
            predicted: reader.find_tag_unsigned(Tag::Predictor)? == Some(HORIZONTAL),
            plain,
        }))
    }

    /// One chunk: `seen` is what the image has of its `full` size.
    pub(super) fn read(
        &self,
        file: &mut (impl Read + Seek),
        index: u32,
        [full, seen]: [Size; 2],
    ) -> io::Result<Pixels> {
        let written = if self.padded { full } else { seen };
        let mut pixels = Pixels::zeroed(written, self.plain.format);
        self.unpack(file, index as usize, pixels.as_bytes_mut())?;
        self.plain.to_native(&mut pixels);
        if self.predicted {
            undo_prediction(&mut pixels);
        }
        self.plain.to_light(&mut pixels);
        Ok(if written == seen { pixels } else { pixels.crop(Region::of(seen)) })
    }

    /// Fills `bytes`. What comes behind that is of no interest, as the end code, which some writers leave out.
    fn unpack(
        &self,
        file: &mut (impl Read + Seek),
        index: usize,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        let place = self.offsets.get(index).zip(self.lengths.get(index));
        let (offset, length) = place.ok_or_else(|| too_short("the list of chunks"))?;
        let most = packed_bytes(bytes.len() as u64);
        file.seek(SeekFrom::Start(*offset))?;
        let mut packed = Vec::new();
        file.take(most.min(*length)).read_to_end(&mut packed)?;
        let mut decoder = Configuration::with_tiff_size_switch(BitOrder::Msb, 8).build();
        let (mut read, mut written) = (0, 0);
        while written < bytes.len() {
            let step = decoder.decode_bytes(&packed[read..], &mut bytes[written..]);
            (read, written) = (read + step.consumed_in, written + step.consumed_out);
            // A code that is none may come behind the last byte that counts.
            let is_stuck = step.consumed_in == 0 && step.consumed_out == 0;
            if written < bytes.len() && (is_stuck || step.status.is_err()) {
                return Err(too_short("a chunk"));
            }
        }
        Ok(())
    }
}

/// The most that a chunk of so many bytes takes in the file: each by a code of 12 bits, and some codes beside.
pub(super) fn packed_bytes(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 2).saturating_add(bytes / 1024 + 64)
}

fn too_short(what: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, format!("{what} is too short"))
}

fn undo_prediction(pixels: &mut Pixels) {
    let channels = pixels.channels().count();
    let row = pixels.width() as usize * channels;
    match pixels.samples_mut() {
        SamplesMut::U8(samples) => add_up(samples, row, channels, u8::wrapping_add),
        SamplesMut::U16(samples) => add_up(samples, row, channels, u16::wrapping_add),
    }
}

/// Adds to each sample of a row the one of its colour before it.
fn add_up<S: Copy>(samples: &mut [S], row: usize, channels: usize, sum: impl Fn(S, S) -> S) {
    for row in samples.chunks_exact_mut(row) {
        for at in channels..row.len() {
            row[at] = sum(row[at], row[at - channels]);
        }
    }
}
