//! Lossless WebP: one band, the whole image, because its compressed data cannot be joined.

use image_webp::{ColorType, WebPEncoder};

use super::codec::{Band, Codec, Encoded};
use super::error::EncodeError;
use super::options::OutputFormat;
use crate::raster::grid::Size;
use crate::raster::metadata::Metadata;
use crate::raster::pixels::Channels;

#[derive(Debug)]
pub(super) struct WebP {
    size: Size,
    metadata: Metadata,
}

impl WebP {
    pub(super) fn new(size: Size, metadata: Metadata) -> WebP {
        WebP { size, metadata }
    }
}

impl Codec for WebP {
    fn rows_per_band(&self) -> u32 {
        self.size.height
    }

    fn encode(&self, band: &Band<'_>) -> Result<Encoded, EncodeError> {
        let colours = match band.pixels.channels() {
            Channels::Grey => ColorType::L8,
            Channels::GreyAlpha => ColorType::La8,
            Channels::Rgb => ColorType::Rgb8,
            Channels::Rgba => ColorType::Rgba8,
        };
        let mut file = Vec::new();
        let mut encoder = WebPEncoder::new(&mut file);
        let Metadata { icc, exif, xmp } = self.metadata.clone();
        // Without any of these the file is of the simpler kind.
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
