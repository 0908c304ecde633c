//! Ever smaller copies of a picture, in square tiles, from which a viewer shows any part without
//! loading the whole. For display: 8 bits a sample, and no promise about their bytes.

use super::grid::{Grid, Region, Size};
use super::pixels::{Bands, Pixels, Samples};

/// Side of a tile in pixels. It is even, so that four halved tiles make one.
pub const SIDE: u32 = 512;

/// The copies of one picture. Level 0 is the picture itself, each further level is half as large, and
/// the last fits into one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    size: Size,
}

/// The position of a tile in the pyramid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The level.
    pub level: u32,
    /// The column of tiles on that level.
    pub column: u32,
    /// The row of tiles on that level.
    pub row: u32,
}

impl Levels {
    /// The copies of a picture of `size`, which must not be empty.
    #[must_use]
    pub fn new(size: Size) -> Levels {
        Levels { size }
    }

    /// The size of the picture.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The number of levels, at least 1.
    #[must_use]
    pub fn count(&self) -> u32 {
        let tiles = self.size.width.max(self.size.height).div_ceil(SIDE);
        1 + tiles.max(1).next_power_of_two().ilog2()
    }

    /// The first level that has at most `pixels` pixels, or else the last.
    #[must_use]
    pub fn first_within(&self, pixels: u64) -> u32 {
        let fits = |level: &u32| self.size_of(*level).pixels() <= pixels;
        (0..self.count()).find(fits).unwrap_or(self.count() - 1)
    }

    /// The size of a level. Halves of odd sides are rounded up.
    #[must_use]
    pub fn size_of(&self, level: u32) -> Size {
        let half = |side: u32| side.div_ceil(1 << level);
        Size::new(half(self.size.width), half(self.size.height))
    }

    fn grid(self, level: u32) -> Grid {
        Grid::new(self.size_of(level), SIDE)
    }

    /// The tiles of one level, row by row.
    pub fn places(&self, level: u32) -> impl Iterator<Item = Place> + use<> {
        let (columns, rows) = (self.grid(level).columns(), self.grid(level).rows());
        (0..rows).flat_map(move |row| (0..columns).map(move |column| Place { level, column, row }))
    }

    /// The number of tiles on all levels together.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.first_of(self.count())
    }

    /// The index of a tile among all, level by level and row by row; `None` if there is no such tile.
    #[must_use]
    pub fn index(&self, place: Place) -> Option<usize> {
        let Place { level, column, row } = place;
        let grid = (level < self.count()).then(|| self.grid(level))?;
        let inside = column < grid.columns() && row < grid.rows();
        inside.then(|| self.first_of(level) + (row * grid.columns() + column) as usize)
    }

    fn first_of(self, level: u32) -> usize {
        (0..level).map(|below| usize::try_from(self.grid(below).len()).unwrap_or(usize::MAX)).sum()
    }

    /// The region of its level that a tile shows; the tile must exist.
    #[must_use]
    pub fn region(&self, place: Place) -> Region {
        let grid = self.grid(place.level);
        grid.region(place.row * grid.columns() + place.column)
    }

    /// The tiles of the level below that, halved, make a tile, each with its offset in that tile.
    pub fn parts(&self, place: Place) -> impl Iterator<Item = (Place, [u32; 2])> + use<> {
        let levels = *self;
        let part = move |x: u32, y: u32| {
            let below = Place {
                level: place.level.checked_sub(1)?,
                column: 2 * place.column + x,
                row: 2 * place.row + y,
            };
            levels.index(below).map(|_| (below, [x * SIDE / 2, y * SIDE / 2]))
        };
        [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().filter_map(move |(x, y)| part(x, y))
    }
}

/// A picture of half the size, each of whose pixels is the mean of four, of pixels that a
/// [`View`](super::view::View) gave.
///
/// # Panics
/// When a sample has 16 bits.
#[must_use]
pub fn halve(pixels: &Pixels) -> Pixels {
    let size = Size::new(pixels.width().div_ceil(2), pixels.height().div_ceil(2));
    let bands = pixels.bands();
    let samples = match pixels.samples() {
        Samples::U8(samples) => samples,
        Samples::F32(samples) => {
            return Pixels::of(size, bands, halve_floats(samples, pixels.size(), bands));
        }
        Samples::U16(_) => panic!("{} is halved with 8 bits", pixels.format()),
    };
    let halved = match bands.count() {
        1 => halve_by(samples, pixels.size(), mean::<1>),
        2 => halve_by(samples, pixels.size(), mean_of_visible::<2>),
        3 => halve_by(samples, pixels.size(), mean::<3>),
        _ => halve_by(samples, pixels.size(), mean_of_visible::<4>),
    };
    Pixels::of(size, bands, halved)
}

fn halve_floats(samples: &[f32], size: Size, bands: Bands) -> Vec<f32> {
    match bands.count() {
        1 => halve_by(samples, size, |four: [[f32; 1]; 4]| mean_of_floats(four, false)),
        2 => halve_by(samples, size, |four: [[f32; 2]; 4]| mean_of_floats(four, true)),
        3 => halve_by(samples, size, |four: [[f32; 3]; 4]| mean_of_floats(four, false)),
        _ => halve_by(samples, size, |four: [[f32; 4]; 4]| mean_of_floats(four, true)),
    }
}

