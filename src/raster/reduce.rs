//! A smaller copy of a picture, made while its rows arrive: the pixels of one level of its pyramid.

use super::grid::{Region, Size};
use super::orientation::Orientation;
use super::pixels::{PixelFormat, Pixels};
use super::pyramid::{Levels, halve};
use super::view::View;

/// About how many bytes of rows are taken at a time: a decoder may give the whole image at once.
const CHUNK: usize = 1 << 20;

/// A copy that grows row by row.
#[derive(Debug)]
pub struct Reduced {
    level: u32,
    view: View,
    stored: Size,
    orientation: Orientation,
    /// Rows that arrived and are not halved yet.
    waiting: Pixels,
    /// The first of them.
    top: u32,
    copy: Pixels,
}

impl Reduced {
    /// Level `level` of an image whose rows arrive in stored order; `stored` is its stored size.
    #[must_use]
    pub fn new(stored: Size, orientation: Orientation, format: PixelFormat, level: u32) -> Reduced {
        let size = Levels::new(orientation.size(stored)).size_of(level);
        let view = View::of(format);
        let waiting = Pixels::zeroed(Size { height: 0, ..stored }, view.chosen());
        let copy = Pixels::zeroed(size, view.chosen());
        Reduced { level, view, stored, orientation, waiting, top: 0, copy }
    }

    /// Takes the next rows.
    ///
    /// # Panics
    /// When they have another width or format, or are more than the image has.
    pub fn push(&mut self, rows: &Pixels) {
        let height = u32::try_from(CHUNK / rows.row_bytes().max(1)).unwrap_or(u32::MAX);
        let height = height.max(1 << self.level);
        let mut y = 0;
        while y < rows.height() {
            let part =
                Region { x: 0, y, width: rows.width(), height: height.min(rows.height() - y) };
            if rows.format() == self.view.chosen() {
                self.take(rows, part);
            } else {
                let chosen = self.view.choose(rows.crop(part));
                self.take(&chosen, Region::of(chosen.size()));
            }
            y += part.height;
        }
    }

    /// The copy, once all rows have arrived, with the bands that a [`View`] chooses.
    #[must_use]
    pub fn into_pixels(self) -> Pixels {
        self.copy
    }

    fn take(&mut self, rows: &Pixels, part: Region) {
        let before = self.waiting.height();
        let size = Size { height: before + part.height, ..self.stored };
        let mut band = Pixels::zeroed(size, rows.format());
        band.paste(0, 0, &self.waiting);
        band.copy(0, before, rows, part);
        let cut = self.last_cut(self.top + size.height) - self.top;
        let (done, rest) = split(band, cut);
        if cut > 0 {
            self.add(done);
        }
        self.waiting = rest;
        self.top += cut;
    }

    /// The last row up to `end` before which the viewed image can be cut without splitting a pixel of the copy.
    fn last_cut(&self, end: u32) -> u32 {
        if end == self.stored.height {
            return end;
        }
        let step = 1 << self.level;
        // The pixels of the copy are counted from the top left of the viewed image.
        let first = if self.orientation.mirrors_rows() { self.stored.height % step } else { 0 };
        if end < first { self.top } else { (end - first) / step * step + first }
    }

    /// Adds full rows, the first of which is `top`.
    fn add(&mut self, rows: Pixels) {
        let at = Region { x: 0, y: self.top, width: rows.width(), height: rows.height() };
        let at = self.orientation.viewed_region(at, self.stored);
        let turned = self.orientation.turn(rows);
        let small = (0..self.level).fold(turned, |pixels, _| halve(&pixels));
        self.copy.paste(at.x >> self.level, at.y >> self.level, &small);
    }
}

/// The rows before `cut`, and the others.
fn split(band: Pixels, cut: u32) -> (Pixels, Pixels) {
    let rest = Region { x: 0, y: cut, width: band.width(), height: band.height() - cut };
    let rest = band.crop(rest);
    if cut == band.height() {
        return (band, rest);
    }
    let done = band.crop(Region { x: 0, y: 0, width: band.width(), height: cut });
    (done, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Bands, SampleType};

    #[test]
    fn a_copy_made_row_by_row_is_that_of_the_whole_however_the_image_is_turned() {
        let format = PixelFormat::new(Bands::GREY, SampleType::U16);
        for stored in [Size::new(37, 53), Size::new(40, 48), Size::new(1, 29), Size::new(21, 3)] {
            let count = stored.width * stored.height;
            let samples = (0..count).map(|n| (n.wrapping_mul(40_503) % 65_521) as u16);
            let image = Pixels::of::<u16>(stored, Bands::GREY, samples.collect());
            for orientation in (1..=8).map(|value| Orientation::from_exif(value).unwrap()) {
                let view = View::of(image.format());
                let viewed = view.choose(orientation.turn(image.clone()));
                for level in 0..4 {
                    let meant = (0..level).fold(viewed.clone(), |pixels, _| halve(&pixels));
                    for height in [1, 5, 16, 100] {
                        let mut made = Reduced::new(stored, orientation, format, level);
                        for y in (0..stored.height).step_by(height as usize) {
                            let height = height.min(stored.height - y);
                            made.push(&image.crop(Region { x: 0, y, width: stored.width, height }));
                        }
                        assert_eq!(made.into_pixels(), meant, "{stored} {orientation:?} {level}");
                    }
                }
            }
        }
    }
}
