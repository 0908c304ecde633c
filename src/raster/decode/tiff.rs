//! TIFF: one page, chunk by chunk where its samples lie as ours do.

use std::io::{Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use tiff::decoder::{ChunkType, Decoder as Reader, Limits as ReaderLimits};
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use super::associated::Associated;
use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::limits::{Limits, raster_bytes};
use super::lzw::{self, Lzw};
use super::samples::{self, Alpha, Plain};
use super::strips::{self, Strips};
use super::whole::{Beside, Whole};
use super::{Decoder, Input, Stored, tags};
use crate::raster::format::Colours;
use crate::raster::grid::Size;
use crate::raster::metadata::Metadata;
use crate::raster::orientation::Orientation;
use crate::raster::pixels::Pixels;
use crate::raster::source::Rows;

/// Counting ends here, so that a file of nothing but directories costs little.
const MOST_PAGES: usize = 100;

/// The bit of `NewSubfileType` that marks a smaller copy of another image of the file (TIFF 6.0).
const REDUCED: u32 = 1;

pub(super) fn broken(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(error) => DecodeError::from_io(Container::Tiff, error),
        TiffError::UnsupportedError(_) => {
            DecodeError::unsupported(Container::Tiff, "features that are not read", RESAVE)
        }
        other => DecodeError::damaged(Container::Tiff, other),
    }
}

/// The decoder for the only page of a file.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let pages = count_pages(&mut reader).map_err(broken)?;
    if pages > 1 {
        let more = if pages == MOST_PAGES { " or more" } else { "" };
        let what = format!("{pages}{more} pages");
        return Err(DecodeError::unsupported(
            Container::Tiff,
            &what,
            "save the page that is wanted as a file of its own",
        ));
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut header = Reader::new(&mut reader).map_err(broken)?;
    let alpha = samples::check(&mut header)?;
    let plain = samples::plain(&mut header, alpha).map_err(broken)?;
    let planar = samples::planar(&mut header).map_err(broken)?;
    let tiled = header.get_chunk_type() == ChunkType::Tile;
    let tag = header.find_tag_unsigned::<u8>(Tag::Orientation).map_err(broken)?;
    let orientation = tag.and_then(Orientation::from_exif).unwrap_or(Orientation::UPRIGHT);
    let metadata = tags::metadata(&mut header);
    let memory = samples::stored_bytes(&mut header).map_err(broken)?;
    reader.seek(SeekFrom::Start(0))?;
    let beside = Beside { metadata, orientation, memory };
    let decoder = match plain {
        Some(layout) => open_plain(reader, layout, beside, limits)?,
        // The library stops at an assertion.
        None if planar && tiled => {
            return Err(DecodeError::unsupported(Container::Tiff, "planes in tiles", RESAVE));
        }
        None if planar && alpha != Alpha::None => {
            return Err(DecodeError::unsupported(
                Container::Tiff,
                "alpha in a plane of its own",
                RESAVE,
            ));
        }
        None => {
            let decoder = TiffDecoder::new(reader);
            let decoder =
                decoder.map_err(|error| DecodeError::from_image(Container::Tiff, error))?;
            Box::new(Whole::new(Container::Tiff, decoder, limits, beside)?)
        }
    };
    Ok(if alpha == Alpha::Associated { Box::new(Associated(decoder)) } else { decoder })
}

/// A decoder for samples that lie as ours do.
fn open_plain<'r>(
    mut file: Input<'r>,
    plain: Plain,
    Beside { metadata, orientation, .. }: Beside,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let mut reader = Reader::new(&mut file).map_err(broken)?;
    let (width, height) = reader.dimensions().map_err(broken)?;
    let size = Size::new(width, height);
    limits.check_size(size)?;
    let Plain { format, inks, .. } = plain;
    let stored = Stored { size, format, orientation, inks };
    if let Some(layout) = strips::layout(&mut reader).map_err(broken)? {
        return Ok(Box::new(Strips { file, layout, stored, plain, metadata }));
    }
    file.seek(SeekFrom::Start(0))?;
    let mut reader = Reader::new(file).map_err(broken)?.with_limits(reader_limits(limits));
    let lzw = Lzw::of(&mut reader, plain).map_err(broken)?;
    let (width, height) = reader.chunk_dimensions();
    let chunk = Size::new(width.max(1), height.clamp(1, size.height));
    let chunk = match reader.get_chunk_type() {
        ChunkType::Strip => Size { width: size.width, ..chunk },
        ChunkType::Tile => chunk,
    };
    Ok(Box::new(Chunks { reader, stored, chunk, lzw, metadata }))
}

/// The number of pages, at least 1 and at most [`MOST_PAGES`]; smaller copies do not count.
fn count_pages(reader: impl Read + Seek) -> TiffResult<usize> {
    let mut decoder = Reader::new(reader)?;
    let mut pages = 1;
    for _ in 1..MOST_PAGES {
        if !decoder.more_images() {
            break;
        }
        decoder.next_image()?;
        let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType)?.unwrap_or(0);
        pages += usize::from(kind & REDUCED == 0);
    }
    Ok(pages)
}

/// Compressed strips, or tiles, of plain samples, a row of them at a time.
struct Chunks<'r> {
    reader: Reader<Input<'r>>,
    stored: Stored,
    /// Full size of a chunk.
    chunk: Size,
    /// How they are read if they are compressed by LZW.
    lzw: Option<Lzw>,
    metadata: Metadata,
}

impl Chunks<'_> {
    /// The pixels of a chunk without what a tile has beyond the edges of the image.
    fn read_chunk(&mut self, index: u32) -> Result<Pixels, DecodeError> {
        let (width, height) = self.reader.chunk_data_dimensions(index);
        let seen = Size::new(width, height);
        if let Some(lzw) = &self.lzw {
            let read = lzw.read(self.reader.inner(), index, [self.chunk, seen]);
            return read.map_err(|error| DecodeError::from_io(Container::Tiff, error));
        }
        let mut pixels = Pixels::zeroed(seen, self.stored.format);
        self.reader.read_chunk_bytes(index, pixels.as_bytes_mut()).map_err(broken)?;
        Ok(pixels)
    }

    /// A row of chunks, `row` counted from the top.
    fn read_row(&mut self, row: u32) -> Result<Pixels, DecodeError> {
        let across = self.stored.size.width.div_ceil(self.chunk.width);
        if across == 1 {
            return self.read_chunk(row);
        }
        let top = row * self.chunk.height;
        let height = self.chunk.height.min(self.stored.size.height - top);
        let mut band = Pixels::zeroed(Size { height, ..self.stored.size }, self.stored.format);
        for column in 0..across {
            let part = self.read_chunk(row * across + column)?;
            band.paste(column * self.chunk.width, 0, &part);
        }
        Ok(band)
    }
}

fn reader_limits(limits: &Limits) -> ReaderLimits {
    let bytes = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    let mut own = ReaderLimits::default();
    own.decoding_buffer_size = bytes;
    own.intermediate_buffer_size = bytes;
    own
}

impl Decoder for Chunks<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn memory(&self) -> u64 {
        let row = Size { height: self.chunk.height, ..self.stored.size };
        let chunk = raster_bytes(self.chunk, self.stored.format);
        let packed = self.lzw.as_ref().map_or(0, |_| lzw::packed_bytes(chunk));
        // The library may hold a chunk of its own, compressed or not.
        raster_bytes(row, self.stored.format).saturating_add(chunk).saturating_add(packed)
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        for row in 0..self.stored.size.height.div_ceil(self.chunk.height) {
            let band = self.read_row(row)?;
            rows.push(band).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}
