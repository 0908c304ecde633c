//! Strips and tiles that are JPEG streams, with tables that they share in a tag (TIFF Technical Note 2).
//!
//! The tags tell the colours, and the markers of the streams do not, as in libtiff.

use std::io::{self, Read, Seek, SeekFrom, Take};

use super::super::container::Container;
use super::super::error::DecodeError;
use super::super::jpeg::{Meaning, Stream};
use super::super::limits::Limits;
use super::broken;
use super::directory::{Directory, Tiff, damaged};
use super::kind;
use super::layout::Layout;
use super::picture::{Grid, JPEG, Picture, YCBCR};
use super::places::{Place, Places};
use crate::grid::Size;

/// The tag of the shared tables, `JPEGTables`.
const TABLES: u16 = 347;

/// The most bytes of shared tables: all that a stream can have take 3 KiB.
const MOST_TABLES: u64 = 1 << 16;

const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const QUANTISATION: u8 = 0xDB;
const HUFFMAN: u8 = 0xC4;

/// How the chunks of a picture are decoded.
#[derive(Debug)]
pub(super) struct Jpeg {
    /// The beginning of each stream: its start, and the shared tables.
    head: Vec<u8>,
    meaning: Meaning,
    grid: Grid,
    /// Bytes of the file.
    length: u64,
    /// The most memory that decoding a chunk may take beside its bytes in the file and its samples: that of the first.
    most: u64,
}

impl Jpeg {
    /// Reads the shared tables and the header of the first chunk.
    pub(super) fn open(
        tiff: &mut Tiff<'_>,
        directory: &Directory,
        picture: &Picture,
        layout: &Layout,
        places: &Places,
        limits: &Limits,
    ) -> Result<Jpeg, DecodeError> {
        let tables = tiff.bytes(directory, TABLES, MOST_TABLES + 1).map_err(broken)?;
        if tables.len() as u64 > MOST_TABLES {
            return Err(kind::refused("JPEG tables of more than 64 KiB", kind::RECOMPRESS));
        }
        let head = head(&tables).ok_or_else(|| broken(damaged("its JPEG tables are damaged")))?;
        let meaning = meaning(picture.photometric, layout.samples_per_pixel());
        let (grid, length) = (layout.grid, tiff.length);
        let mut jpeg = Jpeg { head, meaning, grid, length, most: u64::MAX };
        limits.check_memory(jpeg.packed_memory(places.longest()))?;
        jpeg.most = jpeg.first_memory(tiff, layout, places)?;
        Ok(jpeg)
    }

    /// The memory that decoding the first chunk of the file takes, if it is as large as any.
    fn first_memory(
        &self,
        tiff: &mut Tiff<'_>,
        layout: &Layout,
        places: &Places,
    ) -> Result<u64, DecodeError> {
        let plain = layout.plain(JPEG);
        let place = |chunk| Some((chunk, places.get(chunk).ok()?));
        let mut stored = (0..plain.count()).filter_map(place);
        let first = stored.find_map(|(chunk, place)| match place {
            Place::At(offset, length) => Some((chunk, offset, length)),
            Place::Nowhere => None,
        });
        let Some((chunk, offset, length)) = first else { return Ok(0) };
        tiff.file.seek(SeekFrom::Start(offset))?;
        let stream = self.stream((&mut tiff.file).take(length)).map_err(broken)?;
        self.check(&stream, chunk, plain.bytes(chunk))?;
        let full = self.grid.chunk;
        Ok(stream.memory(Size { height: full.height.max(stream.size().height), ..full }))
    }

    /// The most memory that decoding a chunk takes beside its samples, if its data in the file are at most `packed`.
    pub(super) fn memory(&self, packed: u64) -> u64 {
        self.most.saturating_add(self.packed_memory(packed))
    }

    /// Bytes of a stream, and of the segments of it that are looked at.
    fn packed_memory(&self, packed: u64) -> u64 {
        let stream = packed.min(self.length).saturating_add(self.head.len() as u64);
        stream.saturating_mul(2)
    }

    /// Fills `bytes` with a chunk. Its errors may wrap a [`DecodeError`], which says what the stream has.
    pub(super) fn unpack(
        &self,
        chunk: u64,
        packed: Take<impl Read>,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        let stream = self.stream(packed)?;
        let checked = self.check(&stream, chunk, bytes.len() as u64);
        checked
            .and_then(|()| stream.decode(self.meaning, bytes).map_err(of_tiff))
            .map_err(io::Error::other)
    }

