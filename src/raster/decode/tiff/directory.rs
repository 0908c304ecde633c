//! The directories of a TIFF file, in either byte order, with offsets of 32 or 64 bits (TIFF 6.0, section 2; `BigTIFF`).

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::super::Input;
use crate::metadata::ifd::{Entry, UTF8, Width, type_size};

/// The most entries: libtiff takes more for a sign that there is no directory.
const MOST_ENTRIES: u64 = 4096;

/// Numbers that are read at a time.
const BLOCK: usize = 512;

/// The byte order of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The number in `bytes`, at most eight of them.
    fn number(self, bytes: &[u8]) -> u64 {
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self {
            Order::Little => bytes.iter().rev().fold(0, join),
            Order::Big => bytes.iter().fold(0, join),
        }
    }
}

/// A TIFF file whose header has been read.
pub(super) struct Tiff<'r> {
    pub(super) file: Input<'r>,
    pub(super) order: Order,
    /// Bytes of the file.
    pub(super) length: u64,
    width: Width,
    /// Offset of the first directory.
    pub(super) first: u64,
    /// Whether it is a raw file of Canon, CR2, which has a mark behind its header.
    pub(super) is_cr2: bool,
}

/// One directory.
#[derive(Debug, Default)]
pub(super) struct Directory {
    fields: Vec<Field>,
    /// Offset of the next directory, or 0.
    pub(super) next: u64,
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
struct Field {
    tag: u16,
    kind: u16,
    count: u64,
    /// Offset of its bytes in the file.
    place: u64,
}

impl Field {
    /// Bytes of its values.
    fn bytes(&self) -> Option<u64> {
        self.count.checked_mul(type_size(self.kind)?.0 as u64)
    }
}

impl Directory {
    /// The first field of a tag, which is the one that counts in libtiff.
    fn field(&self, tag: u16) -> Option<Field> {
        self.fields.iter().find(|field| field.tag == tag && field.count > 0).copied()
    }

    pub(super) fn has(&self, tag: u16) -> bool {
        self.field(tag).is_some()
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = u16> {
        self.fields.iter().map(|field| field.tag)
    }
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

pub(super) fn too_short() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "a chunk is too short")
}

impl<'r> Tiff<'r> {
    pub(super) fn new(mut file: Input<'r>) -> io::Result<Tiff<'r>> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let mut start = [0; 16];
        file.read_exact(&mut start[..8])?;
        let order = if start[0] == b'M' { Order::Big } else { Order::Little };
        let width = if order.number(&start[2..4]) == 43 { Width::Big } else { Width::Classic };
        if length >= 16 {
            file.read_exact(&mut start[8..])?;
        }
        let first = match width {
            Width::Classic => order.number(&start[4..8]),
            Width::Big if order.number(&start[4..6]) == 8 => order.number(&start[8..]),
            Width::Big => return Err(damaged("its offsets have neither 32 nor 64 bits")),
        };
        let is_cr2 = width == Width::Classic && start[8..10] == *b"CR";
        Ok(Tiff { file, order, length, width, first, is_cr2 })
    }

    /// The directory at `at`. Fields of unknown types are left out.
    pub(super) fn directory(&mut self, at: u64) -> io::Result<Directory> {
        let (counter, each, field) = match self.width {
            Width::Classic => (2, 12, 4),
            Width::Big => (8, 20, 8),
        };
        self.file.seek(SeekFrom::Start(at))?;
        let mut number = [0; 8];
        self.file.read_exact(&mut number[..counter])?;
        let count = self.order.number(&number[..counter]);
        if count == 0 || count > MOST_ENTRIES {
            return Err(damaged("a directory has no entries, or too many"));
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0) * each];
        self.file.read_exact(&mut bytes)?;
        let end = at.saturating_add((counter + bytes.len()) as u64);
        // A file may end here, as in libtiff.
        let is_whole = self.length >= end.saturating_add(field as u64);
        if is_whole {
            self.file.read_exact(&mut number[..field])?;
        }
        let next = if is_whole { self.order.number(&number[..field]) } else { 0 };
        let start = at + counter as u64;
        let places = (start..).step_by(each);
        let fields = bytes.chunks_exact(each).zip(places);
        let fields = fields.filter_map(|(bytes, place)| self.field(bytes, place)).collect();
        Ok(Directory { fields, next })
    }

