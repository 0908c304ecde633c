//! Exif blocks (Exif 2.32): reading, filtering and writing them.

use super::ifd::{Entry, Reader, Width, directory};

/// Blocks begin like a TIFF file: byte order, 42, and the offset of the first directory.
const HEADER: [u8; 8] = [b'I', b'I', 42, 0, 8, 0, 0, 0];

pub(super) const ORIENTATION: u16 = 274;
pub(super) const EXIF_POINTER: u16 = 34_665;
const GPS_POINTER: u16 = 34_853;
const INTEROPERABILITY_POINTER: u16 = 40_965;
const MAKER_NOTE: u16 = 37_500;

/// Tags of the main directory that are kept by default: resolution with its unit, date, artist, copyright.
const SAFE_MAIN: [u16; 6] = [282, 283, 296, 306, 315, 33_432];

/// Tags of the Exif directory that are kept by default: its version, the dates of the picture and of its
/// digital form, their time zones and fractions of seconds.
const SAFE_EXIF: [u16; 9] =
    [36_864, 36_867, 36_868, 36_880, 36_881, 36_882, 37_520, 37_521, 37_522];

/// Tags of the main directory that describe how pixels lie in their file, or point elsewhere in it.
const STRUCTURE: [u16; 42] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284,
    288, 289, 292, 293, 301, 317, 318, 319, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347,
    513, 514, 700, 34_675,
];

/// The directories of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exif {
    pub(crate) main: Vec<Entry>,
    pub(crate) picture: Vec<Entry>,
    pub(crate) gps: Vec<Entry>,
}

impl Exif {
    /// The directories of an untrusted block; entries that cannot be read are left out.
    pub(crate) fn read(block: &[u8]) -> Exif {
        let Some((reader, first)) = Reader::new(block) else { return Exif::default() };
        let main = reader.entries(first);
        let (picture, gps) =
            (reader.pointed(&main, EXIF_POINTER), reader.pointed(&main, GPS_POINTER));
        Exif { main, picture, gps }.without_structure()
    }

    /// Drops the tags that are valid for one file only.
    fn without_structure(mut self) -> Exif {
        let pointers = [EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER];
        self.main.retain(|e| !STRUCTURE.contains(&e.tag) && !pointers.contains(&e.tag));
        self.picture.retain(|e| !pointers.contains(&e.tag));
        self
    }

    /// Keeps copyright, artist, dates and resolution: nothing that reveals the location or shows the original
    /// picture.
    pub(crate) fn safe(mut self) -> Exif {
        self.main.retain(|entry| SAFE_MAIN.contains(&entry.tag));
        self.picture.retain(|entry| SAFE_EXIF.contains(&entry.tag));
        self.gps.clear();
        self
    }

    /// Whether it has a maker note, which may point to offsets in its block and so must not be moved.
    pub(crate) fn is_of_a_camera(&self) -> bool {
        self.picture.iter().any(|entry| entry.tag == MAKER_NOTE)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.main.is_empty() && self.picture.is_empty() && self.gps.is_empty()
    }

    /// Writes a block. It has no orientation, which means upright.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut block = HEADER.to_vec();
        block.extend(self.directories(8, &[], Width::Classic));
        block
    }

    /// The main directory at offset `at`, with `others` sorted in among its tags, followed by the
    /// directories that it points to.
    pub(crate) fn directories(&self, at: u64, others: &[Entry], width: Width) -> Vec<u8> {
        let parts = [(EXIF_POINTER, &self.picture), (GPS_POINTER, &self.gps)];
        let parts: Vec<_> = parts.into_iter().filter(|(_, entries)| !entries.is_empty()).collect();
        let main = |places: &[u64]| {
            let pointers = parts.iter().zip(places);
            let pointers = pointers.map(|((tag, _), place)| Entry::places(*tag, &[*place], width));
            let mut main: Vec<Entry> = self.main.iter().chain(others).cloned().collect();
            main.extend(pointers);
            main.sort_by_key(|entry| entry.tag);
            directory(&main, at, width)
        };
        // The length of the directory does not depend on the values of its pointers.
        let mut next = at + main(&vec![0; parts.len()]).len() as u64;
        let mut behind = Vec::new();
        let mut places = Vec::new();
        for (_, entries) in &parts {
            let part = directory(entries, next, width);
            places.push(next);
            next += part.len() as u64;
            behind.extend(part);
        }
        let mut all = main(&places);
        all.extend(behind);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::ifd::UNDEFINED;
    use super::*;

    fn text(tag: u16, text: &str) -> Entry {
        Entry { tag, kind: 2, count: text.len() as u64, bytes: text.as_bytes().to_vec() }
    }

    fn example() -> Exif {
        Exif {
            main: vec![text(271, "Maker\0"), text(33_432, "(c) me\0")],
            picture: vec![
                text(36_867, "2026:01:02 03:04:05\0"),
                Entry { tag: MAKER_NOTE, kind: UNDEFINED, count: 5, bytes: vec![1, 2, 3, 4, 5] },
            ],
            gps: vec![Entry { tag: 1, kind: 2, count: 2, bytes: b"N\0".to_vec() }],
        }
    }

    #[test]
    fn a_block_is_read_back() {
        assert_eq!(Exif::read(&example().write()), example());
    }

    #[test]
    fn safe_keeps_copyright_and_date_and_no_place() {
        let safe = Exif::read(&example().safe().write());
        assert_eq!(safe.main, [text(33_432, "(c) me\0")]);
        assert_eq!(safe.picture, [text(36_867, "2026:01:02 03:04:05\0")]);
        assert!(safe.gps.is_empty());
    }

    #[test]
    fn text_of_exif_3_is_kept_and_written_as_the_type_that_all_readers_know() {
        let told = Entry { kind: 129, ..text(33_432, "© me\0") };
        let exif = Exif { main: vec![told], ..Exif::default() };
        assert_eq!(Exif::read(&exif.write()).main, [text(33_432, "© me\0")]);
    }

    #[test]
    fn a_block_of_anything_is_no_danger() {
        let block = example().write();
        for place in 0..block.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = block.clone();
                damaged[place] = value;
                let _ = Exif::read(&damaged);
            }
        }
        assert!(Exif::read(b"").is_empty() && Exif::read(b"II*\0\xFF\xFF\xFF\xFF").is_empty());
    }
}
