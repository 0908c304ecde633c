//! JPEG (ITU-T T.81): every band is a JPEG of its own, whose compressed data are joined.
//!
//! A restart marker after each row of blocks makes the rows independent of one another, and fixed
//! Huffman tables make the header the same for all bands. Restart markers count 0 to 7 over and
//! over, so a band of a multiple of 8 rows of blocks ends where the next one's numbers begin.

use std::ops::Range;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::checksum::Adler32;
use super::codec::{Band, Codec, rows_per_band};
use super::error::EncodeError;
use super::options::OutputFormat;
use crate::raster::grid::Size;
use crate::raster::pixels::{Channels, PixelFormat, Pixels};

/// From this quality on the chroma keeps its full resolution.
const FULL_CHROMA: u8 = 90;

const RESTART_7: [u8; 2] = [0xFF, 0xD7];
const START_OF_SCAN: u8 = 0xDA;
const START_OF_FRAME: u8 = 0xC0;
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

#[derive(Debug)]
pub(super) struct Jpeg {
    size: Size,
    format: PixelFormat,
    quality: u8,
}

impl Jpeg {
    pub(super) fn new(size: Size, format: PixelFormat, quality: u8) -> Jpeg {
        Jpeg { size, format, quality }
    }

    fn halves_chroma(&self) -> bool {
        self.format.channels == Channels::Rgb && self.quality < FULL_CHROMA
    }

    /// The side in pixels of the squares that are coded together (MCU).
    fn block(&self) -> u32 {
        if self.halves_chroma() { 16 } else { 8 }
    }

    fn encode_alone(&self, pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
        let failed = |error| EncodeError::codec(OutputFormat::Jpeg, error);
        let mut file = Vec::with_capacity(pixels.as_bytes().len() / 4 + 1024);
        let mut encoder = Encoder::new(&mut file, self.quality);
        let chroma =
            if self.halves_chroma() { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 };
        encoder.set_sampling_factor(chroma);
        encoder.set_restart_interval(narrow(self.size.width.div_ceil(self.block())));
        let colours = match self.format.channels {
            Channels::Grey => ColorType::Luma,
            _ => ColorType::Rgb,
        };
        let (width, height) = (narrow(pixels.width()), narrow(pixels.height()));
        encoder.encode(pixels.as_bytes(), width, height, colours).map_err(failed)?;
        Ok(file)
    }
}

impl Codec for Jpeg {
    fn rows_per_band(&self) -> u32 {
        rows_per_band(self.size, self.format, 8 * self.block())
    }

    fn encode(&self, band: &Band<'_>) -> Result<(Vec<u8>, Adler32), EncodeError> {
        let mut file = self.encode_alone(band.pixels)?;
        file.truncate(file.len() - END_OF_IMAGE.len());
        file.drain(..segment(&file, START_OF_SCAN).end);
        Ok((file, Adler32::EMPTY))
    }

    fn head(&self) -> Result<Vec<u8>, EncodeError> {
        let row = Size::new(self.size.width, 1);
        let mut head = self.encode_alone(&Pixels::zeroed(row, self.format))?;
        head.truncate(segment(&head, START_OF_SCAN).end);
        // A frame header is marker, length, precision, then height and width (T.81, B.2.2).
        let height = segment(&head, START_OF_FRAME).start + 5;
        head[height..height + 2].copy_from_slice(&narrow(self.size.height).to_be_bytes());
        Ok(head)
    }

    fn separator(&self) -> &'static [u8] {
        &RESTART_7
    }

    fn tail(&self, _checksum: Adler32) -> Vec<u8> {
        END_OF_IMAGE.to_vec()
    }
}

fn narrow(length: u32) -> u16 {
    u16::try_from(length).expect("sides were checked against the format's limit")
}

/// Where the segment with this marker code lies in a file that our encoder wrote.
fn segment(file: &[u8], code: u8) -> Range<usize> {
    let mut start = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([file[start + 2], file[start + 3]]));
        let end = start + 2 + length;
        if file[start + 1] == code {
            return start..end;
        }
        start = end;
    }
}