    /// The field in `bytes`, which lie at offset `at`.
    fn field(&self, bytes: &[u8], at: u64) -> Option<Field> {
        let (tag, kind) = (self.order.number(&bytes[..2]), self.order.number(&bytes[2..4]));
        let (count, value) = bytes[4..].split_at((bytes.len() - 4) / 2);
        let place = at + 4 + count.len() as u64;
        let field = Field {
            tag: u16::try_from(tag).ok()?,
            kind: u16::try_from(kind).ok()?,
            count: self.order.number(count),
            place,
        };
        let is_inside = field.bytes()? <= value.len() as u64;
        Some(if is_inside { field } else { Field { place: self.order.number(value), ..field } })
    }

    /// The whole numbers of a tag, at most `most` of them; `None` if there are none.
    pub(super) fn numbers(
        &mut self,
        directory: &Directory,
        tag: u16,
        most: u64,
    ) -> io::Result<Option<Vec<u64>>> {
        let field = directory.field(tag);
        let Some((field, (size, sign))) = field.and_then(|f| Some((f, whole_number(f.kind)?)))
        else {
            return Ok(None);
        };
        let count = field.count.min(most);
        let fits = count.checked_mul(size as u64).is_some_and(|bytes| bytes <= self.length);
        let count = usize::try_from(count).ok().filter(|_| fits);
        let mut left = count.ok_or_else(|| damaged("a list is longer than the file"))?;
        let mut values = Vec::with_capacity(left);
        let mut block = [0; BLOCK * 8];
        self.file.seek(SeekFrom::Start(field.place))?;
        while left > 0 {
            let now = left.min(BLOCK);
            let bytes = &mut block[..now * size];
            self.file.read_exact(bytes)?;
            values.extend(bytes.chunks_exact(size).map(|bytes| {
                let value = self.order.number(bytes);
                // A negative number becomes one that is too large for anything.
                if sign && value >> (8 * size - 1) != 0 { u64::MAX } else { value }
            }));
            left -= now;
        }
        Ok(Some(values))
    }

    /// The first whole number of a tag.
    pub(super) fn number(&mut self, directory: &Directory, tag: u16) -> io::Result<Option<u64>> {
        Ok(self.numbers(directory, tag, 1)?.and_then(|values| values.first().copied()))
    }

    /// The text of a tag, up to its end or `most` bytes.
    pub(super) fn text(
        &mut self,
        directory: &Directory,
        tag: u16,
        most: u64,
    ) -> io::Result<Option<String>> {
        let Some(field) = directory.field(tag).filter(|field| field.kind == 2) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(field.place))?;
        self.file.by_ref().take(field.count.min(most)).read_to_end(&mut bytes)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Ok(Some(String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }

    /// The bytes of a tag, at most `most` of them; none if the tag is missing.
    pub(super) fn bytes(
        &mut self,
        directory: &Directory,
        tag: u16,
        most: u64,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let field = directory.field(tag).and_then(|field| Some((field.place, field.bytes()?)));
        let Some((place, length)) = field else { return Ok(bytes) };
        self.file.seek(SeekFrom::Start(place))?;
        self.file.by_ref().take(length.min(most)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A tag as an entry of Exif, if it takes no more than the bytes `left`, from which its length is subtracted.
    pub(super) fn entry(
        &mut self,
        directory: &Directory,
        tag: u16,
        left: &mut u64,
    ) -> Option<Entry> {
        let field = directory.field(tag)?;
        // Offsets are wrong in another file, and Exif does not have the types of BigTIFF.
        if field.kind > DOUBLE && field.kind != UTF8 {
            return None;
        }
        let length = field.bytes()?;
        let remaining = left.checked_sub(length)?;
        let (_, unit) = type_size(field.kind)?;
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(field.place)).ok()?;
        self.file.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 != length {
            return None;
        }
        *left = remaining;
        if self.order == Order::Big {
            bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
        Some(Entry::read(tag, field.kind, field.count, bytes))
    }
}

/// The last type of TIFF 6.0.
const DOUBLE: u16 = 12;

/// The bytes of a whole-number type, and whether its numbers may be negative; `None` for other types.
fn whole_number(kind: u16) -> Option<(usize, bool)> {
    match kind {
        1 => Some((1, false)),
        3 => Some((2, false)),
        4 | 13 => Some((4, false)),
        16 | 18 => Some((8, false)),
        6 => Some((1, true)),
        8 => Some((2, true)),
        9 => Some((4, true)),
        17 => Some((8, true)),
        _ => None,
    }
}
