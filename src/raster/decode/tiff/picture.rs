//! The tags of a directory that describe its picture, with the defaults of libtiff 4.7.

use std::io;

use super::directory::{Directory, Tiff, damaged};
use crate::grid::Size;

pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const PHOTOMETRIC: u16 = 262;
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const FILL_ORDER: u16 = 266;
const SAMPLES_PER_PIXEL: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const PLANAR_CONFIGURATION: u16 = 284;
const T4_OPTIONS: u16 = 292;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const INTERCHANGE: u16 = 513;
const INTERCHANGE_LENGTH: u16 = 514;
const INK_SET: u16 = 332;
const NUMBER_OF_INKS: u16 = 334;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const GDAL_NODATA: u16 = 42_113;
const LERC_PARAMETERS: u16 = 50_674;

/// The most samples of a pixel whose tags are read: no more are taken.
const MOST_SAMPLES: u64 = u16::MAX as u64;

const SEPARATE_PLANES: u64 = 2;
const INKS_ARE_CMYK: u64 = 1;

/// The bit of `T4Options` for rows of CCITT group 3 that may depend on the row above.
const MAY_DEPEND: u64 = 1;

pub(super) const UNCOMPRESSED: u64 = 1;
pub(super) const RUNS: u64 = 2;
pub(super) const GROUP_3: u64 = 3;
pub(super) const GROUP_4: u64 = 4;
/// JPEG by TIFF 6.0, section 22.
pub(super) const OLD_JPEG: u64 = 6;
/// JPEG by TIFF Technical Note 2.
pub(super) const JPEG: u64 = 7;
pub(super) const WORD_ALIGNED_RUNS: u64 = 32_771;
pub(super) const ZSTANDARD: u64 = 50_000;
pub(super) const LERC: u64 = 34_887;
pub(super) const JPEG_2000: u64 = 34_712;
/// JPEG 2000 of Aperio, by colours.
pub(super) const JPEG_2000_YCBCR: u64 = 33_003;
pub(super) const JPEG_2000_RGB: u64 = 33_005;
pub(super) const WEBP: u64 = 50_001;
/// A number that WebP had before.
pub(super) const OLD_WEBP: u64 = 34_927;

pub(super) const WHITE_IS_ZERO: u64 = 0;
pub(super) const BLACK_IS_ZERO: u64 = 1;
pub(super) const RGB: u64 = 2;
pub(super) const PALETTE: u64 = 3;
pub(super) const YCBCR: u64 = 6;
pub(super) const CIE_LAB: u64 = 8;
pub(super) const ICC_LAB: u64 = 9;

/// The description of a picture by its directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) size: Size,
    /// Bits of each sample; a single number if all are equal.
    pub(super) bits: Vec<u64>,
    pub(super) samples: u64,
    /// The sample formats (unsigned, signed, …); a single one if all are equal.
    pub(super) formats: Vec<u64>,
    pub(super) extra: Vec<u64>,
    pub(super) photometric: u64,
    pub(super) compression: u64,
    pub(super) predictor: u64,
    pub(super) fill_order: u64,
    t4_options: u64,
    pub(super) ink_set: u64,
    pub(super) inks: u64,
    /// Whether the samples of a pixel lie in separate planes.
    pub(super) planar: bool,
    pub(super) grid: Grid,
    /// The value of missing samples.
    pub(super) missing: Option<f64>,
    /// What LERC inside is compressed with: nothing, deflate or Zstandard.
    pub(super) lerc_outer: u64,
    /// The offset and the length of a whole JPEG stream, which only old-style JPEG has.
    pub(super) interchange: Option<(u64, u64)>,
}

/// The strips or tiles that a picture is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Full size of a chunk; strips are as wide as the picture.
    pub(super) chunk: Size,
    /// Whether chunks are tiles: a tile at an edge is as large as all others.
    pub(super) tiled: bool,
    pub(super) across: u32,
    pub(super) down: u32,
}

impl Grid {
    /// Number of chunks of a plane.
    pub(super) fn count(&self) -> u64 {
        u64::from(self.across) * u64::from(self.down)
    }
}

impl Picture {
    pub(super) fn read(tiff: &mut Tiff<'_>, directory: &Directory) -> io::Result<Picture> {
        let picture = Picture::of_tags(tiff, directory)?;
        if picture.compression == OLD_JPEG {
            return picture.into_old_jpeg(tiff, directory);
        }
        Ok(picture)
    }

