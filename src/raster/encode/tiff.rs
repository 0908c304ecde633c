//! TIFF 6.0 in tiles; a row of tiles is a band, and the directory is at the end. Where 32-bit offsets
//! may not do, `BigTIFF`, whose offsets have 64 bits.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::codec::{Band, Codec, Encoded, Joined};
use super::error::EncodeError;
use super::options::{OutputOptions, TiffCompression};
use super::samples;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::metadata::exif::Exif;
use crate::metadata::ifd::{Entry, Width};
use crate::pixels::{Meaning, Nodata, PixelFormat, Pixels, StoredType};

/// The bytes of pixels from which on offsets may need more than 32 bits.
const BIG: u128 = 4_000_000_000;

/// The largest side of a tile, and the number that sides are a multiple of (TIFF 6.0, section 15).
const LARGEST_TILE: u32 = 256;
const UNIT: u32 = 16;

/// The most bytes of a band: in wide images tiles are lower, so that memory stays bounded.
const BAND_BYTES: u64 = 16 << 20;

/// The bytes before the pixels: byte order, version, and the offset of the directory, still 0.
const CLASSIC_HEADER: [u8; 8] = [b'I', b'I', 42, 0, 0, 0, 0, 0];
const BIG_HEADER: [u8; 16] = [b'I', b'I', 43, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const UNCOMPRESSED: u16 = 1;
const DEFLATE: u16 = 8;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const HORIZONTAL_DIFFERENCES: u16 = 2;
const FLOATING_POINT: u16 = 3;
const UNSPECIFIED: u16 = 0;
const UNASSOCIATED_ALPHA: u16 = 2;
const SIGNED: u16 = 2;
const FLOATING: u16 = 3;
const GDAL_NODATA: u16 = 42_113;

/// On photographs, files are hardly larger than with higher levels.
const LEVEL: u32 = 1;

#[derive(Debug)]
pub(super) struct Tiff {
    size: Size,
    format: PixelFormat,
    /// The type of the samples in the file.
    stored: StoredType,
    nodata: Option<Nodata>,
    tile: Size,
    compression: TiffCompression,
    width: Width,
    exif: Exif,
    /// The profile and the XMP packet, with their tags.
    blocks: Vec<Entry>,
}

impl Tiff {
    pub(super) fn new(
        size: Size,
        format: PixelFormat,
        options: OutputOptions,
        metadata: &Metadata,
    ) -> Tiff {
        let exif = metadata.exif.as_deref().map(Exif::read).unwrap_or_default();
        let xmp = metadata.xmp.iter().map(|xmp| Entry::undefined(700, xmp));
        let icc = metadata.icc.iter().map(|icc| Entry::undefined(34_675, icc));
        Tiff {
            size,
            format,
            stored: options.stored_type(format.sample),
            nodata: options.nodata.filter(|_| !format.has_alpha()),
            tile: tile(size, format),
            compression: options.tiff_compression,
            width: if stored_bytes(size, format) < BIG { Width::Classic } else { Width::Big },
            exif,
            blocks: xmp.chain(icc).collect(),
        }
    }

    fn entries(&self, parts: &[u32]) -> Vec<Entry> {
        let lengths: Vec<u64> = parts.iter().map(|length| u64::from(*length)).collect();
        let offsets = lengths.iter().scan(self.header().len() as u64, |next, length| {
            let offset = *next;
            *next += length;
            Some(offset)
        });
        let offsets: Vec<u64> = offsets.collect();
        let count = self.format.samples_per_pixel();
        let is_rgb = self.format.bands.meaning() == Meaning::Rgb;
        let deflated = self.compression == TiffCompression::Deflate;
        let mut entries = vec![
            Entry::long(256, self.size.width),
            Entry::long(257, self.size.height),
            Entry::shorts(258, &vec![self.bits(); count]),
            Entry::shorts(259, &[if deflated { DEFLATE } else { UNCOMPRESSED }]),
            Entry::shorts(262, &[if is_rgb { RGB } else { BLACK_IS_ZERO }]),
            Entry::shorts(277, &[u16::try_from(count).expect("the colours of a pixel are a u16")]),
            Entry::long(322, self.tile.width),
            Entry::long(323, self.tile.height),
            Entry::places(324, &offsets, self.width),
            Entry::places(325, &lengths, self.width),
        ];
        let predictor = if self.is_float() { FLOATING_POINT } else { HORIZONTAL_DIFFERENCES };
        entries.extend(deflated.then(|| Entry::shorts(317, &[predictor])));
        let named = if is_rgb { 3 } else { 1 };
        let mut extra = vec![UNSPECIFIED; self.format.bands.colours() - named];
        extra.extend(self.format.has_alpha().then_some(UNASSOCIATED_ALPHA));
        entries.extend((!extra.is_empty()).then(|| Entry::shorts(338, &extra)));
        entries.extend(self.sample_format().map(|kind| Entry::shorts(339, &vec![kind; count])));
        entries.extend(self.nodata.map(|nodata| Entry::text(GDAL_NODATA, &String::from(nodata))));
        entries.extend(self.blocks.iter().cloned());
        entries
    }

    /// Bits of a sample.
    fn bits(&self) -> u16 {
        match self.stored {
            StoredType::U8 | StoredType::I8 => 8,
            StoredType::U16 | StoredType::I16 | StoredType::F16 => 16,
            _ => 32,
        }
    }

    /// The value of `SampleFormat`, which a file of unsigned numbers need not have.
    fn sample_format(&self) -> Option<u16> {
        match self.stored {
            StoredType::I8 | StoredType::I16 => Some(SIGNED),
            _ => self.is_float().then_some(FLOATING),
        }
    }

    fn is_float(&self) -> bool {
        matches!(self.stored, StoredType::F16 | StoredType::F32)
    }

    fn header(&self) -> &'static [u8] {
        match self.width {
            Width::Classic => &CLASSIC_HEADER,
            Width::Big => &BIG_HEADER,
        }
    }

    /// The offset of the directory, which must be even.
    fn directory_at(joined: &Joined) -> u64 {
        joined.length.next_multiple_of(2)
    }

    fn compress(&self, tile: &Pixels) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = samples::little_endian(tile, self.stored);
        if self.compression == TiffCompression::None {
            return Ok(bytes);
        }
        let (row, count) = (
            self.tile.width as usize * self.format.samples_per_pixel(),
            self.format.samples_per_pixel(),
        );
        let width = usize::from(self.bits() / 8);
        if self.is_float() {
            samples::predict_floats(&mut bytes, width, row, count);
        } else {
            samples::predict(&mut bytes, width, row, count);
        }
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        zlib.write_all(&bytes)?;
        Ok(zlib.finish()?)
    }
}

