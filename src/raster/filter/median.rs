//! `median`: the middle value of a square, which removes specks and keeps edges.

use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Pixels, Samples};
use crate::sample::Whole;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "median",
    summary: "Takes the middle value of a square around each pixel: specks go, edges stay.",
    params: &[ParamSpec {
        name: "radius",
        summary: "how far the square reaches from its centre",
        kind: ParamKind::Integer { min: 1, max: 50, step: 1, unit: "pixels", default: 1 },
    }],
    build: |values| {
        Box::new(Median { radius: usize::try_from(values.integer(0)).expect("at most 50") })
    },
};

/// The median of (2r + 1)² values of each band; beyond the image, its edge pixels are repeated.
/// Colours are weighted by alpha.
///
/// The values of the square are kept in a histogram while it slides along a row (T. S. Huang et al.,
/// "A Fast Two-Dimensional Median Filtering Algorithm", 1979). The histogram has two levels, so that
/// the middle is found in a few steps. Floats are too many for one: their values are put in order around each pixel.
#[derive(Debug)]
struct Median {
    radius: usize,
}

impl Filter for Median {
    fn radius(&self) -> u32 {
        u32::try_from(self.radius).expect("at most 50")
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        match window.pixels.samples() {
            Samples::U8(samples) => self.filter(samples, &window),
            Samples::U16(samples) => self.filter(samples, &window),
            Samples::F32(samples) => self.filter_floats(samples, &window),
        }
    }
}

impl Median {
    fn filter<S: Whole>(&self, samples: &[S], window: &Window<'_>) -> Pixels {
        let bands = window.pixels.bands();
        let count = bands.count();
        let mut medians = vec![S::default(); window.wanted(bands)];
        for band in 0..count {
            let weighs = bands.has_alpha() && band + 1 < count;
            let square = Square { radius: self.radius, samples, count, band, window };
            if weighs {
                square.filter(&mut medians, |pixel| (pixel[band], pixel[count - 1].to_u32()));
            } else {
                square.filter(&mut medians, |pixel| (pixel[band], 1));
            }
        }
        Pixels::of(window.keep.size(), bands, medians)
    }

    fn filter_floats(&self, samples: &[f32], window: &Window<'_>) -> Pixels {
        let bands = window.pixels.bands();
        let count = bands.count();
        let keep = window.keep.relative_to(window.at);
        let (width, height) = (window.at.width as usize, window.at.height as usize);
        let around = |place: u32, length: usize| {
            let steps = 0..=2 * self.radius;
            steps.map(move |step| {
                (place as usize + step).saturating_sub(self.radius).min(length - 1)
            })
        };
        let mut medians = Vec::with_capacity(window.wanted(bands));
        let mut values = Vec::new();
        for (y, x) in keep.rows().flat_map(|y| keep.columns().map(move |x| (y, x))) {
            for band in 0..count {
                let weighs = bands.has_alpha() && band + 1 < count;
                let places = around(y, height).flat_map(|y| around(x, width).map(move |x| (y, x)));
                values.clear();
                values.extend(places.filter_map(|(y, x)| {
                    let pixel = &samples[(y * width + x) * count..][..count];
                    let weight = if weighs { pixel[count - 1] } else { 1.0 };
                    (weight > 0.0).then_some((pixel[band], weight))
                }));
                medians.push(median(&mut values));
            }
        }
        Pixels::of(window.keep.size(), bands, medians)
    }
}

/// The smallest value that at least half of the weight does not exceed; 0 without any value. A NaN exceeds all numbers.
fn median(values: &mut [(f32, f32)]) -> f32 {
    let order = |(one, _): &(f32, f32), (other, _): &(f32, f32)| one.total_cmp(other);
    let Some(&(first, weight)) = values.first() else { return 0.0 };
    if values.iter().all(|(_, other)| other.total_cmp(&weight).is_eq()) {
        let middle = (values.len() - 1) / 2;
        return values.select_nth_unstable_by(middle, order).1.0;
    }
    // Pairs of one value may have several weights: their order is part of that of the sums.
    values.sort_unstable_by(|one, other| order(one, other).then(one.1.total_cmp(&other.1)));
    let total: f64 = values.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let mut passed = 0.0;
    let middle = values.iter().find(|(_, weight)| {
        passed += f64::from(*weight);
        2.0 * passed >= total
    });
    middle.map_or(first, |(value, _)| *value)
}

