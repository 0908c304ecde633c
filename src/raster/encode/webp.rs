//! Lossless WebP: one band, the whole image, because its compressed data cannot be joined.

use image_webp::{ColorType, WebPEncoder};

use super::codec::{Band, Codec, Encoded};
use super::error::{self, EncodeError};
use super::options::OutputFormat;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::pixels::PixelFormat;

#[derive(Debug)]
pub(super) struct WebP {
    size: Size,
    metadata: Metadata,
}

impl WebP {
    /// For pixels that come as `input` and are written as `stored`; fails if that takes too much memory.
    pub(super) fn new(
        size: Size,
        [input, stored]: [PixelFormat; 2],
        metadata: Metadata,
    ) -> Result<WebP, EncodeError> {
        let (given, written) = (bytes(size, input), bytes(size, stored));
        let narrowed = if input == stored { 0 } else { written };
        let rgba = size.pixels().saturating_mul(4);
        // The library converts to RGBA, and makes a file hardly larger than the pixels.
        let all = [given, narrowed, rgba, written].into_iter().fold(0, u64::saturating_add);
        error::check_memory(OutputFormat::WebP, size, all)?;
        Ok(WebP { size, metadata })
    }
}

fn bytes(size: Size, format: PixelFormat) -> u64 {
    u64::try_from(format.bytes(size)).unwrap_or(u64::MAX)
}

impl Codec for WebP {
    fn rows_per_band(&self) -> u32 {
        self.size.height
    }

    fn encode(&self, band: &Band<'_>) -> Result<Encoded, EncodeError> {
        let bands = band.pixels.bands();
        let colours = match (bands.colours(), bands.has_alpha()) {
            (1, false) => ColorType::L8,
            (1, true) => ColorType::La8,
            (_, false) => ColorType::Rgb8,
            (_, true) => ColorType::Rgba8,
        };
        let mut file = Vec::new();
        let mut encoder = WebPEncoder::new(&mut file);
        let Metadata { icc, exif, xmp, .. } = self.metadata.clone();
        // Without any of these the file is in the simple format, without `VP8X`.
        if let Some(icc) = icc {
            encoder.set_icc_profile(icc);
        }
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif);
        }
        if let Some(xmp) = xmp {
            encoder.set_xmp_metadata(xmp);
        }
        encoder
            .encode(band.pixels.as_bytes(), self.size.width, self.size.height, colours)
            .map_err(|error| EncodeError::codec(OutputFormat::WebP, error))?;
        Ok(file.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Bands, SampleType};

    #[test]
    fn an_image_that_takes_too_much_memory_is_refused_with_what_it_takes() {
        let [eight, sixteen] =
            [SampleType::U8, SampleType::U16].map(|d| PixelFormat::new(Bands::RGB, d));
        let size = Size::new(14_000, 14_000);
        assert!(WebP::new(size, [eight, eight], Metadata::default()).is_ok());
        let refused = WebP::new(size, [sixteen, eight], Metadata::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "14000 × 14000 pixels take 2990 MiB of memory to be written as WebP, which cannot be done in \
             parts; the limit is 2048 MiB; use JPEG, PNG or TIFF"
        );
    }
}
