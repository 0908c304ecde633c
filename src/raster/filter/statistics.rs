//! The survey that some filters need of the whole image, taken while it is decoded.

use std::fmt;

use super::luma::{BT601, luma};
use crate::pixels::{Bands, Meaning, PixelFormat, Pixels, SampleType, Samples};
use crate::sample::{Sample, Whole};

/// How often each value occurs in each colour of an image, and in its luma. Pixels are weighted by
/// alpha.
///
/// Floats are counted in 65,536 buckets, by sign, exponent and 7 bits of the fraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    sample: SampleType,
    /// The weight of a pixel that is fully seen.
    unit: u64,
    /// The counts of each colour.
    colours: Vec<Vec<u64>>,
    /// The smallest and the largest float in each bucket of each colour; of whole numbers there are none.
    ends: Vec<Vec<[f32; 2]>>,
    /// The counts of luma, if it is not the only colour.
    luma: Option<Vec<u64>>,
}

impl Histogram {
    /// The histogram of no pixels.
    #[must_use]
    pub fn new(format: PixelFormat) -> Histogram {
        let PixelFormat { sample, bands } = format;
        let counts = vec![0; if sample == SampleType::U8 { 1 << 8 } else { 1 << 16 }];
        let none = vec![[f32::INFINITY, f32::NEG_INFINITY]; counts.len()];
        let (floats, rgb) = (!sample.is_whole(), bands.meaning() == Meaning::Rgb);
        let full = match sample {
            SampleType::U8 => u8::FULL.into(),
            SampleType::U16 => u16::FULL.into(),
            SampleType::F32 => 1,
        };
        Histogram {
            sample,
            unit: if bands.has_alpha() { full } else { 1 },
            luma: (rgb && !floats).then(|| counts.clone()),
            ends: if floats { vec![none; bands.colours()] } else { Vec::new() },
            colours: vec![counts; bands.colours()],
        }
    }

    /// The histogram of an image in memory.
    #[must_use]
    pub fn of(pixels: &Pixels) -> Histogram {
        let mut histogram = Histogram::new(pixels.format());
        histogram.add(pixels);
        histogram
    }

    /// Counts some of the image's rows.
    ///
    /// # Panics
    /// When they are of another format.
    pub fn add(&mut self, rows: &Pixels) {
        assert_eq!(rows.bands().colours(), self.colours.len(), "rows are of one format");
        match rows.samples() {
            Samples::U8(samples) => self.count(samples, rows.bands()),
            Samples::U16(samples) => self.count(samples, rows.bands()),
            Samples::F32(samples) => self.count_floats(samples, rows.bands()),
        }
    }

    /// Counts floats, which are seen or not. What is no number, or infinite, does not count.
    fn count_floats(&mut self, samples: &[f32], bands: Bands) {
        for pixel in samples.chunks_exact(bands.count()) {
            if bands.has_alpha() && pixel[bands.count() - 1] <= 0.0 {
                continue;
            }
            for ((counts, ends), value) in self.colours.iter_mut().zip(&mut self.ends).zip(pixel) {
                if value.is_finite() {
                    let bucket = bucket(*value);
                    counts[bucket] += 1;
                    let [least, most] = ends[bucket];
                    ends[bucket] = [least.min(*value), most.max(*value)];
                }
            }
        }
    }

    fn count<S: Whole>(&mut self, samples: &[S], bands: Bands) {
        for pixel in samples.chunks_exact(bands.count()) {
            let weight = if bands.has_alpha() { pixel[bands.count() - 1].to_u64() } else { 1 };
            for (counts, value) in self.colours.iter_mut().zip(pixel) {
                counts[value.to_u32() as usize] += weight;
            }
            if let (Some(counts), &[r, g, b, ..]) = (&mut self.luma, pixel) {
                counts[luma([r, g, b], BT601).to_u32() as usize] += weight;
            }
        }
    }

    /// The type of the samples that were counted.
    #[must_use]
    pub fn sample_type(&self) -> SampleType {
        self.sample
    }

    /// The counts of each colour, by value.
    #[must_use]
    pub fn colours(&self) -> &[Vec<u64>] {
        &self.colours
    }

    /// The value of a colour that `percent` of its pixels do not exceed; between two pixels it is interpolated linearly,
    /// as `numpy.percentile` does. 0 if nothing is seen.
    ///
    /// Exact for whole numbers. A float is interpolated between the smallest and the largest of its bucket, which are
    /// less than 1/128 of it apart.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count of pixels, and a part of it"
    )]
    pub fn percentile(&self, colour: usize, percent: f64) -> f64 {
        let pixels = self.colours[colour].iter().sum::<u64>() / self.unit;
        let place = percent / 100.0 * pixels.saturating_sub(1) as f64;
        let below = place.floor() as u64;
        let [low, high] = [below, (below + 1).min(pixels.saturating_sub(1))]
            .map(|rank| self.ranked(colour, rank));
        low + (high - low) * (place - place.floor())
    }

    /// The value of the pixel of a colour before which `rank` are smaller or as large.
    #[expect(clippy::cast_precision_loss, reason = "a count of pixels")]
    fn ranked(&self, colour: usize, rank: u64) -> f64 {
        let mut passed = 0;
        for (value, count) in self.colours[colour].iter().enumerate() {
            if passed + count > rank * self.unit {
                let Some(ends) = self.ends.get(colour) else {
                    return value as f64;
                };
                let [least, most] = ends[value].map(f64::from);
                let share = (rank - passed) as f64 / (count - 1).max(1) as f64;
                return least + (most - least) * share;
            }
            passed += count;
        }
        0.0
    }

    /// The counts of BT.601 luma, by value.
    #[must_use]
    pub fn luma(&self) -> &[u64] {
        self.luma.as_ref().unwrap_or(&self.colours[0])
    }
}

