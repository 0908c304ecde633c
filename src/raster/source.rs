//! A decoded image, cut into windows in viewing orientation.

use super::grid::{Region, Size};
use super::orientation::Orientation;
use super::pixels::{PixelFormat, Pixels};

/// A decoded image. Its pixels stay as they were stored; only the windows cut from it are turned,
/// so an orientation costs no second copy of the image.
#[derive(Clone, Debug)]
pub struct Source {
    stored: Pixels,
    orientation: Orientation,
}

impl Source {
    /// A source over stored pixels.
    #[must_use]
    pub fn new(stored: Pixels, orientation: Orientation) -> Source {
        Source { stored, orientation }
    }

    /// Width and height as viewed.
    #[must_use]
    pub fn size(&self) -> Size {
        self.orientation.size(self.stored.size())
    }

    /// The format of its pixels.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.stored.format()
    }

    /// A copy of one region of the image as viewed.
    ///
    /// # Panics
    /// When the region does not lie inside the image.
    #[must_use]
    pub fn window(&self, region: Region) -> Pixels {
        let stored = self.orientation.stored_region(region, self.stored.size());
        self.orientation.turn(self.stored.crop(stored))
    }
}

impl From<Pixels> for Source {
    fn from(pixels: Pixels) -> Source {
        Source::new(pixels, Orientation::UPRIGHT)
    }
}
