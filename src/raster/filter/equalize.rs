//! `equalize`: makes every brightness equally frequent.

use super::luma::{BT601, luma};
use super::statistics::{Histogram, Levels};
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, Window};
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType, SamplesMut};
use crate::sample::Whole;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "equalize",
    summary: "Spreads luma evenly, by the whole image; must come first.",
    params: &[],
    build: |_| Box::new(Equalize { curve: Curve::new() }),
};

/// Histogram equalisation: each luma value becomes the share of pixels whose luma is not above it, pixels
/// of the darkest value left out, as in `equalizeHist` of `OpenCV`. Only luma changes: a colour moves as
/// far as its luma does, which leaves its `YCbCr` chroma as it is.
#[derive(Debug)]
struct Equalize {
    curve: Curve,
}

/// Pairs of a value and its result, in the order of values; linear between them.
type Curve = Vec<[u16; 2]>;

impl Filter for Equalize {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_full_scale(input)?;
        unfit::need_colours(input)
    }

    fn surveys(&self) -> bool {
        true
    }

    fn survey(&self, histogram: &Histogram) -> Option<Levels> {
        let curve = curve(histogram.luma(), histogram.sample_type());
        Some(Levels(curve.into_iter().flatten().collect()))
    }

    fn informed(&self, Levels(levels): &Levels) -> Option<Box<dyn Filter>> {
        let (curve, rest) = levels.as_chunks::<2>();
        let rises = curve.is_sorted_by(|[one, _], [other, _]| one < other);
        (rises && rest.is_empty())
            .then(|| Box::new(Equalize { curve: curve.to_vec() }) as Box<dyn Filter>)
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let bands = pixels.bands();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => equalize(samples, bands, &self.curve),
            SamplesMut::U16(samples) => equalize(samples, bands, &self.curve),
            SamplesMut::F32(_) => unfit::unaccepted(),
        }
        pixels
    }
}

/// How far the curve may rise between two knots: exact with 8 bits; with 16 bits within a thousandth,
/// so that its text is short enough to travel with a tile.
fn step(sample: SampleType) -> u16 {
    match sample {
        SampleType::U8 => 1,
        SampleType::U16 => 64,
        SampleType::F32 => unfit::unaccepted(),
    }
}

/// The knots of the curve; none for an image of a single brightness, which stays.
fn curve(counts: &[u64], sample: SampleType) -> Curve {
    let used = counts.iter().position(|&count| count > 0);
    let low = used.unwrap_or(0);
    let above: u64 = counts[low + 1..].iter().sum();
    if above == 0 {
        return Vec::new();
    }
    let max = (1_u128 << (8 * sample.bytes())) - 1;
    let mut passed = 0_u64;
    let mut curve = vec![[narrow(low), 0]];
    let mut before = [narrow(low), 0];
    for (value, count) in counts.iter().enumerate().skip(low + 1).filter(|(_, count)| **count > 0) {
        passed += count;
        let share = (u128::from(passed) * max * 2 + u128::from(above)) / (2 * u128::from(above));
        let knot = [narrow(value), u16::try_from(share).expect("a share of the largest value")];
        let last = curve[curve.len() - 1];
        if knot[1] - last[1] >= step(sample) || passed == above {
            // The knot before a leap keeps the curve flat up to it.
            if before != last && knot[1] - before[1] >= step(sample) {
                curve.push(before);
            }
            curve.push(knot);
        }
        before = knot;
    }
    curve
}

fn narrow(value: usize) -> u16 {
    u16::try_from(value).expect("samples have 16 bits at most")
}

fn equalize<S: Whole>(samples: &mut [S], bands: Bands, curve: &Curve) {
    if curve.is_empty() {
        return;
    }
    let table: Vec<S> = (0..=S::FULL.to_u32()).map(|value| at(curve, value)).collect();
    for pixel in samples.chunks_exact_mut(bands.count()) {
        if let [r, g, b, ..] = pixel {
            let luma = luma([*r, *g, *b], BT601).to_u32();
            let moved = i64::from(table[luma as usize].to_u32()) - i64::from(luma);
            [*r, *g, *b] = [*r, *g, *b].map(|v| S::clamped(i64::from(v.to_u32()) + moved));
        } else {
            pixel[0] = table[pixel[0].to_u32() as usize];
        }
    }
}

/// The result for a value, rounded half up.
fn at<S: Whole>(curve: &Curve, value: u32) -> S {
    let end = curve.partition_point(|[knot, _]| u32::from(*knot) < value);
    let [after, before] = [end.min(curve.len() - 1), end.saturating_sub(1)];
    let ([x0, y0], [x1, y1]) = (curve[before].map(i64::from), curve[after].map(i64::from));
    let part = (i64::from(value) - x0).clamp(0, x1 - x0);
    let rise = (2 * part * (y1 - y0) + (x1 - x0)).checked_div(2 * (x1 - x0)).unwrap_or(0);
    S::clamped(y0 + rise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_through_every_share_and_leaps_where_the_image_does() {
        let mut counts = vec![0_u64; 65_536];
        (100..200).for_each(|value| counts[value] = 1);
        counts[200] = 900;
        let curve = curve(&counts, SampleType::U16);
        assert_eq!([0, 100, 150].map(|value| at::<u16>(&curve, value)), [0, 0, 3280]);
        assert_eq!([199, 200, 9000].map(|value| at::<u16>(&curve, value)), [6494, 65_535, 65_535]);
    }
}
