//! Images of another size: each new pixel is a weighted mean of old ones, along columns and then along rows.
//!
//! Weights are whole numbers that depend on the place in the whole image alone, so tiles of any size make the same
//! pixels.

use std::f64::consts::PI;
use std::ops::Range;

use crate::grid::Region;
use crate::pixels::Bands;
use crate::sample::Sample;

/// How the old pixels are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// By the area that they share with the new one, exactly.
    Area,
    /// By sinc(x) · sinc(x ÷ 3) up to a distance of 3 pixels, new ones where the image shrinks.
    Lanczos,
    /// The one that the middle of the new pixel lies in.
    Nearest,
}

/// One side of an image that gets another length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) kernel: Kernel,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The old pixels of one new pixel along an axis: the first of them, and the weights of all.
struct Taps {
    first: u32,
    weights: Vec<i64>,
}

/// The longest side, old or new: a sum of 16-bit samples times alpha and weights then fits into 63 bits.
pub(super) const LONGEST: u32 = 1 << 30;

/// Half the width of the kernel of Lanczos, in pixels.
const LOBES: f64 = 3.0;
/// The sum of the weights of Lanczos.
const FULL: i64 = 1 << 20;

impl Axis {
    /// The old pixels that a range of new ones, which is not empty, depends on.
    pub(super) fn reach(&self, new: Range<u32>) -> Range<u32> {
        self.of(new.start).start..self.of(new.end - 1).end
    }

    /// The old pixels that one new pixel depends on.
    fn of(&self, new: u32) -> Range<u32> {
        let (from, to, new) = (u64::from(self.from), u64::from(self.to), u64::from(new));
        let (start, end) = match self.kernel {
            Kernel::Area => (new * from / to, ((new + 1) * from).div_ceil(to)),
            Kernel::Nearest => {
                // (new + ½) · from ÷ to, in halves that do not overflow.
                let middle = (u128::from(2 * new + 1) * u128::from(from)) / u128::from(2 * to);
                let middle = u64::try_from(middle).expect("it is below `from`");
                (middle, middle + 1)
            }
            Kernel::Lanczos => return self.around(self.middle(new)),
        };
        let old = |at: u64| u32::try_from(at).expect("it lies in the image");
        old(start)..old(end)
    }

    /// How many old pixels make a new one.
    fn scale(&self) -> f64 {
        f64::from(self.from) / f64::from(self.to)
    }

    /// The middle of a new pixel among the old ones.
    #[expect(clippy::cast_precision_loss, reason = "it is below 2³²")]
    fn middle(&self, new: u64) -> f64 {
        (new as f64 + 0.5) * self.scale()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn around(&self, middle: f64) -> Range<u32> {
        let support = LOBES * self.scale().max(1.0);
        let clamped = |at: f64| (at + 0.5).floor().clamp(0.0, f64::from(self.from)) as u32;
        clamped(middle - support)..clamped(middle + support)
    }

    fn taps(&self, new: u32) -> Taps {
        let old = self.of(new);
        let first = old.start;
        let weights = match self.kernel {
            Kernel::Area => {
                let (from, to, new) = (i64::from(self.from), i64::from(self.to), i64::from(new));
                let shared = |at: u32| {
                    let at = i64::from(at);
                    ((at + 1) * to).min((new + 1) * from) - (at * to).max(new * from)
                };
                old.map(shared).collect()
            }
            Kernel::Nearest => vec![1],
            Kernel::Lanczos => lanczos(old, self.middle(new.into()), self.scale().max(1.0)),
        };
        Taps { first, weights }
    }

    /// The sum of the weights of each new pixel.
    fn total(&self) -> i64 {
        match self.kernel {
            Kernel::Area => self.from.into(),
            Kernel::Nearest => 1,
            Kernel::Lanczos => FULL,
        }
    }
}

/// The weights of old pixels around `middle`, in shares of [`FULL`].
fn lanczos(old: Range<u32>, middle: f64, stretch: f64) -> Vec<i64> {
    let raw: Vec<f64> = old.map(|at| windowed((f64::from(at) + 0.5 - middle) / stretch)).collect();
    let sum: f64 = raw.iter().sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "at most 2²¹")]
    let mut weights: Vec<i64> =
        raw.iter().map(|weight| (weight / sum * FULL as f64 + 0.5).floor() as i64).collect();
    // What rounding took or gave goes to the largest weight, where it changes least.
    let rest = FULL - weights.iter().sum::<i64>();
    if let Some(largest) = weights.iter_mut().max_by_key(|weight| **weight) {
        *largest += rest;
    }
    weights
}

fn windowed(x: f64) -> f64 {
    if x.abs() >= LOBES { 0.0 } else { sinc(x) * sinc(x / LOBES) }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { libm::sin(PI * x) / (PI * x) }
}

/// A sample that can be resampled: sums of samples times weights, along columns and then along rows.
pub(super) trait Resample: Sample {
    /// The weighted sum of a column.
    type Column: Copy + Default;
    /// The weighted sum of some columns.
    type Sum: Copy + Default;

    /// Adds this sample to its column.
    fn add_to(self, column: &mut Self::Column, weight: i64);

    /// Adds this sample, as often as its `alpha` says.
    fn add_seen_to(self, column: &mut Self::Column, weight: i64, alpha: Self);

    /// Adds a column to the sum.
    fn gather(sum: &mut Self::Sum, column: Self::Column, weight: i64);

    /// The sum that `weight` times [`Sample::FULL`] would be, divided by [`Sample::FULL`].
    fn weight(weight: i64) -> Self::Sum;

