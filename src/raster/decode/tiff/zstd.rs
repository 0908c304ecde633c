//! Zstandard (RFC 8878) in strips and tiles: one frame for each, as libtiff reads them.
//!
//! libtiff declares a window for any amount of data, often 4 MiB for a strip of 8 KiB. No match reaches back beyond the
//! start of the chunk, so the decoder is told a window that suffices for the chunk.

use std::error::Error;
use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

use super::directory::damaged;

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The descriptor of a frame without a content size, a checksum, or a dictionary, but with a window.
const PLAIN: u8 = 0;

/// Bits of a descriptor.
const IS_ONE_SEGMENT: u8 = 1 << 5;
const RESERVED: u8 = 1 << 3;

/// The largest window that libzstd accepts by default, in bytes.
const LARGEST_WINDOW: u64 = 1 << 27;

/// The smallest window that a descriptor can declare, in bytes.
const SMALLEST_WINDOW: u64 = 1 << 10;

/// The most bytes of a block. In a smaller window, larger blocks would be errors.
const BLOCK: u64 = 1 << 17;

/// The most bytes for a block and its parts: 128 KiB of data, 1 MiB of literals, 98,047 sequences of 12 bytes, in lists
/// that grow, and what a wrong block writes before the decoder notices.
const BLOCK_MEMORY: u64 = 6 << 20;

/// The most memory that a chunk of so many bytes takes. The buffer of the window is copied into a larger one as it
/// grows.
pub(super) fn memory(bytes: u64) -> u64 {
    2 * window(LARGEST_WINDOW, bytes) + BLOCK_MEMORY
}

/// A window for a chunk of so many bytes whose frame declares another one. It is a power of two, because the decoder's
/// buffer fits such windows and is up to twice as large for others.
fn window(declared: u64, bytes: u64) -> u64 {
    let needed = declared.min(bytes.max(BLOCK)).min(LARGEST_WINDOW);
    needed.next_power_of_two().max(SMALLEST_WINDOW)
}

/// Fills `bytes` from a frame. Its checksum is ignored, as that of deflate is.
pub(super) fn unpack(packed: impl Read, bytes: &mut [u8]) -> io::Result<()> {
    let frame = opened(packed, bytes.len() as u64);
    frame.and_then(|mut frame| frame.read_exact(bytes)).map_err(with_kind_of_cause)
}

/// The bytes of a frame, which must not be more than `most`.
pub(super) fn unpack_all(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let frame = opened(packed, most);
    let read = frame.and_then(|frame| frame.take(most).read_to_end(&mut bytes));
    read.map_err(with_kind_of_cause)?;
    Ok(bytes)
}

/// A reader of a frame of which no more than `length` bytes are needed.
fn opened(mut packed: impl Read, length: u64) -> io::Result<impl Read> {
    let declared = declared_window(&mut packed)?;
    if declared > LARGEST_WINDOW {
        return Err(damaged("a Zstandard window is larger than 128 MiB"));
    }
    let exponent = window(declared, length).ilog2() - SMALLEST_WINDOW.ilog2();
    let exponent = u8::try_from(exponent).map_err(io::Error::other)?;
    let [a, b, c, d] = MAGIC;
    let header = [a, b, c, d, PLAIN, exponent << 3];
    StreamingDecoder::new(io::Cursor::new(header).chain(packed)).map_err(io::Error::other)
}

/// Reads the header of a frame up to its first block and gives the bytes of its window.
fn declared_window(packed: &mut impl Read) -> io::Result<u64> {
    let mut start = [0; 5];
    packed.read_exact(&mut start)?;
    let [magic @ .., flags] = start;
    if magic != MAGIC || flags & RESERVED != 0 {
        return Err(damaged("a chunk does not begin with a Zstandard frame"));
    }
    let is_one_segment = flags & IS_ONE_SEGMENT != 0;
    let window = number(packed, usize::from(!is_one_segment))?;
    if number(packed, [0, 1, 2, 4][usize::from(flags & 3)])? != 0 {
        return Err(damaged("a Zstandard frame needs a dictionary"));
    }
    let length = [usize::from(is_one_segment), 2, 4, 8][usize::from(flags >> 6)];
    let content = number(packed, length)?;
    Ok(match (is_one_segment, length) {
        (false, _) => (8 + (window & 7)) << (7 + (window >> 3)),
        (true, 2) => content + 256,
        (true, _) => content,
    })
}

/// A little-endian number of up to eight bytes.
fn number(packed: &mut impl Read, length: usize) -> io::Result<u64> {
    let mut bytes = [0; 8];
    packed.read_exact(&mut bytes[..length])?;
    Ok(u64::from_le_bytes(bytes))
}

