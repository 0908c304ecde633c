//! The decoder of TIFF. A band is a row of tiles, a compressed strip, or some rows of uncompressed strips.

use std::io;
use std::ops::Range;

use super::super::error::DecodeError;
use super::super::limits::Limits;
use super::super::{Decoder, Input, Stored};
use super::broken;
use super::chunks::{Chunks, Filled, Packing};
use super::directory::{Directory, Order, Tiff};
use super::jpeg::Jpeg;
use super::kind::{self, Kind, Prediction, RECOMPRESS};
use super::layout::{Layout, Spot};
use super::lerc::{Lerc, Outer};
use super::picture::{JPEG, LERC, OLD_JPEG, OLD_WEBP, Picture, WEBP};
use super::places::{self, PLACE_BYTES, Places};
use super::samples;
use super::webp::WebP;
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Pixels, SamplesMut};
use crate::source::Rows;

/// The value of `FillOrder` for bytes whose bits are in reverse order.
const LOW_BIT_FIRST: u64 = 2;

/// The decoder for a picture.
pub(super) struct BandDecoder<'r> {
    file: Input<'r>,
    source: PageSamples,
    metadata: Metadata,
    orientation: Orientation,
    notes: Vec<String>,
}

/// The source of a picture's samples.
pub(super) struct PageSamples {
    chunks: Chunks,
    layout: Layout,
    order: Order,
    /// Bytes of memory that decoding takes.
    pub(super) memory: u64,
}

impl PageSamples {
    /// The samples of a picture of a supported kind. They begin `shift` bytes behind the places that the file lists.
    pub(super) fn open(
        tiff: &mut Tiff<'_>,
        directory: &Directory,
        picture: &Picture,
        kind: Kind,
        shift: u64,
        limits: &Limits,
    ) -> Result<PageSamples, DecodeError> {
        limits.check_size(picture.size)?;
        let layout = Layout::new(picture, kind);
        let plain = layout.plain(picture.compression);
        let lists = plain.count().saturating_mul(PLACE_BYTES);
        let memory = layout.memory().saturating_add(lists);
        // Before the lists are read.
        limits.check_memory(memory)?;
        let places = match picture.interchange {
            Some(place) => Places::one(place),
            None => places::read(tiff, directory, plain).map_err(broken)?,
        };
        let packing = match picture.compression {
            JPEG | OLD_JPEG => {
                Packing::Jpeg(Jpeg::open(tiff, directory, picture, &layout, &places, limits)?)
            }
            WEBP | OLD_WEBP => Packing::WebP(webp(tiff, &layout)),
            LERC => Packing::Lerc(lerc(tiff, picture, &layout)?),
            _ => Packing::Bytes(picture.codec()),
        };
        let unpacking = packing.memory(plain.bytes(0), places.longest().min(tiff.length));
        let turned = picture.fill_order == LOW_BIT_FIRST;
        let missing = samples::missing(picture.missing, kind, tiff.order);
        let row = usize::try_from(layout.row_bytes()).unwrap_or(usize::MAX);
        let chunks = Chunks { places, shift, packing, turned, missing, row };
        let memory = memory.saturating_add(unpacking);
        Ok(PageSamples { chunks, layout, order: tiff.order, memory })
    }

    /// The size of the picture.
    pub(super) fn size(&self) -> Size {
        self.layout.size
    }

    /// The part of the picture that is read.
    pub(super) fn part(&self) -> Region {
        self.layout.part
    }

    /// Reads only the chunks that a part of the picture crosses, and passes only that part on.
    pub(super) fn narrow(&mut self, part: Region) {
        self.layout.part = part;
    }

    /// Passes each band of the part on.
    pub(super) fn each_band(
        &self,
        file: &mut Input<'_>,
        mut pass: impl FnMut(Pixels) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let Layout { size, height, part, .. } = self.layout;
        let (left, wanted) = (self.layout.columns().left, part.rows());
        let mut scratch = self.layout.new_scratch();
        let first = wanted.start / height * height;
        for top in (first..wanted.end).step_by(height as usize) {
            let end = size.height.min(top.saturating_add(height));
            let band = self.band(file, top..end, &mut scratch).map_err(broken)?;
            let rows = wanted.start.max(top)..wanted.end.min(end);
            let (x, y) = (part.x - left, rows.start - top);
            let seen = Region { x, y, width: part.width, height: rows.end - rows.start };
            pass(if seen.size() == band.size() { band } else { band.crop(seen) })?;
        }
        Ok(())
    }
}

fn webp(tiff: &Tiff<'_>, layout: &Layout) -> WebP {
    let (samples, width) = (layout.samples_per_pixel(), layout.grid.chunk.width);
    WebP { samples, width, length: tiff.length }
}

