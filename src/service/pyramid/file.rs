//! The file of a pyramid: the tiles in the order in which they were made, followed by an index.
//!
//! ```text
//! tiles, encoded
//! for each tile, by number: where it begins (u64) and how many bytes it has (u32)
//! width (u32), height (u32), format (u8: 0 JPEG, 1 PNG), "tmview01"
//! ```
//!
//! Numbers are big-endian.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use crate::raster::encode::OutputFormat;
use crate::raster::grid::Size;
use crate::raster::pyramid::{Levels, Place};
use crate::storage::Staged;

const MAGIC: [u8; 8] = *b"tmview01";
const TAIL: usize = 4 + 4 + 1 + 8;
const ENTRY: usize = 8 + 4;
const FORMATS: [OutputFormat; 2] = [OutputFormat::Jpeg, OutputFormat::Png];

/// The place of a tile in the file; a length of 0 means that there is no tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    start: u64,
    length: u32,
}

/// A file that is being written.
pub(super) struct Writer {
    staged: Staged,
    out: BufWriter<File>,
    levels: Levels,
    format: OutputFormat,
    end: u64,
    extents: Vec<Extent>,
}

impl Writer {
    pub(super) fn new(staged: Staged, levels: Levels, format: OutputFormat) -> io::Result<Self> {
        let out = BufWriter::new(staged.file().try_clone()?);
        let extents = vec![Extent::default(); levels.tiles()];
        Ok(Self { staged, out, levels, format, end: 0, extents })
    }

    pub(super) fn push(&mut self, place: Place, tile: &[u8]) -> io::Result<()> {
        let number = self.levels.index(place).ok_or(ErrorKind::InvalidInput)?;
        self.out.write_all(tile)?;
        let length = u32::try_from(tile.len()).map_err(io::Error::other)?;
        self.extents[number] = Extent { start: self.end, length };
        self.end += u64::from(length);
        Ok(())
    }

    /// The tiles so far, which can be read while more are written. The others read as missing.
    pub(super) fn so_far(&mut self) -> io::Result<Pyramid> {
        self.out.flush()?;
        let file = self.staged.file().try_clone()?;
        Ok(Pyramid {
            file,
            levels: self.levels,
            format: self.format,
            extents: self.extents.clone(),
        })
    }

    pub(super) fn finish(mut self) -> io::Result<Staged> {
        for Extent { start, length } in &self.extents {
            self.out.write_all(&start.to_be_bytes())?;
            self.out.write_all(&length.to_be_bytes())?;
        }
        let size = self.levels.size();
        self.out.write_all(&size.width.to_be_bytes())?;
        self.out.write_all(&size.height.to_be_bytes())?;
        self.out.write_all(&[u8::from(self.format == OutputFormat::Png)])?;
        self.out.write_all(&MAGIC)?;
        self.out.flush()?;
        Ok(self.staged)
    }
}

/// A pyramid whose tiles can be read.
#[derive(Debug)]
pub struct Pyramid {
    file: File,
    levels: Levels,
    format: OutputFormat,
    extents: Vec<Extent>,
}

impl Pyramid {
    /// Reads the index of a file. Blocks on the disk.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let damaged = || io::Error::from(ErrorKind::InvalidData);
        let length = file.metadata()?.len();
        let tail_at = length.checked_sub(TAIL as u64).ok_or_else(damaged)?;
        let mut tail = [0; TAIL];
        file.read_exact_at(&mut tail, tail_at)?;
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| tail[at + byte]));
        let format = FORMATS.get(usize::from(tail[8])).copied();
        let format = format.filter(|_| tail.ends_with(&MAGIC)).ok_or_else(damaged)?;
        let levels = Levels::new(Size::new(number(0), number(4)));
        let index_length = levels.tiles().checked_mul(ENTRY).ok_or_else(damaged)?;
        let index_at = tail_at.checked_sub(index_length as u64).ok_or_else(damaged)?;
        let mut index = vec![0; index_length];
        file.read_exact_at(&mut index, index_at)?;
        let extents = index.as_chunks::<ENTRY>().0.iter().map(read_extent).collect();
        Ok(Self { file, levels, format, extents })
    }

    /// Its levels.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// The format of its tiles.
    #[must_use]
    pub fn format(&self) -> OutputFormat {
        self.format
    }

    /// An encoded tile; `None` if there is none. Blocks on the disk.
    pub fn tile(&self, place: Place) -> io::Result<Option<Vec<u8>>> {
        let Some(number) = self.levels.index(place) else { return Ok(None) };
        let Extent { start, length } = self.extents[number];
        if length == 0 {
            return Ok(None);
        }
        let mut tile = vec![0; length as usize];
        self.file.read_exact_at(&mut tile, start)?;
        Ok(Some(tile))
    }
}

fn read_extent(entry: &[u8; ENTRY]) -> Extent {
    let (start, length) = entry.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Extent { start: number(start), length: u32::try_from(number(length)).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_come_back_whatever_the_order_they_were_written_in() {
        let folder = tempfile::tempdir().unwrap();
        let levels = Levels::new(Size::new(1000, 600));
        let staged = Staged::in_directory(folder.path()).unwrap();
        let mut writer = Writer::new(staged, levels, OutputFormat::Png).unwrap();
        let top = Place { level: 1, column: 0, row: 0 };
        writer.push(top, b"first").unwrap();
        let early = writer.so_far().unwrap();
        let all: Vec<_> = (0..levels.count()).flat_map(|level| levels.places(level)).collect();
        for place in all.iter().rev() {
            writer.push(*place, format!("{place:?}").as_bytes()).unwrap();
        }
        assert_eq!(early.tile(top).unwrap().unwrap(), b"first");
        assert_eq!(early.tile(Place { level: 0, ..top }).unwrap(), None);
        let path = folder.path().join("it");
        writer.finish().unwrap().persist(&path, crate::storage::Overwrite::Allowed).unwrap();
        let pyramid = Pyramid::open(File::open(&path).unwrap()).unwrap();
        assert_eq!((pyramid.levels(), pyramid.format()), (levels, OutputFormat::Png));
        for place in all {
            let tile = pyramid.tile(place).unwrap().unwrap();
            assert_eq!(tile, format!("{place:?}").as_bytes());
        }
        assert_eq!(pyramid.tile(Place { level: 0, column: 2, row: 0 }).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_pyramid_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], &[0; 100], &MAGIC] {
            let path = folder.path().join("it");
            std::fs::write(&path, bytes).unwrap();
            assert!(Pyramid::open(File::open(&path).unwrap()).is_err());
        }
    }
}
