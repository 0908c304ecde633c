//! Gaussian means of whole windows, in integers: no float in the pixel path.

use super::alpha::Plane;
use crate::sample::{Blend, Term};

/// Accumulators side by side: enough to fill the vector registers of any processor.
const LANES: usize = 32;

/// The sum of a kernel's weights.
const UNIT: u32 = 65_536;

/// The weights of a Gaussian on either side of its centre, outwards, in 65,536ths. The centre has the
/// rest, so that a flat image stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    sides: Vec<u16>,
}

impl Kernel {
    /// The kernel for a standard deviation of 0.1 to 100 pixels, cut off at 3 σ, rounded up.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "3 σ is at most 300, and both sides together have less than all of the weight"
    )]
    pub(super) fn new(sigma: f64) -> Kernel {
        let radius = (3.0 * sigma).ceil() as u32;
        let bell = |x: u32| libm::exp(-(f64::from(x) * f64::from(x)) / (2.0 * sigma * sigma));
        let sum = (1..=radius).map(bell).fold(0.0, |sum, value| sum + value) * 2.0 + bell(0);
        let (mut mass, mut given) = (0.0, 0);
        // Rounding the running sum keeps the error that rounding moves to the centre below one unit a side.
        let outside_in = (1..=radius).rev().map(|x| {
            mass += bell(x) / sum * f64::from(UNIT);
            let rounded = mass.round() as u16;
            let weight = rounded - given;
            given = rounded;
            weight
        });
        let mut sides: Vec<u16> = outside_in.collect();
        sides.reverse();
        Kernel { sides }
    }

    /// How far it reaches from the centre.
    fn radius(&self) -> usize {
        self.sides.len()
    }

    /// Like [`Kernel::radius`], in the type that filters declare.
    pub(super) fn reach(&self) -> u32 {
        u32::try_from(self.radius()).expect("a radius is at most 300")
    }

    /// The weight of one side.
    fn outer(&self) -> u16 {
        self.sides.iter().sum()
    }
}

/// The mean around every pixel of `plane.keep`, rows first, then columns; `round` makes it of the second
/// sum. Beyond the plane, its edge pixels are repeated.
pub(super) fn blur<M: Blend, O: Copy + Default>(
    plane: Plane<'_, M>,
    kernel: &Kernel,
    round: impl Fn(M::Sum) -> O,
) -> Vec<O> {
    let keep = plane.keep.relative_to(plane.at);
    let width = keep.width as usize * plane.bands;
    let mut between = vec![M::Between::default(); plane.at.height as usize * width];
    blur_rows(&plane, kernel, &mut between);
    let mut mean = vec![O::default(); keep.height as usize * width];
    let top = keep.y as usize;
    blur_columns::<M, O>(&between, width, top, kernel, &mut mean, round);
    mean
}

fn blur_rows<M: Blend>(plane: &Plane<'_, M>, kernel: &Kernel, out: &mut [M::Between]) {
    let (bands, radius) = (plane.bands, kernel.radius());
    let keep = plane.keep.relative_to(plane.at);
    let centre = (keep.x as usize + radius) * bands;
    let taps = Taps::new(kernel, centre, |reach| (centre - reach * bands, centre + reach * bands));
    let stride = plane.at.width as usize * bands;
    let mut padded = Vec::with_capacity(stride + 2 * radius * bands);
    let rows = plane.values.chunks_exact(stride);
    for (row, out) in rows.zip(out.chunks_exact_mut(keep.width as usize * bands)) {
        pad(row, bands, radius, &mut padded);
        taps.weigh(&padded, out, M::between);
    }
}

/// Repeats the outermost pixels of a row `radius` times.
fn pad<M: Copy>(row: &[M], bands: usize, radius: usize, padded: &mut Vec<M>) {
    padded.clear();
    (0..radius).for_each(|_| padded.extend_from_slice(&row[..bands]));
    padded.extend_from_slice(row);
    (0..radius).for_each(|_| padded.extend_from_slice(&row[row.len() - bands..]));
}

fn blur_columns<M: Blend, O>(
    between: &[M::Between],
    width: usize,
    top: usize,
    kernel: &Kernel,
    out: &mut [O],
    round: impl Fn(M::Sum) -> O,
) {
    let last = between.len() / width - 1;
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        let y = top + row;
        let taps = Taps::new(kernel, y * width, |reach| {
            (y.saturating_sub(reach) * width, (y + reach).min(last) * width)
        });
        taps.weigh(between, out, &round);
    }
}

/// The positions of a weighted mean's values in a slice; those of the next mean lie one further.
struct Taps {
    centre: usize,
    /// The weight of one side; the centre has the full weight less twice this.
    outer: u16,
    pairs: Vec<(u16, usize, usize)>,
}

impl Taps {
    fn new(kernel: &Kernel, centre: usize, pair: impl Fn(usize) -> (usize, usize)) -> Taps {
        let reaches = kernel.sides.iter().zip(1..);
        let pairs = reaches.map(|(&weight, reach)| {
            let (before, after) = pair(reach);
            (weight, before, after)
        });
        Taps { centre, outer: kernel.outer(), pairs: pairs.collect() }
    }

    fn weigh<T: Term, O>(&self, values: &[T], out: &mut [O], round: impl Fn(T::Sum) -> O) {
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = self.sums::<T, LANES>(values, index * LANES).map(&round);
        }
        for (index, value) in rest.iter_mut().enumerate() {
            let [sum] = self.sums::<T, 1>(values, done + index);
            *value = round(sum);
        }
    }

    #[inline]
    fn sums<T: Term, const N: usize>(&self, values: &[T], offset: usize) -> [T::Sum; N] {
        let at = |start: usize| {
            values[start + offset..].first_chunk::<N>().expect("the taps lie inside the plane")
        };
        let mut sums = at(self.centre).map(|centre| centre.centre(self.outer));
        for &(weight, before, after) in &self.pairs {
            let (before, after) = (at(before), at(after));
            for lane in 0..N {
                sums[lane] += before[lane].pair(after[lane], weight);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_weight_is_larger_than_that_of_the_centre() {
        for tenths in 1..=1000 {
            let kernel = Kernel::new(f64::from(tenths) / 10.0);
            let centre = UNIT - 2 * u32::from(kernel.outer());
            assert!(kernel.sides.iter().all(|&weight| u32::from(weight) <= centre + 1));
        }
    }
}