fn lerc(tiff: &Tiff<'_>, picture: &Picture, layout: &Layout) -> Result<Lerc, DecodeError> {
    let (samples, width) = (layout.samples_per_pixel(), layout.grid.chunk.width);
    let outer = match picture.lerc_outer {
        0 => Outer::None,
        1 => Outer::Deflate,
        2 => Outer::Zstandard,
        other => {
            return Err(kind::refused(&format!("LERC inside of compression {other}"), RECOMPRESS));
        }
    };
    let has_alpha = layout.kind.format.has_alpha() && samples > 1;
    let (stored, length) = (layout.kind.stored, tiff.length);
    Ok(Lerc { stored, samples, has_alpha, outer, width, length })
}

impl<'r> BandDecoder<'r> {
    /// A decoder of these samples.
    pub(super) fn new(file: Input<'r>, source: PageSamples) -> BandDecoder<'r> {
        let (metadata, orientation) = (Metadata::default(), Orientation::UPRIGHT);
        BandDecoder { file, source, metadata, orientation, notes: Vec::new() }
    }
}

impl BandDecoder<'_> {
    /// Adds the metadata and the orientation of the file.
    pub(super) fn with(self, metadata: Metadata, orientation: Orientation) -> Self {
        BandDecoder { metadata, orientation, ..self }
    }

    /// Adds notes for the owner of the file.
    pub(super) fn noting(self, notes: Vec<String>) -> Self {
        BandDecoder { notes, ..self }
    }

    /// Passes each band of another picture of the file on.
    pub(super) fn each_band_of(
        &mut self,
        other: &PageSamples,
        pass: impl FnMut(Pixels) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        other.each_band(&mut self.file, pass)
    }

    /// The size of the largest band.
    pub(super) fn largest(&self) -> Size {
        let Layout { size, height, .. } = self.source.layout;
        Size { height: height.min(size.height), ..size }
    }
}

impl Decoder for BandDecoder<'_> {
    fn stored(&self) -> Stored {
        let Layout { size, kind, .. } = self.source.layout;
        let Kind { format, stored, inks, .. } = kind;
        Stored { size, format, own: stored, orientation: self.orientation, inks }
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn memory(&self) -> u64 {
        self.source.memory
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn narrow(&mut self, part: Region) -> bool {
        self.source.narrow(part);
        true
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let BandDecoder { file, source, .. } = &mut *self;
        source.each_band(file, |band| rows.push(band).map_err(DecodeError::keep))
    }
}

impl PageSamples {
    /// Some rows of the picture.
    fn band(
        &self,
        file: &mut Input<'_>,
        rows: Range<u32>,
        scratch: &mut [u64],
    ) -> io::Result<Pixels> {
        let Layout { kind, planes, .. } = self.layout;
        let columns = self.layout.columns();
        let size = Size::new(columns.width, rows.end - rows.start);
        let mut band = Pixels::zeroed(size, kind.format);
        for (plane, column) in (0..planes).flat_map(|p| columns.chunks().map(move |c| (p, c))) {
            let spot = Spot { column, plane };
            if self.layout.is_direct() {
                self.fill(file, band.as_bytes_mut(), spot, rows.clone())?;
                continue;
            }
            let length = self.layout.scratch_bytes(rows.start);
            let part = &mut bytemuck::cast_slice_mut(scratch)[..length];
            self.fill(file, part, spot, rows.clone())?;
            self.layout.place(part, &mut band, spot);
        }
        if kind.inverted {
            samples::to_light(&mut band);
        }
        if let SamplesMut::F32(floats) = band.samples_mut() {
            samples::unify_nans(floats);
        }
        Ok(band)
    }

    /// Fills `bytes` with the samples of the chunk of a spot that begins at `rows.start`, or with `rows` of its strips.
    fn fill(
        &self,
        file: &mut Input<'_>,
        bytes: &mut [u8],
        spot: Spot,
        rows: Range<u32>,
    ) -> io::Result<()> {
        let Layout { grid, kind, by_rows, .. } = self.layout;
        let first = u64::from(spot.plane) * grid.count();
        let filled = if by_rows {
            let lengths = [grid.chunk.height.into(), self.layout.row_bytes()];
            self.chunks.read_rows(file, first, rows, lengths, bytes)?;
            Filled::Stored
        } else {
            let row = u64::from(rows.start / grid.chunk.height);
            let chunk = first + row * u64::from(grid.across) + u64::from(spot.column);
            self.chunks.read(file, chunk, bytes)?
        };
        let (width, row) = (kind.sample_bytes(), self.layout.row_samples());
        let count = self.layout.samples_per_pixel();
        match kind.prediction {
            Prediction::Floating if filled == Filled::Stored => {
                samples::undo_floating_prediction(bytes, width, row, count);
            }
            Prediction::Horizontal if filled == Filled::Stored => {
                samples::to_native(bytes, width, self.order);
                samples::undo_prediction(bytes, width, row, count);
            }
            _ if filled == Filled::Native => {}
            _ => samples::to_native(bytes, width, self.order),
        }
        Ok(())
    }
}
