//! A matrix over the three colours of a pixel, as in the W3C Filter Effects Module.

use crate::pixels::Pixels;
use crate::sample::{Sample, Whole, with_samples};

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
    ///
    /// # Panics
    /// When its bands are not known to be colours.
    pub(super) fn apply(&self, pixels: &Pixels) -> Pixels {
        with_samples!(pixels.samples(), samples => self.apply_samples(samples, pixels))
    }

    fn apply_samples<S: Mapped>(&self, samples: &[S], pixels: &Pixels) -> Pixels {
        let bands = pixels.bands();
        assert!(bands.are_colours(), "{bands} are no colours");
        let colour = |colour: [S; 3]| S::mapped(colour, &self.0);
        let mapped = match bands.count() {
            1 => samples.iter().flat_map(|&v| colour([v; 3])).collect(),
            3 => samples.as_chunks::<3>().0.iter().flat_map(|&rgb| colour(rgb)).collect(),
            2 => {
                let pairs = samples.as_chunks::<2>().0.iter();
                pairs.flat_map(|&[v, alpha]| with(colour([v; 3]), alpha)).collect()
            }
            _ => {
                let fours = samples.as_chunks::<4>().0.iter();
                fours.flat_map(|&[r, g, b, alpha]| with(colour([r, g, b]), alpha)).collect()
            }
        };
        Pixels::of::<S>(pixels.size(), bands.to_rgb(), mapped)
    }
}

/// A sample that a matrix can be applied to.
trait Mapped: Sample {
    /// One colour, by rows of 65,536ths.
    fn mapped(colour: [Self; 3], rows: &[[i64; 3]; 3]) -> [Self; 3];
}

macro_rules! mapped {
    ($($whole:ty),*) => {$(
        impl Mapped for $whole {
            #[inline]
            fn mapped(colour: [$whole; 3], rows: &[[i64; 3]; 3]) -> [$whole; 3] {
                let [r, g, b] = colour.map(|value| i64::from(value.to_u32()));
                let sums = rows.map(|[x, y, z]| x * r + y * g + z * b);
                sums.map(|sum| <$whole>::clamped((sum + 32_768) >> 16))
            }
        }
    )*};
}

mapped!(u8, u16);

impl Mapped for f32 {
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "7 million at most")]
    fn mapped(colour: [f32; 3], rows: &[[i64; 3]; 3]) -> [f32; 3] {
        let [r, g, b] = colour.map(f64::from);
        let sums =
            rows.map(|row| row.map(|number| number as f64)).map(|[x, y, z]| x * r + y * g + z * b);
        sums.map(|sum| f32::from_f64(sum / 65_536.0))
    }
}

fn with<S: Sample>([r, g, b]: [S; 3], alpha: S) -> [S; 4] {
    [r, g, b, alpha]
}