    /// The sample nearest to `sum` ÷ `weight`, rounded half up; 0 where nothing can be seen.
    fn mean(sum: Self::Sum, weight: Self::Sum) -> Self;

    /// Whether an alpha is at least half.
    fn is_half(self) -> bool;
}

macro_rules! resample_whole {
    ($($value:ty),+) => {$(
        impl Resample for $value {
            type Column = i64;
            type Sum = i128;

            #[inline]
            fn add_to(self, column: &mut i64, weight: i64) {
                *column += i64::from(self) * weight;
            }

            #[inline]
            fn add_seen_to(self, column: &mut i64, weight: i64, alpha: Self) {
                *column += i64::from(self) * i64::from(alpha) * weight;
            }

            #[inline]
            fn gather(sum: &mut i128, column: i64, weight: i64) {
                *sum += i128::from(column) * i128::from(weight);
            }

            fn weight(weight: i64) -> i128 {
                weight.into()
            }

            #[inline]
            fn mean(sum: i128, weight: i128) -> Self {
                if weight <= 0 {
                    return 0;
                }
                // A division of 64 bits is far faster than one of 128.
                let (twice, whole) = (2 * sum + weight, 2 * weight);
                let mean = match (i64::try_from(twice), i64::try_from(whole)) {
                    (Ok(twice), Ok(whole)) => twice.div_euclid(whole).into(),
                    _ => twice.div_euclid(whole),
                };
                <$value>::try_from(mean.clamp(0, Self::FULL.into())).expect("clamped")
            }

            fn is_half(self) -> bool {
                self > Self::FULL / 2
            }
        }
    )+};
}

resample_whole!(u8, u16);

/// Every sum is taken in one order, so its rounding is the same on every processor.
#[expect(clippy::cast_precision_loss, reason = "weights are below 2⁵²")]
impl Resample for f32 {
    type Column = f64;
    type Sum = f64;

    #[inline]
    fn add_to(self, column: &mut f64, weight: i64) {
        *column += f64::from(self) * weight as f64;
    }

    #[inline]
    fn add_seen_to(self, column: &mut f64, weight: i64, alpha: f32) {
        // What cannot be seen may be no number.
        if alpha != 0.0 {
            *column += f64::from(self) * f64::from(alpha) * weight as f64;
        }
    }

    #[inline]
    fn gather(sum: &mut f64, column: f64, weight: i64) {
        *sum += column * weight as f64;
    }

    fn weight(weight: i64) -> f64 {
        weight as f64
    }

    #[inline]
    fn mean(sum: f64, weight: f64) -> f32 {
        if weight > 0.0 { f32::from_f64(sum / weight) } else { 0.0 }
    }

    fn is_half(self) -> bool {
        self >= 0.5
    }
}

/// The new pixels of `keep`, from the `samples` of `at`.
pub(super) fn resample<S: Resample>(
    samples: &[S],
    bands: Bands,
    at: Region,
    keep: Region,
    across: &Axis,
    down: &Axis,
) -> Vec<S> {
    let (count, width) = (bands.count(), at.width as usize);
    let columns: Vec<Taps> = keep.columns().map(|x| across.taps(x)).collect();
    let total = across.total() * down.total();
    let mut made = Vec::with_capacity(keep.width as usize * keep.height as usize * count);
    let mut sums = vec![S::Column::default(); width * count];
    for y in keep.rows() {
        let Taps { first, weights } = down.taps(y);
        sums.fill(S::Column::default());
        for (row, weight) in (first - at.y..).zip(weights) {
            let row = &samples[row as usize * width * count..][..width * count];
            add_row(&mut sums, row, weight, bands);
        }
        for taps in &columns {
            let from = (taps.first - at.x) as usize * count;
            let parts = sums[from..][..taps.weights.len() * count].chunks_exact(count);
            push_mean(&mut made, &parts.zip(&taps.weights), bands, total);
        }
    }
    made
}

/// Adds a row to the weighted sums of its columns. Colours count as often as alpha says.
fn add_row<S: Resample>(sums: &mut [S::Column], row: &[S], weight: i64, bands: Bands) {
    if !bands.has_alpha() {
        sums.iter_mut().zip(row).for_each(|(sum, sample)| sample.add_to(sum, weight));
        return;
    }
    let count = bands.count();
    for (sums, pixel) in sums.chunks_exact_mut(count).zip(row.chunks_exact(count)) {
        let (alpha, colours) = pixel.split_last().expect("there is an alpha band");
        let (of_alpha, of_colours) = sums.split_last_mut().expect("there is an alpha band");
        alpha.add_to(of_alpha, weight);
        for (sum, colour) in of_colours.iter_mut().zip(colours) {
            colour.add_seen_to(sum, weight, *alpha);
        }
    }
}

/// Appends the mean of some columns.
fn push_mean<'a, S: Resample>(
    made: &mut Vec<S>,
    parts: &(impl Iterator<Item = (&'a [S::Column], &'a i64)> + Clone),
    bands: Bands,
    total: i64,
) {
    let sum = |band: usize| {
        let mut whole = S::Sum::default();
        parts.clone().for_each(|(columns, weight)| S::gather(&mut whole, columns[band], *weight));
        whole
    };
    if !bands.has_alpha() {
        made.extend((0..bands.colours()).map(|band| S::mean(sum(band), S::weight(total))));
        return;
    }
    let weight = sum(bands.colours());
    let alpha = S::mean(weight, S::weight(total));
    if bands.has_mask() && !alpha.is_half() {
        made.extend(std::iter::repeat_n(S::default(), bands.count()));
        return;
    }
    made.extend((0..bands.colours()).map(|band| S::mean(sum(band), weight)));
    made.push(if bands.has_mask() { S::FULL } else { alpha });
}
