//! The compressions of strips and tiles: bytes of the file in, bytes of samples out.
//!
//! No library for TIFF is used: image-tiff takes some LZW tiles that reach over the edge of the image for truncated
//! (image-rs/image-tiff, issue 395).

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};
use weezl::BitOrder;
use weezl::decode::Configuration;

use super::directory::too_short;
use super::fax::{self, Scheme};
use super::picture::{GROUP_3, GROUP_4, Picture, RUNS, UNCOMPRESSED, WORD_ALIGNED_RUNS, ZSTANDARD};
use super::zstd;

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    PackBits,
    Lzw,
    Deflate,
    Zstandard,
    /// CCITT group 3 or 4, in chunks of this width.
    Fax {
        scheme: Scheme,
        width: u32,
    },
}

impl Codec {
    /// The codec of a picture whose compression has passed the checks.
    pub(super) fn of(picture: &Picture) -> Codec {
        let width = picture.grid.chunk.width;
        let fax = |scheme| Codec::Fax { scheme, width };
        match picture.compression {
            UNCOMPRESSED => Codec::None,
            RUNS => fax(Scheme::Aligned(8)),
            WORD_ALIGNED_RUNS => fax(Scheme::Aligned(16)),
            GROUP_3 if picture.is_mixed() => fax(Scheme::Group3Mixed),
            GROUP_3 => fax(Scheme::Group3),
            GROUP_4 => fax(Scheme::Group4),
            ZSTANDARD => Codec::Zstandard,
            5 => Codec::Lzw,
            32_773 => Codec::PackBits,
            _ => Codec::Deflate,
        }
    }

    /// The most memory that unpacking a chunk takes beside its `bytes`.
    pub(super) fn memory(self, bytes: u64) -> u64 {
        match self {
            Codec::Fax { width, .. } => fax::memory(width),
            Codec::Zstandard => zstd::memory(bytes),
            _ => 0,
        }
    }

    /// Fills `bytes` from a reader of a chunk. Later data are ignored, and so are end codes, which some writers leave
    /// out.
    pub(super) fn unpack(self, mut packed: impl BufRead, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Codec::None => packed.read_exact(bytes),
            Codec::PackBits => unpack_bits(packed, bytes),
            Codec::Lzw => unpack_lzw(packed, bytes),
            Codec::Deflate => inflate(packed, bytes),
            Codec::Zstandard => zstd::unpack(packed, bytes),
            Codec::Fax { scheme, width } => fax::unpack(scheme, packed, width, bytes),
        }
    }
}

/// `PackBits`: runs of one byte, and bytes as they are (TIFF 6.0, section 9). A run is cut off at the end of `bytes`.
fn unpack_bits(mut packed: impl BufRead, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let head = byte(&mut packed)?;
        let count = match head {
            0..128 => usize::from(head) + 1,
            128 => continue,
            129.. => 257 - usize::from(head),
        };
        let (run, rest) = bytes.split_at_mut(count.min(bytes.len()));
        if head < 128 {
            packed.read_exact(run)?;
        } else {
            run.fill(byte(&mut packed)?);
        }
        bytes = rest;
    }
    Ok(())
}

fn byte(packed: &mut impl BufRead) -> io::Result<u8> {
    let byte = *packed.fill_buf()?.first().ok_or_else(too_short)?;
    packed.consume(1);
    Ok(byte)
}