/// The decoder hides what the reader said among its own errors; an error of the reader is not one of the file.
fn with_kind_of_cause(error: io::Error) -> io::Error {
    let mut kind = error.kind();
    let mut cause = error.get_ref().map(|cause| cause as &(dyn Error + 'static));
    while let Some(inner) = cause {
        if let Some(reader) = inner.downcast_ref::<io::Error>() {
            kind = reader.kind();
        }
        cause = inner.source();
    }
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn unpacked(packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        unpack(packed, &mut bytes)?;
        Ok(bytes)
    }

    /// A frame with these bytes behind its magic, and blocks: bytes as they are, or one byte so many times.
    fn frame(header: &[u8], blocks: &[(&[u8], usize)]) -> Vec<u8> {
        let mut frame = [&MAGIC[..], header].concat();
        for (index, (data, length)) in blocks.iter().enumerate() {
            let is_last = u32::from(index + 1 == blocks.len());
            let kind = if data.len() == *length { 0 } else { 1 << 1 };
            let head = u32::try_from(*length).unwrap() << 3 | kind | is_last;
            frame.extend(&head.to_le_bytes()[..3]);
            frame.extend(*data);
        }
        frame
    }

    #[test]
    fn headers_of_every_form_are_read() {
        let headers: [(&[u8], u64); 8] = [
            (&[0, 0], 1 << 10),
            (&[0, 0x63], (1 << 22) + 3 * (1 << 19)),
            (&[0x20, 5], 5),
            (&[0x60, 1, 1], 513),
            (&[0xA0, 1, 0, 1, 0], 0x1_0001),
            (&[0xE4, 5, 0, 0, 0, 0, 0, 0, 0], 5),
            (&[0x43, 0x58, 0, 0, 0, 0, 9, 9], 1 << 21),
            (&[0, 0xF8], 1 << 41),
        ];
        for (header, declared) in headers {
            let mut file = &frame(header, &[])[..];
            assert_eq!(declared_window(&mut file).unwrap(), declared, "{header:?}");
            assert!(file.is_empty(), "{header:?}");
        }
        for wrong in [&[8, 0][..], &[1, 0, 7], &[0], &[0x20]] {
            assert!(declared_window(&mut &frame(wrong, &[])[..]).is_err(), "{wrong:?}");
        }
        assert!(declared_window(&mut &[0x50, 0x2A, 0x4D, 0x18, 0, 0][..]).is_err());
    }

    #[test]
    fn blocks_are_unpacked_up_to_what_is_wanted() {
        let blocks = [(&b"abc"[..], 3), (b"x", 5), (b"", 0)];
        for header in [&[0, 0x60][..], &[4, 0], &[0x20, 8], &[0, 0x88]] {
            let packed = frame(header, &blocks);
            assert_eq!(unpacked(&packed, 8).unwrap(), b"abcxxxxx");
            assert_eq!(unpacked(&packed, 4).unwrap(), b"abcx");
            assert_eq!(unpacked(&packed, 9).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            for length in 0..packed.len() - 3 {
                let error = unpacked(&packed[..length], 8).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}: {error:?}");
            }
        }
        assert!(unpacked(&frame(&[0, 0x89], &blocks), 8).is_err());
    }

    #[test]
    fn what_the_encoder_packs_is_unpacked() {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        let text: Vec<u8> = (0..300_000_u32).map(|i| (i / 700 * i).to_le_bytes()[1]).collect();
        let packed = compress_to_vec(&text[..], CompressionLevel::Fastest);
        assert!(packed.len() < text.len() / 2);
        for length in [0, 1, 200_000, 300_000] {
            assert!(unpacked(&packed, length).unwrap() == text[..length]);
        }
        assert!(unpacked(&packed, 300_001).is_err());
    }

    #[test]
    fn a_window_is_no_larger_than_the_chunk_needs() {
        assert_eq!(window(1 << 22, 8192), BLOCK);
        assert_eq!(window(5000, 1 << 20), 8192);
        assert_eq!(window(1 << 22, 300_000), 1 << 19);
        assert_eq!([window(0, 0), window(u64::MAX, u64::MAX)], [SMALLEST_WINDOW, LARGEST_WINDOW]);
    }

    /// A reader that fails.
    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(ErrorKind::PermissionDenied))
        }
    }

    #[test]
    fn a_failure_of_the_reader_is_not_one_of_the_file() {
        let start = frame(&[0, 0x60], &[]);
        let error = unpack((&start[..]).chain(Failing), &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
