//! The layout of a band's samples in a TIFF file, and where in the band they go.

use std::ops::Range;

use super::super::limits::{band_rows, raster_bytes};
use super::codec::Codec;
use super::kind::Kind;
use super::picture::{Grid, Picture};
use super::places::Plain;
use super::samples;
use crate::grid::{Region, Size};
use crate::pixels::{Pixels, SamplesMut};
use crate::sample::Sample;

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
    /// The part of the picture that is read.
    pub(super) part: Region,
}

/// The columns of a picture that the chunks which a band takes cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// The first column of pixels.
    pub(super) left: u32,
    /// Pixels in a row.
    pub(super) width: u32,
    /// The first column of chunks, and the one behind the last.
    first: u32,
    end: u32,
}

impl Columns {
    pub(super) fn chunks(self) -> Range<u32> {
        self.first..self.end
    }
}

/// Where in a band the samples of a chunk go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) column: u32,
    pub(super) plane: u32,
    /// The row of the picture that it begins with, and its row in the band.
    pub(super) top: u32,
    pub(super) row: u32,
}

impl Layout {
    pub(super) fn new(picture: &Picture, kind: Kind) -> Layout {
        let Picture { size, grid, .. } = *picture;
        let count = u32::try_from(kind.format.samples_per_pixel()).unwrap_or(1);
        let planes = if picture.planar { count } else { 1 };
        let by_rows = Codec::of(picture) == Codec::None && !grid.tiled;
        let height = if by_rows { band_rows(size, kind.format) } else { grid.chunk.height };
        Layout { size, kind, grid, planes, by_rows, height, part: Region::of(size) }
    }

    /// The columns that a band of the part has.
    pub(super) fn columns(&self) -> Columns {
        let (pixels, wide) = (self.part.columns(), self.grid.chunk.width);
        let (first, end) = (pixels.start / wide, pixels.end.div_ceil(wide));
        let left = first * wide;
        Columns { left, width: end.saturating_mul(wide).min(self.size.width) - left, first, end }
    }

    /// Gathers strips in bands of at least `count` of them, if there are as many.
    pub(super) fn gather(&mut self, count: u32) {
        if !self.grid.tiled {
            let strips = band_rows(self.size, self.kind.format) / self.grid.chunk.height;
            let rows = self.grid.chunk.height.saturating_mul(strips.max(count));
            self.height = rows.min(self.size.height);
        }
    }

    /// Where the chunks of a band go that has these rows.
    pub(super) fn spots(&self, rows: &Range<u32>) -> impl Iterator<Item = Spot> {
        let step = if self.by_rows { self.height } else { self.grid.chunk.height };
        let (columns, planes, start) = (self.columns(), self.planes, rows.start);
        rows.clone().step_by(step as usize).flat_map(move |top| {
            let row = top - start;
            (0..planes).flat_map(move |plane| {
                columns.chunks().map(move |column| Spot { column, plane, top, row })
            })
        })
    }

    /// Number of samples of a pixel in a chunk.
    pub(super) fn samples_per_pixel(&self) -> usize {
        if self.planes > 1 { 1 } else { self.kind.format.samples_per_pixel() }
    }

    /// Samples in a row of a chunk.
    pub(super) fn row_samples(&self) -> usize {
        self.grid.chunk.width as usize * self.samples_per_pixel()
    }

    /// Bytes of a row of a chunk.
    pub(super) fn row_bytes(&self) -> u64 {
        let bits = self.samples_per_pixel() as u64 * u64::from(self.kind.bits);
        u64::from(self.grid.chunk.width).saturating_mul(bits).div_ceil(8)
    }

    /// Whether the samples of a chunk lie in the file as in a band.
    pub(super) fn is_direct(&self) -> bool {
        self.planes == 1 && self.kind.is_as_in_memory() && !self.grid.tiled
    }

    /// Rows of the part of a chunk that a band takes.
    fn chunk_rows(&self) -> u32 {
        if self.by_rows { self.height } else { self.grid.chunk.height }
    }

