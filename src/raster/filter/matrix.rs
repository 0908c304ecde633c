//! A matrix over the three colours of a pixel, as in the W3C Filter Effects Module.

use crate::pixels::{Channels, Pixels, Samples};
use crate::sample::Sample;

/// Red, green and blue of the result, each from red, green and blue, in 65,536ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrix([[i64; 3]; 3]);

impl Matrix {
    /// The matrix nearest to `rows`, whose numbers must be from -100 to 100.
    #[expect(clippy::cast_possible_truncation, reason = "7 million at most")]
    pub(super) fn new(rows: [[f64; 3]; 3]) -> Matrix {
        Matrix(rows.map(|row| row.map(|number| (number * 65_536.0).round() as i64)))
    }

    /// Makes every row sum to exactly 1, so that greys keep their value.
    pub(super) fn balanced(mut self) -> Matrix {
        for (index, row) in self.0.iter_mut().enumerate() {
            row[index] += 65_536 - row.iter().sum::<i64>();
        }
        self
    }

    /// Whether every colour stays as it is.
    pub(super) fn changes_nothing(&self) -> bool {
        self.0 == [[65_536, 0, 0], [0, 65_536, 0], [0, 0, 65_536]]
    }

    /// The transformed picture in RGB; alpha stays, and a grey counts as three equal colours.
    pub(super) fn apply(&self, pixels: &Pixels) -> Pixels {
        match pixels.samples() {
            Samples::U8(samples) => self.apply_samples(samples, pixels),
            Samples::U16(samples) => self.apply_samples(samples, pixels),
        }
    }

    fn apply_samples<S: Sample>(&self, samples: &[S], pixels: &Pixels) -> Pixels {
        let size = pixels.size();
        match pixels.channels() {
            Channels::Grey => {
                let rgb = samples.iter().flat_map(|&v| self.colour([v; 3]));
                Pixels::of::<S>(size, Channels::Rgb, rgb.collect())
            }
            Channels::Rgb => {
                let rgb = samples.as_chunks::<3>().0.iter().flat_map(|&rgb| self.colour(rgb));
                Pixels::of::<S>(size, Channels::Rgb, rgb.collect())
            }
            Channels::GreyAlpha => {
                let pairs = samples.as_chunks::<2>().0.iter();
                let rgba = pairs.flat_map(|&[v, alpha]| with(self.colour([v; 3]), alpha));
                Pixels::of::<S>(size, Channels::Rgba, rgba.collect())
            }
            Channels::Rgba => {
                let fours = samples.as_chunks::<4>().0.iter();
                let rgba = fours.flat_map(|&[r, g, b, alpha]| with(self.colour([r, g, b]), alpha));
                Pixels::of::<S>(size, Channels::Rgba, rgba.collect())
            }
        }
    }

    #[inline]
    fn colour<S: Sample>(&self, colour: [S; 3]) -> [S; 3] {
        let [r, g, b] = colour.map(|value| i64::from(value.to_u32()));
        let sums = self.0.map(|[x, y, z]| x * r + y * g + z * b);
        sums.map(|sum| S::clamped((sum + 32_768) >> 16))
    }
}

fn with<S: Sample>([r, g, b]: [S; 3], alpha: S) -> [S; 4] {
    [r, g, b, alpha]
}