/// LZW: codes whose high bits come first, or the form that libtiff wrote before TIFF 6.0, with the low bits first and
/// each width of codes used for one code more. The old form is known by its first code, clear: 256 in nine bits.
fn unpack_lzw(mut packed: impl BufRead, bytes: &mut [u8]) -> io::Result<()> {
    let mut start = [0; 2];
    packed.read_exact(&mut start)?;
    let is_old = start[0] == 0 && start[1] & 1 == 1;
    let mut decoder = if is_old {
        Configuration::new(BitOrder::Lsb, 8).build()
    } else {
        Configuration::with_tiff_size_switch(BitOrder::Msb, 8).build()
    };
    let mut packed = start.chain(packed);
    let mut written = 0;
    while written < bytes.len() {
        let block = packed.fill_buf()?;
        let step = decoder.decode_bytes(block, &mut bytes[written..]);
        // An invalid code may follow the last byte that counts.
        written += step.consumed_out;
        let is_stuck = step.consumed_in == 0 && step.consumed_out == 0;
        if written < bytes.len() && (is_stuck || step.status.is_err()) {
            return Err(too_short());
        }
        packed.consume(step.consumed_in);
    }
    Ok(())
}

/// Deflate with a zlib header. Its checksum is ignored, as in libtiff.
fn inflate(mut packed: impl BufRead, bytes: &mut [u8]) -> io::Result<()> {
    let mut decoder = Decompress::new(true);
    let mut written = 0;
    while written < bytes.len() {
        let block = packed.fill_buf()?;
        let (taken, given) = (decoder.total_in(), decoder.total_out());
        let is_end = block.is_empty();
        let status = decoder.decompress(block, &mut bytes[written..], FlushDecompress::None);
        let status = status.map_err(io::Error::other)?;
        let step = usize::try_from(decoder.total_in() - taken).map_err(io::Error::other)?;
        packed.consume(step);
        let added = usize::try_from(decoder.total_out() - given).map_err(io::Error::other)?;
        written += added;
        let is_stuck = added == 0 && (is_end || step == 0);
        if written < bytes.len() && (is_stuck || status == Status::StreamEnd) {
            return Err(too_short());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn unpacked(codec: Codec, packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        codec.unpack(packed, &mut bytes)?;
        Ok(bytes)
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32).map(|i| ((i * i) >> 9).to_le_bytes()[0]).collect()
    }

    #[test]
    fn lzw_is_read_in_its_new_and_in_its_old_form() {
        let new = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&text());
        let old = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&text());
        for packed in [new.unwrap(), old.unwrap()] {
            assert_eq!(unpacked(Codec::Lzw, &packed, 20_000).unwrap(), text());
            assert_eq!(unpacked(Codec::Lzw, &packed, 300).unwrap(), text()[..300]);
            let half = &packed[..packed.len() / 2];
            let error = unpacked(Codec::Lzw, half, 20_000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn runs_and_bytes_are_unpacked() {
        // The example of TIFF 6.0, section 9, behind a byte without effect.
        let packed = [
            0x80, 0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22,
            0xF7, 0xAA,
        ];
        let bytes = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        assert_eq!(unpacked(Codec::PackBits, &packed, 24).unwrap(), bytes);
        assert_eq!(unpacked(Codec::PackBits, &packed, 2).unwrap(), bytes[..2]);
        assert!(unpacked(Codec::PackBits, &packed, 25).is_err());
        assert!(unpacked(Codec::PackBits, &packed[..5], 24).is_err());
    }

    #[test]
    fn what_is_cut_short_is_no_chunk() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        io::Write::write_all(&mut zlib, &text()).unwrap();
        let packed = zlib.finish().unwrap();
        assert_eq!(unpacked(Codec::Deflate, &packed, 20_000).unwrap(), text());
        for (codec, packed) in [
            (Codec::Deflate, &packed[..packed.len() / 2]),
            (Codec::Deflate, &packed[..]),
            (Codec::Deflate, &[]),
            (Codec::Lzw, &[]),
            (Codec::None, &[7; 100]),
            (Codec::Fax { scheme: Scheme::Group4, width: 160_000 }, &[0]),
            (Codec::Fax { scheme: Scheme::Group4, width: 800 }, &[0]),
            (Codec::Zstandard, &[]),
        ] {
            assert!(unpacked(codec, packed, 20_001).is_err(), "{codec:?}");
        }
    }
}
