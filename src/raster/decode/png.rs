//! PNG: row by row; an interlaced image, and a frame of an animation, as a whole.

use std::io::{BufRead, BufReader, Seek};

use png::{BitDepth, ColorType, DecodingError, Reader, Transformations};

use super::chunks::{self, Said};
use super::container::Container;
use super::error::DecodeError;
use super::essential::{AT_ONCE, Essential};
use super::gathered::Gathered;
use super::limits::{Limits, MOST_METADATA, band_rows, raster_bytes};
use super::{Decoder, Input, Stored, apng};
use crate::colour::Model;
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType, SamplesMut};
use crate::source::Rows;

/// Bytes of a pixel of four samples of 16 bits.
const LARGEST_PIXEL: usize = 8;

struct Png<'r> {
    reader: Reader<Gathered<Essential<BufReader<Input<'r>>>>>,
    stored: Stored,
    metadata: Metadata,
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) => DecodeError::from_io(Container::Png, error),
        other => DecodeError::damaged(Container::Png, other),
    }
}

/// The decoder for a file of one frame, or for the frame `page` of an animation.
pub(super) fn open<'r>(
    reader: Input<'r>,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let mut reader = BufReader::with_capacity(AT_ONCE, reader);
    let said = chunks::said(&mut reader)?;
    match (said.animation(), page) {
        (Some(_), Some(page)) => return apng::open(reader, said, page, limits),
        (Some(frames), None) => return Err(DecodeError::animated(Container::Png, frames)),
        (None, page) => DecodeError::check_only_page(page)?,
    }
    // Palettes and fewer bits than 8 become 8 bits; 16 bits stay.
    let (reader, size) = library(Essential::of(reader)?, Transformations::EXPAND, limits)?;
    let format = pixel_format(reader.output_color_type())?;
    let orientation = said.metadata.orientation();
    let metadata = described(said, format);
    let stored = Stored::new(size, format, orientation);
    Ok(Box::new(Png { reader, stored, metadata }))
}

/// The library's reader of a still image, and the size of that.
pub(super) fn library<R: BufRead + Seek>(
    file: R,
    transformations: Transformations,
    limits: &Limits,
) -> Result<(Reader<R>, Size), DecodeError> {
    let mut decoder = png::Decoder::new(file);
    let info = decoder.read_header_info().map_err(broken)?;
    let size = Size::new(info.width, info.height);
    // Before anything else: the next step of the library allocates memory for a row.
    limits.check_size(size)?;
    let bytes = usize::try_from(size.width).unwrap_or(usize::MAX).saturating_mul(LARGEST_PIXEL);
    decoder.set_limits(png::Limits { bytes: bytes.saturating_add(MOST_METADATA) });
    decoder.set_transformations(transformations);
    Ok((decoder.read_info().map_err(broken)?, size))
}

/// The metadata of pixels of this format.
pub(super) fn described(said: Said, format: PixelFormat) -> Metadata {
    let Said { metadata, resolution, colours, .. } = said;
    let (icc, cicp) = colours.winner(Model::of(format.bands));
    Metadata { icc, cicp, ..metadata }.with_resolution(resolution)
}

pub(super) fn pixel_format(output: (ColorType, BitDepth)) -> Result<PixelFormat, DecodeError> {
    let bands = match output.0 {
        ColorType::Grayscale => Bands::GREY,
        ColorType::GrayscaleAlpha => Bands::GREY_ALPHA,
        ColorType::Rgb => Bands::RGB,
        ColorType::Rgba => Bands::RGBA,
        ColorType::Indexed => {
            return Err(DecodeError::damaged(Container::Png, "its palette is missing"));
        }
    };
    let is_wide = output.1 == BitDepth::Sixteen;
    Ok(PixelFormat::new(bands, if is_wide { SampleType::U16 } else { SampleType::U8 }))
}

impl Decoder for Png<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn memory(&self) -> u64 {
        raster_bytes(Size { height: self.rows_at_a_time(), ..self.stored.size }, self.stored.format)
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let height = self.rows_at_a_time();
        let mut top = 0;
        while top < self.stored.size.height {
            let height = height.min(self.stored.size.height - top);
            let mut band = Pixels::zeroed(Size { height, ..self.stored.size }, self.stored.format);
            fill(&mut self.reader, &mut band)?;
            top += height;
            if top == self.stored.size.height {
                finish(&mut self.reader)?;
            }
            rows.push(band).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}

impl Png<'_> {
    fn rows_at_a_time(&self) -> u32 {
        if self.reader.info().interlaced {
            self.stored.size.height
        } else {
            band_rows(self.stored.size, self.stored.format)
        }
    }
}

/// Fills `band` with the next rows; an interlaced image with all of them.
pub(super) fn fill<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    band: &mut Pixels,
) -> Result<(), DecodeError> {
    if reader.info().interlaced {
        reader.next_frame(band.as_bytes_mut()).map_err(broken)?;
    } else {
        let length = band.row_bytes();
        for row in band.as_bytes_mut().chunks_exact_mut(length) {
            reader.read_row(row).map_err(broken)?;
        }
    }
    if let SamplesMut::U16(samples) = band.samples_mut() {
        for sample in samples.iter_mut() {
            *sample = u16::from_be(*sample);
        }
    }
    Ok(())
}

/// Reads the rest of the compressed data, with its checksum.
pub(super) fn finish<R: BufRead + Seek>(reader: &mut Reader<R>) -> Result<(), DecodeError> {
    reader.read_row(&mut []).map_err(broken)?;
    Ok(())
}
