//! The metadata of a JPEG file, up to its first scan.

use crate::decode::limits::MOST_METADATA;
use crate::metadata::announced::{alone, announces_gain_map, other_images};
use crate::metadata::{Metadata, Resolution, exif_block};

pub(super) const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
pub(super) const APP14: u8 = 0xEE;

const JFIF: &[u8] = b"JFIF\0";
const EXIF: &[u8] = b"Exif\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC: &[u8] = b"ICC_PROFILE\0";
const MULTI_PICTURE: &[u8] = b"MPF\0";
const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
const ADOBE: &[u8] = b"Adobe";

/// The metadata before the first scan.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) jfif: bool,
    /// The transform in Adobe's segment.
    pub(super) adobe: Option<u8>,
    pub(super) resolution: Option<Resolution>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    /// Parts of a profile with their numbers, from 1.
    profile: Vec<(u8, Vec<u8>)>,
    /// How many parts the profile should have.
    parts: u8,
    /// The MPF list of other images in the file.
    pictures: Option<Vec<u8>>,
    gain_map: bool,
    /// Bytes of segments taken in so far.
    taken: usize,
}

impl Said {
    /// The metadata, with the profile only if all of its parts are there.
    pub(super) fn metadata(&mut self) -> Metadata {
        self.profile.sort_by_key(|(number, _)| *number);
        let whole = self.profile.len() == usize::from(self.parts)
            && self.profile.iter().zip(1..).all(|((number, _), at)| *number == at);
        let icc = (whole && self.parts > 0)
            .then(|| self.profile.drain(..).flat_map(|(_, part)| part).collect::<Vec<_>>());
        let xmp = self.xmp.take().and_then(|packet| alone(&packet));
        Metadata { icc, exif: self.exif.take(), xmp, ..Metadata::default() }
    }

    /// Other images of the file that are left out, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let others = self.pictures.as_deref().map_or(0, other_images);
        let gain_map = self.gain_map || self.xmp.as_deref().is_some_and(announces_gain_map);
        match (gain_map, others) {
            (true, _) => vec!["the gain map of the file was left out".to_owned()],
            (false, 0) => Vec::new(),
            (false, 1) => vec!["another image of the file was left out".to_owned()],
            (false, _) => vec![format!("{others} other images of the file were left out")],
        }
    }

    /// Takes in a segment; the first of a kind counts, as in other readers.
    pub(super) fn take_in(&mut self, marker: u8, body: &[u8]) {
        self.taken += body.len();
        if self.taken > MOST_METADATA {
            return;
        }
        match marker {
            APP0 => self.take_jfif(body),
            APP1 => {
                if body.starts_with(EXIF) {
                    self.exif = self.exif.take().or_else(|| exif_block(body));
                } else if let Some(packet) = body.strip_prefix(XMP) {
                    self.xmp.get_or_insert_with(|| packet.to_vec());
                }
            }
            APP2 => self.take_app2(body),
            APP14 => {
                if let [_, _, _, _, _, _, transform, ..] =
                    *body.strip_prefix(ADOBE).unwrap_or_default()
                {
                    self.adobe = Some(transform);
                }
            }
            _ => {}
        }
    }

    fn take_jfif(&mut self, body: &[u8]) {
        let Some([_, _, unit, x1, x0, y1, y0, _, _, ..]) = body.strip_prefix(JFIF) else { return };
        let [x, y] = [[*x1, *x0], [*y1, *y0]].map(u16::from_be_bytes);
        if !self.jfif {
            self.resolution = Resolution::of_jfif(*unit, x, y);
        }
        self.jfif = true;
    }

    fn take_app2(&mut self, body: &[u8]) {
        if let Some([number, parts, part @ ..]) = body.strip_prefix(ICC) {
            if self.profile.iter().all(|(known, _)| known != number) {
                self.parts = *parts;
                self.profile.push((*number, part.to_vec()));
            }
        } else if let Some(pictures) = body.strip_prefix(MULTI_PICTURE) {
            self.pictures.get_or_insert_with(|| pictures.to_vec());
        }
        self.gain_map |= body.starts_with(GAIN_MAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(segments: &[(u8, Vec<u8>)]) -> Said {
        let mut said = Said::default();
        for (marker, body) in segments {
            said.take_in(*marker, body);
        }
        said
    }

    #[test]
    fn the_first_segment_of_each_kind_counts() {
        let jfif = |x: u8| [JFIF, &[1, 1, 1, 0, x, 0, 9, 0, 0]].concat();
        let mut said = said(&[
            (APP1, b"Exif\0\0II*\0\x08\0\0\0first".to_vec()),
            (APP0, jfif(3)),
            (APP1, b"Exif\0\0II*\0\x08\0\0\0second".to_vec()),
            (APP0, jfif(4)),
            (APP14, b"Abode\0\x64\0\0\0\0\x02".to_vec()),
            (APP14, b"Adobe\0\x64\0\0\0\0\x01".to_vec()),
        ]);
        assert_eq!((said.jfif, said.adobe), (true, Some(1)));
        assert_eq!(said.resolution, Resolution::of_jfif(1, 3, 9));
        assert!(said.metadata().exif.unwrap().ends_with(b"first"));
    }

    #[test]
    fn a_profile_is_joined_in_the_order_of_its_parts_or_not_there() {
        let part = |number: u8, of: u8| (APP2, [ICC, &[number, of], &[number; 3]].concat());
        let icc = |parts: &[(u8, Vec<u8>)]| said(parts).metadata().icc;
        assert_eq!(icc(&[part(2, 2), part(1, 2)]), Some(vec![1, 1, 1, 2, 2, 2]));
        assert_eq!(icc(&[part(2, 2)]), None);
        assert_eq!(icc(&[part(1, 2), part(1, 2)]), None);
        assert_eq!(icc(&[]), None);
    }
}
