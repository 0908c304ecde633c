//! TIFF: one page, chunk by chunk where its samples lie as ours do.

use std::io::{Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use tiff::decoder::{ChunkType, Decoder as Reader, Limits as ReaderLimits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError, TiffResult};

use super::associated::Associated;
use super::container::Container;
use super::error::DecodeError;
use super::limits::{Limits, raster_bytes};
use super::strips::{self, Strips};
use super::whole::Whole;
use super::{Decoder, Input, Stored, tags};
use crate::raster::format::Colours;
use crate::raster::grid::{Region, Size};
use crate::raster::metadata::Metadata;
use crate::raster::orientation::Orientation;
use crate::raster::pixels::{Channels, Depth, PixelFormat, Pixels};
use crate::raster::source::Rows;

/// Counting ends here, so that a file of nothing but directories costs little.
const MOST_PAGES: usize = 100;

/// The bit of `NewSubfileType` that marks a smaller copy of another image of the file (TIFF 6.0).
const REDUCED: u32 = 1;

const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const SEPARATED: u16 = 5;
const INK_SET: u16 = 332;
const INKS_ARE_CMYK: u16 = 1;
const INTERLEAVED: u16 = 1;
const UNSIGNED: u16 = 1;
const ASSOCIATED_ALPHA: u16 = 1;

fn broken(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(error) => DecodeError::from_io(Container::Tiff, error),
        TiffError::UnsupportedError(error) => {
            DecodeError::unsupported(Container::Tiff, &format!("features beyond ours ({error})"))
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
        return Err(DecodeError::unsupported(Container::Tiff, &what));
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut header = Reader::new(&mut reader).map_err(broken)?;
    let plain = plain_layout(&mut header).map_err(broken)?;
    let associated = has_associated_alpha(&mut header).map_err(broken)?;
    let metadata = tags::metadata(&mut header);
    reader.seek(SeekFrom::Start(0))?;
    if let Some(layout) = plain {
        let decoder = open_plain(reader, layout, metadata, limits)?;
        return Ok(if associated { Box::new(Associated(decoder)) } else { decoder });
    }
    if associated {
        let what = "alpha that is multiplied into colours other than grey and RGB";
        return Err(DecodeError::unsupported(Container::Tiff, what));
    }
    let decoder = TiffDecoder::new(reader);
    let decoder = decoder.map_err(|error| DecodeError::from_image(Container::Tiff, error))?;
    Ok(Box::new(Whole::new(Container::Tiff, decoder, limits)?))
}

/// A decoder for samples that lie as ours do.
fn open_plain<'r>(
    mut file: Input<'r>,
    Plain { format, inks }: Plain,
    metadata: Metadata,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let mut reader = Reader::new(&mut file).map_err(broken)?;
    let (width, height) = reader.dimensions().map_err(broken)?;
    let size = Size::new(width, height);
    limits.check_size(size)?;
    let tag = reader.find_tag_unsigned::<u8>(Tag::Orientation).map_err(broken)?;
    let orientation = tag.and_then(Orientation::from_exif).unwrap_or(Orientation::UPRIGHT);
    let stored = Stored { size, format, orientation, inks };
    if let Some(layout) = strips::layout(&mut reader).map_err(broken)? {
        return Ok(Box::new(Strips { file, layout, stored, metadata }));
    }
    file.seek(SeekFrom::Start(0))?;
    let reader = Reader::new(file).map_err(broken)?.with_limits(reader_limits(limits));
    let (width, height) = reader.chunk_dimensions();
    let chunk = Size::new(width.max(1), height.clamp(1, size.height));
    let chunk = match reader.get_chunk_type() {
        ChunkType::Strip => Size { width: size.width, ..chunk },
        ChunkType::Tile => chunk,
    };
    Ok(Box::new(Chunks { reader, stored, chunk, metadata }))
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

/// Whether the colours are multiplied by alpha (TIFF 6.0, `ExtraSamples`).
fn has_associated_alpha<R: Read + Seek>(decoder: &mut Reader<R>) -> TiffResult<bool> {
    let extra: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::ExtraSamples)?;
    Ok(extra.is_some_and(|extra| extra.contains(&ASSOCIATED_ALPHA)))
}

/// Samples that lie as ours do.
#[derive(Clone, Copy, Debug)]
struct Plain {
    format: PixelFormat,
    /// Whether they are four inks.
    inks: bool,
}

/// The samples of a file of interleaved, unsigned grey, RGB or CMYK; `None` for any other file.
fn plain_layout<R: Read + Seek>(decoder: &mut Reader<R>) -> TiffResult<Option<Plain>> {
    let inks = matches!(decoder.colortype()?, ColorType::CMYK(_));
    let (channels, bits) = match decoder.colortype()? {
        ColorType::Gray(bits) => (Channels::Grey, bits),
        ColorType::GrayA(bits) | ColorType::Multiband { bit_depth: bits, num_samples: 2 } => {
            (Channels::GreyAlpha, bits)
        }
        ColorType::RGB(bits) => (Channels::Rgb, bits),
        ColorType::RGBA(bits) | ColorType::CMYK(bits) => (Channels::Rgba, bits),
        _ => return Ok(None),
    };
    let depth = match bits {
        8 => Depth::Eight,
        16 => Depth::Sixteen,
        _ => return Ok(None),
    };
    let meant = match channels.colours() {
        _ if inks => SEPARATED,
        1 => BLACK_IS_ZERO,
        _ => RGB,
    };
    let set = decoder.find_tag_unsigned(Tag::Unknown(INK_SET))?.unwrap_or(INKS_ARE_CMYK);
    let photometric: Option<u16> = decoder.find_tag_unsigned(Tag::PhotometricInterpretation)?;
    let layout = decoder.find_tag_unsigned(Tag::PlanarConfiguration)?.unwrap_or(INTERLEAVED);
    let formats: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::SampleFormat)?;
    let plain = photometric == Some(meant)
        && set == INKS_ARE_CMYK
        && layout == INTERLEAVED
        && formats.is_none_or(|formats| formats.iter().all(|&format| format == UNSIGNED));
    Ok(plain.then_some(Plain { format: PixelFormat { channels, depth }, inks }))
}

/// Compressed strips, or tiles, of plain samples, a row of them at a time.
struct Chunks<'r> {
    reader: Reader<Input<'r>>,
    stored: Stored,
    /// Full size of a chunk.
    chunk: Size,
    metadata: Metadata,
}

impl Chunks<'_> {
    /// The pixels of a chunk without what a tile has beyond the edges of the image.
    fn read_chunk(&mut self, index: u32) -> Result<Pixels, DecodeError> {
        let (width, height) = self.reader.chunk_data_dimensions(index);
        let mut pixels = Pixels::zeroed(Size::new(width, height), self.stored.format);
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
        let chunk = Region::of(self.chunk);
        let row = Size { height: self.chunk.height, ..self.stored.size };
        // The library may hold a chunk of its own, compressed or not.
        raster_bytes(row, self.stored.format)
            .saturating_add(raster_bytes(chunk.size(), self.stored.format))
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        for row in 0..self.stored.size.height.div_ceil(self.chunk.height) {
            let band = self.read_row(row)?;
            rows.push(band).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}
