//! Strips and tiles that are LERC blobs, as they are or compressed once more (compression 34887; the tag
//! `LercParameters` of libtiff).

use std::io::{self, Read, Take};

use ::lerc::{DecodeResult, LercError, LercInfo, Sample};
use bytemuck::{Pod, cast_slice_mut};
use flate2::bufread::ZlibDecoder;

use super::directory::damaged;
use super::webp::whole;
use super::zstd;
use crate::pixels::StoredType;

/// What a blob is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outer {
    None,
    Deflate,
    Zstandard,
}

/// The blobs of one file.
#[derive(Debug)]
pub(super) struct Lerc {
    pub(super) stored: StoredType,
    /// Samples of a pixel in a chunk.
    pub(super) samples: usize,
    /// Whether the last of them is alpha, which a blob may have as its mask.
    pub(super) has_alpha: bool,
    pub(super) outer: Outer,
    /// Pixels in a row of a chunk.
    pub(super) width: u32,
    /// Bytes of the file.
    pub(super) length: u64,
}

/// The most bytes of a blob whose chunk has this many: its mask, the heads of its blocks, and what it says of itself.
fn most(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 4).saturating_add(1 << 16)
}

impl Lerc {
    /// The most memory that unpacking a chunk takes beside its `bytes`, if its data in the file are at most `packed`.
    pub(super) fn memory(&self, bytes: u64, packed: u64) -> u64 {
        let blob = if self.outer == Outer::None { 0 } else { most(bytes) };
        let window = if self.outer == Outer::Zstandard { zstd::memory(most(bytes)) } else { 0 };
        // The library holds the samples once more, and the mask.
        let library = bytes.saturating_mul(2).saturating_add(1 << 20);
        [packed.min(self.length), blob, window, library].into_iter().fold(0, u64::saturating_add)
    }

    /// Fills `bytes` with a chunk in the byte order of this machine. Pixels outside the mask become no numbers if they
    /// are floats, and zeros else.
    pub(super) fn unpack(&self, packed: Take<impl Read>, bytes: &mut [u8]) -> io::Result<()> {
        let packed = whole(packed, self.length)?;
        let blob = match self.outer {
            Outer::None => packed,
            Outer::Deflate => {
                let mut blob = Vec::new();
                let inflated = ZlibDecoder::new(&packed[..]);
                inflated.take(most(bytes.len() as u64)).read_to_end(&mut blob)?;
                blob
            }
            Outer::Zstandard => zstd::unpack_all(&packed, most(bytes.len() as u64))?,
        };
        match self.stored {
            StoredType::U8 => self.fill::<u8>(&blob, bytes, u8::MAX, 0),
            StoredType::U16 => self.fill::<u16>(&blob, cast_slice_mut(bytes), u16::MAX, 0),
            StoredType::U32 => self.fill::<u32>(&blob, cast_slice_mut(bytes), u32::MAX, 0),
            StoredType::I8 => self.fill::<i8>(&blob, cast_slice_mut(bytes), i8::MAX, 0),
            StoredType::I16 => self.fill::<i16>(&blob, cast_slice_mut(bytes), i16::MAX, 0),
            StoredType::I32 => self.fill::<i32>(&blob, cast_slice_mut(bytes), i32::MAX, 0),
            StoredType::F32 => self.fill::<f32>(&blob, cast_slice_mut(bytes), 1.0, f32::NAN),
            StoredType::F64 => self.fill::<f64>(&blob, cast_slice_mut(bytes), 1.0, f64::NAN),
            StoredType::F16 => Err(damaged("LERC has no floats of 16 bits")),
        }
    }

    fn fill<T: Sample + Pod>(
        &self,
        blob: &[u8],
        samples: &mut [T],
        full: T,
        empty: T,
    ) -> io::Result<()> {
        let info = ::lerc::decode_info(blob).map_err(broken)?;
        let pixels = samples.len() / self.samples;
        let LercInfo { width, height, depth, bands, .. } = info;
        let is_chunk = width == self.width && u64::from(width) * u64::from(height) == pixels as u64;
        if !is_chunk || bands != 1 {
            return Err(damaged("the LERC of a strip or tile has another size"));
        }
        let depth = depth as usize;
        if depth == self.samples {
            let decoded = ::lerc::decode_into_with_nodata(blob, samples, empty);
            return decoded.map(drop).map_err(broken);
        }
        if !self.has_alpha || depth + 1 != self.samples {
            return Err(damaged("the LERC of a strip or tile has other samples"));
        }
        let mut colours = vec![T::zeroed(); pixels * depth];
        let decoded = ::lerc::decode_into_with_nodata(blob, &mut colours, T::zeroed());
        let DecodeResult { valid_masks, .. } = decoded.map_err(broken)?;
        let mask = valid_masks.first();
        let pairs = samples.chunks_exact_mut(self.samples).zip(colours.chunks_exact(depth));
        for (index, (pixel, colours)) in pairs.enumerate() {
            pixel[..depth].copy_from_slice(colours);
            let is_valid = mask.is_none_or(|mask| mask.is_valid(index));
            pixel[depth] = if is_valid { full } else { T::zeroed() };
        }
        Ok(())
    }
}

fn broken(error: LercError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lerc(stored: StoredType, samples: usize, has_alpha: bool) -> Lerc {
        Lerc { stored, samples, has_alpha, outer: Outer::None, width: 3, length: 1 << 20 }
    }

    fn unpacked(lerc: &Lerc, blob: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
        let mut unpacked = vec![0; bytes];
        lerc.unpack(blob.take(1 << 20), &mut unpacked)?;
        Ok(unpacked)
    }

    /// A blob of 3 × 2 pixels, without the second one.
    fn blob<T: Sample>(data: &[T]) -> Vec<u8> {
        let mut mask = ::lerc::bitmask::BitMask::all_valid(6);
        mask.set_invalid(1);
        let precision = ::lerc::Precision::Lossless;
        ::lerc::encode_slice_masked(3, 2, data, &mask, precision).unwrap()
    }

    #[test]
    fn what_a_mask_leaves_out_is_no_number_or_has_no_alpha() {
        let blob = blob(&[1.5_f32, 9.0, -2.0, 3.0, 4.0, 5.0]);
        let bytes = unpacked(&lerc(StoredType::F32, 1, false), &blob, 24).unwrap();
        let floats: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_ne_bytes(*b)).collect();
        assert!(floats[1].is_nan());
        assert_eq!(
            (floats[0].to_bits(), floats[2].to_bits()),
            (1.5_f32.to_bits(), (-2_f32).to_bits())
        );
        let blob = self::blob(&[10_u8, 20, 30, 40, 50, 60]);
        let bytes = unpacked(&lerc(StoredType::U8, 2, true), &blob, 12).unwrap();
        assert_eq!(bytes, [10, 255, 0, 0, 30, 255, 40, 255, 50, 255, 60, 255]);
    }

    #[test]
    fn a_blob_of_another_size_or_type_is_damage() {
        let blob = blob(&[10_u8, 20, 30, 40, 50, 60]);
        assert!(unpacked(&lerc(StoredType::U8, 1, false), &blob, 6).is_ok());
        assert!(unpacked(&lerc(StoredType::U8, 1, false), &blob, 9).is_err());
        assert!(unpacked(&lerc(StoredType::U8, 2, false), &blob, 12).is_err());
        assert!(unpacked(&lerc(StoredType::I8, 1, false), &blob, 6).is_err());
        assert!(unpacked(&lerc(StoredType::U8, 1, false), &blob[..20], 6).is_err());
    }
}
