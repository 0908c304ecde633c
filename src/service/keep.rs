//! Keeps decoded images: in memory if there is room, else in a scratch file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::scratch::ScratchFile;
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{PixelFormat, Pixels};
use crate::raster::source::{MemoryRaster, Raster};

/// Keeps the decoded images of one server.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    /// Bytes of memory that are left.
    room: Arc<AtomicU64>,
    /// The directory of scratch files, which have no names and vanish with their process.
    directory: PathBuf,
}

/// A decoded image, in memory or in a file.
#[derive(Debug)]
pub(super) struct Kept(KeptIn);

#[derive(Debug)]
enum KeptIn {
    Memory(MemoryRaster, #[expect(dead_code, reason = "held only for its `Drop`")] Room),
    File(FileRaster),
}

/// Memory that is given back when this is dropped.
#[derive(Debug)]
struct Room {
    left: Arc<AtomicU64>,
    bytes: u64,
}

impl Keep {
    /// Keeps up to `bytes` of pixels in memory, and the rest in `directory`.
    pub(super) fn new(bytes: u64, directory: PathBuf) -> Self {
        Self { room: Arc::new(AtomicU64::new(bytes)), directory }
    }

    /// Makes a place for one image.
    pub(super) fn place(&self, size: Size, format: PixelFormat) -> io::Result<Kept> {
        let bytes = u64::try_from(format.bytes(size)).unwrap_or(u64::MAX);
        let place = if let Some(room) = self.take(bytes) {
            KeptIn::Memory(MemoryRaster::new(size, format), room)
        } else {
            let file = ScratchFile::unnamed(&self.directory)?;
            KeptIn::File(FileRaster::new(file, size, format))
        };
        Ok(Kept(place))
    }

    fn take(&self, bytes: u64) -> Option<Room> {
        let less = |left: u64| left.checked_sub(bytes);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        Some(Room { left: Arc::clone(&self.room), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Kept {
    /// Adds the next rows.
    pub(super) fn push(&self, rows: Pixels) -> io::Result<()> {
        match &self.0 {
            KeptIn::Memory(raster, _) => {
                raster.push(rows);
                Ok(())
            }
            KeptIn::File(raster) => raster.push(&rows),
        }
    }

    fn raster(&self) -> &dyn Raster {
        match &self.0 {
            KeptIn::Memory(raster, _) => raster,
            KeptIn::File(raster) => raster,
        }
    }
}

impl Raster for Kept {
    fn size(&self) -> Size {
        self.raster().size()
    }

    fn format(&self) -> PixelFormat {
        self.raster().format()
    }

    fn rows(&self) -> u32 {
        self.raster().rows()
    }

    fn crop(&self, region: Region) -> io::Result<Pixels> {
        self.raster().crop(region)
    }
}

/// Pixels in a file, row by row, as they are in memory.
#[derive(Debug)]
struct FileRaster {
    file: ScratchFile,
    size: Size,
    format: PixelFormat,
    /// Rows that are written.
    rows: AtomicU32,
}

impl FileRaster {
    fn new(file: ScratchFile, size: Size, format: PixelFormat) -> Self {
        Self { file, size, format, rows: AtomicU32::new(0) }
    }

    fn offset(&self, x: u32, y: u32) -> u64 {
        let pixels = u64::from(y) * u64::from(self.size.width) + u64::from(x);
        pixels * self.format.bytes_per_pixel() as u64
    }

    /// Adds the next rows. Only the decoder of the image calls this.
    fn push(&self, rows: &Pixels) -> io::Result<()> {
        let top = self.rows.load(Ordering::Relaxed);
        self.file.write_all_at(rows.as_bytes(), self.offset(0, top))?;
        // A reader that sees the new number of rows finds them in the file.
        self.rows.store(top + rows.height(), Ordering::Release);
        Ok(())
    }
}

impl Raster for FileRaster {
    fn size(&self) -> Size {
        self.size
    }

    fn format(&self) -> PixelFormat {
        self.format
    }

    fn rows(&self) -> u32 {
        self.rows.load(Ordering::Acquire)
    }

    fn crop(&self, region: Region) -> io::Result<Pixels> {
        let mut pixels = Pixels::zeroed(region.size(), self.format);
        // Rows of full width are contiguous, so they are read at once.
        let whole = region.width == self.size.width;
        let length = if whole { pixels.as_bytes().len() } else { pixels.row_bytes() };
        let parts = pixels.as_bytes_mut().chunks_exact_mut(length.max(1));
        for (y, part) in (region.y..).zip(parts) {
            self.file.read_exact_at(part, self.offset(region.x, y))?;
        }
        Ok(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::pixels::{Bands, SampleType};

    const FORMAT: PixelFormat = PixelFormat::new(Bands::GREY, SampleType::U8);

    #[test]
    fn what_does_not_fit_into_memory_goes_to_a_file_and_comes_back_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let keep = Keep::new(40, directory.path().to_owned());
        let bytes: Vec<u8> = (0..40).collect();
        let image = Pixels::from_bytes(Size::new(4, 10), FORMAT, &bytes).unwrap();
        let kept = [(); 2].map(|()| keep.place(image.size(), FORMAT).unwrap());
        assert!(matches!(kept[0].0, KeptIn::Memory(..)) && matches!(kept[1].0, KeptIn::File(_)));
        let rows = |y, height| Region { x: 0, y, width: 4, height };
        for place in &kept {
            place.push(image.crop(rows(0, 7))).unwrap();
            assert_eq!(place.rows(), 7);
            place.push(image.crop(rows(7, 3))).unwrap();
            for region in [rows(0, 10), Region { x: 1, y: 2, width: 2, height: 6 }] {
                assert_eq!(place.crop(region).unwrap(), image.crop(region));
            }
        }
        drop(kept);
        assert!(matches!(keep.place(image.size(), FORMAT).unwrap().0, KeptIn::Memory(..)));
    }
}
