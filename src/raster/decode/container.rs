//! The file formats that can be read, recognised by content.

use std::fmt;
use std::io::{BufRead, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::others;

/// Bytes from the start of a file that are looked at. In XML the first element comes late.
const LONGEST_SIGNATURE: usize = 512;

/// A file format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// JPEG, baseline and progressive.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// WebP, lossy and lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// GIF, one frame.
    Gif,
}

impl Container {
    /// All formats.
    pub const ALL: [Container; 6] = [
        Container::Jpeg,
        Container::Png,
        Container::Tiff,
        Container::WebP,
        Container::Bmp,
        Container::Gif,
    ];

    /// The usual extensions of its files, the most common one first.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Container::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Container::Png => &["png"],
            Container::Tiff => &["tif", "tiff"],
            Container::WebP => &["webp"],
            Container::Bmp => &["bmp", "dib"],
            Container::Gif => &["gif"],
        }
    }

    /// Its media type.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Container::Jpeg => "image/jpeg",
            Container::Png => "image/png",
            Container::Tiff => "image/tiff",
            Container::WebP => "image/webp",
            Container::Bmp => "image/bmp",
            Container::Gif => "image/gif",
        }
    }

    /// The names of all formats, in words.
    pub(super) fn names() -> String {
        Container::ALL.map(|container| container.to_string()).join(", ")
    }

    /// The format whose signature is at the start of `reader`, which is then reset to the start.
    pub(super) fn sniff<R: BufRead + Seek>(reader: &mut R) -> Result<Container, DecodeError> {
        let mut start = Vec::with_capacity(LONGEST_SIGNATURE);
        reader.seek(SeekFrom::Start(0))?;
        reader.by_ref().take(LONGEST_SIGNATURE as u64).read_to_end(&mut start)?;
        reader.seek(SeekFrom::Start(0))?;
        Container::from_signature(&start).ok_or_else(|| others::refusal(&start))
    }

    fn from_signature(start: &[u8]) -> Option<Container> {
        match start {
            [0xFF, 0xD8, 0xFF, ..] => Some(Container::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Container::Png),
            // 43 is BigTIFF, with 64-bit offsets.
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Container::Tiff),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                Some(Container::WebP)
            }
            [b'B', b'M', ..] => Some(Container::Bmp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Container::Gif),
            _ => None,
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Jpeg => "JPEG",
            Container::Png => "PNG",
            Container::Tiff => "TIFF",
            Container::WebP => "WebP",
            Container::Bmp => "BMP",
            Container::Gif => "GIF",
        })
    }
}
