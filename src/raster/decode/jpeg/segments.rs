//! The segments of a JPEG file, up to its end. They are read here because the decoder reads whatever it is given into
//! memory, fills missing parts with grey, and looks for metadata in its own way.

use std::io::{self, BufRead, ErrorKind, Seek, SeekFrom};
use std::ops::Range;

use memchr::memchr;

use super::frame::Frame;
use super::said::{APP0, APP14, Said};
use crate::decode::container::Container;
use crate::decode::error::DecodeError;

/// Markers without a length: a stuffed zero in compressed data, restarts, start of image.
const LONE_MARKERS: [std::ops::RangeInclusive<u8>; 2] = [0x00..=0x01, 0xD0..=0xD8];
const START_OF_FRAME: std::ops::RangeInclusive<u8> = 0xC0..=0xCF;
/// Codes in the range of frames for Huffman tables, a reserved marker, and conditions of arithmetic coding.
const NO_FRAME: [u8; 3] = [0xC4, 0xC8, 0xCC];
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
const LINES: u8 = 0xDC;
const RESTART_INTERVAL: u8 = 0xDD;
const COMMENT: u8 = 0xFE;
/// Application segments but the first kind, by which a frame of a video says that it has no tables.
const BESIDE: std::ops::RangeInclusive<u8> = 0xE1..=0xEF;
/// The most gaps that are noted, so that a file of nothing but segments costs little.
const MOST_GAPS: usize = 4096;

/// The content of the segments.
#[derive(Debug)]
pub(super) struct Segments {
    pub(super) frame: Frame,
    /// Offset in the file at which the height has to be written, if it came behind the first scan.
    pub(super) height_at: Option<u64>,
    /// The offset behind the end marker; later bytes are no part of the image.
    pub(super) image: u64,
    /// Segments that decoding does not need, in order.
    pub(super) beside: Vec<Range<u64>>,
    pub(super) said: Said,
}

/// Walks from segment to segment; fails if the file ends before its image does.
pub(super) fn walk<R: BufRead + Seek>(reader: &mut R) -> Result<Segments, DecodeError> {
    Walk::default().run(reader).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            DecodeError::damaged(Container::Jpeg, "the end of the image is missing")
        }
        _ => DecodeError::from_io(Container::Jpeg, error),
    })
}

#[derive(Default)]
struct Walk {
    frame: Option<Frame>,
    /// Offset of the height in the frame.
    frame_height_at: u64,
    height_at: Option<u64>,
    beside: Vec<Range<u64>>,
    /// Whether a scan has begun.
    scan: bool,
    /// Whether the following scans have restart markers.
    restarts: bool,
    said: Said,
}

impl Walk {
    fn run<R: BufRead + Seek>(mut self, reader: &mut R) -> io::Result<Segments> {
        loop {
            let marker = next_marker(reader)?;
            if marker == END_OF_IMAGE {
                return self.end(reader.stream_position()?);
            }
            if LONE_MARKERS.iter().any(|range| range.contains(&marker)) {
                continue;
            }
            let start = reader.stream_position()?;
            let mut length = [0; 2];
            reader.read_exact(&mut length)?;
            let length = u16::from_be_bytes(length).max(2);
            self.segment(reader, marker, start, usize::from(length) - 2)?;
            let end = start + u64::from(length);
            if marker == LINES || marker == COMMENT || BESIDE.contains(&marker) {
                self.leave_out(start - 2..end);
            }
            reader.seek(SeekFrom::Start(end))?;
        }
    }

