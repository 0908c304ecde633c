//! Pixels for a screen: 8 bits of grey or RGB, of any pixels. For display: no promise is made about their bytes.
//!
//! Whole numbers of known colours are shown as they are. Other bands are shown as red, green and blue if there are three
//! or more, else the first as grey. Floats, and 16 bits of bands without a name, are stretched: the values below which 2
//! and 98 percent of a picture's pixels lie become black and white.

use super::encode::convert::to_eight;
use super::grid::Size;
use super::pixels::{Bands, PixelFormat, Pixels, SampleType, Samples};
use super::sample::{Sample, with_samples};

/// How pixels of one format are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    input: PixelFormat,
    bands: Bands,
    is_stretched: bool,
}

impl View {
    /// The view of pixels of format `input`.
    #[must_use]
    pub fn of(input: PixelFormat) -> View {
        let bands =
            if input.bands.colours() < 3 { input.bands.to_grey() } else { input.bands.to_rgb() };
        let is_stretched = match input.sample {
            SampleType::U8 => false,
            SampleType::U16 => !input.bands.are_colours(),
            SampleType::F32 => true,
        };
        View { input, bands, is_stretched }
    }

    /// Whether pixels are shown as they are, with 8 bits.
    #[must_use]
    pub fn is_plain(self) -> bool {
        !self.is_stretched && self.bands == self.input.bands
    }

    /// The format of what [`View::choose`] gives: 8 bits, or floats that are still to be stretched.
    #[must_use]
    pub fn chosen(self) -> PixelFormat {
        let sample = if self.is_stretched { SampleType::F32 } else { SampleType::U8 };
        PixelFormat::new(self.bands, sample)
    }

    /// The bands that are shown.
    #[must_use]
    pub fn choose(self, pixels: Pixels) -> Pixels {
        match pixels.samples() {
            Samples::U8(_) if self.is_plain() => pixels,
            Samples::U16(samples) if self.is_plain() => {
                let eight = samples.iter().map(|sample| to_eight(*sample)).collect();
                Pixels::of::<u8>(pixels.size(), self.bands, eight)
            }
            Samples::U8(samples) => self.pick(samples, pixels.size(), |value| value),
            samples => {
                with_samples!(samples, samples => self.pick(samples, pixels.size(), as_float))
            }
        }
    }

    fn pick<S: Sample, T: Sample>(
        self,
        samples: &[S],
        size: Size,
        as_shown: impl Fn(S) -> T,
    ) -> Pixels {
        let (count, colours) = (self.input.bands.count(), self.bands.colours());
        let mut picked = Vec::with_capacity(samples.len() / count * self.bands.count());
        for pixel in samples.chunks_exact(count) {
            picked.extend(pixel[..colours].iter().map(|value| as_shown(*value)));
            if self.bands.has_alpha() {
                let alpha = pixel[count - 1].to_f64() / S::FULL.to_f64();
                picked.push(T::from_f64(alpha * T::FULL.to_f64()));
            }
        }
        Pixels::of(size, self.bands, picked)
    }
}

fn as_float<S: Sample>(value: S) -> f32 {
    f32::from_f64(value.to_f64())
}

/// The values that become black and white, for each shown band.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch(Vec<[f32; 2]>);

/// The share of pixels that become black, and of those that become white.
const CUT: f64 = 0.02;

impl Stretch {
    /// The stretch by a picture that [`View::choose`] gave; none for one of 8 bits, or without a pixel that is a number.
    #[must_use]
    pub fn of(pixels: &Pixels) -> Stretch {
        let Samples::F32(samples) = pixels.samples() else { return Stretch(Vec::new()) };
        let bands = pixels.bands();
        let ends = (0..bands.colours()).map(|band| {
            let pixels = samples.chunks_exact(bands.count());
            let seen = pixels.filter(|pixel| !bands.has_alpha() || pixel[bands.colours()] > 0.0);
            ends(seen.map(|pixel| pixel[band]).filter(|value| value.is_finite()).collect())
        });
        Stretch(ends.collect::<Option<_>>().unwrap_or_default())
    }

    /// Makes values black or white only if they are so by another stretch of the same bands, too.
    pub fn widen(&mut self, other: &Stretch) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
        }
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own = [own[0].min(other[0]), own[1].max(other[1])];
        }
    }

    /// The pixels with 8 bits.
    #[must_use]
    pub fn apply(&self, pixels: Pixels) -> Pixels {
        let Samples::F32(samples) = pixels.samples() else { return pixels };
        let bands = pixels.bands();
        let mut eight = Vec::with_capacity(samples.len());
        for pixel in samples.chunks_exact(bands.count()) {
            let (colours, alpha) = pixel.split_at(bands.colours());
            let all = self.0.iter().chain(std::iter::repeat(&[0.0, 1.0]));
            for (value, [low, high]) in colours.iter().zip(all) {
                let share = (value.to_f64() - low.to_f64()) / (high.to_f64() - low.to_f64());
                eight.push(u8::from_f64(share * 255.0));
            }
            eight.extend(alpha.iter().map(|alpha| u8::from_f64(alpha.to_f64() * 255.0)));
        }
        Pixels::of(pixels.size(), bands, eight)
    }
}

/// The values that become black and white; they differ.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of pixels, and a part of it"
)]
fn ends(mut values: Vec<f32>) -> Option<[f32; 2]> {
    let last = values.len().checked_sub(1)?;
    let cut = (values.len() as f64 * CUT) as usize;
    let low = *values.select_nth_unstable_by(cut, f32::total_cmp).1;
    let high = *values.select_nth_unstable_by(last - cut, f32::total_cmp).1;
    Some(if low < high { [low, high] } else { [low, low + low.abs().max(1.0)] })
}

/// A picture with 8 bits, stretched by itself if need be.
#[must_use]
pub fn shown(pixels: Pixels) -> Pixels {
    let chosen = View::of(pixels.format()).choose(pixels);
    let stretch = Stretch::of(&chosen);
    stretch.apply(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_without_a_name_are_shown_as_colours_and_a_single_one_as_grey() {
        let size = Size::new(1, 1);
        let five = Pixels::of::<u8>(size, Bands::unnamed(5), vec![1, 2, 3, 4, 5]);
        assert_eq!(shown(five), Pixels::of::<u8>(size, Bands::RGB, vec![1, 2, 3]));
        let two = Pixels::of::<u8>(size, Bands::unnamed(2), vec![1, 2]);
        assert_eq!(shown(two), Pixels::of::<u8>(size, Bands::GREY, vec![1]));
    }

    #[test]
    fn floats_are_stretched_by_all_but_the_outermost_and_what_is_empty() {
        let mut heights: Vec<f32> = (0..100_u8).map(|step| 1000.0 + f32::from(step)).collect();
        heights[99] = 1e9;
        let samples = heights.iter().flat_map(|height| [*height, 1.0]).chain([-9999.0, 0.0]);
        let bands = Bands::GREY.with(crate::pixels::Alpha::Mask);
        let shown = shown(Pixels::of::<f32>(Size::new(101, 1), bands, samples.collect()));
        let Samples::U8(shown) = shown.samples() else { panic!("it has 8 bits") };
        assert_eq!([shown[0], shown[2 * 2], shown[97 * 2], shown[99 * 2]], [0, 0, 255, 255]);
        assert_eq!((shown[1], shown[100 * 2 + 1]), (255, 0));
        assert!((120..136).contains(&shown[50 * 2]));
    }
}
