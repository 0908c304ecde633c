//! A rectangle of pixels in memory.

use thiserror::Error;

pub use super::format::{
    Alpha, Bands, Colours, Meaning, Nodata, PixelFormat, SampleType, StoredType,
};
use super::grid::{Region, Size};
use super::sample::{Sample, with_samples};

/// The samples of an image, row by row, the samples of a pixel side by side, without padding.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each.
    U16(Vec<u16>),
    /// Floats of single precision.
    F32(Vec<f32>),
}

impl Samples {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        with_samples!(self, samples => samples.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    #[must_use]
    pub fn sample_type(&self) -> SampleType {
        match self {
            Samples::U8(_) => SampleType::U8,
            Samples::U16(_) => SampleType::U16,
            Samples::F32(_) => SampleType::F32,
        }
    }
}

/// A buffer whose length does not match the declared size and format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{size} pixels of {format} need {expected} bytes, not {given}")]
pub struct WrongLength {
    /// The declared size.
    pub size: Size,
    /// The declared format.
    pub format: PixelFormat,
    /// The bytes that they need.
    pub expected: u128,
    /// The bytes in the buffer.
    pub given: u128,
}

/// A rectangle of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    size: Size,
    bands: Bands,
    samples: Samples,
}

impl Pixels {
    /// An image over `samples`, of which there must be width × height × bands.
    pub fn new(size: Size, bands: Bands, samples: Samples) -> Result<Pixels, WrongLength> {
        let format = PixelFormat::new(bands, samples.sample_type());
        let given = samples.len() as u128 * format.sample.bytes() as u128;
        check_length(size, format, given)?;
        Ok(Pixels { size, bands, samples })
    }

    /// An image of zeros: black, or transparent black. Memory pages are not touched before use.
    #[must_use]
    pub fn zeroed(size: Size, format: PixelFormat) -> Pixels {
        let count = size.width as usize * size.height as usize * format.samples_per_pixel();
        let samples = match format.sample {
            SampleType::U8 => Samples::U8(vec![0; count]),
            SampleType::U16 => Samples::U16(vec![0; count]),
            SampleType::F32 => Samples::F32(vec![0.0; count]),
        };
        Pixels { size, bands: format.bands, samples }
    }

    /// An image from samples in native byte order, as [`Pixels::as_bytes`] gives them.
    pub fn from_bytes(
        size: Size,
        format: PixelFormat,
        bytes: &[u8],
    ) -> Result<Pixels, WrongLength> {
        check_length(size, format, bytes.len() as u128)?;
        let samples = match format.sample {
            SampleType::U8 => Samples::U8(bytes.to_vec()),
            SampleType::U16 => Samples::U16(bytemuck::pod_collect_to_vec(bytes)),
            SampleType::F32 => Samples::F32(bytemuck::pod_collect_to_vec(bytes)),
        };
        Ok(Pixels { size, bands: format.bands, samples })
    }

    /// An image over `samples`; the caller guarantees their number.
    #[must_use]
    pub fn of<S: Sample>(size: Size, bands: Bands, samples: Vec<S>) -> Pixels {
        debug_assert_eq!(samples.len() as u64, size.pixels() * bands.count() as u64);
        Pixels { size, bands, samples: S::wrap(samples) }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.size.width
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.size.height
    }

    /// The bands of a pixel.
    #[must_use]
    pub fn bands(&self) -> Bands {
        self.bands
    }

