//! `box`: a plain mean over a square.

use super::alpha::{Plane, Smooth, smooth};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::Pixels;
use crate::sample::Mix;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "box",
    summary: "Blurs with the plain mean of a square.",
    params: &[ParamSpec {
        name: "radius",
        summary: "how far the square reaches from its centre",
        kind: ParamKind::Integer { min: 1, max: 100, step: 1, unit: "pixels", default: 2 },
    }],
    build: |values| {
        Box::new(Mean { radius: u32::try_from(values.integer(0)).expect("at most 100") })
    },
};

/// The mean of (2r + 1)² pixels, rounded once, half up; beyond the image, its edge pixels are
/// repeated. Sums are kept while the square slides: as integers they do not drift. Those of floats would, so they
/// are taken anew for each pixel, columns first.
#[derive(Debug)]
struct Mean {
    radius: u32,
}

impl Filter for Mean {
    fn radius(&self) -> u32 {
        self.radius
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        smooth(&window, self)
    }
}

impl Smooth for Mean {
    fn smooth<M: Mix>(&self, plane: Plane<'_, M>) -> Vec<M> {
        let (radius, bands) = (self.radius as usize, plane.bands);
        let keep = plane.keep.relative_to(plane.at);
        let stride = plane.at.width as usize * bands;
        let last = plane.at.height as usize - 1;
        let row = |y: usize| &plane.values[y * stride..][..stride];
        let (top, rows) = (keep.y as usize, keep.height as usize);
        let mut columns = vec![0; stride];
        for reach in 0..=2 * radius {
            add(&mut columns, row((top + reach).saturating_sub(radius).min(last)));
        }
        let mut means = Vec::with_capacity(rows * keep.width as usize * bands);
        let slide = Slide { radius, bands, first: keep.x as usize, count: keep.width as usize };
        for y in top..top + rows {
            slide.push_row(&columns, &mut means);
            add(&mut columns, row((y + 1 + radius).min(last)));
            subtract(&mut columns, row(y.saturating_sub(radius)));
        }
        means
    }

    fn smooth_floats(&self, plane: Plane<'_, f64>) -> Vec<f64> {
        let (radius, bands) = (self.radius as usize, plane.bands);
        let keep = plane.keep.relative_to(plane.at);
        let (width, last) = (plane.at.width as usize, plane.at.height as usize - 1);
        let row = |y: usize| &plane.values[y * width * bands..][..width * bands];
        let around = |place: usize, last: usize| {
            (0..=2 * radius).map(move |reach| (place + reach).saturating_sub(radius).min(last))
        };
        let side = 2.0 * f64::from(self.radius) + 1.0;
        let mut means = Vec::new();
        let mut columns = vec![0.0; width * bands];
        for y in keep.rows() {
            columns.fill(0.0);
            for y in around(y as usize, last) {
                columns.iter_mut().zip(row(y)).for_each(|(sum, value)| *sum += value);
            }
            for (x, band) in keep.columns().flat_map(|x| (0..bands).map(move |band| (x, band))) {
                let columns = around(x as usize, width - 1).map(|x| columns[x * bands + band]);
                means.push(columns.sum::<f64>() / (side * side));
            }
        }
        means
    }
}

fn add<M: Mix>(columns: &mut [u64], row: &[M]) {
    columns.iter_mut().zip(row).for_each(|(sum, value)| *sum += value.to_u64());
}

fn subtract<M: Mix>(columns: &mut [u64], row: &[M]) {
    columns.iter_mut().zip(row).for_each(|(sum, value)| *sum -= value.to_u64());
}

/// The square's slide along one row.
struct Slide {
    radius: usize,
    bands: usize,
    /// The first wanted pixel of a row, and how many are wanted.
    first: usize,
    count: usize,
}

impl Slide {
    /// Appends the means of a row, given the sums over the height of the square.
    fn push_row<M: Mix>(&self, columns: &[u64], means: &mut Vec<M>) {
        let Slide { radius, bands, first, count } = *self;
        let last = columns.len() / bands - 1;
        let column = |x: usize, channel: usize| columns[x.min(last) * bands + channel];
        let side = 2 * radius as u64 + 1;
        let mut sums = vec![0; bands];
        for (channel, sum) in sums.iter_mut().enumerate() {
            *sum = (0..=2 * radius)
                .map(|reach| column((first + reach).saturating_sub(radius), channel))
                .sum();
        }
        let divide = Divide::by(side * side);
        for x in first..first + count {
            for (channel, sum) in sums.iter_mut().enumerate() {
                means.push(M::from_u64(divide.nearest(*sum)));
                *sum += column(x + 1 + radius, channel);
                *sum -= column(x.saturating_sub(radius), channel);
            }
        }
    }
}

/// Division of integers below 2^53 by an odd number below 2^18, for quotients below 2^32.
struct Divide {
    half: u64,
    inverse: f64,
}

impl Divide {
    #[expect(clippy::cast_precision_loss, reason = "the divisor is small")]
    fn by(divisor: u64) -> Divide {
        Divide { half: divisor / 2, inverse: 1.0 / divisor as f64 }
    }

    /// The quotient, rounded half up. The extra 0.5 keeps it so far from every whole number that the
    /// rounding of the product cannot cross one.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in the ranges above"
    )]
    fn nearest(&self, sum: u64) -> u64 {
        (((sum + self.half) as f64 + 0.5) * self.inverse) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Divide;

    #[test]
    fn the_quotient_is_the_nearest_whole_number() {
        for side in [3_u64, 5, 41, 201] {
            let area = side * side;
            let divide = Divide::by(area);
            for quotient in [0, 1, 77, 65_534, u64::from(u32::MAX) - 1] {
                for rest in [0, 1, area / 2, area / 2 + 1, area - 1] {
                    let expected = quotient + u64::from(rest > area / 2);
                    assert_eq!(divide.nearest(quotient * area + rest), expected);
                }
            }
        }
    }
}