    /// The whole stream of a chunk.
    fn stream(&self, mut packed: Take<impl Read>) -> io::Result<Stream> {
        let length = packed.limit().min(self.length).saturating_add(self.head.len() as u64);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let mut start = [0; 2];
        packed.read_exact(&mut start)?;
        if start != START_OF_IMAGE {
            return Err(damaged("a strip or tile does not begin as JPEG does"));
        }
        bytes.extend(&self.head);
        packed.read_to_end(&mut bytes)?;
        Stream::new(bytes).map_err(of_tiff).map_err(io::Error::other)
    }

    /// Refuses a stream that is not the chunk, which has so many `bytes` of samples, or that takes too much memory.
    fn check(&self, stream: &Stream, chunk: u64, bytes: u64) -> Result<(), DecodeError> {
        let count = self.meaning.format().samples_per_pixel();
        let Grid { chunk: Size { width, .. }, tiled, .. } = self.grid;
        let row = u64::from(width) * count as u64;
        let height = u32::try_from(bytes / row.max(1)).unwrap_or(u32::MAX);
        let told = stream.size();
        // Some writers do not cut off the last strip of a plane.
        let is_last = !tiled && (chunk + 1).is_multiple_of(self.grid.count().max(1));
        let fits =
            told.width == width && (told.height == height || is_last && told.height > height);
        if !fits {
            let size = Size { width, height };
            return Err(wrong(&format!("the JPEG of a strip or tile of {size} pixels has {told}")));
        }
        if stream.components() != count {
            let components = stream.components();
            return Err(wrong(&format!("a JPEG has {components} components instead of {count}")));
        }
        if self.meaning != Meaning::YCbCr && !stream.is_full() {
            return Err(wrong("a JPEG of other colours than YCbCr has fewer samples than pixels"));
        }
        if stream.memory(told) > self.most {
            return Err(wrong("a JPEG is coded in another way than the first one"));
        }
        Ok(())
    }
}

fn wrong(what: &str) -> DecodeError {
    broken(damaged(what))
}

/// The colours of the components, by the tags alone.
fn meaning(photometric: u64, samples: usize) -> Meaning {
    match (samples, photometric) {
        (1, _) => Meaning::Grey,
        (3, YCBCR) => Meaning::YCbCr,
        (3, _) => Meaning::Rgb,
        _ => Meaning::Cmyk { light: false },
    }
}

/// The start of a stream with the tables of a stream of tables, which may be empty; `None` if that is damaged. As in
/// libjpeg, nothing but these tables counts for another stream.
fn head(tables: &[u8]) -> Option<Vec<u8>> {
    let mut head = START_OF_IMAGE.to_vec();
    if tables.is_empty() {
        return Some(head);
    }
    let mut rest = tables.strip_prefix(&START_OF_IMAGE)?;
    loop {
        match *rest {
            [] | [0xFF, END_OF_IMAGE, ..] => return Some(head),
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            [0xFF, START_OF_SCAN, ..] => return None,
            [0xFF, marker, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                let (segment, after) = rest.split_at_checked(2 + length)?;
                if [QUANTISATION, HUFFMAN].contains(&marker) {
                    head.extend(segment);
                }
                rest = after;
            }
            _ => return None,
        }
    }
}

/// An error of a stream as one of the file.
fn of_tiff(error: DecodeError) -> DecodeError {
    match error {
        DecodeError::Damaged { source, .. } => DecodeError::damaged(Container::Tiff, source),
        DecodeError::Unsupported { what, .. } => DecodeError::Unsupported {
            what: format!("{} that holds {what}", Container::Tiff),
            remedy: kind::RECOMPRESS.to_owned(),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_tables_is_shared() {
        let tables = [
            &START_OF_IMAGE[..],
            &[0xFF, 0xE0, 0, 3, 9, 0xFF, QUANTISATION, 0, 4, 1, 2, 0xFF, 0xFF, HUFFMAN, 0, 3, 5],
            &[0xFF, 0xDD, 0, 4, 0, 7, 0xFF, END_OF_IMAGE, 1],
        ]
        .concat();
        let shared = [0xFF, 0xD8, 0xFF, 0xDB, 0, 4, 1, 2, 0xFF, 0xC4, 0, 3, 5];
        assert_eq!(head(&tables).unwrap(), shared);
        assert_eq!(head(&tables[..tables.len() - 3]).unwrap(), shared);
        assert_eq!(head(&[]).unwrap(), START_OF_IMAGE);
    }

    #[test]
    fn tables_that_break_off_or_hold_an_image_are_damaged() {
        for tables in [
            &[0xFF][..],
            &[0xFF, 0xD9],
            &[0xFF, 0xD8, 0xFF, QUANTISATION, 0, 9, 1],
            &[0xFF, 0xD8, 0, QUANTISATION, 0, 2],
            &[0xFF, 0xD8, 0xFF, START_OF_SCAN, 0, 2, 0xFF, 0xD9],
        ] {
            assert_eq!(head(tables), None, "{tables:?}");
        }
    }
}
