//! `equalize`: every brightness equally often.

use super::curve::for_each_colour;
use super::statistics::{Histogram, Levels};
use super::{Filter, FilterSpec, Window};
use crate::raster::pixels::{Channels, Depth, Pixels, SamplesMut};
use crate::raster::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "equalize",
    summary: "Spreads brightness evenly, by the whole image; first in a chain only.",
    params: &[],
    build: |_| Box::new(Equalize { curve: None }),
};

/// Knots of the curve at most, so that it fits beside a tile.
const MOST_STEPS: u32 = 2048;

/// Histogram equalisation: the share of pixels whose luma is not above a value, those of the darkest
/// value left out, is what the value becomes, as in `equalizeHist` of OpenCV. One curve, that of the
/// luma, serves all colours, so that greys stay grey.
///
/// With 8 bits the curve has a knot for every value; with 16 it may have one for every 32nd, and is
/// straight between.
#[derive(Debug)]
struct Equalize {
    curve: Option<Curve>,
}

#[derive(Clone, Debug)]
struct Curve {
    /// The values at the first knot and at the last.
    low: u32,
    high: u32,
    /// What values at evenly spaced knots become.
    knots: Vec<u16>,
}

impl Filter for Equalize {
    fn surveys(&self) -> bool {
        true
    }

    fn survey(&self, histogram: &Histogram) -> Option<Levels> {
        Some(Levels(levels(histogram.luma(), histogram.depth())))
    }

    fn informed(&self, Levels(levels): &Levels) -> Option<Box<dyn Filter>> {
        let curve = match levels[..] {
            [low, high, ref knots @ ..] if low < high && knots.len() > 1 => {
                Curve { low: low.into(), high: high.into(), knots: knots.to_vec() }
            }
            // An image of one brightness.
            [] => return Some(Box::new(Equalize { curve: None })),
            _ => return None,
        };
        Some(Box::new(Equalize { curve: Some(curve) }))
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let channels = pixels.channels();
        if let Some(curve) = &self.curve {
            match pixels.samples_mut() {
                SamplesMut::U8(samples) => curve.apply(samples, channels),
                SamplesMut::U16(samples) => curve.apply(samples, channels),
            }
        }
        pixels
    }
}

/// The ends of the curve and its knots; nothing for an image of one brightness.
fn levels(counts: &[u64], depth: Depth) -> Vec<u16> {
    let used = |value: &usize| counts[*value] > 0;
    let low = (0..counts.len()).find(used).unwrap_or(0);
    let high = (0..counts.len()).rfind(used).unwrap_or(0);
    let above: u64 = counts[low + 1..].iter().sum();
    if above == 0 {
        return Vec::new();
    }
    let max = (1_u128 << depth.bits()) - 1;
    let mut passed = 0_u64;
    let shares = counts[low + 1..=high].iter().map(|count| {
        passed += count;
        let share = (u128::from(passed) * max * 2 + u128::from(above)) / (2 * u128::from(above));
        narrow(share)
    });
    let curve: Vec<u16> = std::iter::once(0).chain(shares).collect();
    let steps = curve.len().min(MOST_STEPS as usize + 1) - 1;
    let knot = |index: usize| curve[(index * (curve.len() - 1) + steps / 2) / steps];
    [narrow(low as u128), narrow(high as u128)].into_iter().chain((0..=steps).map(knot)).collect()
}

fn narrow(value: u128) -> u16 {
    u16::try_from(value).expect("samples have 16 bits at most")
}

impl Curve {
    fn apply<S: Sample>(&self, samples: &mut [S], channels: Channels) {
        let table: Vec<S> = (0..=S::MAX.to_u32()).map(|value| self.at(value)).collect();
        for_each_colour(samples, channels, |v| *v = table[v.to_u32() as usize]);
    }

    /// What a value becomes: straight between knots, rounded half up.
    fn at<S: Sample>(&self, value: u32) -> S {
        let steps = self.knots.len() as u64 - 1;
        let length = u64::from(self.high - self.low);
        let way = u64::from(value.clamp(self.low, self.high) - self.low) * steps;
        let (knot, part) = (way / length, way % length);
        let at = |knot: u64| {
            let knot = usize::try_from(knot.min(steps)).unwrap_or(usize::MAX);
            u64::from(self.knots[knot])
        };
        let sum = at(knot) * (length - part) + at(knot + 1) * part;
        S::clamped(i64::try_from((sum + length / 2) / length).unwrap_or(i64::MAX))
    }
}
