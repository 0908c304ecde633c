//! Image file directories, which TIFF and Exif are made of (TIFF 6.0, section 2; `BigTIFF`).

/// One tag with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    /// The TIFF type of its values.
    pub(crate) kind: u16,
    pub(crate) count: u64,
    /// The values, little-endian.
    pub(crate) bytes: Vec<u8>,
}

/// The prefix of a block in a JPEG segment (Exif 3.0, 4.7.2.2); a padding byte follows.
const SEGMENT_NAME: &[u8; 5] = b"Exif\0";

const BYTE: u16 = 1;
pub(crate) const ASCII: u16 = 2;
pub(crate) const SHORT: u16 = 3;
pub(crate) const LONG: u16 = 4;
pub(crate) const UNDEFINED: u16 = 7;
const SIGNED_BYTE: u16 = 6;
const SIGNED_SHORT: u16 = 8;
const SIGNED_LONG: u16 = 9;
pub(crate) const LONG8: u16 = 16;
/// UTF-8 text of Exif 3.0, a type that most readers do not know yet.
pub(crate) const UTF8: u16 = 129;

impl Entry {
    /// An entry of a file. UTF-8 text of Exif 3.0 gets the type ASCII, which all readers know; they read UTF-8 in it
    /// as UTF-8.
    pub(crate) fn read(tag: u16, kind: u16, count: u64, bytes: Vec<u8>) -> Entry {
        Entry { tag, kind: if kind == UTF8 { ASCII } else { kind }, count, bytes }
    }

    pub(crate) fn shorts(tag: u16, values: &[u16]) -> Entry {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Entry { tag, kind: SHORT, count: values.len() as u64, bytes }
    }

    pub(crate) fn long(tag: u16, value: u32) -> Entry {
        Entry { tag, kind: LONG, count: 1, bytes: value.to_le_bytes().to_vec() }
    }

    /// Text of ASCII, with the zero at its end.
    pub(crate) fn text(tag: u16, text: &str) -> Entry {
        let bytes = [text.as_bytes(), &[0]].concat();
        Entry { tag, kind: ASCII, count: bytes.len() as u64, bytes }
    }

    pub(crate) fn undefined(tag: u16, bytes: &[u8]) -> Entry {
        Entry { tag, kind: UNDEFINED, count: bytes.len() as u64, bytes: bytes.to_vec() }
    }

