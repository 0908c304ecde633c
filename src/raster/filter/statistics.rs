//! The survey that some filters need of the whole image, taken while it is decoded.

use std::fmt;

use super::luma::{BT601, luma};
use super::unfit;
use crate::pixels::{Bands, Meaning, PixelFormat, Pixels, SampleType, Samples};
use crate::sample::Whole;

/// How often each value occurs in each colour of an image, and in its luma. Pixels are weighted by
/// alpha.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    sample: SampleType,
    /// The counts of each colour.
    colours: Vec<Vec<u64>>,
    /// The counts of luma, if it is not the only colour.
    luma: Option<Vec<u64>>,
}

impl Histogram {
    /// The histogram of no pixels, which are whole numbers: floats are not counted.
    #[must_use]
    pub fn new(format: PixelFormat) -> Histogram {
        let counts = vec![0; 1 << (8 * format.sample.bytes())];
        let luma = (format.bands.meaning() == Meaning::Rgb).then(|| counts.clone());
        let colours = vec![counts; format.bands.colours()];
        Histogram { sample: format.sample, colours, luma }
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
            Samples::F32(_) => unfit::unaccepted(),
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

    /// The counts of BT.601 luma, by value.
    #[must_use]
    pub fn luma(&self) -> &[u64] {
        self.luma.as_ref().unwrap_or(&self.colours[0])
    }
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
    fn what_cannot_be_seen_does_not_count() {
        let format = PixelFormat::new(Bands::RGBA, SampleType::U8);
        let bytes = [9, 8, 7, 0, 255, 0, 0, 100];
        let pixels = Pixels::from_bytes(Size::new(2, 1), format, &bytes).unwrap();
        let histogram = Histogram::of(&pixels);
        assert_eq!((histogram.colours()[0][9], histogram.colours()[0][255]), (0, 100));
        assert_eq!((histogram.luma()[76], histogram.luma().iter().sum::<u64>()), (100, 100));
    }
}
