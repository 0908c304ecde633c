//! Baseline TIFF 6.0, uncompressed: the directory stands first, then one strip for each band.

use super::checksum::Adler32;
use super::codec::{Band, Codec, rows_per_band};
use super::error::{EncodeError, others};
use super::options::OutputFormat;
use crate::raster::grid::Size;
use crate::raster::pixels::{PixelFormat, Samples};

/// Offsets in the file have 32 bits.
const MAX_BYTES: u64 = u32::MAX as u64;

/// Byte order, the number 42, and the offset of the directory.
const HEADER: [u8; 8] = [b'I', b'I', 42, 0, 8, 0, 0, 0];

/// Tags, with the types of their values.
const IMAGE_WIDTH: (u16, Type) = (256, Type::Long);
const IMAGE_LENGTH: (u16, Type) = (257, Type::Long);
const BITS_PER_SAMPLE: (u16, Type) = (258, Type::Short);
const COMPRESSION: (u16, Type) = (259, Type::Short);
const PHOTOMETRIC: (u16, Type) = (262, Type::Short);
const STRIP_OFFSETS: (u16, Type) = (273, Type::Long);
const SAMPLES_PER_PIXEL: (u16, Type) = (277, Type::Short);
const ROWS_PER_STRIP: (u16, Type) = (278, Type::Long);
const STRIP_BYTE_COUNTS: (u16, Type) = (279, Type::Long);
const EXTRA_SAMPLES: (u16, Type) = (338, Type::Short);

const UNCOMPRESSED: u32 = 1;
const BLACK_IS_ZERO: u32 = 1;
const RGB: u32 = 2;
const UNASSOCIATED_ALPHA: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Short = 3,
    Long = 4,
}

impl Type {
    fn bytes(self, value: u32) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        match self {
            Type::Short => bytes[..2].to_vec(),
            Type::Long => bytes.to_vec(),
        }
    }
}

/// A tag and its values.
type Entry = ((u16, Type), Vec<u32>);

#[derive(Debug)]
pub(super) struct Tiff {
    size: Size,
    format: PixelFormat,
    rows_per_strip: u32,
}

impl Tiff {
    pub(super) fn new(size: Size, format: PixelFormat) -> Result<Tiff, EncodeError> {
        let tiff = Tiff { size, format, rows_per_strip: rows_per_band(size, format, 1) };
        let head = tiff.directory_length() + HEADER.len() as u64;
        let bytes = u64::try_from(format.bytes(size)).unwrap_or(u64::MAX).saturating_add(head);
        if bytes > MAX_BYTES {
            let (format, others) = (OutputFormat::Tiff, others(OutputFormat::Tiff, size));
            return Err(EncodeError::TooManyBytes { format, bytes, limit: MAX_BYTES, others });
        }
        Ok(tiff)
    }

    /// An upper bound: 10 entries, and at most 8 bytes for each strip and for each channel.
    fn directory_length(&self) -> u64 {
        256 + 8 * u64::from(self.size.height.div_ceil(self.rows_per_strip))
    }

    fn entries(&self, first_strip: u32) -> Vec<Entry> {
        let lengths = self.strip_lengths();
        let offsets = lengths.iter().scan(first_strip, |next, length| {
            let offset = *next;
            *next += length;
            Some(offset)
        });
        let channels = self.format.channel_count();
        let photometric = if self.format.channels.colours() == 1 { BLACK_IS_ZERO } else { RGB };
        let mut entries = vec![
            (IMAGE_WIDTH, vec![self.size.width]),
            (IMAGE_LENGTH, vec![self.size.height]),
            (BITS_PER_SAMPLE, vec![u32::from(self.format.depth.bits()); channels]),
            (COMPRESSION, vec![UNCOMPRESSED]),
            (PHOTOMETRIC, vec![photometric]),
            (STRIP_OFFSETS, offsets.collect()),
            (SAMPLES_PER_PIXEL, vec![narrow(channels)]),
            (ROWS_PER_STRIP, vec![self.rows_per_strip.min(self.size.height)]),
            (STRIP_BYTE_COUNTS, lengths),
        ];
        if self.format.has_alpha() {
            entries.push((EXTRA_SAMPLES, vec![UNASSOCIATED_ALPHA]));
        }
        entries
    }

    fn strip_lengths(&self) -> Vec<u32> {
        let row = narrow(self.size.width as usize * self.format.bytes_per_pixel());
        let starts = (0..self.size.height).step_by(self.rows_per_strip as usize);
        starts.map(|start| (self.size.height - start).min(self.rows_per_strip) * row).collect()
    }
}

impl Codec for Tiff {
    fn rows_per_band(&self) -> u32 {
        self.rows_per_strip
    }

    fn encode(&self, band: &Band<'_>) -> Result<(Vec<u8>, Adler32), EncodeError> {
        let bytes = match band.pixels.samples() {
            Samples::U8(samples) => samples.clone(),
            Samples::U16(samples) => samples.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        Ok((bytes, Adler32::EMPTY))
    }

    fn head(&self) -> Result<Vec<u8>, EncodeError> {
        // The length of the directory does not depend on the offsets in it.
        let length = HEADER.len() + directory(&self.entries(0)).len();
        let directory = directory(&self.entries(narrow(length)));
        Ok([&HEADER[..], &directory].concat())
    }
}

/// The directory behind the header: entries, the offset of the next one, then long values.
fn directory(entries: &[Entry]) -> Vec<u8> {
    let mut fixed = Type::Short.bytes(narrow(entries.len()));
    let fixed_length = 2 + entries.len() * 12 + 4;
    let mut outside = Vec::new();
    for ((tag, kind), values) in entries {
        fixed.extend(tag.to_le_bytes());
        fixed.extend((*kind as u16).to_le_bytes());
        fixed.extend(narrow(values.len()).to_le_bytes());
        let mut bytes: Vec<u8> = values.iter().flat_map(|&value| kind.bytes(value)).collect();
        if bytes.len() <= 4 {
            bytes.resize(4, 0);
            fixed.extend(bytes);
        } else {
            fixed.extend(narrow(HEADER.len() + fixed_length + outside.len()).to_le_bytes());
            outside.extend(bytes);
        }
    }
    fixed.extend([0; 4]);
    fixed.extend(outside);
    fixed
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).expect("the file was found to be below 4 GiB")
}
