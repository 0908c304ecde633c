//! Where a JPEG file's header and its image end, because the decoder reads whatever it is given into
//! memory and fills what is missing with grey; and how its frame is sampled.

use std::io::{self, BufRead, Seek, SeekFrom};

use memchr::memchr;

use super::container::Container;
use super::error::DecodeError;
use crate::raster::grid::Size;

/// Markers without a length: a stuffed zero in compressed data, restarts, start of image.
const LONE_MARKERS: [std::ops::RangeInclusive<u8>; 2] = [0x00..=0x01, 0xD0..=0xD8];
/// Baseline, extended and progressive frames; the others are of kinds that nobody uses.
const START_OF_FRAME: std::ops::RangeInclusive<u8> = 0xC0..=0xC2;
const PROGRESSIVE: u8 = 0xC2;
const ADOBE: [u8; 5] = *b"Adobe";
const APP14: u8 = 0xEE;
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
/// The segment that opens a scan is at most this long, in bytes.
const MAX_SCAN_HEADER: u64 = 64;

/// Samples, enlarged chroma and what is interpolated between, each about as large as a row of blocks.
const ROWS_ON_THEIR_WAY: u64 = 8;

/// What the frame header says, and what stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) size: Size,
    pub(super) components: u8,
    /// Whether a segment says that Adobe wrote it, whose inks are stored as the light they let through.
    pub(super) adobe: bool,
    /// Horizontal and vertical sampling of the first four components, a nibble each.
    sampling: [u8; 4],
    progressive: bool,
    /// Whether the first scan has not all components.
    in_parts: bool,
}

impl Frame {
    /// Whether luma has every pixel and the rest every pixel, every second, or every second of every
    /// second row: 4:4:4, 4:2:2 and 4:2:0. Of rarer kinds the decoder gives no luma alone.
    pub(super) fn samples_luma_fully(&self) -> bool {
        self.components == 3 && matches!(self.sampling, [0x11 | 0x21 | 0x22, 0x11, 0x11, _])
    }

    /// Whether components come one after the other though they are not refined again and again: the decoder
    /// loses the last rows of some of them, and says nothing.
    pub(super) fn is_misread(&self) -> bool {
        self.in_parts && !self.progressive
    }

    /// Bytes that the decoder keeps beside the pixels: of a progressive image two for every sample in whole
    /// blocks until its last scan, and always some rows of them on their way to pixels.
    pub(super) fn kept_bytes(&self) -> u64 {
        let parts = || self.sampling.iter().take(self.components.into());
        let most =
            |shift: u8| u64::from(parts().map(|both| both >> shift & 15).max().unwrap_or(1).max(1));
        let (across, down) = (most(4), most(0));
        let columns = u64::from(self.size.width).div_ceil(8 * across);
        let rows = u64::from(self.size.height).div_ceil(8 * down);
        let blocks: u64 = parts().map(|both| u64::from(both >> 4) * u64::from(both & 15)).sum();
        let row = columns * blocks.max(1) * 64 * 2;
        let whole = if self.progressive { row.saturating_mul(rows) } else { 0 };
        whole.saturating_add(row.saturating_mul(ROWS_ON_THEIR_WAY))
    }
}

/// Offsets from the start of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) frame: Frame,
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
    let (mut header, mut frame, mut adobe) = (None, None::<Frame>, false);
    loop {
        let marker = next_marker(reader)?;
        match marker {
            END_OF_IMAGE => {
                let lacks = |what| move || io::Error::new(io::ErrorKind::InvalidData, what);
                let frame = frame.ok_or_else(lacks("it has no frame that can be read"))?;
                let frame = Frame { adobe, ..frame };
                let header = header.ok_or_else(lacks("it has no scan"))?;
                return Ok(Extent { frame, header, image: reader.stream_position()? });
            }
            marker if LONE_MARKERS.iter().any(|range| range.contains(&marker)) => continue,
            _ => {}
        }
        let start = reader.stream_position()?;
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        match marker {
            APP14 => adobe |= read_start(reader)? == ADOBE,
            START_OF_SCAN if header.is_none() => {
                header = Some(start + MAX_SCAN_HEADER);
                let [components] = read_start(reader)?;
                frame = frame.map(|f| Frame { in_parts: components < f.components, ..f });
            }
            marker if START_OF_FRAME.contains(&marker) && frame.is_none() => {
                frame = Some(read_frame(reader, marker)?);
            }
            _ => {}
        }
        let length = u64::from(u16::from_be_bytes(length).max(2));
        reader.seek(SeekFrom::Start(start + length))?;
    }
}

