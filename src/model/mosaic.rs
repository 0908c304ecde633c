//! The mosaic: a small picture of a job's result, painted tile by tile, and the worker that made each tile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::worker::WorkerId;
use crate::raster::grid::{Grid, Size};
use crate::raster::pixels::{Bands, Pixels};
use crate::raster::preview::Rgba;

/// The longer side of a mosaic is about this long, in pixels.
const SIDE: u32 = 512;
/// The longer side of a thumbnail, in pixels.
pub const THUMBNAIL: u32 = 256;
/// The longest side of a slot, in pixels.
const MAX_SLOT: u32 = 128;

/// The worker that made a tile, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The worker.
    pub worker: WorkerId,
    /// The attempt that gave the tile.
    pub attempt: u32,
    /// How long its filters took, in milliseconds.
    pub millis: u32,
    /// Whether a worker that died had it before.
    pub taken_over: bool,
}

impl Maker {
    const TAKEN_OVER: u16 = 1 << 15;

    /// The attempt, and in the highest bit whether the tile was taken over.
    #[must_use]
    pub fn history(&self) -> u16 {
        let attempt = u16::try_from(self.attempt).unwrap_or(u16::MAX).min(Self::TAKEN_OVER - 1);
        attempt | if self.taken_over { Self::TAKEN_OVER } else { 0 }
    }

    /// A maker from its [`Maker::history`].
    #[must_use]
    pub fn of(worker: WorkerId, history: u16, millis: u32) -> Self {
        let taken_over = history & Self::TAKEN_OVER != 0;
        Self { worker, attempt: (history & !Self::TAKEN_OVER).into(), millis, taken_over }
    }
}

/// One tile, small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The tile's index in the job's grid.
    pub tile: u32,
    /// Its pixels: a square of the mosaic's slot size, row by row.
    pub pixels: Vec<Rgba>,
    /// The worker that made it; unknown for tiles that were found in a canvas after a restart.
    pub maker: Option<Maker>,
}

/// A small picture of a job: for each tile a slot of a few pixels, clear until the tile is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mosaic {
    image: Size,
    tile_size: u32,
    /// Slot by slot.
    pixels: Vec<Rgba>,
    marks: Vec<Mark>,
    /// The workers that marks refer to.
    workers: Vec<WorkerId>,
}

/// What is known of a slot: small, because there may be a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// The tile is not back.
    Clear,
    /// The tile is back, made by an unknown worker.
    Found,
    /// The tile is back, made by the worker of this index in the list.
    Made { worker: u16, history: u16, millis: u32 },
}

impl Mosaic {
    /// An empty mosaic for an image of `image` pixels in tiles of `tile_size`.
    #[must_use]
    pub fn new(image: Size, tile_size: u32) -> Self {
        let tiles = usize::try_from(Grid::new(image, tile_size).len()).unwrap_or(usize::MAX);
        let marks = vec![Mark::Clear; tiles];
        let mut mosaic = Self { image, tile_size, pixels: Vec::new(), marks, workers: Vec::new() };
        mosaic.pixels = vec![[0; 4]; tiles * mosaic.slot_pixels()];
        mosaic
    }

    /// The tiles.
    #[must_use]
    pub fn grid(&self) -> Grid {
        Grid::new(self.image, self.tile_size)
    }

    /// The side of a slot in pixels, from 1 to 128: the mosaic is about 512 pixels long.
    #[must_use]
    pub fn slot_side(&self) -> u32 {
        let grid = self.grid();
        (SIDE / grid.columns().max(grid.rows()).max(1)).clamp(1, MAX_SLOT)
    }

    fn slot_pixels(&self) -> usize {
        (self.slot_side() * self.slot_side()) as usize
    }

    /// The image.
    #[must_use]
    pub const fn image(&self) -> Size {
        self.image
    }

    /// Side of a tile of the image, in pixels.
    #[must_use]
    pub const fn tile_size(&self) -> u32 {
        self.tile_size
    }

