//! JPEG (ITU-T T.81): every band is encoded as a separate JPEG, and the compressed data are joined.
//!
//! A restart marker after each row of blocks makes the rows independent of one another, and fixed
//! Huffman tables make the header the same for all bands. Restart markers count 0 to 7 over and
//! over, so after a band of a multiple of 8 rows of blocks the next band starts again at 0.

use std::ops::Range;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::codec::{Band, Codec, Encoded, Joined, rows_per_band};
use super::error::EncodeError;
use super::options::{OutputFormat, OutputOptions, Subsampling};
use crate::grid::Size;
use crate::metadata::{Metadata, Resolution};
use crate::pixels::{Bands, PixelFormat, Pixels};

/// From this quality on the chroma keeps its full resolution.
const FULL_CHROMA: u8 = 90;

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

/// The most bytes that fit in a segment.
const LONGEST: usize = 65_533;

/// Offset of the resolution in the JFIF segment, behind marker, length, name and version.
const DENSITY: usize = 11;

const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const RESTART_7: [u8; 2] = [0xFF, 0xD7];
const START_OF_SCAN: u8 = 0xDA;
const START_OF_FRAME: u8 = 0xC0;
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

#[derive(Debug)]
pub(super) struct Jpeg {
    size: Size,
    format: PixelFormat,
    quality: u8,
    subsampling: Subsampling,
    metadata: Metadata,
}

impl Jpeg {
    pub(super) fn new(
        size: Size,
        format: PixelFormat,
        options: OutputOptions,
        metadata: Metadata,
    ) -> Jpeg {
        let quality = options.quality;
        let subsampling = match options.subsampling {
            _ if format.bands != Bands::RGB => Subsampling::Full,
            Subsampling::Auto if quality >= FULL_CHROMA => Subsampling::Full,
            Subsampling::Auto => Subsampling::Quarter,
            told => told,
        };
        Jpeg { size, format, quality, subsampling, metadata }
    }

    /// The size of the pixels that are coded together (MCU).
    fn block(&self) -> Size {
        match self.subsampling {
            Subsampling::Quarter => Size::new(16, 16),
            Subsampling::Half => Size::new(16, 8),
            Subsampling::Full | Subsampling::Auto => Size::new(8, 8),
        }
    }

    fn sampling_factor(&self) -> SamplingFactor {
        match self.subsampling {
            Subsampling::Quarter => SamplingFactor::F_2_2,
            Subsampling::Half => SamplingFactor::F_2_1,
            Subsampling::Full | Subsampling::Auto => SamplingFactor::F_1_1,
        }
    }

    /// The segments of metadata. What does not fit into them is left out.
    fn application_segments(&self) -> Vec<u8> {
        let Metadata { icc, exif, xmp, .. } = &self.metadata;
        let mut segments = Vec::new();
        for (name, data) in [(EXIF, exif), (XMP, xmp)] {
            if let Some(data) = data.as_ref().filter(|data| name.len() + data.len() <= LONGEST) {
                push_segment(&mut segments, APP1, &[name, data]);
            }
        }
        let room = LONGEST - ICC.len() - 2;
        let icc = icc.as_ref().filter(|icc| icc.len().div_ceil(room) <= 255);
        let parts: Vec<&[u8]> = icc.map_or_else(Vec::new, |icc| icc.chunks(room).collect());
        for (number, part) in (1..).zip(&parts) {
            let numbers = [number, u8::try_from(parts.len()).expect("255 at most")];
            push_segment(&mut segments, APP2, &[ICC, &numbers, part]);
        }
        segments
    }

    fn encode_alone(&self, pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
        let failed = |error| EncodeError::codec(OutputFormat::Jpeg, error);
        let mut file = Vec::with_capacity(pixels.as_bytes().len() / 4 + 1024);
        let mut encoder = Encoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(self.sampling_factor());
        encoder.set_restart_interval(narrow(self.size.width.div_ceil(self.block().width)));
        let colours = match self.format.bands {
            Bands::GREY => ColorType::Luma,
            _ => ColorType::Rgb,
        };
        let (width, height) = (narrow(pixels.width()), narrow(pixels.height()));
        encoder.encode(pixels.as_bytes(), width, height, colours).map_err(failed)?;
        Ok(file)
    }
}

impl Codec for Jpeg {
    fn rows_per_band(&self) -> u32 {
        rows_per_band(self.size, self.format, 8 * self.block().height)
    }

    fn encode(&self, band: &Band<'_>) -> Result<Encoded, EncodeError> {
        let mut file = self.encode_alone(band.pixels)?;
        file.truncate(file.len() - END_OF_IMAGE.len());
        file.drain(..segment(&file, START_OF_SCAN).end);
        Ok(file.into())
    }

    fn head(&self) -> Result<Vec<u8>, EncodeError> {
        let row = Size::new(self.size.width, 1);
        let mut head = self.encode_alone(&Pixels::zeroed(row, self.format))?;
        head.truncate(segment(&head, START_OF_SCAN).end);
        // A frame header is marker, length, precision, then height and width (T.81, B.2.2).
        let height = segment(&head, START_OF_FRAME).start + 5;
        head[height..height + 2].copy_from_slice(&narrow(self.size.height).to_be_bytes());
        let jfif = segment(&head, APP0);
        if let Some((unit, [across, down])) =
            self.metadata.resolution().and_then(Resolution::in_jfif)
        {
            let told = [&[unit][..], &across.to_be_bytes(), &down.to_be_bytes()].concat();
            let place = jfif.start + DENSITY;
            head[place..place + told.len()].copy_from_slice(&told);
        }
        // Behind the JFIF segment, which comes first.
        head.splice(jfif.end..jfif.end, self.application_segments());
        Ok(head)
    }

    fn separator(&self) -> &'static [u8] {
        &RESTART_7
    }

    fn tail(&self, _joined: &Joined) -> Vec<u8> {
        END_OF_IMAGE.to_vec()
    }
}

fn narrow(length: u32) -> u16 {
    u16::try_from(length).expect("sides were checked against the format's limit")
}

fn push_segment(segments: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    segments.extend([0xFF, code]);
    segments.extend(u16::try_from(length).expect("it was found to fit").to_be_bytes());
    for part in parts {
        segments.extend_from_slice(part);
    }
}

/// The range of the segment with this marker code, in a file that our encoder wrote.
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