    fn of_tags(tiff: &mut Tiff<'_>, directory: &Directory) -> io::Result<Picture> {
        let mut number =
            |tag, absent| Ok::<u64, io::Error>(tiff.number(directory, tag)?.unwrap_or(absent));
        let side = |value: u64| u32::try_from(value).map_err(|_| damaged("a side is too long"));
        let size = Size::new(side(number(WIDTH, 0)?)?, side(number(HEIGHT, 0)?)?);
        let samples = number(SAMPLES_PER_PIXEL, 1)?;
        let compression = number(COMPRESSION, UNCOMPRESSED)?;
        let predictor = number(PREDICTOR, 1)?;
        let fill_order = number(FILL_ORDER, 1)?;
        let t4_options = number(T4_OPTIONS, 0)?;
        let ink_set = number(INK_SET, INKS_ARE_CMYK)?;
        let inks = number(NUMBER_OF_INKS, 4)?;
        // A single sample makes a single plane.
        let planar = number(PLANAR_CONFIGURATION, 1)? == SEPARATE_PLANES && samples > 1;
        let grid = Grid::read(tiff, directory, size)?;
        let most = samples.clamp(1, MOST_SAMPLES);
        let mut list = |tag, absent| {
            let values = tiff.numbers(directory, tag, most)?.unwrap_or_else(|| vec![absent]);
            Ok::<_, io::Error>(merged(values))
        };
        let (bits, formats) = (list(BITS_PER_SAMPLE, 1)?, list(SAMPLE_FORMAT, 1)?);
        let extra = tiff.numbers(directory, EXTRA_SAMPLES, most)?.unwrap_or_default();
        let photometric = tiff.number(directory, PHOTOMETRIC)?;
        let colours = samples.saturating_sub(extra.len() as u64);
        let photometric = photometric.unwrap_or_else(|| likely(colours, compression));
        let missing = tiff.text(directory, GDAL_NODATA, 64)?;
        let lerc = tiff.numbers(directory, LERC_PARAMETERS, 2)?.unwrap_or_default();
        Ok(Picture {
            size,
            bits,
            samples,
            formats,
            extra,
            photometric,
            compression,
            predictor,
            fill_order,
            t4_options,
            ink_set,
            inks,
            planar,
            grid,
            missing: missing.and_then(|text| text.trim().parse().ok()),
            lerc_outer: lerc.get(1).copied().unwrap_or(0),
            interchange: None,
        })
    }

    /// What libtiff takes for told in old-style JPEG, whose writers left out much: its colours are YCbCr, even if the
    /// file calls them RGB.
    fn into_old_jpeg(mut self, tiff: &mut Tiff<'_>, directory: &Directory) -> io::Result<Picture> {
        let mut number = |tag| Ok::<u64, io::Error>(tiff.number(directory, tag)?.unwrap_or(0));
        let (offset, length) = (number(INTERCHANGE)?, number(INTERCHANGE_LENGTH)?);
        let length = if length == 0 { u64::MAX } else { length };
        self.interchange = (offset > 0).then_some((offset, length));
        if !directory.has(PHOTOMETRIC) || self.photometric == RGB {
            self.photometric = YCBCR;
        }
        if !directory.has(SAMPLES_PER_PIXEL) && self.photometric == YCBCR {
            self.samples = 3;
        }
        if !directory.has(BITS_PER_SAMPLE) {
            self.bits = vec![8];
        }
        Ok(self)
    }

    /// Whether rows of CCITT group 3 may depend on the row above.
    pub(super) fn is_mixed(&self) -> bool {
        self.t4_options & MAY_DEPEND != 0
    }

    /// The number of samples that are declared not to be colours.
    pub(super) fn extra_count(&self) -> u64 {
        self.extra.len() as u64
    }

    /// Bits of a sample, if all samples have equally many.
    pub(super) fn bits(&self) -> Option<u64> {
        if let [bits] = self.bits[..] { Some(bits) } else { None }
    }
}

/// The values, reduced to one if all are equal.
fn merged(mut values: Vec<u64>) -> Vec<u64> {
    if values.iter().all(|value| *value == values[0]) {
        values.truncate(1);
    }
    values
}

/// The photometric interpretation that libtiff's `TIFFRGBAImageBegin` guesses if the file has none.
fn likely(colours: u64, compression: u64) -> u64 {
    match (colours, compression) {
        (3, _) => RGB,
        (1, 2..=GROUP_4) => WHITE_IS_ZERO,
        _ => BLACK_IS_ZERO,
    }
}

impl Grid {
    fn read(tiff: &mut Tiff<'_>, directory: &Directory, size: Size) -> io::Result<Grid> {
        let tile = [TILE_WIDTH, TILE_HEIGHT].map(|tag| tiff.number(directory, tag));
        let [across, down] = tile;
        let chunk = match (across?, down?) {
            (None, None) => return Grid::of_strips(tiff, directory, size),
            (across, down) => {
                [across, down].map(|side| side.and_then(|side| u32::try_from(side).ok()))
            }
        };
        match chunk {
            [Some(width @ 1..), Some(height @ 1..)] => {
                let chunk = Size { width, height };
                let (across, down) = (size.width.div_ceil(width), size.height.div_ceil(height));
                Ok(Grid { chunk, tiled: true, across, down })
            }
            _ => Err(damaged("its tiles have no size")),
        }
    }

    /// The strips of a picture. If `RowsPerStrip` is missing or 0, all rows are in one strip.
    fn of_strips(tiff: &mut Tiff<'_>, directory: &Directory, size: Size) -> io::Result<Grid> {
        let rows = tiff.number(directory, ROWS_PER_STRIP)?.filter(|rows| *rows > 0);
        let rows = rows.and_then(|rows| u32::try_from(rows).ok()).unwrap_or(u32::MAX);
        let height = rows.min(size.height).max(1);
        let chunk = Size { height, ..size };
        Ok(Grid { chunk, tiled: false, across: 1, down: size.height.div_ceil(height) })
    }
}
