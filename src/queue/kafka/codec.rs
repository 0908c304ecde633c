//! The codecs of compressed batches, set by a topic's `compression.type` or by a producer.
//!
//! tilemill sends batches uncompressed, since tiles are compressed already. A broker may be configured to compress
//! them anyway. Inflated bytes are bounded, whatever size a batch claims.

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

/// The most bytes that a batch may inflate to: as many as an answer of a broker may have.
pub(super) const LIMIT: usize = 128 << 20;

/// The mark of the format of the snappy library for Java, which is not one of snappy's own: the mark, two versions of
/// four bytes, then blocks, each preceded by its length in four bytes.
const JAVA_SNAPPY: &[u8; 8] = b"\x82SNAPPY\0";
const JAVA_SNAPPY_HEADER: usize = 16;

/// The codec of a batch, which the batch's attributes hold as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub(super) fn of(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// Inflates the records of a batch; fails if they have more than [`LIMIT`] bytes.
    pub(super) fn inflate(self, packed: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => read_all(flate2::read::MultiGzDecoder::new(packed)),
            Self::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(packed)),
            Self::Zstd => read_all(StreamingDecoder::new(packed).map_err(io::Error::other)?),
            Self::Snappy => match packed.strip_prefix(JAVA_SNAPPY) {
                Some(_) => inflate_java_snappy(packed),
                None => inflate_snappy(packed, LIMIT),
            },
        }
    }
}

fn too_large() -> io::Error {
    io::Error::other(format!("it inflates to more than {LIMIT} bytes"))
}

fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    // One byte more than allowed, to notice an excess.
    from.take(LIMIT as u64 + 1).read_to_end(&mut inflated)?;
    if inflated.len() > LIMIT { Err(too_large()) } else { Ok(inflated) }
}

fn inflate_java_snappy(packed: &[u8]) -> io::Result<Vec<u8>> {
    let torn = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut rest = packed.get(JAVA_SNAPPY_HEADER..).ok_or_else(torn)?;
    let mut inflated = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or_else(torn)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, behind) = behind.split_at_checked(length).ok_or_else(torn)?;
        inflated.extend(inflate_snappy(block, LIMIT - inflated.len())?);
        rest = behind;
    }
    Ok(inflated)
}

/// Inflates a block. The length that it claims is checked first, since memory is allocated for it.
fn inflate_snappy(block: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    if snap::raw::decompress_len(block)? > limit {
        return Err(too_large());
    }
    Ok(snap::raw::Decoder::new().decompress_vec(block)?)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::{Codec, JAVA_SNAPPY, LIMIT};

    pub(in crate::queue::kafka) const ALL: [Codec; 4] =
        [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// Bytes as another library compresses them.
    pub(in crate::queue::kafka) fn deflate(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Zstd => ruzstd::encoding::compress_to_vec(
                bytes,
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
        }
    }

    fn java_snappy(blocks: &[&[u8]]) -> Vec<u8> {
        let mut packed = [&JAVA_SNAPPY[..], &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
        for block in blocks {
            let block = deflate(Codec::Snappy, block);
            packed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
            packed.extend(block);
        }
        packed
    }

    proptest! {
        #[test]
        fn records_that_another_client_compressed_are_inflated(bytes: Vec<u8>, times in 1..50_usize) {
            let bytes = bytes.repeat(times);
            for codec in ALL {
                prop_assert_eq!(codec.inflate(&deflate(codec, &bytes)).unwrap(), &bytes[..]);
            }
            let (one, other) = bytes.split_at(bytes.len() / 3);
            prop_assert_eq!(Codec::Snappy.inflate(&java_snappy(&[one, other])).unwrap(), bytes);
        }

        #[test]
        fn any_bytes_are_inflated_or_refused(
            bytes: Vec<u8>,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for codec in ALL {
                let _ = codec.inflate(&bytes);
                let mut packed = deflate(codec, &bytes.repeat(9));
                for (at, byte) in &changes {
                    let at = at.index(packed.len());
                    packed[at] = *byte;
                }
                let _ = codec.inflate(&packed);
            }
            let _ = Codec::Snappy.inflate(&[&java_snappy(&[])[..], &bytes].concat());
        }
    }

    /// A batch of a few bytes must not exhaust the memory.
    #[test]
    fn what_inflates_to_too_much_is_refused() {
        let zeros = vec![0; LIMIT + 1];
        for codec in ALL {
            let error = codec.inflate(&deflate(codec, &zeros)).unwrap_err().to_string();
            assert!(error.contains(&LIMIT.to_string()), "{codec:?}: {error}");
        }
        let half = &zeros[..=LIMIT / 2];
        assert!(Codec::Snappy.inflate(&java_snappy(&[half, half])).is_err());
    }
}
