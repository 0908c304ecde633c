//! `autolevels`: stretches every colour over the whole range.

use super::statistics::{Histogram, Levels};
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Bands, PixelFormat, Pixels, SamplesMut};
use crate::sample::{Whole, nearest};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "autolevels",
    summary: "Stretches each colour from black to white, by the whole image; must come first.",
    params: &[ParamSpec {
        name: "cutoff",
        summary: "share of the darkest and of the brightest pixels to ignore",
        kind: ParamKind::Number { min: 0.0, max: 49.0, step: 0.1, unit: "percent", default: 0.5 },
    }],
    build: |values| Box::new(AutoLevels { cutoff: values.number(0), ends: Vec::new() }),
};

/// Stretches each colour so that its darkest value becomes 0 and its brightest 1, with `cutoff`
/// percent of the pixels ignored at each end, as `ImageOps.autocontrast` of Pillow does. A colour
/// that has one value only stays.
#[derive(Debug)]
struct AutoLevels {
    cutoff: f64,
    /// The darkest and the brightest value of each colour.
    ends: Vec<[u16; 2]>,
}

impl Filter for AutoLevels {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_full_scale(input)?;
        unfit::need_few_bands(input)
    }

    fn surveys(&self) -> bool {
        true
    }

    fn survey(&self, histogram: &Histogram) -> Option<Levels> {
        let ends = histogram.colours().iter().flat_map(|counts| self.ends(counts));
        Some(Levels(ends.collect()))
    }

    fn informed(&self, Levels(levels): &Levels) -> Option<Box<dyn Filter>> {
        let (ends, rest) = levels.as_chunks::<2>();
        let whole = !ends.is_empty() && rest.is_empty();
        whole.then(|| {
            Box::new(AutoLevels { cutoff: self.cutoff, ends: ends.to_vec() }) as Box<dyn Filter>
        })
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let bands = pixels.bands();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => self.stretch(samples, bands),
            SamplesMut::U16(samples) => self.stretch(samples, bands),
            SamplesMut::F32(_) => unfit::unaccepted(),
        }
        pixels
    }
}

impl AutoLevels {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count of pixels, and a part of it"
    )]
    fn ends(&self, counts: &[u64]) -> [u16; 2] {
        let cut = (counts.iter().sum::<u64>() as f64 * self.cutoff / 100.0).floor() as u64;
        let last = counts.len() - 1;
        let high = last.saturating_sub(passed(cut, counts.iter().rev()));
        [passed(cut, counts.iter()).min(high), high].map(|end| u16::try_from(end).unwrap_or(0))
    }

    fn stretch<S: Whole>(&self, samples: &mut [S], bands: Bands) {
        let tables: Vec<Vec<S>> = self.ends.iter().map(|ends| table(*ends)).collect();
        for pixel in samples.chunks_exact_mut(bands.count()) {
            for (value, table) in pixel[..bands.colours()].iter_mut().zip(&tables) {
                *value = table[value.to_u32() as usize];
            }
        }
    }
}

/// How many values can be passed over without passing more than `cut` pixels.
fn passed<'a>(cut: u64, counts: impl Iterator<Item = &'a u64>) -> usize {
    let sums = counts.scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= cut).count()
}

fn table<S: Whole>([low, high]: [u16; 2]) -> Vec<S> {
    let all = 0..=S::FULL.to_u32();
    if high <= low {
        return all.map(S::from_u32).collect();
    }
    let share = |value: u32| (f64::from(value) - f64::from(low)) / f64::from(high - low);
    all.map(|value| nearest(share(value))).collect()
}
