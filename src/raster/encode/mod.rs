//! Pixels to files, in bands of rows that can be encoded in any order and joined.
//!
//! The bands follow from the size, the pixel format and the output format alone, so the bytes depend neither on tiles
//! nor on how many threads encode bands at a time.
//!
//! - [`options`]: the output formats and their options
//! - [`error`]: why an image is not written
//! - [`writer`]: joins bands into a file
//! - `codec`: the interface of an output format
//! - `convert`: the pixel format that a file can hold
//! - `jpeg`, `png`, `tiff`, `webp`: the formats
//! - `rows`, `checksum`: the row filters and the checksum of PNG
//! - `samples`: the bytes of TIFF's samples, and their prediction

use std::io::{Seek, Write};
use std::ops::Range;
use std::sync::Arc;

use super::colour::Model;
use super::grid::{Region, Size};
use super::metadata::Metadata;
use super::pixels::{PixelFormat, Pixels};

mod checksum;
mod codec;
pub(crate) mod convert;
pub mod error;
mod jpeg;
pub mod options;
mod png;
mod rows;
mod samples;
mod tiff;
mod webp;
pub mod writer;

use codec::{Band, Codec};
pub use convert::Loss;
pub use error::EncodeError;
pub use options::{
    OutputFormat, OutputOptions, PngSpeed, SampleChoice, Subsampling, TiffCompression,
};
pub use writer::{BandWriter, EncodedBand};

/// Encodes one image. Cheap to clone, and usable from any number of threads.
#[derive(Clone, Debug)]
pub struct Encoder {
    options: OutputOptions,
    size: Size,
    input: PixelFormat,
    stored: PixelFormat,
    codec: Arc<dyn Codec>,
}

impl Encoder {
    /// An encoder for an image of `size` whose pixels have format `input`.
    pub fn new(
        options: OutputOptions,
        size: Size,
        input: PixelFormat,
    ) -> Result<Encoder, EncodeError> {
        Encoder::with(options, size, input, &Metadata::default())
    }

    /// Like [`Encoder::new`], but writes `metadata` as far as `options.metadata` allows, and a
    /// profile only if it is for the colours of the file.
    pub fn with(
        options: OutputOptions,
        size: Size,
        input: PixelFormat,
        metadata: &Metadata,
    ) -> Result<Encoder, EncodeError> {
        error::check(options, size, input)?;
        let stored = convert::stored_format(options, input);
        let metadata = metadata.kept(options.metadata);
        let metadata = metadata.with_profile_for(convert::model(options.format, stored));
        let codec: Arc<dyn Codec> = match options.format {
            OutputFormat::Jpeg => Arc::new(jpeg::Jpeg::new(size, stored, options, metadata)),
            OutputFormat::Png => Arc::new(png::Png::new(size, stored, options, metadata)),
            OutputFormat::Tiff => Arc::new(tiff::Tiff::new(size, stored, options, &metadata)),
            OutputFormat::WebP => Arc::new(webp::WebP::new(size, [input, stored], metadata)?),
        };
        Ok(Encoder { options, size, input, stored, codec })
    }

    /// The kind of colours that a profile in the file must be for; `None` if the file can have no profile.
    #[must_use]
    pub fn model(&self) -> Option<Model> {
        convert::model(self.options.format, self.stored)
    }

    /// What the file loses of the image; empty if it loses nothing.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        convert::losses(self.options, self.input, self.stored)
    }

    /// Number of bands, at least 1.
    #[must_use]
    pub fn band_count(&self) -> u32 {
        self.size.height.div_ceil(self.codec.rows_per_band())
    }

    /// The rows of the image that [`Encoder::encode_band`] needs for band `index`. Neighbouring
    /// bands may need the same row.
    #[must_use]
    pub fn input_rows(&self, index: u32) -> Range<u32> {
        let rows = self.own_rows(index);
        rows.start.saturating_sub(self.codec.context_rows())..rows.end
    }

    fn own_rows(&self, index: u32) -> Range<u32> {
        let rows = self.codec.rows_per_band();
        let start = index.saturating_mul(rows).min(self.size.height);
        start..start.saturating_add(rows).min(self.size.height)
    }

    /// Encodes band `index` from the rows of [`Encoder::input_rows`], full width, input format.
    pub fn encode_band(&self, index: u32, rows: &Pixels) -> Result<EncodedBand, EncodeError> {
        let needed = self.input_rows(index);
        let expected = Size::new(self.size.width, needed.end - needed.start);
        if rows.size() != expected || rows.format() != self.input {
            let (given, format) = (rows.size(), rows.format());
            return Err(EncodeError::WrongRows { band: index, expected, given, format });
        }
        let stored = convert::convert(rows, self.stored, self.options);
        let band = Band {
            pixels: &stored,
            context: self.own_rows(index).start - needed.start,
            first: index == 0,
            last: index + 1 == self.band_count(),
        };
        Ok(EncodedBand { index, encoded: self.codec.encode(&band)? })
    }

    /// Encodes a whole image in memory, band after band.
    pub fn encode<W: Write + Seek>(&self, image: &Pixels, out: W) -> Result<W, EncodeError> {
        let mut writer = self.writer(out)?;
        for index in 0..self.band_count() {
            let rows = self.input_rows(index);
            let height = rows.end - rows.start;
            let band = image.crop(Region { x: 0, y: rows.start, width: image.width(), height });
            writer.push(&self.encode_band(index, &band)?)?;
        }
        writer.finish()
    }

    /// Writes the head of the file to `out`, which then takes the bands in order.
    pub fn writer<W: Write + Seek>(&self, out: W) -> Result<BandWriter<W>, EncodeError> {
        BandWriter::new(out, Arc::clone(&self.codec), self.band_count())
    }
}
