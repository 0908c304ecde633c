//! The offsets and lengths of strips and tiles in a TIFF file. Missing ones are treated as in libtiff 4.7 and GDAL.

use std::io;

use super::directory::{Directory, Tiff, damaged};
use super::picture::{Grid, UNCOMPRESSED};

const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTE_COUNTS: u16 = 279;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;

/// Bytes of the file header, with which no data may overlap.
const HEADER: u64 = 8;

/// Bytes of memory for the place of a chunk: offset, length, and the offset once more in the sorted list.
pub(super) const PLACE_BYTES: u64 = 24;

/// The place of a chunk in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its offset and its length in bytes.
    At(u64, u64),
    /// Nowhere: the file leaves out a chunk without data.
    Nowhere,
}

/// The places of all chunks, those of the first plane first.
#[derive(Debug, Default)]
pub(super) struct Places {
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl Places {
    /// The place of the only chunk.
    pub(super) fn one((offset, length): (u64, u64)) -> Places {
        Places { offsets: vec![offset], lengths: vec![length] }
    }

    /// Bytes of the longest chunk.
    pub(super) fn longest(&self) -> u64 {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn get(&self, chunk: u64) -> io::Result<Place> {
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        match self.offsets.get(chunk).zip(self.lengths.get(chunk)) {
            Some((_, 0)) => Ok(Place::Nowhere),
            Some((offset, length)) if *offset >= HEADER => Ok(Place::At(*offset, *length)),
            Some(_) => Err(damaged("a chunk lies over the header")),
            None => Err(damaged("the list of chunks is too short")),
        }
    }
}

/// The layout that gives the lengths of chunks before compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) compression: u64,
    pub(super) grid: Grid,
    pub(super) planes: u64,
    /// Bytes of a row of a chunk.
    pub(super) row: u64,
    /// Rows of the picture.
    pub(super) height: u32,
}

impl Plain {
    pub(super) fn count(&self) -> u64 {
        self.grid.count() * self.planes
    }

    /// Bytes of a chunk.
    pub(super) fn bytes(&self, chunk: u64) -> u64 {
        let Grid { chunk: full, tiled, down, .. } = self.grid;
        let top = chunk % u64::from(down.max(1)) * u64::from(full.height);
        let rows = if tiled {
            u64::from(full.height)
        } else {
            u64::from(self.height).saturating_sub(top).min(full.height.into())
        };
        self.row.saturating_mul(rows)
    }

    /// Whether lengths are so wrong that libtiff ignores them.
    fn contradicts(&self, offsets: &[u64], lengths: &[u64]) -> bool {
        let is_plain = self.compression == UNCOMPRESSED;
        match (offsets, lengths) {
            _ if self.grid.tiled => false,
            ([0], _) => false,
            ([_], [length]) => *length == 0 || is_plain && *length < self.bytes(0),
            (_, [first, second, _, ..]) => {
                let differ = first != second && *first != 0 && *second != 0;
                is_plain && self.planes == 1 && differ
            }
            _ => false,
        }
    }
}

/// Reads the lists of places. Strips and tiles may be listed under either pair of tags.
pub(super) fn read(tiff: &mut Tiff<'_>, directory: &Directory, plain: Plain) -> io::Result<Places> {
    let count = plain.count();
    let tiled = plain.grid.tiled;
    let mut list = |of_strips, of_tiles| {
        let tags = if tiled { [of_tiles, of_strips] } else { [of_strips, of_tiles] };
        let tag = tags.into_iter().find(|tag| directory.has(*tag)).unwrap_or(of_strips);
        Ok::<_, io::Error>(tiff.numbers(directory, tag, count)?.unwrap_or_default())
    };
    let offsets = list(STRIP_OFFSETS, TILE_OFFSETS)?;
    let mut lengths = list(STRIP_BYTE_COUNTS, TILE_BYTE_COUNTS)?;
    if (offsets.len() as u64) < count {
        return Err(damaged("the list of chunks is too short"));
    }
    if plain.contradicts(&offsets, &lengths) {
        lengths.clear();
    }
    if lengths.len() < offsets.len() {
        estimate(&offsets, &mut lengths, plain, tiff.length);
    }
    Ok(Places { offsets, lengths })
}

/// Adds missing lengths: the length of an uncompressed chunk, or for a compressed one everything up to the next chunk
/// or the end of the file.
fn estimate(offsets: &[u64], lengths: &mut Vec<u64>, plain: Plain, end: u64) {
    let mut sorted = offsets.to_vec();
    sorted.sort_unstable();
    lengths.reserve_exact(offsets.len() - lengths.len());
    for (chunk, offset) in offsets.iter().enumerate().skip(lengths.len()) {
        let next = sorted.get(sorted.partition_point(|other| other <= offset));
        let room = next.copied().unwrap_or(end).saturating_sub(*offset);
        lengths.push(match plain.compression {
            _ if *offset == 0 => 0,
            UNCOMPRESSED => plain.bytes(chunk as u64),
            // If nothing is there, the codec reports a chunk that is too short.
            _ => room.max(1),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Size;

    fn strips(compression: u64) -> Plain {
        let grid = Grid { chunk: Size::new(10, 4), tiled: false, across: 1, down: 3 };
        Plain { compression, grid, planes: 1, row: 10, height: 10 }
    }

    #[test]
    fn a_length_that_is_not_told_is_estimated() {
        let offsets = [100, 300, 200];
        let mut lengths = Vec::new();
        estimate(&offsets, &mut lengths, strips(UNCOMPRESSED), 1000);
        assert_eq!(lengths, [40, 40, 20]);
        let mut lengths = vec![7];
        estimate(&offsets, &mut lengths, strips(5), 1000);
        assert_eq!(lengths, [7, 700, 100]);
    }

    #[test]
    fn lengths_that_libtiff_does_not_believe_are_not_believed() {
        let offsets = [100, 200, 300];
        let one = |offset, length| strips(UNCOMPRESSED).contradicts(&[offset], &[length]);
        assert!(one(100, 0) && one(100, 39) && !one(100, 40) && !one(0, 0));
        let three = |compression, lengths| strips(compression).contradicts(&offsets, lengths);
        assert!(three(1, &[40, 41, 20]) && !three(5, &[40, 41, 20]));
        assert!(!three(1, &[40, 40, 20]) && !three(1, &[40, 0, 20]));
    }

    #[test]
    fn a_chunk_of_no_bytes_is_left_out_and_none_lies_over_the_header() {
        let places = Places { offsets: vec![0, 100, 4, 100], lengths: vec![0, 0, 9, 9] };
        assert_eq!(places.get(0).unwrap(), Place::Nowhere);
        assert_eq!(places.get(1).unwrap(), Place::Nowhere);
        assert!(places.get(2).is_err() && places.get(4).is_err());
        assert_eq!(places.get(3).unwrap(), Place::At(100, 9));
    }
}