/// A square that slides over one band of a window.
struct Square<'a, S> {
    radius: usize,
    samples: &'a [S],
    /// Samples of a pixel.
    count: usize,
    band: usize,
    window: &'a Window<'a>,
}

impl<S: Whole> Square<'_, S> {
    /// Writes the medians of one band; `value` gives the value and the weight of a pixel.
    fn filter(&self, medians: &mut [S], value: impl Fn(&[S]) -> (S, u32)) {
        let keep = self.window.keep.relative_to(self.window.at);
        let (width, height) = (self.window.at.width as usize, self.window.at.height as usize);
        let mut histogram = Histogram::new::<S>();
        let reach = 2 * self.radius;
        let stride = keep.width as usize * self.count;
        for (y, row) in (keep.y as usize..).zip(medians.chunks_exact_mut(stride)) {
            let lines: Vec<&[S]> = (0..=reach)
                .map(|step| (y + step).saturating_sub(self.radius).min(height - 1))
                .map(|line| &self.samples[line * width * self.count..][..width * self.count])
                .collect();
            let column = |x: usize| x.min(width - 1) * self.count;
            let pixels = |x: usize| {
                let start = column(x);
                lines.iter().map(move |line| &line[start..start + self.count])
            };
            histogram.clear();
            let first = keep.x as usize;
            for step in 0..=reach {
                pixels((first + step).saturating_sub(self.radius)).for_each(|pixel| {
                    let (value, weight) = value(pixel);
                    histogram.add(value, weight);
                });
            }
            for (x, pixel) in (first..).zip(row.chunks_exact_mut(self.count)) {
                pixel[self.band] = histogram.median();
                let (gone, come) = (x.saturating_sub(self.radius), x + 1 + self.radius);
                for (gone, come) in pixels(gone).zip(pixels(come)) {
                    let ((old, less), (new, more)) = (value(gone), value(come));
                    histogram.remove(old, less);
                    histogram.add(new, more);
                }
            }
        }
    }
}

/// The weight of each value, and of each group of values.
struct Histogram {
    coarse: Vec<u32>,
    fine: Vec<u32>,
    /// Base-2 logarithm of the number of values in a group.
    shift: u32,
    total: u32,
}

impl Histogram {
    /// An empty histogram for a type of sample, with as many groups as a group has values.
    fn new<S: Whole>() -> Histogram {
        let shift = S::FULL.to_u32().count_ones() / 2;
        let (coarse, fine) = (vec![0; 1 << shift], vec![0; 1 << (2 * shift)]);
        Histogram { coarse, fine, shift, total: 0 }
    }

    fn clear(&mut self) {
        for (group, count) in self.coarse.iter_mut().enumerate() {
            if *count > 0 {
                self.fine[group << self.shift..(group + 1) << self.shift].fill(0);
            }
            *count = 0;
        }
        self.total = 0;
    }

    #[inline]
    fn add<S: Whole>(&mut self, value: S, weight: u32) {
        let value = value.to_u32() as usize;
        self.fine[value] += weight;
        self.coarse[value >> self.shift] += weight;
        self.total += weight;
    }

    #[inline]
    fn remove<S: Whole>(&mut self, value: S, weight: u32) {
        let value = value.to_u32() as usize;
        self.fine[value] -= weight;
        self.coarse[value >> self.shift] -= weight;
        self.total -= weight;
    }

    /// The smallest value that at least half of the weight does not exceed; 0 without any weight.
    #[inline]
    fn median<S: Whole>(&self) -> S {
        let mut left = self.total.div_ceil(2);
        if left == 0 {
            return S::default();
        }
        let group = pass(&self.coarse, &mut left);
        let start = group << self.shift;
        let value = start + pass(&self.fine[start..start + (1 << self.shift)], &mut left);
        S::from_u32(u32::try_from(value).expect("a sample has 16 bits at most"))
    }
}

/// The first place up to which the counts sum to `left` or more; `left` becomes the part that this place has to give.
#[inline]
fn pass(counts: &[u32], left: &mut u32) -> usize {
    for (place, &count) in counts.iter().enumerate() {
        if count >= *left {
            return place;
        }
        *left -= count;
    }
    unreachable!("the counts sum to more than half of their sum")
}
