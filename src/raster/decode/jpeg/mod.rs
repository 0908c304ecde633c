//! JPEG: rows as they are decoded, in all their colours or in luma alone.
//!
//! - `segments`: the segments of the file, and the end of its image
//! - `said`: the metadata
//! - `frame`: the kinds of coding and sampling, and which of them are read
//! - `planes`: samples of the components, a row of MCUs at a time
//! - `enlarge`: components that have fewer samples than the image has pixels
//! - `colours`: the colours of the components
//! - `rows`: rows of pixels, one after another
//! - `stream`: a stream that is in memory as a whole, as TIFF files hold it

use std::io::{Read, SeekFrom};
use std::ops::Range;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;

use super::container::Container;
use super::error::DecodeError;
use super::limits::{Limits, band_rows, raster_bytes};
use super::{Decoder, Input, Stored};
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::pixels::{PixelFormat, Pixels};
use crate::source::Rows;

mod colours;
mod enlarge;
mod frame;
mod planes;
mod rows;
mod said;
mod segments;
mod stream;

pub(super) use colours::{Meaning, to_rgb};
use frame::Frame;
use rows::{PixelRows, broken, options};
pub(super) use stream::Stream;

/// The most bytes of luma that are decoded as a whole: the default limit for a decoded image that stays in memory.
const WHOLE_LUMA: u64 = 128 << 20;

struct Jpeg<'r> {
    file: Input<'r>,
    frame: Frame,
    /// Offset at which the height has to be written, if the frame lacks it.
    height_at: Option<u64>,
    /// Bytes up to the end of the image.
    length: u64,
    /// Segments that decoding does not need, in order.
    beside: Vec<Range<u64>>,
    stored: Stored,
    meaning: Meaning,
    metadata: Metadata,
    notes: Vec<String>,
}

/// The decoder. Only the segments are read, not yet the compressed data.
pub(super) fn open<'r>(
    mut file: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let segments = segments::walk(&mut file)?;
    let (frame, mut said) = (segments.frame, segments.said);
    frame.check()?;
    if frame.size.height == 0 {
        return Err(DecodeError::damaged(Container::Jpeg, "it does not say how many lines it has"));
    }
    limits.check_size(frame.size)?;
    let meaning = Meaning::of(&frame, said.jfif, said.adobe);
    let notes = said.notes();
    let metadata = said.metadata();
    let orientation = metadata.orientation();
    let (format, inks) = (meaning.format(), meaning.is_inks());
    let stored = Stored { inks, ..Stored::new(frame.size, format, orientation) };
    let metadata = metadata.with_resolution(said.resolution);
    let (height_at, length, beside) = (segments.height_at, segments.image, segments.beside);
    Ok(Box::new(Jpeg { file, frame, height_at, length, beside, stored, meaning, metadata, notes }))
}

impl Decoder for Jpeg<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn has_luma(&self) -> bool {
        self.meaning == Meaning::YCbCr
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn memory(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        let band = Size { height: band_rows(size, format), ..size };
        let kept = raster_bytes(band, format).saturating_add(self.length);
        let luma = if self.gives_luma() { raster_bytes(size, Meaning::Grey.format()) } else { 0 };
        kept.saturating_add(self.frame.kept_bytes()).saturating_add(luma)
    }

    fn read(mut self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let luma = colours == Colours::Luma && self.has_luma();
        let meaning = if luma { Meaning::Grey } else { self.meaning };
        if meaning == Meaning::Grey && self.gives_luma() {
            return self.read_luma(rows);
        }
        let mut library = rows::library(self.take_in()?)?;
        let mut pixels = PixelRows::new(&mut library, &self.frame, meaning)?;
        for (top, mut band) in bands(self.stored.size, meaning.format()) {
            let length = band.row_bytes();
            for (y, row) in (top..).zip(band.as_bytes_mut().chunks_exact_mut(length)) {
                pixels.read(y, row)?;
            }
            rows.push(band).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}

/// The bands of an image, filled with zeros, each with the number of its first row.
fn bands(size: Size, format: PixelFormat) -> impl Iterator<Item = (usize, Pixels)> {
    let step = band_rows(size, format);
    (0..size.height).step_by(step as usize).map(move |top| {
        let height = step.min(size.height - top);
        (top as usize, Pixels::zeroed(Size { height, ..size }, format))
    })
}

impl Jpeg<'_> {
    /// Whether luma, or grey, is decoded as a whole, which takes a sixth less time than by rows of MCUs.
    fn gives_luma(&self) -> bool {
        let bytes = raster_bytes(self.stored.size, Meaning::Grey.format());
        let has_any = self.has_luma() || self.meaning == Meaning::Grey;
        has_any && self.frame.gives_luma() && bytes <= WHOLE_LUMA
    }

    fn read_luma(mut self: Box<Self>, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let file = ZCursor::new(self.take_in()?);
        let luma = options().jpeg_set_out_colorspace(ColorSpace::Luma);
        let mut decoder = JpegDecoder::new_with_options(file, luma);
        let mut pixels = Pixels::zeroed(self.stored.size, Meaning::Grey.format());
        let read = decoder.decode_into(pixels.as_bytes_mut());
        read.map_err(|error| broken(&error))?;
        rows.push(pixels).map_err(DecodeError::keep)
    }

    /// The file up to the end of its image, without the segments that decoding does not need, and with the height in
    /// its place.
    fn take_in(&mut self) -> Result<Vec<u8>, DecodeError> {
        let length = usize::try_from(self.length).unwrap_or(0);
        let (mut file, mut from, mut place) = (Vec::with_capacity(length), 0, None);
        let end = self.length..self.length;
        for gap in std::mem::take(&mut self.beside).into_iter().chain([end]) {
            let before = file.len();
            self.file.seek(SeekFrom::Start(from))?;
            self.file.by_ref().take(gap.start.saturating_sub(from)).read_to_end(&mut file)?;
            let here = self.height_at.filter(|at| (from..gap.start).contains(at));
            place =
                place.or(here.and_then(|at| usize::try_from(at - from).ok()).map(|at| before + at));
            from = gap.end;
        }
        let height = u16::try_from(self.stored.size.height).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(place) = place.and_then(|at| file.get_mut(at..at + 2)) {
            place.copy_from_slice(&height);
        }
        Ok(file)
    }
}