    /// Bytes of the scratch for the part of a chunk that a band takes.
    fn scratch(&self) -> u64 {
        self.row_bytes().saturating_mul(self.chunk_rows().into())
    }

    /// The scratch: in words of eight bytes, so that samples of any width are where they may be in memory.
    pub(super) fn new_scratch(&self) -> Vec<u64> {
        vec![0; usize::try_from(self.scratch().div_ceil(8)).unwrap_or(usize::MAX)]
    }

    /// The part of the scratch for the chunk of a spot.
    pub(super) fn part_of<'s>(&self, scratch: &'s mut [u64], spot: Spot) -> &'s mut [u8] {
        let all = self.chunk_rows();
        let rows = if self.grid.tiled { all } else { all.min(self.size.height - spot.top) };
        let length = usize::try_from(self.row_bytes() * u64::from(rows)).unwrap_or(usize::MAX);
        &mut bytemuck::cast_slice_mut(scratch)[..length]
    }

    /// Bytes of a band.
    pub(super) fn band_memory(&self) -> u64 {
        let height = self.height.min(self.size.height);
        raster_bytes(Size { height, ..self.size }, self.kind.format)
    }

    /// Bytes of a scratch, and of what else placing its samples takes.
    pub(super) fn scratch_memory(&self) -> u64 {
        // Floats are widened in a row of their own.
        let widened = if self.kind.format.sample.is_whole() { 0 } else { 4 * self.row_bytes() };
        self.scratch().saturating_add(widened)
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
    pub(super) fn place(&self, chunk: &[u8], band: &mut Pixels, spot: Spot) {
        let Kind { stored, bits, .. } = self.kind;
        match band.samples_mut() {
            SamplesMut::U8(band) if bits < 8 => {
                self.rows(chunk, band, spot, |row, to| samples::expand(row, bits, to));
            }
            SamplesMut::U8(band) => self.place_rows(chunk, band, spot),
            SamplesMut::U16(band) if bits == 12 => {
                let mut row = vec![0; self.row_samples()];
                self.rows(chunk, band, spot, |packed, to| {
                    samples::expand_twelve(packed, &mut row);
                    self.place_row(&row, to, spot);
                });
            }
            SamplesMut::U16(band) => self.place_rows(chunk, band, spot),
            SamplesMut::F32(band) => {
                let mut row = vec![0.0; self.row_samples()];
                self.rows(chunk, band, spot, |stored_row, to| {
                    samples::widen(stored_row, stored, &mut row);
                    self.place_row(&row, to, spot);
                });
            }
        }
    }

    fn place_rows<S: Sample>(&self, chunk: &[u8], band: &mut [S], spot: Spot) {
        self.rows(chunk, band, spot, |row, to| {
            self.place_row(bytemuck::cast_slice(row), to, spot);
        });
    }

    /// Puts a row of a chunk into its part of a band.
    fn place_row<S: Copy>(&self, row: &[S], to: &mut [S], spot: Spot) {
        if self.planes > 1 {
            let count = self.kind.format.samples_per_pixel();
            samples::interleave(row, to, count, spot.plane as usize);
        } else {
            to.copy_from_slice(&row[..to.len()]);
        }
    }

    /// Calls `put` with the bytes of each row of a chunk and the part of the band where it goes.
    fn rows<S>(
        &self,
        chunk: &[u8],
        band: &mut [S],
        spot: Spot,
        mut put: impl FnMut(&[u8], &mut [S]),
    ) {
        let count = self.kind.format.samples_per_pixel();
        let columns = self.columns();
        let width = columns.width as usize;
        let left = (spot.column * self.grid.chunk.width - columns.left) as usize;
        let right = width.min(left + self.grid.chunk.width as usize);
        let row = usize::try_from(self.row_bytes()).unwrap_or(usize::MAX);
        let band = &mut band[spot.row as usize * width * count..];
        let rows = band.chunks_exact_mut(width * count).zip(chunk.chunks_exact(row));
        rows.for_each(|(to, from)| put(from, &mut to[left * count..right * count]));
    }
}
