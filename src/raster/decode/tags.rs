//! What the tags of a TIFF file say beside its pixels.

use std::io::{Read, Seek};

use tiff::decoder::{Decoder as Reader, IfdDecoder};
use tiff::tags::{ByteOrder, IfdPointer, Tag, Type, ValueBuffer};

use super::limits::MOST_METADATA;
use crate::raster::metadata::Metadata;
use crate::raster::metadata::exif::Exif;
use crate::raster::metadata::ifd::Entry;

/// Document, description, maker, model, resolution with its unit, software, date, artist, computer,
/// copyright.
const DESCRIPTIVE: [u16; 12] = [269, 270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33_432];

const XMP: u16 = 700;
const ICC: u16 = 34_675;
const EXIF_POINTER: u16 = 34_665;
const GPS_POINTER: u16 = 34_853;

/// What can be read of it; the rest is no part of the image.
pub(super) fn metadata<R: Read + Seek>(reader: &mut Reader<R>) -> Metadata {
    let mut left = MOST_METADATA as u64;
    let mut main = reader.image_ifd();
    let icc = entry(&mut main, ICC, &mut left).map(|entry| entry.bytes);
    let xmp = entry(&mut main, XMP, &mut left).map(|entry| entry.bytes);
    let main = DESCRIPTIVE.iter().filter_map(|&tag| entry(&mut main, tag, &mut left)).collect();
    let picture = pointed(reader, EXIF_POINTER, &mut left);
    let exif = Exif { main, picture, gps: pointed(reader, GPS_POINTER, &mut left) };
    let exif = (!exif.is_empty()).then(|| exif.write());
    Metadata { icc, exif, xmp, ..Metadata::default() }
}

fn pointed<R: Read + Seek>(reader: &mut Reader<R>, pointer: u16, left: &mut u64) -> Vec<Entry> {
    let place = reader.find_tag_unsigned::<u64>(Tag::from_u16_exhaustive(pointer)).ok().flatten();
    let Some(directory) = place.and_then(|place| reader.read_directory(IfdPointer(place)).ok())
    else {
        return Vec::new();
    };
    let tags: Vec<u16> = directory.iter().map(|(tag, _)| tag.to_u16()).collect();
    let mut values = reader.read_directory_tags(&directory);
    tags.into_iter().filter_map(|tag| entry(&mut values, tag, left)).collect()
}

/// A value that takes no more bytes than are `left`, whatever the file says of its length: memory is taken
/// before it is known whether the file is so long.
fn entry(directory: &mut IfdDecoder<'_>, tag: u16, left: &mut u64) -> Option<Entry> {
    let known = Tag::from_u16_exhaustive(tag);
    let found = directory.find_entry(known)?;
    let kind = found.field_type().to_u16();
    // Offsets mean another place in another file, and types of BigTIFF nothing to Exif.
    if kind > Type::DOUBLE.to_u16() {
        return None;
    }
    let bytes = found.count().checked_mul(value_bytes(found.field_type()))?;
    let remaining = left.checked_sub(bytes)?;
    let mut value = ValueBuffer::empty(found.field_type());
    directory.find_tag_buf(known, &mut value).ok().flatten()?;
    *left = remaining;
    value.set_byte_order(ByteOrder::LittleEndian);
    Some(Entry { tag, kind, count: value.count(), bytes: value.as_bytes().to_vec() })
}

/// Bytes of one value (TIFF 6.0, section 2, "Types"; the rest is of `BigTIFF`).
fn value_bytes(kind: Type) -> u64 {
    match kind {
        Type::BYTE | Type::SBYTE | Type::ASCII | Type::UNDEFINED => 1,
        Type::SHORT | Type::SSHORT => 2,
        Type::LONG | Type::SLONG | Type::FLOAT | Type::IFD => 4,
        _ => 8,
    }
}