/// The size of tiles: squares, unless the image is smaller, or a row of them would exceed [`BAND_BYTES`].
fn tile(size: Size, format: PixelFormat) -> Size {
    let needed = |length: u32| length.div_ceil(UNIT).saturating_mul(UNIT).min(LARGEST_TILE);
    let row = u64::from(size.width) * format.bytes_per_pixel() as u64;
    let heights = std::iter::successors(Some(LARGEST_TILE), |side| Some(side / 2));
    let mut fitting = heights.take_while(|side| *side > UNIT);
    let height = fitting.find(|side| row * u64::from(*side) <= BAND_BYTES).unwrap_or(UNIT);
    Size::new(needed(size.width), needed(size.height).min(height))
}

/// Bytes of all tiles, uncompressed, with their parts beyond the image.
fn stored_bytes(size: Size, format: PixelFormat) -> u128 {
    let tile = tile(size, format);
    let whole = |length: u32, side: u32| u64::from(length.div_ceil(side)) * u64::from(side);
    let pixels = whole(size.width, tile.width) * whole(size.height, tile.height);
    u128::from(pixels) * format.bytes_per_pixel() as u128
}

impl Codec for Tiff {
    fn rows_per_band(&self) -> u32 {
        self.tile.height
    }

    fn encode(&self, band: &Band<'_>) -> Result<Encoded, EncodeError> {
        let mut encoded = Encoded::from(Vec::new());
        for x in (0..self.size.width).step_by(self.tile.width as usize) {
            let width = self.tile.width.min(self.size.width - x);
            let part = Region { x, y: 0, width, height: band.pixels.height() };
            // All tiles are whole; their parts beyond the image are black.
            let mut tile = Pixels::zeroed(self.tile, self.format);
            tile.copy(0, 0, band.pixels, part);
            let bytes = self.compress(&tile)?;
            encoded.parts.push(u32::try_from(bytes.len()).expect("a tile has some kibibytes"));
            encoded.bytes.extend(bytes);
        }
        Ok(encoded)
    }

