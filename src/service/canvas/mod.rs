//! The canvas of a job: a local scratch file that holds the tiles which are back.
//!
//! * `files`: the files in a directory, by their names and locks.
//! * `header`: tells for which plan a canvas was made.
//!
//! ```text
//! "TMC1"  length of the header (u32, little endian)  header (bincode)  one bit a tile  padding  pixels
//! ```
//!
//! Pixels are stored tile by tile, each tile's rows together, so that a tile is written in one call. A
//! tile's pixels are written before its bit. If the process is killed, that order holds without a
//! sync; if the machine crashes, it does not. So a canvas is adopted only within one boot.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

pub use self::files::{bytes, jobs, sweep};
use self::files::{canvases, lock};
use self::header::Header;
use super::scratch::{self, ScratchFile};
use crate::locked::Locked;
use crate::model::board::{Board, FailedAttempt};
use crate::model::job::Plan;
use crate::raster::grid::{Grid, Region, Size};
use crate::raster::pixels::{PixelFormat, Pixels};
use crate::storage::absent_is_fine;

mod files;
mod header;

/// Pixels begin at a multiple of this: the page size of most machines.
const ALIGNMENT: u64 = 4096;

/// Where canvases are created.
#[derive(Debug, Clone)]
pub enum Scratch {
    /// As named files in this directory, which the next process can adopt.
    Named(PathBuf),
    /// As files without a name on the disk of this directory, which vanish with the process.
    Unnamed(PathBuf),
}

impl Scratch {
    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::Named(directory) | Self::Unnamed(directory) => directory,
        }
    }
}

/// An open canvas. Its file is locked as long as this lives, if it has a name.
#[derive(Debug)]
pub struct Canvas {
    file: ScratchFile,
    path: Option<PathBuf>,
    grid: Grid,
    tile_size: u32,
    size: Size,
    format: PixelFormat,
    bits_at: u64,
    pixels_at: u64,
    board: Mutex<Board>,
}

impl Canvas {
    /// Opens the canvas of a job: one that another process left, if it fits the plan and this boot, or a new one.
    pub fn open(scratch: &Scratch, plan: &Plan) -> io::Result<Self> {
        let header = Header::of(plan);
        match scratch {
            Scratch::Unnamed(directory) => {
                Self::create(ScratchFile::unnamed(directory)?, None, plan, &header)
            }
            Scratch::Named(directory) => match Self::adopt(directory, plan, &header) {
                Ok(Some(canvas)) => Ok(canvas),
                Ok(None) => Self::create_named(directory, plan, &header),
                Err(error) => Err(scratch::failed(directory, &error)),
            },
        }
    }

    fn create_named(directory: &Path, plan: &Plan, header: &Header) -> io::Result<Self> {
        let (file, path) = files::create(directory, plan.id)?;
        Self::create(ScratchFile::new(file, directory), Some(path), plan, header)
    }

    fn create(
        file: ScratchFile,
        path: Option<PathBuf>,
        plan: &Plan,
        header: &Header,
    ) -> io::Result<Self> {
        let encoded = header.encode();
        file.write_all_at(&encoded, 0)?;
        let board = Board::new(plan.tiles());
        Ok(Self::assemble(file, path, plan, encoded.len(), board))
    }

    fn assemble(
        file: ScratchFile,
        path: Option<PathBuf>,
        plan: &Plan,
        header_length: usize,
        board: Board,
    ) -> Self {
        let bits_at = header_length as u64;
        let bits_end = bits_at + u64::from(board.tiles().div_ceil(8));
        Self {
            file,
            path,
            grid: plan.grid(),
            tile_size: plan.tile_size,
            size: plan.result_size(),
            format: plan.result_format(),
            bits_at,
            pixels_at: bits_end.next_multiple_of(ALIGNMENT),
            board: Mutex::new(board),
        }
    }

    /// Adopts the first fitting canvas that an earlier opening left, and deletes those that do not fit.
    fn adopt(directory: &Path, plan: &Plan, header: &Header) -> io::Result<Option<Self>> {
        for path in canvases(directory, Some(plan.id))? {
            let Some(file) = lock(&path)? else { continue };
            match header.read_board(&file)? {
                Some((length, board)) => {
                    let file = ScratchFile::new(file, directory);
                    return Ok(Some(Self::assemble(file, Some(path), plan, length, board)));
                }
                // Another process may have deleted it already.
                None => absent_is_fine(fs::remove_file(&path))?,
            }
        }
        Ok(None)
    }

