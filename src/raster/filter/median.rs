//! `median`: the middle value of a square, which removes specks and keeps edges.

use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Pixels, Samples};
use crate::sample::Sample;

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

/// The median of (2r + 1)² values of each channel; beyond the image, its edge pixels are repeated.
/// Colours are weighted by alpha.
///
/// The values of the square are kept in a histogram while it slides along a row (T. S. Huang et al.,
/// "A Fast Two-Dimensional Median Filtering Algorithm", 1979). The histogram has two levels, so that
/// the middle is found in a few steps.
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
        }
    }
}

impl Median {
    fn filter<S: Sample>(&self, samples: &[S], window: &Window<'_>) -> Pixels {
        let channels = window.pixels.channels();
        let count = channels.count();
        let mut medians = vec![S::default(); window.wanted(channels)];
        for channel in 0..count {
            let weighs = channels.has_alpha() && channel + 1 < count;
            let square = Square { radius: self.radius, samples, count, channel, window };
            if weighs {
                square.filter(&mut medians, |pixel| (pixel[channel], pixel[count - 1].to_u32()));
            } else {
                square.filter(&mut medians, |pixel| (pixel[channel], 1));
            }
        }
        Pixels::of(window.keep.size(), channels, medians)
    }
}

/// A square that slides over one channel of a window.
struct Square<'a, S> {
    radius: usize,
    samples: &'a [S],
    /// Channels of a pixel.
    count: usize,
    channel: usize,
    window: &'a Window<'a>,
}

impl<S: Sample> Square<'_, S> {
    /// Writes the medians of one channel; `value` gives the value and the weight of a pixel.
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
                pixel[self.channel] = histogram.median();
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
    fn new<S: Sample>() -> Histogram {
        let shift = u32::from(S::DEPTH.bits() / 2);
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
    fn add<S: Sample>(&mut self, value: S, weight: u32) {
        let value = value.to_u32() as usize;
        self.fine[value] += weight;
        self.coarse[value >> self.shift] += weight;
        self.total += weight;
    }

    #[inline]
    fn remove<S: Sample>(&mut self, value: S, weight: u32) {
        let value = value.to_u32() as usize;
        self.fine[value] -= weight;
        self.coarse[value >> self.shift] -= weight;
        self.total -= weight;
    }

    /// The smallest value that at least half of the weight does not exceed; 0 without any weight.
    #[inline]
    fn median<S: Sample>(&self) -> S {
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