    /// The slot of a tile, if it has been painted.
    #[must_use]
    pub fn slot(&self, tile: u32) -> Option<Slot> {
        let length = self.slot_pixels();
        let pixels = || self.pixels[tile as usize * length..][..length].to_vec();
        self.has(tile).then(|| Slot { tile, pixels: pixels(), maker: self.maker(tile) })
    }

    /// Whether the slot of a tile has been painted.
    #[must_use]
    pub fn has(&self, tile: u32) -> bool {
        self.marks.get(tile as usize).is_some_and(|mark| *mark != Mark::Clear)
    }

    /// The tiles that differ from an earlier state of this mosaic.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let numbers = self.numbers_in(before);
        let same = move |mark: Mark| match mark {
            Mark::Made { worker, history, millis } => {
                let worker = numbers.get(usize::from(worker)).copied().flatten()?;
                Some(Mark::Made { worker, history, millis })
            }
            other => Some(other),
        };
        let olds = before.marks.iter().copied().map(Some).chain(std::iter::repeat(None));
        let tiles = (0..).zip(self.marks.iter().copied().zip(olds));
        tiles
            .filter(move |(_, (mark, old))| same(*mark) != *old || old.is_none())
            .map(|(tile, _)| tile)
    }

    /// The index of each worker in another mosaic's list: a mosaic that was stored and read back may have
    /// another order.
    fn numbers_in(&self, other: &Self) -> Vec<Option<u16>> {
        let number = |worker: &WorkerId| {
            let position = other.workers.iter().position(|known| known == worker);
            position.and_then(|position| u16::try_from(position).ok())
        };
        self.workers.iter().map(number).collect()
    }

    /// Paints a slot. One that does not fit this mosaic is ignored.
    pub fn paint(&mut self, slot: Slot) {
        let (tile, length) = (slot.tile as usize, self.slot_pixels());
        if tile < self.marks.len() && slot.pixels.len() == length {
            self.pixels[tile * length..][..length].copy_from_slice(&slot.pixels);
            self.marks[tile] = slot.maker.map_or(Mark::Found, |maker| self.mark(&maker));
        }
    }

    fn mark(&mut self, maker: &Maker) -> Mark {
        let known = self.workers.iter().position(|worker| *worker == maker.worker);
        let index = known.unwrap_or_else(|| {
            self.workers.push(maker.worker.clone());
            self.workers.len() - 1
        });
        // In a fleet of more workers than fit into `u16`, the rest are shown without names.
        u16::try_from(index).map_or(Mark::Found, |worker| Mark::Made {
            worker,
            history: maker.history(),
            millis: maker.millis,
        })
    }

    /// The maker of a tile, if the tile is back and its maker is known.
    #[must_use]
    pub fn maker(&self, tile: u32) -> Option<Maker> {
        match *self.marks.get(tile as usize)? {
            Mark::Made { worker, history, millis } => {
                let worker = self.workers.get(usize::from(worker))?.clone();
                Some(Maker::of(worker, history, millis))
            }
            Mark::Clear | Mark::Found => None,
        }
    }

    /// How long the filters took, for each tile where it is known.
    pub fn times(&self) -> impl Iterator<Item = Duration> {
        self.marks.iter().filter_map(|mark| match mark {
            Mark::Made { millis, .. } => Some(Duration::from_millis((*millis).into())),
            Mark::Clear | Mark::Found => None,
        })
    }

    /// The slots side by side: columns × rows of the grid, each of the slot's size, clear where no tile is
    /// back yet.
    #[must_use]
    pub fn picture(&self) -> Pixels {
        let (grid, side) = (self.grid(), self.slot_side());
        let size = Size::new(grid.columns() * side, grid.rows() * side);
        draw(size, |x, y| self.pixel(y / side * grid.columns() + x / side, (x % side, y % side)))
    }

    /// The whole image in its own proportions, its longer side at most `side` pixels.
    #[must_use]
    pub fn thumbnail(&self, side: u32) -> Pixels {
        let (grid, slot, image) = (self.grid(), self.slot_side(), self.image);
        let longer = image.width.max(image.height).max(1);
        let scale = |length: u32, to: u32| {
            let scaled = u64::from(length) * u64::from(to) / u64::from(longer);
            u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
        };
        let side = side.min(longer);
        let size = Size::new(scale(image.width, side), scale(image.height, side));
        let at = |pixel: u32, pixels: u32, length: u32| {
            let position = (u64::from(pixel) * 2 + 1) * u64::from(length) / (2 * u64::from(pixels));
            u32::try_from(position).unwrap_or(u32::MAX)
        };
        draw(size, |x, y| {
            let (x, y) = (at(x, size.width, image.width), at(y, size.height, image.height));
            let tile = y / self.tile_size * grid.columns() + x / self.tile_size;
            let place = grid.region(tile);
            let cell = |offset: u32, length: u32| {
                u32::try_from(u64::from(offset) * u64::from(slot) / u64::from(length)).unwrap_or(0)
            };
            self.pixel(tile, (cell(x - place.x, place.width), cell(y - place.y, place.height)))
        })
    }

    fn pixel(&self, tile: u32, (x, y): (u32, u32)) -> Rgba {
        let slot = tile as usize * self.slot_pixels();
        self.pixels[slot + (y * self.slot_side() + x) as usize]
    }
}

