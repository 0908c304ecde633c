//! The layout of a band's samples in a TIFF file, and where in the band they go.

use super::super::limits::{band_rows, raster_bytes};
use super::codec::Codec;
use super::kind::Kind;
use super::picture::{Grid, Picture};
use super::places::Plain;
use super::samples;
use crate::grid::Size;
use crate::pixels::{Channels, Depth, PixelFormat, Pixels, SamplesMut};

/// The layout of a band's samples in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The size of the picture.
    pub(super) size: Size,
    pub(super) kind: Kind,
    pub(super) grid: Grid,
    /// Number of planes into which the samples of a pixel are separated.
    pub(super) planes: u32,
    /// Whether a band is some rows of uncompressed strips instead of a row of chunks.
    pub(super) by_rows: bool,
    /// Rows of a band.
    pub(super) height: u32,
}

/// The column and the plane in a band that the samples of a chunk go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) column: u32,
    pub(super) plane: u32,
}

impl Layout {
    pub(super) fn new(picture: &Picture, kind: Kind) -> Layout {
        let Picture { size, grid, .. } = *picture;
        let channels = u32::try_from(kind.format.channel_count()).unwrap_or(1);
        let planes = if picture.planar { channels } else { 1 };
        let by_rows = picture.codec() == Codec::None && !grid.tiled;
        let height = if by_rows { band_rows(size, kind.format) } else { grid.chunk.height };
        Layout { size, kind, grid, planes, by_rows, height }
    }

    /// Number of samples of a pixel in a chunk.
    pub(super) fn channels(&self) -> usize {
        if self.planes > 1 { 1 } else { self.kind.format.channel_count() }
    }

    /// Bytes of a row of a chunk.
    pub(super) fn row_bytes(&self) -> u64 {
        let bits = self.channels() as u64 * u64::from(self.kind.bits);
        (u64::from(self.grid.chunk.width) * bits).div_ceil(8)
    }

    /// Whether the samples of a chunk lie in the file as in a band.
    pub(super) fn is_direct(&self) -> bool {
        self.planes == 1 && self.kind.bits >= 8 && !self.grid.tiled
    }

    /// Size and format of the scratch for the part of a chunk that a band takes, needed if its samples do not lie as in
    /// the band. A sample of the scratch has 16 bits, or is a byte.
    pub(super) fn scratch(&self) -> (Size, PixelFormat) {
        let depth = if self.kind.bits == 16 { Depth::Sixteen } else { Depth::Eight };
        let bytes = u64::from(depth.bits() / 8);
        let width = u32::try_from(self.row_bytes() / bytes).unwrap_or(u32::MAX);
        let height = if self.is_direct() { 0 } else { self.height };
        (Size { width, height }, PixelFormat { channels: Channels::Grey, depth })
    }

    /// Samples in the scratch of a chunk that begins at row `top`.
    pub(super) fn scratch_samples(&self, top: u32) -> usize {
        let rows =
            if self.grid.tiled { self.height } else { self.height.min(self.size.height - top) };
        self.scratch().0.width as usize * rows as usize
    }

    /// Bytes of a band and of the scratch.
    pub(super) fn memory(&self) -> u64 {
        let height = self.height.min(self.size.height);
        let band = raster_bytes(Size { height, ..self.size }, self.kind.format);
        let (scratch, samples) = self.scratch();
        band.saturating_add(raster_bytes(scratch, samples))
    }

    pub(super) fn plain(&self, compression: u64) -> Plain {
        Plain {
            compression,
            grid: self.grid,
            planes: self.planes.into(),
            row: self.row_bytes(),
            height: self.size.height,
        }
    }

    /// Puts the samples of a chunk into a band, without the part of a tile beyond the edges of the picture.
    pub(super) fn place(&self, from: SamplesMut<'_>, band: &mut Pixels, spot: Spot) {
        match (from, band.samples_mut()) {
            (SamplesMut::U8(from), SamplesMut::U8(band)) if self.kind.bits < 8 => {
                self.rows(from, band, spot, |row, to| samples::expand(row, self.kind.bits, to));
            }
            (SamplesMut::U8(from), SamplesMut::U8(band)) => self.place_rows(from, band, spot),
            (SamplesMut::U16(from), SamplesMut::U16(band)) => self.place_rows(from, band, spot),
            _ => unreachable!("a chunk has the depth of its band"),
        }
    }

    fn place_rows<S: Copy>(&self, from: &[S], band: &mut [S], spot: Spot) {
        let (channels, plane) = (self.kind.format.channel_count(), spot.plane as usize);
        if self.planes > 1 {
            self.rows(from, band, spot, |row, to| samples::interleave(row, to, channels, plane));
        } else {
            self.rows(from, band, spot, |row, to| to.copy_from_slice(&row[..to.len()]));
        }
    }

    /// Calls `put` with each row of a chunk and the part of the band where it goes.
    fn rows<S>(&self, from: &[S], band: &mut [S], spot: Spot, put: impl Fn(&[S], &mut [S])) {
        let channels = self.kind.format.channel_count();
        let width = self.size.width as usize;
        let left = (spot.column * self.grid.chunk.width) as usize;
        let right = width.min(left + self.grid.chunk.width as usize);
        let row = self.scratch().0.width as usize;
        let rows = band.chunks_exact_mut(width * channels).zip(from.chunks_exact(row));
        rows.for_each(|(to, from)| put(from, &mut to[left * channels..right * channels]));
    }
}
