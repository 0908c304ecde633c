//! Errors of encoding: why an image is not written.

use std::io;

use thiserror::Error;

use super::options::{OutputFormat, OutputOptions};
use crate::grid::Size;
use crate::pixels::{PixelFormat, SampleType};

/// The most memory, in bytes, for an image that is encoded as a whole: about 200 megapixels of RGB.
const MOST_MEMORY: u64 = 2 << 30;

/// Why an image is not written. Its text names the value and the way out; the cause is its source.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// A side is longer than the format can store.
    #[error(
        "{size} pixels do not fit in {format}, which takes at most {limit} pixels a side; use {others}"
    )]
    SideTooLong {
        /// The output format.
        format: OutputFormat,
        /// The size of the image.
        size: Size,
        /// The longest side of the format, in pixels.
        limit: u32,
        /// The formats that can hold the image, in words.
        others: String,
    },

    /// An image without pixels.
    #[error("an image of {size} pixels is empty and cannot be written")]
    Empty {
        /// Its size.
        size: Size,
    },

    /// The image is too large for a format that is encoded as a whole.
    #[error(
        "{size} pixels take {} MiB of memory to be written as {format}, which cannot be done in parts; \
         the limit is {} MiB; use {others}",
        bytes >> 20,
        limit >> 20
    )]
    TooMuchMemory {
        /// The output format.
        format: OutputFormat,
        /// The size of the image.
        size: Size,
        /// The bytes it takes.
        bytes: u64,
        /// The most bytes it may take.
        limit: u64,
        /// The formats that are written in parts, in words.
        others: String,
    },

    /// Bands that are no colours, in a format for colours.
    #[error(
        "{format} holds grey and RGB, not {input}; write TIFF, or choose bands to be shown as red, green and blue with \
         the filter bands:3,2,1"
    )]
    NoColours {
        /// The output format.
        format: OutputFormat,
        /// The format of the pixels.
        input: PixelFormat,
    },

    /// Floats, in a format for whole numbers.
    #[error(
        "{format} holds whole numbers from black to white, not {input}; write TIFF, or say which values are black and \
         white with the filter scale:0:1"
    )]
    Floats {
        /// The output format.
        format: OutputFormat,
        /// The format of the pixels.
        input: PixelFormat,
    },

    /// A quality outside 1 to 100.
    #[error("the quality must be from 1 to 100, not {quality}")]
    Quality {
        /// The quality given.
        quality: u8,
    },

    /// The rows are not those that the band needs.
    #[error("band {band} needs rows of {expected} in the input format, not {given} of {format}")]
    WrongRows {
        /// The band.
        band: u32,
        /// The size its rows must have.
        expected: Size,
        /// The size they have.
        given: Size,
        /// The format they have.
        format: PixelFormat,
    },

    /// A band out of turn, or a file finished before its last band.
    #[error("band {expected} comes next, not {given}")]
    OutOfOrder {
        /// The band whose turn it is.
        expected: u32,
        /// The band that came, or the number of bands when the end came too early.
        given: u32,
    },

    /// The encoder of the format failed.
    #[error("cannot encode {format}")]
    Codec {
        /// The output format.
        format: OutputFormat,
        /// What the encoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The file could not be written.
    #[error("cannot write the image")]
    Write {
        /// What the writer says.
        #[from]
        source: io::Error,
    },
}

impl EncodeError {
    pub(super) fn codec(
        format: OutputFormat,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> EncodeError {
        EncodeError::Codec { format, source: source.into() }
    }
}

/// Checks options, size and pixels, before any pixel is there.
pub(super) fn check(
    options: OutputOptions,
    size: Size,
    input: PixelFormat,
) -> Result<(), EncodeError> {
    let format = options.format;
    if format != OutputFormat::Tiff && !input.bands.are_colours() {
        return Err(EncodeError::NoColours { format, input });
    }
    if format != OutputFormat::Tiff && input.sample == SampleType::F32 {
        return Err(EncodeError::Floats { format, input });
    }
    if size.is_empty() {
        return Err(EncodeError::Empty { size });
    }
    if !fits(format, size) {
        let limit = format.max_side();
        return Err(EncodeError::SideTooLong { format, size, limit, others: others(format, size) });
    }
    if format == OutputFormat::Jpeg && !(1..=100).contains(&options.quality) {
        return Err(EncodeError::Quality { quality: options.quality });
    }
    Ok(())
}

/// Checks the memory that a format takes which is encoded as a whole.
pub(super) fn check_memory(
    format: OutputFormat,
    size: Size,
    bytes: u64,
) -> Result<(), EncodeError> {
    if bytes <= MOST_MEMORY {
        return Ok(());
    }
    let (limit, others) = (MOST_MEMORY, others(format, size));
    Err(EncodeError::TooMuchMemory { format, size, bytes, limit, others })
}

fn fits(format: OutputFormat, size: Size) -> bool {
    size.width.max(size.height) <= format.max_side()
}

/// The other formats whose sides are long enough: "JPEG, PNG or TIFF".
fn others(format: OutputFormat, size: Size) -> String {
    let all = OutputFormat::ALL.into_iter();
    let others = all.filter(|&other| other != format && fits(other, size));
    let names: Vec<_> = others.map(|other| other.to_string()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "a smaller image".to_owned(),
    }
}