fn draw(size: Size, pixel: impl Fn(u32, u32) -> Rgba) -> Pixels {
    let rows = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let samples: Vec<u8> = rows.flat_map(|(x, y)| pixel(x, y)).collect();
    Pixels::of(size, Bands::RGBA, samples)
}

#[cfg(test)]
mod tests {
    use super::{Maker, Mosaic, Slot};
    use crate::model::worker::WorkerId;
    use crate::raster::grid::Size;

    fn painted(mosaic: &Mosaic, tile: u32, value: u8) -> Slot {
        let pixels = vec![[value, value, value, 255]; mosaic.slot_pixels()];
        Slot { tile, pixels, maker: None }
    }

    #[test]
    fn slots_shrink_as_tiles_become_many() {
        let side = |width, tile| Mosaic::new(Size::new(width, 1), tile).slot_side();
        assert_eq!([side(1, 512), side(10_240, 512), side(1_000_000, 1)], [128, 25, 1]);
    }

    #[test]
    fn a_picture_is_clear_where_no_tile_is_back() {
        let mut mosaic = Mosaic::new(Size::new(2, 1), 1);
        mosaic.paint(painted(&mosaic, 1, 9));
        mosaic.paint(Slot { tile: 2, pixels: Vec::new(), maker: None });
        let picture = mosaic.picture();
        assert_eq!((picture.width(), picture.height()), (256, 128));
        assert_eq!(picture.as_bytes()[..4], [0; 4]);
        assert_eq!(picture.as_bytes()[128 * 4..129 * 4], [9, 9, 9, 255]);
    }

    #[test]
    fn a_slot_tells_which_worker_made_its_tile() {
        let mut mosaic = Mosaic::new(Size::new(2, 1), 1);
        let maker = Maker { worker: WorkerId::new("w"), attempt: 2, millis: 70, taken_over: true };
        mosaic.paint(Slot { maker: Some(maker.clone()), ..painted(&mosaic, 0, 1) });
        mosaic.paint(painted(&mosaic, 1, 1));
        assert_eq!([mosaic.maker(0), mosaic.maker(1), mosaic.maker(2)], [Some(maker), None, None]);
        assert_eq!([mosaic.has(1), mosaic.has(2)], [true, false]);
    }

    #[test]
    fn a_thumbnail_has_the_proportions_of_the_image_and_not_of_the_grid() {
        let mut mosaic = Mosaic::new(Size::new(300, 100), 200);
        mosaic.paint(painted(&mosaic, 0, 50));
        mosaic.paint(painted(&mosaic, 1, 51));
        let thumbnail = mosaic.thumbnail(150);
        assert_eq!((thumbnail.width(), thumbnail.height()), (150, 50));
        let reds: Vec<u8> = thumbnail.as_bytes()[..600].iter().step_by(4).copied().collect();
        assert_eq!(reds, [vec![50; 100], vec![51; 50]].concat());
        assert_eq!(mosaic.thumbnail(900).size(), Size::new(300, 100));
    }
}
