//! Uncompressed strips of a TIFF file, read a few rows at a time: one strip may be the whole image.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use tiff::TiffResult;
use tiff::decoder::{ChunkType, Decoder as Reader};
use tiff::tags::Tag;

use super::container::Container;
use super::error::DecodeError;
use super::limits::{band_rows, raster_bytes};
use super::samples::Plain;
use super::{Decoder, Input, Stored};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::metadata::Metadata;
use crate::raster::pixels::Pixels;
use crate::raster::source::Rows;

const UNCOMPRESSED: u16 = 1;
const NO_PREDICTION: u16 = 1;

/// Where the rows of an image lie in its file.
#[derive(Debug)]
pub(super) struct Layout {
    /// Offset of each strip from the start of the file.
    offsets: Vec<u64>,
    /// Bytes of each strip.
    lengths: Vec<u64>,
    rows_per_strip: u32,
}

/// The layout of a file of uncompressed strips; `None` for any other file.
pub(super) fn layout<R: Read + Seek>(reader: &mut Reader<R>) -> TiffResult<Option<Layout>> {
    let mut is = |tag, expected: u16| -> TiffResult<bool> {
        Ok(reader.find_tag_unsigned(tag)?.unwrap_or(expected) == expected)
    };
    let plain = is(Tag::Compression, UNCOMPRESSED)? && is(Tag::Predictor, NO_PREDICTION)?;
    if !plain || reader.get_chunk_type() != ChunkType::Strip {
        return Ok(None);
    }
    Ok(Some(Layout {
        offsets: reader.get_tag_u64_vec(Tag::StripOffsets)?,
        lengths: reader.get_tag_u64_vec(Tag::StripByteCounts)?,
        rows_per_strip: reader.chunk_dimensions().1.max(1),
    }))
}

/// A decoder for such a file.
pub(super) struct Strips<'r> {
    pub(super) file: Input<'r>,
    pub(super) layout: Layout,
    pub(super) stored: Stored,
    pub(super) plain: Plain,
    pub(super) metadata: Metadata,
}

impl Strips<'_> {
    /// Bytes of a row.
    fn row_bytes(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        raster_bytes(Size { height: 1, ..size }, format)
    }

    /// Fills `bytes` with the rows that begin at `rows.start`, from as many strips as they cross.
    fn read_rows(&mut self, rows: Range<u32>, mut bytes: &mut [u8]) -> io::Result<()> {
        let mut top = rows.start;
        while top < rows.end {
            let (strip, row) = (top / self.layout.rows_per_strip, top % self.layout.rows_per_strip);
            let count = (self.layout.rows_per_strip - row).min(rows.end - top);
            let [skipped, length] = [row, count].map(|rows| u64::from(rows) * self.row_bytes());
            let start = self.start(strip, skipped, length)?;
            let (part, rest) = bytes.split_at_mut(usize::try_from(length).unwrap_or(usize::MAX));
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(part)?;
            (bytes, top) = (rest, top + count);
        }
        Ok(())
    }

    /// Where `length` bytes of a strip begin, behind the first `skipped`.
    fn start(&self, strip: u32, skipped: u64, length: u64) -> io::Result<u64> {
        let strip = strip as usize;
        let (offset, bytes) = (self.layout.offsets.get(strip), self.layout.lengths.get(strip));
        let inside = bytes.is_some_and(|bytes| skipped + length <= *bytes);
        offset
            .filter(|_| inside)
            .and_then(|offset| offset.checked_add(skipped))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a strip is too short"))
    }
}

impl Decoder for Strips<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn memory(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        raster_bytes(Size { height: band_rows(size, format), ..size }, format)
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Stored { size, format, .. } = self.stored;
        let step = band_rows(size, format);
        let mut top = 0;
        while top < size.height {
            let height = step.min(size.height - top);
            let mut band = Pixels::zeroed(Size { height, ..size }, format);
            self.read_rows(top..top + height, band.as_bytes_mut())
                .map_err(|error| DecodeError::from_io(Container::Tiff, error))?;
            self.plain.to_native(&mut band);
            self.plain.to_light(&mut band);
            rows.push(band).map_err(DecodeError::keep)?;
            top += height;
        }
        Ok(())
    }
}
