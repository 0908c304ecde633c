//! Small pictures of large ones, for display: no promise is made about their bytes.

use std::io::Cursor;

use super::encode::{EncodeError, Encoder, OutputFormat, OutputOptions};
use super::grid::Size;
use super::pixels::{Bands, Pixels, Samples};
use super::sample::{Sample, Whole, with_samples};

/// A preview pixel is the mean of at most this many samples a side of the area it stands for, so
/// the cost depends on the size of the preview and not on that of the image.
const SAMPLES: u32 = 4;

/// 8-bit red, green, blue and alpha of a preview pixel, alpha not premultiplied.
pub type Rgba = [u8; 4];

/// A picture that is shown as it is, in `size` pixels, row by row.
///
/// # Panics
/// When the picture has no pixels, or its [`View`](super::view::View) is not plain.
#[must_use]
pub fn shrink(pixels: &Pixels, size: Size) -> Vec<Rgba> {
    let (bands, full) = (pixels.bands(), pixels.size());
    match pixels.samples() {
        Samples::U8(samples) => shrink_samples(samples, bands, full, size),
        Samples::U16(samples) => shrink_samples(samples, bands, full, size),
        Samples::F32(_) => panic!("{} is stretched before it is shown", pixels.format()),
    }
}

/// What a [`View`](super::view::View) chooses of a picture, in `size` pixels: 8 bits, or floats that are still to be
/// stretched.
///
/// # Panics
/// When the picture has no pixels.
#[must_use]
pub fn shrink_chosen(chosen: &Pixels, size: Size) -> Pixels {
    let bands = chosen.bands();
    with_samples!(chosen.samples(), samples => {
        Pixels::of(size, bands, means(samples, bands, chosen.size(), size))
    })
}

fn means<S: Sample>(samples: &[S], bands: Bands, full: Size, size: Size) -> Vec<S> {
    let columns = picks(full.width, size.width);
    let mut means = Vec::with_capacity(columns.len() * size.height as usize * bands.count());
    for (ys, xs) in
        picks(full.height, size.height).iter().flat_map(|ys| columns.iter().map(move |xs| (ys, xs)))
    {
        let (mut sums, mut weight, mut count) = (vec![0.0; bands.colours()], 0.0, 0.0);
        for (y, x) in ys.iter().flat_map(|y| xs.iter().map(move |x| (*y, *x))) {
            let pixel = &samples[(y * full.width as usize + x) * bands.count()..][..bands.count()];
            let (colours, alpha) = pixel.split_at(bands.colours());
            let alpha = alpha.first().map_or(1.0, |alpha| alpha.to_f64() / S::FULL.to_f64());
            count += 1.0;
            if alpha > 0.0 {
                weight += alpha;
                sums.iter_mut().zip(colours).for_each(|(sum, v)| *sum += v.to_f64() * alpha);
            }
        }
        let colour = |sum: &f64| S::from_f64(if weight > 0.0 { sum / weight } else { 0.0 });
        means.extend(sums.iter().map(colour));
        means.extend(bands.has_alpha().then(|| S::from_f64(weight / count * S::FULL.to_f64())));
    }
    means
}

/// The pixels of a picture of 8 bits as those of a preview.
#[must_use]
pub fn rgba(pixels: &Pixels) -> Vec<Rgba> {
    shrink(pixels, pixels.size())
}

/// A picture as a PNG file.
pub fn png(picture: &Pixels) -> Result<Vec<u8>, EncodeError> {
    let options = OutputOptions::new(OutputFormat::Png);
    let encoder = Encoder::new(options, picture.size(), picture.format())?;
    Ok(encoder.encode(picture, Cursor::new(Vec::new()))?.into_inner())
}

fn shrink_samples<S: Whole>(samples: &[S], bands: Bands, full: Size, size: Size) -> Vec<Rgba> {
    let width = full.width as usize;
    let columns = picks(full.width, size.width);
    let rows = picks(full.height, size.height);
    let mut preview = Vec::with_capacity(columns.len() * rows.len());
    for ys in &rows {
        for xs in &columns {
            let mut mean = Mean::default();
            for (y, x) in ys.iter().flat_map(|y| xs.iter().map(move |x| (*y, *x))) {
                let start = (y * width + x) * bands.count();
                mean.add(&samples[start..start + bands.count()], bands);
            }
            preview.push(mean.rgba());
        }
    }
    preview
}

/// For each of `cells` equal parts of a line of `length` pixels, the pixels that stand for it.
fn picks(length: u32, cells: u32) -> Vec<Vec<usize>> {
    let cell = |index: u32| {
        let at = |part: u64, parts: u64| {
            let position = (u64::from(index) * 2 * parts + 2 * part + 1) * u64::from(length);
            usize::try_from(position / (2 * parts * u64::from(cells))).unwrap_or(usize::MAX)
        };
        let parts = u64::from(length.div_ceil(cells).clamp(1, SAMPLES));
        (0..parts).map(|part| at(part, parts)).collect()
    };
    (0..cells).map(cell).collect()
}

/// The mean of some pixels, weighted by alpha.
#[derive(Default)]
struct Mean {
    colours: [u64; 3],
    alpha: u64,
    count: u64,
}

impl Mean {
    fn add<S: Whole>(&mut self, pixel: &[S], bands: Bands) {
        let eight = |sample: S| sample.to_u64() * 255 / S::FULL.to_u64();
        let alpha = if bands.has_alpha() { eight(pixel[pixel.len() - 1]) } else { 255 };
        for (index, sum) in self.colours.iter_mut().enumerate() {
            *sum += eight(pixel[index.min(bands.colours() - 1)]) * alpha;
        }
        self.alpha += alpha;
        self.count += 1;
    }

    fn rgba(&self) -> Rgba {
        let narrow = |mean: u64| u8::try_from(mean).unwrap_or(u8::MAX);
        let [r, g, b] = self.colours.map(|sum| narrow(sum.checked_div(self.alpha).unwrap_or(0)));
        [r, g, b, narrow(self.alpha / self.count.max(1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{PixelFormat, SampleType};

    fn grey(width: u32, height: u32, values: &[u8]) -> Pixels {
        let format = PixelFormat::new(Bands::GREY, SampleType::U8);
        Pixels::from_bytes(Size::new(width, height), format, values).unwrap()
    }

    #[test]
    fn a_preview_pixel_is_the_mean_of_what_it_stands_for() {
        let preview = shrink(&grey(4, 1, &[10, 20, 100, 200]), Size::new(2, 1));
        assert_eq!(preview, [[15, 15, 15, 255], [150, 150, 150, 255]]);
    }

    #[test]
    fn a_picture_smaller_than_its_preview_is_enlarged() {
        let preview = shrink(&grey(2, 1, &[1, 2]), Size::new(4, 2));
        assert_eq!(
            preview.iter().map(|rgba| rgba[0]).collect::<Vec<_>>(),
            [1, 1, 2, 2, 1, 1, 2, 2]
        );
    }

    #[test]
    fn what_is_transparent_lends_no_colour() {
        let format = PixelFormat::new(Bands::GREY_ALPHA, SampleType::U16);
        let bytes = [65_535_u16, 65_535, 0, 0].map(u16::to_ne_bytes).concat();
        let pixels = Pixels::from_bytes(Size::new(2, 1), format, &bytes).unwrap();
        assert_eq!(shrink(&pixels, Size::new(1, 1)), [[255, 255, 255, 127]]);
    }
}
