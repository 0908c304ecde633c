//! Where a JPEG file's header and its image end, because the decoder reads whatever it is given into
//! memory and fills what is missing with grey.

use std::io::{self, BufRead, Seek, SeekFrom};

use super::container::Container;
use super::error::DecodeError;

/// Markers without a length: a stuffed zero in compressed data, restarts, start of image.
const LONE_MARKERS: [std::ops::RangeInclusive<u8>; 2] = [0x00..=0x01, 0xD0..=0xD8];
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
/// The segment that opens a scan is at most this long, in bytes.
const MAX_SCAN_HEADER: u64 = 64;

/// Offsets from the start of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Everything before the compressed data of the first scan is below this.
    pub(super) header: u64,
    /// The end marker of the image is below this; what follows it is no part of the image.
    pub(super) image: u64,
}

/// Walks from segment to segment; fails when the file ends before its image does.
pub(super) fn extent<R: BufRead + Seek>(reader: &mut R) -> Result<Extent, DecodeError> {
    walk(reader).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            DecodeError::damaged(Container::Jpeg, "the end of the image is missing")
        }
        _ => DecodeError::from_io(Container::Jpeg, error),
    })
}

fn walk<R: BufRead + Seek>(reader: &mut R) -> io::Result<Extent> {
    let mut header = None;
    loop {
        match next_marker(reader)? {
            END_OF_IMAGE => {
                let no_scan = || io::Error::new(io::ErrorKind::InvalidData, "it has no scan");
                let (header, image) = (header.ok_or_else(no_scan)?, reader.stream_position()?);
                return Ok(Extent { header, image });
            }
            marker if LONE_MARKERS.iter().any(|range| range.contains(&marker)) => continue,
            START_OF_SCAN if header.is_none() => {
                header = Some(reader.stream_position()? + MAX_SCAN_HEADER);
            }
            _ => {}
        }
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        let length = i64::from(u16::from_be_bytes(length));
        reader.seek(SeekFrom::Current((length - 2).max(0)))?;
    }
}

/// The code of the next marker; compressed data and stray bytes are stepped over.
fn next_marker<R: BufRead>(reader: &mut R) -> io::Result<u8> {
    skip_past_ff(reader)?;
    let mut byte = [0xFF];
    while byte[0] == 0xFF {
        reader.read_exact(&mut byte)?;
    }
    Ok(byte[0])
}

fn skip_past_ff<R: BufRead>(reader: &mut R) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = bytes.iter().position(|byte| *byte == 0xFF);
        let passed = found.map_or(bytes.len(), |index| index + 1);
        reader.consume(passed);
        if found.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{Extent, MAX_SCAN_HEADER, extent};

    /// Start of image, a table that holds an end marker, a scan with a stuffed 0xFF, and the end.
    const FILE: [u8; 20] = [
        0xFF, 0xD8, 0xFF, 0xC4, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 3, 1, 0xFF, 0x00, 7, 0xFF, 0xD0,
        0xFF, 0xD9,
    ];

    #[test]
    fn the_image_ends_at_its_own_end_marker_and_not_at_one_in_a_table() {
        let file = [&FILE[..], &[1, 2, 3, 0xFF, 0xD9]].concat();
        let expected = Extent { header: 10 + MAX_SCAN_HEADER, image: 20 };
        assert_eq!(extent(&mut Cursor::new(file)).unwrap(), expected);
    }

    #[test]
    fn a_file_that_breaks_off_is_damaged() {
        for length in 2..FILE.len() {
            assert!(extent(&mut Cursor::new(&FILE[..length])).is_err(), "{length} bytes");
        }
    }
}
