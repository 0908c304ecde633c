//! Tells whether a JPEG file goes on to its end, because the decoder fills what is missing with grey.

use std::io::{self, BufRead, Seek, SeekFrom};

use super::container::Container;
use super::error::DecodeError;

/// Start of image and the numbered restarts stand alone; other segments state their length.
const LONE_MARKERS: [std::ops::RangeInclusive<u8>; 2] = [0xD0..=0xD8, 0x01..=0x01];
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// Fails when no end marker follows the first scan. In compressed data a 0xFF byte is always
/// followed by 0 or a restart number, so the marker cannot appear by chance.
pub(super) fn require_end<R: BufRead + Seek>(reader: &mut R) -> Result<(), DecodeError> {
    let ends = skip_to_scan(reader).and_then(|()| has_end(reader));
    match ends {
        Ok(true) => Ok(()),
        Ok(false) => Err(DecodeError::damaged(Container::Jpeg, "the end of the image is missing")),
        Err(error) => Err(DecodeError::from_io(Container::Jpeg, error)),
    }
}

fn skip_to_scan<R: BufRead + Seek>(reader: &mut R) -> io::Result<()> {
    loop {
        let marker = next_marker(reader)?;
        if marker == START_OF_SCAN {
            return Ok(());
        }
        if marker == END_OF_IMAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the image has no scan"));
        }
        if !LONE_MARKERS.iter().any(|range| range.contains(&marker)) {
            let mut length = [0; 2];
            reader.read_exact(&mut length)?;
            let length = i64::from(u16::from_be_bytes(length));
            reader.seek(SeekFrom::Current((length - 2).max(0)))?;
        }
    }
}

/// The code of the next marker; bytes between segments are stepped over, as decoders do.
fn next_marker<R: BufRead>(reader: &mut R) -> io::Result<u8> {
    let mut byte = [0];
    while byte[0] != 0xFF {
        reader.read_exact(&mut byte)?;
    }
    while byte[0] == 0xFF {
        reader.read_exact(&mut byte)?;
    }
    Ok(byte[0])
}

fn has_end<R: BufRead>(reader: &mut R) -> io::Result<bool> {
    let mut last = 0;
    loop {
        let bytes = reader.fill_buf()?;
        let Some(&end) = bytes.last() else {
            return Ok(false);
        };
        let length = bytes.len();
        let inside = bytes.windows(2).any(|pair| pair == [0xFF, END_OF_IMAGE]);
        if inside || (last == 0xFF && bytes[0] == END_OF_IMAGE) {
            return Ok(true);
        }
        last = end;
        reader.consume(length);
    }
}