    /// Looks at the segment whose length field is at `start`.
    fn segment<R: BufRead>(
        &mut self,
        reader: &mut R,
        marker: u8,
        start: u64,
        length: usize,
    ) -> io::Result<()> {
        match marker {
            START_OF_SCAN => {
                self.scan = true;
                let count = body(reader, length.min(1))?.first().copied().unwrap_or(0);
                if let Some(Frame { scans, components, .. }) = &mut self.frame {
                    let part = usize::from(count) < components.len();
                    scans.in_parts |= part;
                    scans.grouped |= part && count > 1;
                    scans.restarts |= self.restarts;
                }
            }
            RESTART_INTERVAL => self.restarts |= body(reader, length.min(2))? != [0, 0],
            LINES => self.lines(&body(reader, length.min(2))?),
            APP0..=APP14 if !self.scan => self.said.take_in(marker, &body(reader, length)?),
            _ if NO_FRAME.contains(&marker) => {}
            _ if START_OF_FRAME.contains(&marker) && self.frame.is_none() => {
                self.frame = Frame::read(marker, &body(reader, length)?);
                // Behind the length and the precision.
                self.frame_height_at = start + 3;
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes a segment that decoding does not need: the decoder fails on some of them.
    fn leave_out(&mut self, segment: Range<u64>) {
        let has_room = self.beside.len() < MOST_GAPS;
        match self.beside.last_mut() {
            Some(last) if last.end == segment.start => last.end = segment.end,
            _ if has_room => self.beside.push(segment),
            _ => {}
        }
    }

    /// Takes in the number of lines, which comes behind the first scan if the frame lacks it.
    fn lines(&mut self, body: &[u8]) {
        if let (Some(frame), [high, low]) = (&mut self.frame, body)
            && frame.size.height == 0
        {
            frame.size.height = u16::from_be_bytes([*high, *low]).into();
            self.height_at = Some(self.frame_height_at);
        }
    }

    fn end(self, image: u64) -> io::Result<Segments> {
        let lacks = |what| move || io::Error::new(ErrorKind::InvalidData, what);
        let frame = self.frame.ok_or_else(lacks("it has no frame that can be read"))?;
        if !self.scan {
            return Err(lacks("it has no scan")());
        }
        let Walk { height_at, beside, said, .. } = self;
        Ok(Segments { frame, height_at, image, beside, said })
    }
}

fn body<R: BufRead>(reader: &mut R, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// The code of the next marker; compressed data and stray bytes are skipped.
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
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let found = memchr(0xFF, bytes);
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

    use super::*;
    use crate::grid::Size;

    /// Start of image, a table that contains an end marker, a frame of 2 × 1 pixels in 4:2:0, a scan with
    /// a stuffed 0xFF, and the end.
    const FILE: [u8; 41] = [
        0xFF, 0xD8, 0xFF, 0xC4, 0, 4, 0xFF, 0xD9, 0xFF, 0xC0, 0, 17, 8, 0, 1, 0, 2, 3, 1, 0x22, 0,
        2, 0x11, 1, 3, 0x11, 1, 0xFF, 0xDA, 0, 3, 1, 0xFF, 0x00, 7, 0xFF, 0xD0, 0xFF, 0xD9, 0, 0,
    ];

    fn walked(file: &[u8]) -> Segments {
        walk(&mut Cursor::new(file)).unwrap()
    }

    /// The file with some segments behind its start.
    fn with(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let mut file = FILE[..2].to_vec();
        for (marker, body) in segments {
            file.extend([0xFF, *marker]);
            file.extend(u16::try_from(body.len() + 2).unwrap().to_be_bytes());
            file.extend(*body);
        }
        file.extend(&FILE[2..]);
        file
    }

    #[test]
    fn the_image_ends_at_its_own_end_marker_and_not_at_one_in_a_table() {
        let file = [&FILE[..], &[1, 2, 3, 0xFF, 0xD9]].concat();
        assert_eq!(walked(&file).image, 39);
    }

    #[test]
    fn the_frame_tells_its_size_and_the_scan_its_components() {
        assert_eq!(walked(&FILE).frame.size, Size::new(2, 1));
        assert!(walked(&FILE).frame.scans.in_parts);
        let mut at_once = FILE;
        at_once[31] = 3;
        assert!(!walked(&at_once).frame.scans.in_parts);
    }

    #[test]
    fn a_height_may_come_behind_the_first_scan() {
        let mut file = FILE.to_vec();
        file[14] = 0;
        file.splice(37..37, [0xFF, LINES, 0, 4, 1, 2]);
        let segments = walked(&file);
        assert_eq!((segments.frame.size, segments.height_at), (Size::new(2, 258), Some(13)));
        let elsewhere = [&FILE[..37], &[0xFF, LINES, 0, 4, 1, 2], &FILE[37..]].concat();
        let segments = walked(&elsewhere);
        assert_eq!((segments.frame.size, segments.height_at), (Size::new(2, 1), None));
    }

    #[test]
    fn what_decoding_does_without_is_noted() {
        let file = with(&[(0xE1, b"a"), (COMMENT, b"bc"), (APP0, b"d"), (APP14, b"e")]);
        assert_eq!(walked(&file).beside, [2..13, 18..23]);
    }

    #[test]
    fn a_file_that_breaks_off_is_damaged() {
        for length in 2..FILE.len() - 2 {
            assert!(walk(&mut Cursor::new(&FILE[..length])).is_err(), "{length} bytes");
        }
    }
}
