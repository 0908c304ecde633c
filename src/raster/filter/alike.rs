//! Non-local means of floats: like `denoise` on whole numbers, with sums in `f64`. Sums of floats cannot be kept while
//! places move on without drifting, so each is taken anew, in one order, whatever the window.

use super::Window;
use super::alpha::weighted;
use super::denoise::NOTHING;
use crate::pixels::{Bands, Pixels, SamplesMut};
use crate::sample::Sample;

/// The bands of a window, grown by a margin on every side. Beyond the image, its edge pixels are repeated.
pub(super) struct Alike {
    bands: Bands,
    /// Pixels in a row of `pixels`.
    across: usize,
    /// Colours times alpha, and alpha.
    pixels: Vec<f64>,
    /// Width and height of the wanted region.
    width: usize,
    height: usize,
    search: usize,
    patch: usize,
}

impl Alike {
    /// For squares of `patch` pixels around their centre, compared with all at most `search` pixels away.
    pub(super) fn new(samples: &[f32], window: &Window<'_>, search: i32, patch: i32) -> Alike {
        let bands = window.pixels.bands();
        let whole = |value: i32| usize::try_from(value).expect("it is not negative");
        let (search, patch) = (whole(search), whole(patch));
        let keep = window.keep.relative_to(window.at);
        let margin = search + patch;
        let places = |first: u32, count: u32, length: u32| {
            let steps = 0..count as usize + 2 * margin;
            let last = length as usize - 1;
            steps.map(move |step| (first as usize + step).saturating_sub(margin).min(last))
        };
        let values = weighted(samples, bands);
        let count = bands.count();
        let mut pixels = Vec::new();
        for y in places(keep.y, keep.height, window.at.height) {
            for x in places(keep.x, keep.width, window.at.width) {
                let start = (y * window.at.width as usize + x) * count;
                pixels.extend_from_slice(&values[start..start + count]);
            }
        }
        let (width, height) = (keep.width as usize, keep.height as usize);
        Alike { bands, across: width + 2 * margin, pixels, width, height, search, patch }
    }

    /// The means of the wanted pixels. A transparent pixel among transparent ones stays.
    pub(super) fn denoise(&self, window: &Window<'_>, strength: f64) -> Pixels {
        let (count, colours) = (self.bands.count(), self.bands.colours());
        // Sums of colours times alpha and weight, and of alpha times weight.
        let mut sums = vec![0.0; self.width * self.height * (colours + 1)];
        for dy in 0..=2 * self.search {
            for dx in 0..=2 * self.search {
                self.add(strength, dx, dy, &mut sums);
            }
        }
        let mut pixels = window.pixels.crop(window.keep.relative_to(window.at));
        let SamplesMut::F32(samples) = pixels.samples_mut() else { return pixels };
        for (pixel, sums) in samples.chunks_exact_mut(count).zip(sums.chunks_exact(colours + 1)) {
            if sums[colours] > 0.0 {
                for (colour, sum) in pixel[..colours].iter_mut().zip(sums) {
                    *colour = f32::from_f64(sum / sums[colours]);
                }
            }
        }
        pixels
    }

    /// Adds to every pixel's sums the pixel that lies `dx - search`, `dy - search` away.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn add(&self, strength: f64, dx: usize, dy: usize, sums: &mut [f64]) {
        let (count, colours) = (self.bands.count(), self.bands.colours());
        let side = 2 * self.patch + 1;
        let unit = strength * strength * (side * side * count) as f64;
        let differences = self.differences(dx, dy);
        let across = self.width + 2 * self.patch;
        let mut columns = vec![0.0; across];
        for y in 0..self.height {
            columns.fill(0.0);
            for row in differences[y * across..].chunks_exact(across).take(side) {
                columns.iter_mut().zip(row).for_each(|(sum, difference)| *sum += difference);
            }
            for x in 0..self.width {
                let distance = columns[x..x + side].iter().sum::<f64>() / unit;
                // The pixel itself always counts, even where one of its values is no number.
                let is_itself = dx == self.search && dy == self.search;
                if !is_itself && !(0.0..NOTHING).contains(&distance) {
                    continue;
                }
                let weight = if is_itself { 1.0 } else { libm::exp(-distance) };
                let other = self.pixel(x + self.patch + dx, y + self.patch + dy);
                let alpha = if self.bands.has_alpha() { other[colours] } else { 1.0 };
                let sums = &mut sums[(y * self.width + x) * (colours + 1)..][..=colours];
                for (sum, colour) in sums.iter_mut().zip(&other[..colours]) {
                    *sum += weight * colour;
                }
                sums[colours] += weight * alpha;
            }
        }
    }

    /// The squared differences between the pixels around the wanted ones and those at an offset.
    fn differences(&self, dx: usize, dy: usize) -> Vec<f64> {
        let mut differences = Vec::new();
        for y in 0..self.height + 2 * self.patch {
            for x in 0..self.width + 2 * self.patch {
                let here = self.pixel(x + self.search, y + self.search);
                let there = self.pixel(x + dx, y + dy);
                let squares =
                    here.iter().zip(there).map(|(one, other)| (one - other) * (one - other));
                differences.push(squares.sum());
            }
        }
        differences
    }

    fn pixel(&self, x: usize, y: usize) -> &[f64] {
        let count = self.bands.count();
        &self.pixels[(y * self.across + x) * count..][..count]
    }
}
