//! The decoder of TIFF. A band is a row of tiles, a compressed strip, or some rows of uncompressed strips.

use std::io;
use std::ops::Range;

use super::super::error::DecodeError;
use super::super::limits::Limits;
use super::super::{Decoder, Stored};
use super::broken;
use super::chunks::{Chunks, Filled, Packing};
use super::directory::{Directory, Order, Tiff};
use super::jpeg::Jpeg;
use super::kind::{Kind, Prediction};
use super::layout::{Layout, Spot};
use super::picture::{JPEG, Picture};
use super::places::{self, PLACE_BYTES};
use super::samples;
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::Pixels;
use crate::source::Rows;

/// The value of `FillOrder` for bytes whose bits are in reverse order.
const LOW_BIT_FIRST: u64 = 2;

/// The decoder for a picture.
pub(super) struct BandDecoder<'r> {
    source: Samples<'r>,
    metadata: Metadata,
    orientation: Orientation,
    memory: u64,
}

/// The source of a picture's samples.
struct Samples<'r> {
    chunks: Chunks<'r>,
    layout: Layout,
    order: Order,
}

/// A decoder for a picture of a supported kind.
pub(super) fn open<'r>(
    mut tiff: Tiff<'r>,
    directory: &Directory,
    picture: &Picture,
    kind: Kind,
    limits: &Limits,
) -> Result<BandDecoder<'r>, DecodeError> {
    limits.check_size(picture.size)?;
    let layout = Layout::new(picture, kind);
    let plain = layout.plain(picture.compression);
    let lists = plain.count().saturating_mul(PLACE_BYTES);
    let memory = layout.memory().saturating_add(lists);
    // Before the lists are read.
    limits.check_memory(memory)?;
    let places = places::read(&mut tiff, directory, plain).map_err(broken)?;
    let packing = match picture.compression {
        JPEG => Packing::Jpeg(Jpeg::open(&mut tiff, directory, picture, &layout, &places, limits)?),
        _ => Packing::Bytes(picture.codec()),
    };
    let unpacking = packing.memory(plain.bytes(0), places.longest().min(tiff.length));
    let turned = picture.fill_order == LOW_BIT_FIRST;
    let missing = samples::missing(picture.missing, kind, tiff.order);
    let chunks = Chunks { file: tiff.file, places, packing, turned, missing };
    Ok(BandDecoder {
        source: Samples { chunks, layout, order: tiff.order },
        metadata: Metadata::default(),
        orientation: Orientation::UPRIGHT,
        memory: memory.saturating_add(unpacking),
    })
}

impl BandDecoder<'_> {
    /// Adds the metadata and the orientation of the file.
    pub(super) fn with(self, metadata: Metadata, orientation: Orientation) -> Self {
        BandDecoder { metadata, orientation, ..self }
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
        self.memory
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Layout { size, height, .. } = self.source.layout;
        let mut scratch = self.source.layout.new_scratch();
        for top in (0..size.height).step_by(height as usize) {
            let end = size.height.min(top.saturating_add(height));
            let band = self.source.band(top..end, &mut scratch).map_err(broken)?;
            rows.push(band).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}

impl Samples<'_> {
    /// Some rows of the picture.
    fn band(&mut self, rows: Range<u32>, scratch: &mut [u64]) -> io::Result<Pixels> {
        let Layout { size, kind, planes, grid, .. } = self.layout;
        let mut band = Pixels::zeroed(Size { height: rows.end - rows.start, ..size }, kind.format);
        for (plane, column) in (0..planes).flat_map(|p| (0..grid.across).map(move |c| (p, c))) {
            let spot = Spot { column, plane };
            if self.layout.is_direct() {
                self.fill(band.as_bytes_mut(), spot, rows.clone())?;
                continue;
            }
            let length = self.layout.scratch_bytes(rows.start);
            let part = &mut bytemuck::cast_slice_mut(scratch)[..length];
            self.fill(part, spot, rows.clone())?;
            self.layout.place(part, &mut band, spot);
        }
        if kind.inverted {
            samples::to_light(&mut band);
        }
        Ok(band)
    }

    /// Fills `bytes` with the samples of the chunk of a spot that begins at `rows.start`, or with `rows` of its strips.
    fn fill(&mut self, bytes: &mut [u8], spot: Spot, rows: Range<u32>) -> io::Result<()> {
        let Layout { grid, kind, by_rows, .. } = self.layout;
        let first = u64::from(spot.plane) * grid.count();
        let filled = if by_rows {
            let lengths = [grid.chunk.height.into(), self.layout.row_bytes()];
            self.chunks.read_rows(first, rows, lengths, bytes)?;
            Filled::Stored
        } else {
            let row = u64::from(rows.start / grid.chunk.height);
            let chunk = first + row * u64::from(grid.across) + u64::from(spot.column);
            self.chunks.read(chunk, bytes)?
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
            _ => samples::to_native(bytes, width, self.order),
        }
        Ok(())
    }
}
