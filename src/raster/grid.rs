//! Sizes, regions and the grid of tiles that covers an image.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

impl Size {
    /// A size of `width` × `height` pixels.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// Number of pixels.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether it holds no pixel at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Width and height exchanged.
    #[must_use]
    pub fn transposed(self) -> Size {
        Size::new(self.height, self.width)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.width, self.height)
    }
}

/// A rectangle of pixels; `x` and `y` count from the top left corner of the image.
///
/// The right and bottom edges of a region must fit in `u32`, as they do inside any image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// Leftmost column.
    pub x: u32,
    /// Topmost row.
    pub y: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

impl Region {
    /// The region of a whole image.
    #[must_use]
    pub fn of(size: Size) -> Region {
        Region { x: 0, y: 0, width: size.width, height: size.height }
    }

    /// Its width and height.
    #[must_use]
    pub fn size(self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Its columns in the image.
    #[must_use]
    pub fn columns(self) -> Range<u32> {
        self.x..self.x.saturating_add(self.width)
    }

    /// Its rows in the image.
    #[must_use]
    pub fn rows(self) -> Range<u32> {
        self.y..self.y.saturating_add(self.height)
    }

    /// Whether this region contains every pixel of `inner`.
    #[must_use]
    pub fn contains(self, inner: Region) -> bool {
        self.x <= inner.x
            && self.y <= inner.y
            && inner.columns().end <= self.columns().end
            && inner.rows().end <= self.rows().end
    }

    /// This region with `halo` more pixels on every side, as far as the image `within` goes.
    #[must_use]
    pub fn grow(self, halo: u32, within: Size) -> Region {
        let (x, y) = (self.x.saturating_sub(halo), self.y.saturating_sub(halo));
        let right = self.columns().end.saturating_add(halo).min(within.width);
        let bottom = self.rows().end.saturating_add(halo).min(within.height);
        Region { x, y, width: right - x, height: bottom - y }
    }

    /// This region, counted from the top left corner of `outer`, which contains it.
    #[must_use]
    pub fn relative_to(self, outer: Region) -> Region {
        Region { x: self.x - outer.x, y: self.y - outer.y, ..self }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at ({}, {})", self.size(), self.x, self.y)
    }
}

/// The tiles of an image: squares, row by row, those at the right and bottom edges cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    image: Size,
    tile: u32,
}

impl Grid {
    /// A grid of tiles with `tile` ≥ 1 pixels a side over an image; a `tile` of 0 counts as 1.
    #[must_use]
    pub fn new(image: Size, tile: u32) -> Grid {
        Grid { image, tile: tile.max(1) }
    }

    /// Tiles in a row of tiles.
    #[must_use]
    pub fn columns(&self) -> u32 {
        self.image.width.div_ceil(self.tile)
    }

    /// Rows of tiles.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.image.height.div_ceil(self.tile)
    }

    /// Number of tiles.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.columns()) * u64::from(self.rows())
    }

    /// Whether there is no tile, as in an image without pixels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The region of tile `index` < [`Grid::len`], counted row by row.
    #[must_use]
    pub fn region(&self, index: u32) -> Region {
        let (column, row) = (index % self.columns(), index / self.columns());
        let (x, y) = (column * self.tile, row * self.tile);
        let width = self.tile.min(self.image.width - x);
        let height = self.tile.min(self.image.height - y);
        Region { x, y, width, height }
    }

    /// The regions of all tiles, in order.
    pub fn regions(&self) -> impl Iterator<Item = Region> + use<> {
        let grid = *self;
        (0..u32::try_from(grid.len()).unwrap_or(u32::MAX)).map(move |index| grid.region(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_pixel_once() {
        let image = Size::new(13, 7);
        for tile in 1..=14 {
            let mut hits = vec![0; 13 * 7];
            for region in Grid::new(image, tile).regions() {
                for y in region.rows() {
                    region.columns().for_each(|x| hits[(y * 13 + x) as usize] += 1);
                }
            }
            assert!(hits.iter().all(|&count| count == 1), "tile {tile}");
        }
    }

    #[test]
    fn a_halo_ends_at_the_image_edge() {
        let image = Size::new(10, 8);
        let region = Region { x: 4, y: 1, width: 3, height: 3 };
        assert_eq!(region.grow(2, image), Region { x: 2, y: 0, width: 7, height: 6 });
        assert_eq!(region.grow(u32::MAX, image), Region::of(image));
    }
}