/// The mean of four pixels; if their last sample is alpha, colours are weighted by it.
fn mean_of_floats<const N: usize>(four: [[f32; N]; 4], has_alpha: bool) -> [f32; N] {
    let weight = |pixel: &[f32; N]| if has_alpha { pixel[N - 1] } else { 1.0 };
    let total: f32 = four.iter().map(weight).sum();
    std::array::from_fn(|at| {
        if has_alpha && at == N - 1 {
            return total / 4.0;
        }
        let seen = four.iter().filter(|pixel| weight(pixel) > 0.0);
        let sum: f32 = seen.map(|pixel| pixel[at] * weight(pixel)).sum();
        if total > 0.0 { sum / total } else { 0.0 }
    })
}

fn halve_by<S: Copy, const N: usize>(
    samples: &[S],
    size: Size,
    mean: impl Fn([[S; N]; 4]) -> [S; N],
) -> Vec<S> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (pixels, _) = samples.as_chunks::<N>();
    let mut halved = Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2) * N);
    for y in (0..height).step_by(2) {
        let top = &pixels[y * width..][..width];
        // With an odd number of rows, the last one counts twice.
        let bottom = &pixels[(y + 1).min(height - 1) * width..][..width];
        for x in (0..width).step_by(2) {
            let right = (x + 1).min(width - 1);
            halved.extend(mean([top[x], top[right], bottom[x], bottom[right]]));
        }
    }
    halved
}

#[expect(clippy::cast_possible_truncation, reason = "a mean is no larger than its values")]
fn mean<const N: usize>(four: [[u8; N]; 4]) -> [u8; N] {
    std::array::from_fn(|at| {
        let sum: u16 = four.iter().map(|pixel| u16::from(pixel[at])).sum();
        ((sum + 2) / 4) as u8
    })
}

/// The mean of four pixels whose last sample is alpha, colours weighted by it.
#[expect(clippy::cast_possible_truncation, reason = "a mean is no larger than its values")]
fn mean_of_visible<const N: usize>(four: [[u8; N]; 4]) -> [u8; N] {
    let alpha: u32 = four.iter().map(|pixel| u32::from(pixel[N - 1])).sum();
    std::array::from_fn(|at| {
        if at == N - 1 {
            return ((alpha + 2) / 4) as u8;
        }
        let weighed = |pixel: &[u8; N]| u32::from(pixel[at]) * u32::from(pixel[N - 1]);
        let sum: u32 = four.iter().map(weighed).sum();
        (sum + alpha / 2).checked_div(alpha).unwrap_or(0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{PixelFormat, SampleType};

    #[test]
    fn the_last_level_is_one_tile_and_every_tile_has_a_number_of_its_own() {
        for (width, height, count) in
            [(1, 1, 1), (512, 512, 1), (513, 1, 2), (1024, 1025, 3), (65_535, 3, 8)]
        {
            let levels = Levels::new(Size::new(width, height));
            assert_eq!(levels.count(), count, "{width} × {height}");
            assert_eq!(levels.places(count - 1).count(), 1);
            let all = (0..count).flat_map(|level| levels.places(level));
            let numbers: Vec<_> = all.map(|place| levels.index(place).unwrap()).collect();
            assert_eq!(numbers, (0..levels.tiles()).collect::<Vec<_>>());
            assert_eq!(levels.index(Place { level: count, column: 0, row: 0 }), None);
        }
    }

    #[test]
    fn the_halves_of_its_parts_cover_a_tile() {
        let levels = Levels::new(Size::new(1301, 777));
        for place in (1..levels.count()).flat_map(|level| levels.places(level)) {
            let whole = levels.region(place).size();
            let halves = levels.parts(place).map(|(part, [x, y])| {
                let half = levels.region(part).size();
                (x + half.width.div_ceil(2), y + half.height.div_ceil(2))
            });
            let ends: Vec<_> = halves.collect();
            assert_eq!(ends.iter().map(|end| end.0).max(), Some(whole.width));
            assert_eq!(ends.iter().map(|end| end.1).max(), Some(whole.height));
        }
    }

    fn pixels(size: Size, bands: Bands, bytes: &[u8]) -> Pixels {
        Pixels::from_bytes(size, PixelFormat::new(bands, SampleType::U8), bytes).unwrap()
    }

    #[test]
    fn a_half_is_the_mean_of_four_and_odd_edges_stand_for_themselves() {
        let grey = pixels(Size::new(3, 3), Bands::GREY, &[0, 2, 9, 4, 6, 9, 50, 52, 99]);
        assert_eq!(halve(&grey), pixels(Size::new(2, 2), Bands::GREY, &[3, 9, 51, 99]));
    }

    #[test]
    fn what_is_transparent_lends_no_colour() {
        let bytes = [200, 255, 10, 0, 100, 255, 10, 0];
        let half = halve(&pixels(Size::new(2, 2), Bands::GREY_ALPHA, &bytes));
        assert_eq!(half, pixels(Size::new(1, 1), Bands::GREY_ALPHA, &[150, 128]));
    }
}
