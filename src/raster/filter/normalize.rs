//! `normalize`: any numbers to whole numbers, by percentiles of the whole image.

use super::statistics::{Histogram, Levels};
use super::stretch::{BITS, sample, stretched};
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels, SampleType};

const fn percentile(name: &'static str, summary: &'static str, default: f64) -> ParamSpec {
    let kind = ParamKind::Number { min: 0.0, max: 100.0, step: 0.1, unit: "percent", default };
    ParamSpec { name, summary, kind }
}

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "normalize",
    summary: "Makes 8 or 16 bits of any numbers, each band between two percentiles of the whole image; must come first.",
    params: &[
        percentile(
            "low",
            "share of the pixels that are at most as large as what becomes black",
            2.0,
        ),
        percentile("high", "the same for white", 98.0),
        BITS,
    ],
    build: |values| {
        let (low, high) = (values.number(0), values.number(1));
        Box::new(Normalize { low, high, sample: sample(values.choice(2)), ends: Vec::new() })
    },
};

/// See [`stretched`]. In a band whose two percentiles are one value, larger values become white, and others black.
#[derive(Debug)]
struct Normalize {
    low: f64,
    high: f64,
    sample: SampleType,
    /// What becomes black and white in each band.
    ends: Vec<[f64; 2]>,
}

impl Filter for Normalize {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_few_bands(input)
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { sample: self.sample, ..input }
    }

    fn surveys(&self) -> bool {
        true
    }

    fn survey(&self, histogram: &Histogram) -> Option<Levels> {
        let bands = 0..histogram.colours().len();
        let ends =
            bands.flat_map(|band| [self.low, self.high].map(|p| histogram.percentile(band, p)));
        Some(Levels(ends.flat_map(quarters).collect()))
    }

    fn informed(&self, Levels(levels): &Levels) -> Option<Box<dyn Filter>> {
        let (numbers, rest) = levels.as_chunks::<4>();
        let numbers: Vec<f64> = numbers.iter().copied().map(whole).collect();
        let (ends, odd) = numbers.as_chunks::<2>();
        let whole = !ends.is_empty() && rest.is_empty() && odd.is_empty();
        let valid = whole && numbers.iter().all(|number| number.is_finite());
        valid.then(|| Box::new(Normalize { ends: ends.to_vec(), ..*self }) as Box<dyn Filter>)
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        stretched(&window.pixels, self.sample, |band, value| {
            // Numbers that came with a message may be too few.
            let [black, white] = self.ends.get(band).copied().unwrap_or([0.0; 2]);
            if black.total_cmp(&white).is_eq() {
                return if value > white { 1.0 } else { 0.0 };
            }
            (value - black) / (white - black)
        })
    }
}

/// A number as it travels: its bits, the uppermost first.
fn quarters(number: f64) -> [u16; 4] {
    let bits = number.to_bits();
    [48, 32, 16, 0].map(|place| u16::try_from(bits >> place & 0xFFFF).expect("16 bits"))
}

fn whole(quarters: [u16; 4]) -> f64 {
    f64::from_bits(quarters.iter().fold(0, |bits, quarter| bits << 16 | u64::from(*quarter)))
}

#[cfg(test)]
mod tests {
    use crate::filter::{Chain, Histogram};
    use crate::grid::{Region, Size};
    use crate::pixels::{Bands, Pixels};

    #[test]
    fn percentiles_become_black_and_white_in_each_band_by_itself() {
        let size = Size::new(5, 1);
        let all = Region::of(size);
        let heights = [[-10.0, 7.0], [0.0, 7.0], [10.0, 7.0], [20.0, 8.0], [30.0, 7.0]];
        let pixels = Pixels::of::<f32>(size, Bands::unnamed(2), heights.concat());
        let normalized = |chain: &str| {
            let chain = Chain::parse(chain).unwrap().informed(&Histogram::of(&pixels));
            // As it travels.
            let chain: Chain =
                serde_json::from_str(&serde_json::to_string(&chain).unwrap()).unwrap();
            chain.apply(&pixels, all, all, size)
        };
        let meant = |values: [u8; 10]| Pixels::of::<u8>(size, Bands::unnamed(2), values.to_vec());
        let whole = meant([0, 0, 64, 0, 128, 0, 191, 255, 255, 0]);
        assert_eq!(normalized("normalize:0:100"), whole);
        assert_eq!(normalized("normalize:25:75"), meant([0, 0, 0, 0, 128, 0, 255, 255, 255, 0]));
    }
}
