//! A decoded image, cut into windows in viewing orientation, as soon as the rows they need are there.

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, RwLock};

use super::grid::{Region, Size};
use super::orientation::Orientation;
use super::pixels::{PixelFormat, Pixels};

/// Takes a decoded image in bands of full rows, from the top stored row to the bottom one.
pub trait Rows {
    /// Takes the next rows. An error ends the decoding.
    fn push(&mut self, rows: Pixels) -> io::Result<()>;
}

/// Stored pixels that windows can be cut from while rows still arrive.
pub trait Raster: Debug + Send + Sync {
    /// Width and height as stored.
    fn size(&self) -> Size;

    /// The format of its pixels.
    fn format(&self) -> PixelFormat;

    /// How many rows are there, from the top.
    fn rows(&self) -> u32;

    /// A copy of one region, all of whose rows are there.
    fn crop(&self, region: Region) -> io::Result<Pixels>;
}

/// A decoded image. Its pixels stay as stored; only the windows cut from it are turned, so an
/// orientation costs no second copy of the image.
#[derive(Clone, Debug)]
pub struct Source {
    stored: Arc<dyn Raster>,
    orientation: Orientation,
    /// Where in the image as viewed the pixels lie.
    at: Region,
}

impl Source {
    /// A source over stored pixels.
    #[must_use]
    pub fn new(stored: Arc<dyn Raster>, orientation: Orientation) -> Source {
        let at = Region::of(orientation.size(stored.size()));
        Source { stored, orientation, at }
    }

    /// A source that has only the region `at` of the image as viewed: `stored` is the stored part of it.
    #[must_use]
    pub fn of_part(stored: Arc<dyn Raster>, orientation: Orientation, at: Region) -> Source {
        debug_assert_eq!(at.size(), orientation.size(stored.size()), "the part of the region");
        Source { stored, orientation, at }
    }

    /// Width and height as viewed of what it has.
    #[must_use]
    pub fn size(&self) -> Size {
        self.orientation.size(self.stored.size())
    }

    /// The format of its pixels.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.stored.format()
    }

    fn stored_region(&self, region: Region) -> Region {
        self.orientation.stored_region(region.relative_to(self.at), self.stored.size())
    }

    /// Whether a region of the image as viewed can be cut already.
    #[must_use]
    pub fn has(&self, region: Region) -> bool {
        self.stored_region(region).rows().end <= self.stored.rows()
    }

    /// The fraction of its rows that are there.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        f64::from(self.stored.rows()) / f64::from(self.stored.size().height.max(1))
    }

    /// A copy of one region of the image as viewed.
    ///
    /// # Panics
    /// When the region does not lie inside what it has, or some of its rows are not there yet.
    pub fn window(&self, region: Region) -> io::Result<Pixels> {
        Ok(self.orientation.turn(self.stored.crop(self.stored_region(region))?))
    }
}

impl From<Pixels> for Source {
    fn from(pixels: Pixels) -> Source {
        Source::new(Arc::new(MemoryRaster::from(pixels)), Orientation::UPRIGHT)
    }
}

/// Stored pixels in memory, in the bands in which they arrived.
#[derive(Debug)]
pub struct MemoryRaster {
    size: Size,
    format: PixelFormat,
    bands: RwLock<Vec<Band>>,
}

/// Some rows of an image.
#[derive(Clone, Debug)]
struct Band {
    /// The first of them.
    top: u32,
    pixels: Arc<Pixels>,
}

impl MemoryRaster {
    /// A raster without rows yet.
    #[must_use]
    pub fn new(size: Size, format: PixelFormat) -> MemoryRaster {
        MemoryRaster { size, format, bands: RwLock::default() }
    }

    /// Adds the next rows.
    ///
    /// # Panics
    /// When they have another width or format, or are more than the image has.
    pub fn push(&self, rows: Pixels) {
        let top = self.rows();
        let fits = rows.width() == self.size.width && rows.format() == self.format;
        assert!(fits && rows.height() <= self.size.height - top, "the rows of another image");
        // A poisoned lock is fine: the bands are whole at any time.
        let mut bands = self.bands.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        bands.push(Band { top, pixels: Arc::new(rows) });
    }

    /// The bands that a region crosses.
    fn crossed(&self, region: Region) -> Vec<Band> {
        let bands = self.bands.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rows = region.rows();
        let first = bands.partition_point(|band| band.end() <= rows.start);
        bands[first..].iter().take_while(|band| band.top < rows.end).cloned().collect()
    }
}

impl Band {
    fn end(&self) -> u32 {
        self.top + self.pixels.height()
    }

    /// The part of a region that lies in this band.
    fn part(&self, region: Region) -> Region {
        let (top, end) = (region.y.max(self.top), region.rows().end.min(self.end()));
        Region { y: top, height: end - top, ..region }
    }

    /// A region of the image, counted from this band's top.
    fn own(&self, part: Region) -> Region {
        Region { y: part.y - self.top, ..part }
    }
}

impl Raster for MemoryRaster {
    fn size(&self) -> Size {
        self.size
    }

    fn format(&self) -> PixelFormat {
        self.format
    }

    fn rows(&self) -> u32 {
        let bands = self.bands.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        bands.last().map_or(0, Band::end)
    }

    fn crop(&self, region: Region) -> io::Result<Pixels> {
        let bands = self.crossed(region);
        if let [band] = &bands[..] {
            return Ok(band.pixels.crop(band.own(region)));
        }
        let mut pixels = Pixels::zeroed(region.size(), self.format);
        for band in bands {
            let part = band.part(region);
            pixels.copy(0, part.y - region.y, &band.pixels, band.own(part));
        }
        Ok(pixels)
    }
}

impl From<Pixels> for MemoryRaster {
    fn from(pixels: Pixels) -> MemoryRaster {
        let raster = MemoryRaster::new(pixels.size(), pixels.format());
        raster.push(pixels);
        raster
    }
}

impl Rows for &MemoryRaster {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        MemoryRaster::push(self, rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Bands, SampleType};

    #[test]
    fn a_region_can_be_cut_when_its_last_row_is_there_whatever_the_bands() {
        let format = PixelFormat::new(Bands::GREY, SampleType::U8);
        let bytes: Vec<u8> = (0..40).collect();
        let whole = Pixels::from_bytes(Size::new(4, 10), format, &bytes).unwrap();
        let raster = Arc::new(MemoryRaster::new(whole.size(), format));
        let source = Source::new(Arc::clone(&raster) as Arc<dyn Raster>, Orientation::UPRIGHT);
        let region = Region { x: 1, y: 2, width: 3, height: 6 };
        for (y, height) in [(0, 3), (3, 4), (7, 1), (8, 2)] {
            assert_eq!(source.has(region), y >= 8);
            raster.push(whole.crop(Region { x: 0, y, width: 4, height }));
        }
        assert_eq!(source.window(region).unwrap(), whole.crop(region));
    }
}
