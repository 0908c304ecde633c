//! The metadata of a TIFF file.

use super::super::limits::MOST_METADATA;
use super::directory::{Directory, Tiff};
use super::pages::Found;
use crate::metadata::Metadata;
use crate::metadata::exif::Exif;
use crate::metadata::ifd::Entry;
use crate::orientation::Orientation;

/// Document, description, maker, model, software, date, artist, computer, copyright.
const DESCRIPTIVE: [u16; 9] = [269, 270, 271, 272, 305, 306, 315, 316, 33_432];

/// Pixels per length, across and down, and the unit; the unit alone means nothing.
const RESOLUTION: [u16; 3] = [282, 283, 296];

const ORIENTATION: u16 = 274;
const XMP: u16 = 700;
const ICC: u16 = 34_675;
const EXIF_POINTER: u16 = 34_665;
const GPS_POINTER: u16 = 34_853;

/// The metadata that can be read; the rest is ignored.
pub(super) fn metadata(tiff: &mut Tiff<'_>, found: &Found) -> Metadata {
    let mut left = MOST_METADATA as u64;
    let mut entry = |tag| tiff.entry(found.holder(tag), tag, &mut left);
    let (icc, xmp) = (entry(ICC), entry(XMP));
    let mut main: Vec<Entry> = DESCRIPTIVE.into_iter().filter_map(&mut entry).collect();
    let resolution = found.holder(RESOLUTION[0]);
    main.extend(RESOLUTION.into_iter().filter_map(|tag| tiff.entry(resolution, tag, &mut left)));
    main.sort_by_key(|entry| entry.tag);
    let picture = pointed(tiff, found, EXIF_POINTER, &mut left);
    let exif = Exif { main, picture, gps: pointed(tiff, found, GPS_POINTER, &mut left) };
    let exif = (!exif.is_empty()).then(|| exif.write());
    let [icc, xmp] = [icc, xmp].map(|entry| entry.map(|entry| entry.bytes));
    Metadata { icc, exif, xmp, ..Metadata::default() }
}

/// The orientation of the picture; any number but 1 to 8 means upright.
pub(super) fn orientation(tiff: &mut Tiff<'_>, found: &Found) -> Orientation {
    let told = tiff.number(found.holder(ORIENTATION), ORIENTATION).ok().flatten();
    let told = told.and_then(|told| u8::try_from(told).ok());
    told.and_then(Orientation::from_exif).unwrap_or(Orientation::UPRIGHT)
}

fn pointed(tiff: &mut Tiff<'_>, found: &Found, pointer: u16, left: &mut u64) -> Vec<Entry> {
    let place = tiff.number(found.holder(pointer), pointer).ok().flatten();
    let directory: Option<Directory> = place.and_then(|place| tiff.directory(place).ok());
    let Some(directory) = directory else { return Vec::new() };
    let mut tags: Vec<u16> = directory.tags().collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into_iter().filter_map(|tag| tiff.entry(&directory, tag, left)).collect()
}
