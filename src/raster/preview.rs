//! Small pictures of large ones, for display: no promise is made about their bytes.

use std::io::Cursor;

use super::encode::{EncodeError, Encoder, OutputFormat, OutputOptions};
use super::grid::Size;
use super::pixels::{PixelFormat, Pixels, SampleType, Samples};
use super::sample::{Sample, with_samples};
use super::view::View;

/// A preview pixel is the mean of at most this many samples a side of the area it stands for, so
/// the cost depends on the size of the preview and not on that of the image.
const SAMPLES: u32 = 4;

/// 8-bit red, green, blue and alpha of a preview pixel, alpha not premultiplied.
pub type Rgba = [u8; 4];

/// What a [`View`] chooses of a picture, in `size` pixels: 8 bits, or floats that are still to be stretched.
///
/// # Panics
/// When the picture has no pixels.
#[must_use]
pub fn shrink(pixels: &Pixels, size: Size) -> Pixels {
    let chosen = View::of(pixels.format()).chosen();
    with_samples!(pixels.samples(), samples => match chosen.sample {
        SampleType::F32 => Pixels::of(size, chosen.bands, means::<_, f32>(samples, pixels, chosen, size)),
        _ => Pixels::of(size, chosen.bands, means::<_, u8>(samples, pixels, chosen, size)),
    })
}

/// The means of the chosen bands, weighted by alpha. Whole numbers are scaled to the range of `T`.
fn means<S: Sample, T: Sample>(
    samples: &[S],
    pixels: &Pixels,
    chosen: PixelFormat,
    size: Size,
) -> Vec<T> {
    let (count, bands) = (pixels.bands().count(), chosen.bands);
    let scale = if T::TYPE.is_whole() { T::FULL.to_f64() / S::FULL.to_f64() } else { 1.0 };
    let (columns, rows) = (picks(pixels.width(), size.width), picks(pixels.height(), size.height));
    let mut means = Vec::with_capacity(columns.len() * rows.len() * bands.count());
    let mut sums = vec![0.0; bands.colours()];
    for (ys, xs) in rows.iter().flat_map(|ys| columns.iter().map(move |xs| (ys, xs))) {
        sums.fill(0.0);
        let (mut weight, mut all) = (0.0, 0.0);
        for (y, x) in ys.iter().flat_map(|y| xs.iter().map(move |x| (*y, *x))) {
            let pixel = &samples[(y * pixels.width() as usize + x) * count..][..count];
            let opacity = pixel[count - 1].to_f64() / S::FULL.to_f64();
            let alpha = if bands.has_alpha() { opacity } else { 1.0 };
            all += 1.0;
            // What cannot be seen may be no number.
            if alpha > 0.0 {
                weight += alpha;
                sums.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v.to_f64() * alpha);
            }
        }
        let colour =
            |sum: &f64| if weight > 0.0 { T::from_f64(sum / weight * scale) } else { T::default() };
        means.extend(sums.iter().map(colour));
        means.extend(bands.has_alpha().then(|| T::from_f64(weight / all * T::FULL.to_f64())));
    }
    means
}

/// The pixels of a picture of 8 bits, in grey or RGB.
///
/// # Panics
/// When its samples have other than 8 bits.
#[must_use]
pub fn rgba(pixels: &Pixels) -> Vec<Rgba> {
    let (bands, Samples::U8(samples)) = (pixels.bands(), pixels.samples()) else {
        panic!("{} is shown with 8 bits", pixels.format())
    };
    let each = samples.chunks_exact(bands.count()).map(|pixel| {
        let [r, g, b] = [0, 1, 2].map(|band| pixel[band.min(bands.colours() - 1)]);
        [r, g, b, if bands.has_alpha() { pixel[bands.colours()] } else { u8::MAX }]
    });
    each.collect()
}

/// A picture as a PNG file.
pub fn png(picture: &Pixels) -> Result<Vec<u8>, EncodeError> {
    let options = OutputOptions::new(OutputFormat::Png);
    let encoder = Encoder::new(options, picture.size(), picture.format())?;
    Ok(encoder.encode(picture, Cursor::new(Vec::new()))?.into_inner())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Bands;

    fn grey(width: u32, height: u32, values: &[u8]) -> Pixels {
        let format = PixelFormat::new(Bands::GREY, SampleType::U8);
        Pixels::from_bytes(Size::new(width, height), format, values).unwrap()
    }

    #[test]
    fn a_preview_pixel_is_the_mean_of_what_it_stands_for() {
        let preview = shrink(&grey(4, 1, &[10, 20, 100, 200]), Size::new(2, 1));
        assert_eq!(rgba(&preview), [[15, 15, 15, 255], [150, 150, 150, 255]]);
    }

    #[test]
    fn a_picture_smaller_than_its_preview_is_enlarged() {
        let preview = shrink(&grey(2, 1, &[1, 2]), Size::new(4, 2));
        assert_eq!(
            rgba(&preview).iter().map(|rgba| rgba[0]).collect::<Vec<_>>(),
            [1, 1, 2, 2, 1, 1, 2, 2]
        );
    }

    #[test]
    fn what_is_transparent_lends_no_colour() {
        let format = PixelFormat::new(Bands::GREY_ALPHA, SampleType::U16);
        let bytes = [65_535_u16, 65_535, 0, 0].map(u16::to_ne_bytes).concat();
        let pixels = Pixels::from_bytes(Size::new(2, 1), format, &bytes).unwrap();
        // Half of full alpha, rounded to the nearest.
        assert_eq!(rgba(&shrink(&pixels, Size::new(1, 1))), [[255, 255, 255, 128]]);
    }

    #[test]
    fn bands_without_a_name_are_shown_as_floats_of_the_first_three() {
        let samples = (0..4 * 5).map(|n| n * 100).collect();
        let pixels = Pixels::of::<u16>(Size::new(4, 1), Bands::unnamed(5), samples);
        let means = vec![250.0, 350.0, 450.0, 1250.0, 1350.0, 1450.0];
        let shown = Pixels::of::<f32>(Size::new(2, 1), Bands::RGB, means);
        assert_eq!(shrink(&pixels, Size::new(2, 1)), shown);
    }
}