/// The first bytes of a frame header, up to the sampling of a fourth component. What stands there
/// in a file of fewer components is something else, and is not asked for.
fn read_frame<R: BufRead>(reader: &mut R, marker: u8) -> io::Result<Frame> {
    let [_, h1, h0, w1, w0, components, parts @ ..] = read_start::<17, R>(reader)?;
    let [_, first, _, _, second, _, _, third, _, _, fourth] = parts;
    let [width, height] = [[w1, w0], [h1, h0]].map(u16::from_be_bytes);
    let size = Size::new(width.into(), height.into());
    let sampling = [first, second, third, fourth];
    let progressive = marker == PROGRESSIVE;
    Ok(Frame { size, components, adobe: false, sampling, progressive, in_parts: false })
}

fn read_start<const LENGTH: usize, R: BufRead>(reader: &mut R) -> io::Result<[u8; LENGTH]> {
    let mut start = [0; LENGTH];
    reader.read_exact(&mut start)?;
    Ok(start)
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

    use super::{APP14, MAX_SCAN_HEADER, PROGRESSIVE, ROWS_ON_THEIR_WAY, Size, extent};

    /// Start of image, a table that holds an end marker, a frame of 2 × 1 pixels in 4:2:0, a scan with
    /// a stuffed 0xFF, and the end.
    const FILE: [u8; 39] = [
        0xFF, 0xD8, 0xFF, 0xC4, 0, 4, 0xFF, 0xD9, 0xFF, 0xC0, 0, 17, 8, 0, 1, 0, 2, 3, 1, 0x22, 0,
        2, 0x11, 1, 3, 0x11, 1, 0xFF, 0xDA, 0, 3, 1, 0xFF, 0x00, 7, 0xFF, 0xD0, 0xFF, 0xD9,
    ];

    #[test]
    fn the_image_ends_at_its_own_end_marker_and_not_at_one_in_a_table() {
        let file = [&FILE[..], &[1, 2, 3, 0xFF, 0xD9]].concat();
        let extent = extent(&mut Cursor::new(file)).unwrap();
        assert_eq!((extent.header, extent.image), (29 + MAX_SCAN_HEADER, 39));
    }

    #[test]
    fn the_frame_tells_size_and_sampling() {
        let frame = |file: &[u8]| extent(&mut Cursor::new(file)).unwrap().frame;
        assert_eq!(frame(&FILE).size, Size::new(2, 1));
        assert!(frame(&FILE).samples_luma_fully());
        assert!(!frame(&FILE).adobe);
        for (sampling, fully) in [(0x11, true), (0x21, true), (0x12, false), (0x41, false)] {
            let mut file = FILE;
            file[19] = sampling;
            assert_eq!(frame(&file).samples_luma_fully(), fully, "{sampling:x}");
        }
    }

    #[test]
    fn what_is_refined_is_kept() {
        let frame = |file: &[u8]| extent(&mut Cursor::new(file)).unwrap().frame;
        // One block of 16 × 16 pixels in 4:2:0 has 6 blocks of 64 samples.
        let row = 6 * 64 * 2;
        assert!(frame(&FILE).is_misread());
        let mut at_once = FILE;
        at_once[31] = 3;
        assert_eq!(frame(&at_once).kept_bytes(), row * ROWS_ON_THEIR_WAY);
        assert!(!frame(&at_once).is_misread());
        let mut progressive = FILE;
        progressive[9] = PROGRESSIVE;
        assert_eq!(frame(&progressive).kept_bytes(), row * (ROWS_ON_THEIR_WAY + 1));
        assert!(!frame(&progressive).is_misread());
    }

    #[test]
    fn only_adobes_segment_is_adobes() {
        let with = |text: &[u8]| {
            let segment = [&[0xFF, APP14, 0, 14][..], text, &[0; 7]].concat();
            let file = [&FILE[..2], &segment, &FILE[2..]].concat();
            extent(&mut Cursor::new(file)).unwrap().frame.adobe
        };
        assert!(with(b"Adobe") && !with(b"Abode"));
    }

    #[test]
    fn a_file_that_breaks_off_is_damaged() {
        for length in 2..FILE.len() {
            assert!(extent(&mut Cursor::new(&FILE[..length])).is_err(), "{length} bytes");
        }
    }
}
