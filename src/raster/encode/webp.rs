//! Lossless WebP: one band, the whole image, because its compressed data cannot be joined.

use image_webp::{ColorType, WebPEncoder};

use super::checksum::Adler32;
use super::codec::{Band, Codec};
use super::error::EncodeError;
use super::options::OutputFormat;
use crate::raster::grid::Size;
use crate::raster::pixels::Channels;

#[derive(Debug)]
pub(super) struct WebP {
    size: Size,
}

impl WebP {
    pub(super) fn new(size: Size) -> WebP {
        WebP { size }
    }
}

impl Codec for WebP {
    fn rows_per_band(&self) -> u32 {
        self.size.height
    }

    fn encode(&self, band: &Band<'_>) -> Result<(Vec<u8>, Adler32), EncodeError> {
        let colours = match band.pixels.channels() {
            Channels::Grey => ColorType::L8,
            Channels::GreyAlpha => ColorType::La8,
            Channels::Rgb => ColorType::Rgb8,
            Channels::Rgba => ColorType::Rgba8,
        };
        let mut file = Vec::new();
        WebPEncoder::new(&mut file)
            .encode(band.pixels.as_bytes(), self.size.width, self.size.height, colours)
            .map_err(|error| EncodeError::codec(OutputFormat::WebP, error))?;
        Ok((file, Adler32::EMPTY))
    }
}