    fn lock_board(&self) -> MutexGuard<'_, Board> {
        self.board.locked()
    }

    /// Width and height of the image.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Side of a tile in pixels.
    #[must_use]
    pub fn tile_size(&self) -> u32 {
        self.tile_size
    }

    /// The tiles that are in the canvas now.
    #[must_use]
    pub fn board(&self) -> Board {
        self.lock_board().clone()
    }

    /// Whether a tile is in the canvas.
    #[must_use]
    pub fn has(&self, tile: u32) -> bool {
        self.lock_board().has(tile)
    }

    /// Writes a tile. One that is in the canvas already is left as it is: every attempt gives the same bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a tile that is not in the grid, or does not have the size and format of its place.
    pub fn put(&self, tile: u32, pixels: &Pixels) -> io::Result<()> {
        if u64::from(tile) >= self.grid.len() {
            return Err(misfit(format!("there is no tile {tile}")));
        }
        let place = self.grid.region(tile);
        let fits = pixels.size() == place.size() && pixels.format() == self.format;
        if !fits {
            return Err(misfit(format!("tile {tile} has the wrong size or pixel format")));
        }
        if self.lock_board().has(tile) {
            return Ok(());
        }
        self.file.write_all_at(pixels.as_bytes(), self.offset(place))?;
        let mut board = self.lock_board();
        board.set(tile);
        let (byte, bits) = board.byte_of(tile);
        self.file.write_all_at(&[bits], self.bits_at + byte)
    }

    /// Notes that an attempt at a tile failed.
    pub fn fail(&self, tile: u32, attempt: FailedAttempt) {
        self.lock_board().fail(tile, attempt);
    }

    /// Notes that a worker could not take a tile on.
    pub fn put_off(&self, tile: u32, cause: String) {
        self.lock_board().put_off(tile, cause);
    }

    /// Reads a tile, which must be in the canvas.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a tile that is not in the grid.
    pub fn tile(&self, tile: u32) -> io::Result<Pixels> {
        if u64::from(tile) >= self.grid.len() {
            return Err(misfit(format!("there is no tile {tile}")));
        }
        let place = self.grid.region(tile);
        let mut pixels = Pixels::zeroed(place.size(), self.format);
        self.file.read_exact_at(pixels.as_bytes_mut(), self.offset(place))?;
        Ok(pixels)
    }

    /// Reads full-width rows, which must be within the image, and all in the canvas.
    pub fn rows(&self, rows: Range<u32>) -> io::Result<Pixels> {
        let wanted =
            Region { x: 0, y: rows.start, width: self.size.width, height: rows.end - rows.start };
        let mut band = Pixels::zeroed(wanted.size(), self.format);
        let columns = self.grid.columns();
        let grid_rows = rows.start / self.tile_size..rows.end.div_ceil(self.tile_size);
        for grid_row in grid_rows {
            for column in 0..columns {
                let place = self.grid.region(grid_row * columns + column);
                self.read_part(place, &rows, &mut band)?;
            }
        }
        Ok(band)
    }

    /// Copies those rows of the tile at `place` that are in `rows` into their part of `band`.
    fn read_part(&self, place: Region, rows: &Range<u32>, band: &mut Pixels) -> io::Result<()> {
        let first = rows.start.max(place.y);
        let last = rows.end.min(place.y + place.height);
        let pixel = self.format.bytes_per_pixel();
        let row = place.width as usize * pixel;
        let mut part = vec![0; row * (last - first) as usize];
        let skipped = u64::from(first - place.y) * row as u64;
        self.file.read_exact_at(&mut part, self.offset(place) + skipped)?;
        let stride = self.size.width as usize * pixel;
        let target = &mut band.as_bytes_mut()[(first - rows.start) as usize * stride..];
        let left = place.x as usize * pixel;
        for (to, from) in target.chunks_exact_mut(stride).zip(part.chunks_exact(row)) {
            to[left..left + row].copy_from_slice(from);
        }
        Ok(())
    }

    /// Where a tile's pixels begin: after the grid rows above it and the tiles to its left.
    fn offset(&self, place: Region) -> u64 {
        let above = u64::from(place.y) * u64::from(self.size.width);
        let left = u64::from(place.x) * u64::from(place.height);
        self.pixels_at + (above + left) * self.format.bytes_per_pixel() as u64
    }

    /// Deletes the canvas.
    pub fn discard(&self) -> io::Result<()> {
        self.path.as_ref().map_or(Ok(()), fs::remove_file)
    }
}

fn misfit(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