/// The bucket of a float: buckets are in the order of their values.
fn bucket(value: f32) -> usize {
    let bits = value.to_bits();
    let ordered = if value.is_sign_negative() { !bits } else { bits | 1 << 31 };
    (ordered >> 16) as usize
}

/// The survey that a filter took from a [`Histogram`]; each filter defines what the numbers mean.
///
/// They travel with the chain as text, four hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(pub Vec<u16>);

/// The most numbers that are read; no filter takes as many.
const MOST_LEVELS: usize = 8192;

impl Levels {
    /// Parses what [`fmt::Display`] wrote; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Levels> {
        let (digits, rest) = text.as_bytes().as_chunks::<4>();
        if !rest.is_empty() || digits.len() > MOST_LEVELS {
            return None;
        }
        let number = |digits: &[u8; 4]| {
            digits.iter().try_fold(0, |sum, digit| {
                let value = char::from(*digit).to_digit(16)?;
                Some(sum << 4 | u16::try_from(value).ok()?)
            })
        };
        digits.iter().map(number).collect::<Option<Vec<u16>>>().map(Levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, "{number:04x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Size;

    #[test]
    fn levels_are_read_back_from_their_text_and_nothing_else_is() {
        let levels = Levels(vec![0, 7, 255, 65_535, 4096]);
        assert_eq!(Levels::parse(&levels.to_string()), Some(levels));
        assert_eq!(Levels::parse(""), Some(Levels(Vec::new())));
        for text in ["1", "00ff0", "00fg", "+001", "00é"] {
            assert_eq!(Levels::parse(text), None, "{text}");
        }
        assert_eq!(Levels::parse(&"0000".repeat(MOST_LEVELS + 1)), None);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "all are exact")]
    fn a_percentile_is_interpolated_between_pixels_and_ignores_what_is_not_seen() {
        let grey = |alpha: bool, values: &[u8]| {
            let bands = if alpha { Bands::GREY_ALPHA } else { Bands::GREY };
            let width = u32::try_from(values.len() / bands.count()).unwrap();
            Histogram::of(&Pixels::of::<u8>(Size::new(width, 1), bands, values.to_vec()))
        };
        let percentiles = |histogram: &Histogram| {
            [0.0, 25.0, 50.0, 75.0, 100.0].map(|p| histogram.percentile(0, p))
        };
        assert_eq!(percentiles(&grey(false, &[7, 1, 3, 200])), [1.0, 2.5, 5.0, 55.25, 200.0]);
        let masked = [7, 255, 1, 255, 0, 0, 3, 255, 200, 255, 0, 0];
        assert_eq!(percentiles(&grey(true, &masked)), [1.0, 2.5, 5.0, 55.25, 200.0]);
        assert_eq!(percentiles(&grey(true, &[9, 0])), [0.0; 5]);
        let floats = vec![-900.25, f32::NAN, 3.0, f32::INFINITY, -0.0, 1e9];
        let histogram = Histogram::of(&Pixels::of::<f32>(Size::new(6, 1), Bands::GREY, floats));
        let third = -900.25 / 4.0;
        assert_eq!([0.0, 25.0, 100.0].map(|p| histogram.percentile(0, p)), [-900.25, third, 1e9]);
        // A hundred floats in one bucket.
        let floats = (0..=100_u8).map(|step| 64.0 + f32::from(step) / 256.0).collect();
        let histogram = Histogram::of(&Pixels::of::<f32>(Size::new(101, 1), Bands::GREY, floats));
        assert_eq!(histogram.percentile(0, 50.0), 64.0 + 50.0 / 256.0);
    }

    #[test]
    fn what_cannot_be_seen_does_not_count() {
        let format = PixelFormat::new(Bands::RGBA, SampleType::U8);
        let bytes = [9, 8, 7, 0, 255, 0, 0, 100];
        let pixels = Pixels::from_bytes(Size::new(2, 1), format, &bytes).unwrap();
        let histogram = Histogram::of(&pixels);
        assert_eq!((histogram.colours()[0][9], histogram.colours()[0][255]), (0, 100));
        assert_eq!((histogram.luma()[76], histogram.luma().iter().sum::<u64>()), (100, 100));
    }
}