    /// Offsets or lengths, as wide as those of the file.
    pub(crate) fn places(tag: u16, values: &[u64], width: Width) -> Entry {
        let (kind, length) = if width == Width::Big { (LONG8, 8) } else { (LONG, 4) };
        let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(length));
        Entry { tag, kind, count: values.len() as u64, bytes: bytes.collect() }
    }

    /// Its value, if that is a single SHORT or LONG.
    fn number(&self) -> Option<u32> {
        match (self.kind, &self.bytes[..]) {
            (SHORT, &[low, high]) => Some(u16::from_le_bytes([low, high]).into()),
            (LONG, &[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

/// The bytes of a value of a type, and of each number in it.
pub(crate) fn type_size(kind: u16) -> Option<(usize, usize)> {
    match kind {
        1 | 2 | 6 | 7 | UTF8 => Some((1, 1)),
        3 | 8 => Some((2, 2)),
        4 | 9 | 11 | 13 => Some((4, 4)),
        5 | 10 => Some((8, 4)),
        12 | 16..=18 => Some((8, 8)),
        _ => None,
    }
}

/// How wide offsets are: 32 bits, or 64 in `BigTIFF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Classic,
    Big,
}

/// The bytes of a directory that will lie at offset `at`, followed by its long values. Entries must be in
/// the order of their tags.
pub(crate) fn directory(entries: &[Entry], at: u64, width: Width) -> Vec<u8> {
    let (counter, each, field) = match width {
        Width::Classic => (2, 12, 4),
        Width::Big => (8, 20, 8),
    };
    let put = |out: &mut Vec<u8>, value: u64| out.extend_from_slice(&value.to_le_bytes()[..field]);
    let mut fixed = entries.len().to_le_bytes()[..counter].to_vec();
    let outside_at = at + (counter + entries.len() * each + field) as u64;
    let mut outside = Vec::new();
    for entry in entries {
        fixed.extend(entry.tag.to_le_bytes());
        fixed.extend(entry.kind.to_le_bytes());
        put(&mut fixed, entry.count);
        if entry.bytes.len() <= field {
            fixed.extend_from_slice(&entry.bytes);
            fixed.resize(fixed.len() + field - entry.bytes.len(), 0);
        } else {
            put(&mut fixed, outside_at + outside.len() as u64);
            outside.extend_from_slice(&entry.bytes);
            // Offsets must be even.
            outside.resize(outside.len().next_multiple_of(2), 0);
        }
    }
    // No directory follows.
    put(&mut fixed, 0);
    fixed.extend(outside);
    fixed
}

/// Reads directories of an untrusted block.
pub(super) struct Reader<'a> {
    block: &'a [u8],
    big_endian: bool,
}

/// The most tags, and the longest value, that are read; no honest directory has more.
const MOST_ENTRIES: usize = 512;
const LONGEST_VALUE: usize = 1 << 20;

/// Bytes of an entry: tag, type, count, value or its offset.
pub(super) const ENTRY_BYTES: usize = 12;

/// A block without the name that it has in a JPEG segment, however often it is repeated.
pub(super) fn without_name(mut block: &[u8]) -> &[u8] {
    while let Some([_, rest @ ..]) = block.strip_prefix(SEGMENT_NAME) {
        block = rest;
    }
    block
}

/// The bytes of a value of a whole-number type; `None` for other types.
pub(super) fn whole_number_size(kind: u16) -> Option<usize> {
    let kinds = [BYTE, SHORT, LONG, SIGNED_BYTE, SIGNED_SHORT, SIGNED_LONG];
    type_size(kind).map(|(size, _)| size).filter(|_| kinds.contains(&kind))
}

impl<'a> Reader<'a> {
    /// A reader, and the offset of the first directory; `None` without a TIFF header. The name that a block
    /// has in JPEG is skipped.
    pub(super) fn new(block: &'a [u8]) -> Option<(Reader<'a>, usize)> {
        let block = without_name(block);
        let big_endian = match block.get(..4)? {
            [b'I', b'I', 42, 0] => false,
            [b'M', b'M', 0, 42] => true,
            _ => return None,
        };
        let reader = Reader { block, big_endian };
        let first = reader.number(4, 4)?;
        Some((reader, first))
    }

    fn number(&self, at: usize, length: usize) -> Option<usize> {
        let bytes = self.block.get(at..at.checked_add(length)?)?;
        let join = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, join)
        } else {
            bytes.iter().rev().fold(0, join)
        })
    }

    /// The entries of the directory at `at`; those that cannot be read are left out.
    pub(super) fn entries(&self, at: usize) -> Vec<Entry> {
        let count = self.number(at, 2).unwrap_or(0).min(MOST_ENTRIES);
        let mut entries: Vec<Entry> =
            (0..count).filter_map(|index| self.entry(at + 2 + index * ENTRY_BYTES)).collect();
        entries.sort_by_key(|entry| entry.tag);
        entries.dedup_by_key(|entry| entry.tag);
        entries
    }

    /// The offsets of the entries of a tag in the directory at `at`.
    pub(super) fn places_of(&self, at: usize, tag: u16) -> Vec<usize> {
        let count = self.number(at, 2).unwrap_or(0).min(MOST_ENTRIES);
        let places = (0..count).map(|index| at + 2 + index * ENTRY_BYTES);
        places.filter(|place| self.number(*place, 2) == Some(tag.into())).collect()
    }

    /// The offsets of the type fields that say UTF-8, in the directory at `at`.
    pub(super) fn types_of_utf8(&self, at: usize) -> Vec<usize> {
        let count = self.number(at, 2).unwrap_or(0).min(MOST_ENTRIES);
        let types = (0..count).map(|index| at + 2 + index * ENTRY_BYTES + 2);
        types.filter(|place| self.number(*place, 2) == Some(UTF8.into())).collect()
    }

    /// The offset of the first value of the entry at `place`, and its type, if that is a whole number.
    pub(super) fn whole_number_of(&self, place: usize) -> Option<(usize, u16)> {
        let kind = u16::try_from(self.number(place + 2, 2)?).ok()?;
        let size = whole_number_size(kind)?;
        let length = self.number(place + 4, 4)?.checked_mul(size).filter(|length| *length > 0)?;
        let at = if length <= 4 { place + 8 } else { self.number(place + 8, 4)? };
        (at.checked_add(size)? <= self.block.len()).then_some((at, kind))
    }

    /// The first whole number of a tag of the directory at `at`.
    pub(super) fn whole_number(&self, at: usize, tag: u16) -> Option<usize> {
        let mut places = self.places_of(at, tag).into_iter();
        let (at, kind) = places.find_map(|place| self.whole_number_of(place))?;
        self.number(at, whole_number_size(kind)?)
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let tag = u16::try_from(self.number(at, 2)?).ok()?;
        let kind = u16::try_from(self.number(at + 2, 2)?).ok()?;
        let count = self.number(at + 4, 4)?;
        let (size, unit) = type_size(kind)?;
        let length = count.checked_mul(size).filter(|length| *length <= LONGEST_VALUE)?;
        let start = if length <= 4 { at + 8 } else { self.number(at + 8, 4)? };
        let mut bytes = self.block.get(start..start.checked_add(length)?)?.to_vec();
        if self.big_endian {
            bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
        Some(Entry::read(tag, kind, count as u64, bytes))
    }

    /// The entries of the directory that one of `entries` points to.
    pub(super) fn pointed(&self, entries: &[Entry], tag: u16) -> Vec<Entry> {
        let pointer = entries.iter().find(|entry| entry.tag == tag).and_then(Entry::number);
        pointer.map_or_else(Vec::new, |at| self.entries(at as usize))
    }

    /// The low `length` bytes of a number, in the byte order of the block.
    pub(super) fn written(&self, value: u32, length: usize) -> Vec<u8> {
        let mut bytes = value.to_le_bytes()[..length].to_vec();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}