    /// The format of a pixel.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        PixelFormat::new(self.bands, self.samples.sample_type())
    }

    /// All samples.
    #[must_use]
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// All samples, to be changed in place.
    pub fn samples_mut(&mut self) -> SamplesMut<'_> {
        match &mut self.samples {
            Samples::U8(samples) => SamplesMut::U8(samples),
            Samples::U16(samples) => SamplesMut::U16(samples),
            Samples::F32(samples) => SamplesMut::F32(samples),
        }
    }

    /// The samples in native byte order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.samples {
            Samples::U8(samples) => samples,
            Samples::U16(samples) => bytemuck::cast_slice(samples),
            Samples::F32(samples) => bytemuck::cast_slice(samples),
        }
    }

    /// The samples in native byte order, to be changed in place.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.samples {
            Samples::U8(samples) => samples,
            Samples::U16(samples) => bytemuck::cast_slice_mut(samples),
            Samples::F32(samples) => bytemuck::cast_slice_mut(samples),
        }
    }

    /// Bytes in a row.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.size.width as usize * self.format().bytes_per_pixel()
    }

    /// A copy of one region.
    ///
    /// # Panics
    /// When the region does not lie inside the image.
    #[must_use]
    pub fn crop(&self, region: Region) -> Pixels {
        self.assert_inside(region);
        let mut part = Pixels::zeroed(region.size(), self.format());
        part.copy(0, 0, self, region);
        part
    }

    /// Copies `part` over this image, its top left corner at (`x`, `y`).
    ///
    /// # Panics
    /// When `part` has another format or does not fit there.
    pub fn paste(&mut self, x: u32, y: u32, part: &Pixels) {
        self.copy(x, y, part, Region::of(part.size));
    }

    /// Copies a region of `other` over this image, its top left corner to (`x`, `y`).
    ///
    /// # Panics
    /// When `other` has another format or lacks the region, or the region does not fit there.
    pub fn copy(&mut self, x: u32, y: u32, other: &Pixels, region: Region) {
        assert_eq!(self.format(), other.format(), "a copied part has the format of the image");
        other.assert_inside(region);
        self.assert_inside(Region { x, y, ..region });
        let length = region.width as usize * self.format().bytes_per_pixel();
        for row in 0..region.height {
            let (from, to) = (other.offset(region.x, region.y + row), self.offset(x, y + row));
            self.as_bytes_mut()[to..to + length]
                .copy_from_slice(&other.as_bytes()[from..from + length]);
        }
    }

    fn assert_inside(&self, region: Region) {
        assert!(Region::of(self.size).contains(region), "{region} lies outside {}", self.size);
    }

    fn offset(&self, x: u32, y: u32) -> usize {
        y as usize * self.row_bytes() + x as usize * self.format().bytes_per_pixel()
    }
}

/// Borrowed samples, to be changed in place.
#[derive(Debug)]
pub enum SamplesMut<'a> {
    /// 8 bits each.
    U8(&'a mut [u8]),
    /// 16 bits each.
    U16(&'a mut [u16]),
    /// Floats of single precision.
    F32(&'a mut [f32]),
}

fn check_length(size: Size, format: PixelFormat, given: u128) -> Result<(), WrongLength> {
    let expected = format.bytes(size);
    if expected == given { Ok(()) } else { Err(WrongLength { size, format, expected, given }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGB16: PixelFormat = PixelFormat::new(Bands::RGB, SampleType::U16);

    #[test]
    fn a_buffer_of_the_wrong_length_is_refused() {
        let wrong = Pixels::from_bytes(Size::new(2, 2), RGB16, &[0; 23]).unwrap_err();
        assert_eq!(wrong.to_string(), "2 × 2 pixels of RGB 16 bit need 24 bytes, not 23");
    }

    #[test]
    fn a_crop_pasted_back_changes_nothing() {
        let bytes: Vec<u8> = (0..5 * 4 * 6).collect();
        let mut image = Pixels::from_bytes(Size::new(5, 4), RGB16, &bytes).unwrap();
        let whole = image.clone();
        let part = image.crop(Region { x: 2, y: 1, width: 3, height: 2 });
        assert_eq!(part.as_bytes()[..18], bytes[30 + 12..30 + 30]);
        image.paste(2, 1, &Pixels::zeroed(part.size(), RGB16));
        assert_ne!(image, whole);
        image.paste(2, 1, &part);
        assert_eq!(image, whole);
    }
}