    fn head(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(self.header().to_vec())
    }

    fn tail(&self, joined: &Joined) -> Vec<u8> {
        let at = Tiff::directory_at(joined);
        let mut tail = vec![0; usize::from(at != joined.length)];
        tail.extend(self.exif.directories(at, &self.entries(&joined.parts), self.width));
        tail
    }

    fn correction(&self, joined: &Joined) -> Option<(u64, Vec<u8>)> {
        let at = Tiff::directory_at(joined).to_le_bytes();
        Some(match self.width {
            Width::Classic => (4, at[..4].to_vec()),
            Width::Big => (8, at.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::Encoder;
    use super::*;
    use crate::decode::{Colours, Limits, decode};
    use crate::grid::Grid;
    use crate::pixels::{Bands, SampleType};

    #[test]
    fn bands_of_wide_images_are_bounded_and_small_images_have_small_tiles() {
        let rgb = PixelFormat::new(Bands::RGB, SampleType::U8);
        let wide = PixelFormat::new(Bands::RGBA, SampleType::U16);
        assert_eq!(tile(Size::new(1, 40), rgb), Size::new(16, 48));
        assert_eq!(tile(Size::new(5000, 5000), rgb), Size::new(256, 256));
        assert_eq!(tile(Size::new(32_768, 32_768), rgb), Size::new(256, 128));
        assert_eq!(tile(Size::new(1_000_000, 300), wide), Size::new(256, 16));
        for (width, height) in [(1, 1), (300, 2), (70_000, 70_000)] {
            let tile = tile(Size::new(width, height), rgb);
            assert!(tile.width.is_multiple_of(UNIT) && tile.height.is_multiple_of(UNIT));
            assert!(Grid::new(Size::new(width, 1), tile.width).columns() >= 1);
        }
    }

    /// A `BigTIFF` small enough to keep as a test file: tests/data/written-big.tif, which other programs read
    /// too (tests/reference).
    #[test]
    fn a_small_bigtiff_is_read_back_and_is_the_one_that_others_read() {
        let (size, format) = (Size::new(290, 270), PixelFormat::new(Bands::RGB, SampleType::U8));
        let mut pixels = Pixels::zeroed(size, format);
        let places =
            (0..270_u32).flat_map(|y| (0..290_u32).flat_map(move |x| [3 * x, 5 * y, x ^ y]));
        for (byte, value) in pixels.as_bytes_mut().iter_mut().zip(places) {
            [*byte, ..] = value.to_le_bytes();
        }
        let deflate = TiffCompression::Deflate;
        let tiff = OutputOptions::new(super::super::OutputFormat::Tiff);
        let options = OutputOptions { tiff_compression: deflate, ..tiff };
        let codec =
            Tiff { width: Width::Big, ..Tiff::new(size, format, options, &Metadata::default()) };
        let (input, stored, codec) = (format, format, Arc::new(codec));
        let encoder = Encoder { options, size, input, stored, codec };
        let file = encoder.encode(&pixels, Cursor::new(Vec::new())).unwrap().into_inner();
        assert_eq!(file[..4], [b'I', b'I', 43, 0]);
        let source = decode(Cursor::new(&file), &Limits::NONE, Colours::All).unwrap();
        assert!(source.window(Region::of(size)).unwrap() == pixels);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/written-big.tif");
        if std::env::var_os("TILEMILL_BLESS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &file).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == file);
    }

    #[test]
    fn only_what_may_exceed_four_gigabytes_is_bigtiff() {
        let grey = PixelFormat::new(Bands::GREY, SampleType::U8);
        let width = |side| {
            let options = OutputOptions::new(super::super::OutputFormat::Tiff);
            Tiff::new(Size::new(side, side), grey, options, &Metadata::default()).width
        };
        assert_eq!((width(63_000), width(63_300)), (Width::Classic, Width::Big));
    }
}
