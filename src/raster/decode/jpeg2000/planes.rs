//! The decoded channels of JPEG 2000 as samples.

use std::io::{self, Cursor};
use std::ops::Range;

use hayro_jpeg2000::{ComponentData, DecodedImage, DecoderContext, Image};

use super::outline::{Outline, damaged};
use super::settings;
use crate::grid::Size;
use crate::pixels::{PixelFormat, Pixels, SampleType, StoredType};
use crate::sample::Sample;

/// The samples of each channel, if there are `count` of them, each of this size.
pub(super) fn of<'d>(
    image: &'d DecodedImage<'_>,
    size: Size,
    count: usize,
) -> Option<Vec<&'d [f32]>> {
    let planes: Vec<&[f32]> = image.components().iter().map(ComponentData::samples).collect();
    let fits = |plane: &&[f32]| plane.len() as u64 == size.pixels();
    (planes.len() == count && planes.iter().all(fits)).then_some(planes)
}

/// Some rows of the channels, as pixels.
pub(super) fn band(
    planes: &[&[f32]],
    width: u32,
    rows: Range<u32>,
    format: PixelFormat,
    own: StoredType,
    bits: u8,
) -> Pixels {
    let size = Size::new(width, rows.end - rows.start);
    let part = rows.start as usize * width as usize..rows.end as usize * width as usize;
    let planes: Vec<&[f32]> = planes.iter().map(|plane| &plane[part.clone()]).collect();
    let levels = Levels::of(own, bits);
    match format.sample {
        SampleType::U8 => Pixels::of(size, format.bands, levels.interleaved::<u8>(&planes)),
        SampleType::U16 => Pixels::of(size, format.bands, levels.interleaved::<u16>(&planes)),
        SampleType::F32 => Pixels::of(size, format.bands, levels.interleaved::<f32>(&planes)),
    }
}

/// How a number of the library becomes a sample.
#[derive(Clone, Copy)]
struct Levels {
    /// The largest number.
    most: f64,
    /// What the library adds to numbers with a sign.
    shift: f64,
}

impl Levels {
    fn of(own: StoredType, bits: u8) -> Levels {
        let is_signed = matches!(own, StoredType::I8 | StoredType::I16);
        let most = f64::from((1_u32 << bits) - 1);
        Levels { most, shift: if is_signed { f64::from(1_u32 << (bits - 1)) } else { 0.0 } }
    }

    /// The nearest whole number of the file's range to one that a lossy transform has made.
    fn whole(self, value: f32) -> f64 {
        (f64::from(value) + 0.5).floor().clamp(0.0, self.most) - self.shift
    }

    fn interleaved<S: Sample>(self, planes: &[&[f32]]) -> Vec<S> {
        let pixels = planes.first().map_or(0, |plane| plane.len());
        let mut samples = Vec::with_capacity(pixels * planes.len());
        // Whole numbers are spread over the range in memory, as those of 12 bits in TIFF.
        let full = if S::TYPE == SampleType::F32 { self.most } else { S::FULL.to_f64() };
        for pixel in 0..pixels {
            let values = planes.iter().map(|plane| self.whole(plane[pixel]));
            samples.extend(values.map(|value| S::from_f64(value * full / self.most)));
        }
        samples
    }
}

/// A strip or tile of a TIFF file that is a codestream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) size: Size,
    /// Samples of a pixel.
    pub(crate) samples: usize,
    /// The type of its samples, of 8 or 16 bits.
    pub(crate) stored: StoredType,
}

/// The most memory that decoding a chunk of so many samples takes beside them.
pub(crate) fn chunk_memory(samples: u64) -> u64 {
    // Channels, coefficients and two buffers as floats, and as much again for what describes them.
    samples.saturating_mul(4 * 4 * 2).saturating_add(1 << 20)
}

/// Fills `bytes` with the samples of a chunk in the byte order of this machine. Returns whether three of them were
/// YCbCr with fewer samples of chroma, which the library makes RGB of.
pub(crate) fn decode_chunk(packed: &[u8], chunk: Chunk, bytes: &mut [u8]) -> io::Result<bool> {
    let Chunk { size, samples, stored } = chunk;
    let outline = Outline::read(&mut Cursor::new(packed))?;
    if outline.grid.image != size || outline.bits.len() != samples {
        return Err(damaged("the JPEG 2000 of a strip or tile has another size or other samples"));
    }
    let bits = if matches!(stored, StoredType::U8 | StoredType::I8) { 8 } else { 16 };
    let signed = matches!(stored, StoredType::I8 | StoredType::I16);
    let fits = |(depth, sign): (&u8, &bool)| *depth == bits && *sign == signed;
    if !outline.bits.iter().zip(&outline.signed).all(fits) {
        return Err(damaged("the JPEG 2000 of a strip or tile has other bits"));
    }
    let channels = size.pixels().saturating_mul(4 * samples as u64);
    let most = chunk_memory(size.pixels().saturating_mul(samples as u64));
    if outline.coding.memory(outline.grid).saturating_add(channels) > most {
        return Err(damaged("the JPEG 2000 of a strip or tile is cut into too many parts"));
    }
    let image = Image::new(packed, &settings()).map_err(io::Error::other)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(io::Error::other)?;
    let planes = of(&decoded, size, samples)
        .ok_or_else(|| damaged("the JPEG 2000 of a strip or tile has other channels"))?;
    Levels::of(stored, bits).fill_as(stored, &planes, bytes);
    Ok(outline.coding.has_less_chroma())
}

impl Levels {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn fill_as(self, stored: StoredType, planes: &[&[f32]], bytes: &mut [u8]) {
        match stored {
            StoredType::U8 => self.fill(planes, bytes, |value| [value as u8]),
            StoredType::I8 => self.fill(planes, bytes, |value| (value as i8).to_ne_bytes()),
            StoredType::I16 => self.fill(planes, bytes, |value| (value as i16).to_ne_bytes()),
            _ => self.fill(planes, bytes, |value| (value as u16).to_ne_bytes()),
        }
    }

    /// Fills `bytes` with the bytes of each sample.
    fn fill<const N: usize>(
        self,
        planes: &[&[f32]],
        bytes: &mut [u8],
        sample: impl Fn(f64) -> [u8; N],
    ) {
        let count = planes.len();
        for (pixel, bytes) in bytes.chunks_exact_mut(N * count).enumerate() {
            for (plane, bytes) in planes.iter().zip(bytes.chunks_exact_mut(N)) {
                bytes.copy_from_slice(&sample(self.whole(plane[pixel])));
            }
        }
    }
}
