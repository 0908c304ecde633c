//! The file formats that can be read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encode::OutputFormat;

/// Declares the formats: all that is known of one stands in one place, but for its decoder.
macro_rules! containers {
    ($($(#[$doc:meta])+ $name:ident {
        words: $words:literal,
        extensions: $extensions:expr,
        mime: $mime:literal,
        result: $result:ident,
        signature: $signature:pat,
    })+) => {
        /// A file format that can be read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Container {
            $($(#[$doc])+ $name,)+
        }

        impl Container {
            /// All formats.
            pub const ALL: [Container; [$(Container::$name),+].len()] = [$(Container::$name),+];

            /// The usual extensions of its files, the most common one first.
            #[must_use]
            pub fn extensions(self) -> &'static [&'static str] {
                match self {
                    $(Container::$name => &$extensions,)+
                }
            }

            /// Its media type.
            #[must_use]
            pub fn mime(self) -> &'static str {
                match self {
                    $(Container::$name => $mime,)+
                }
            }

            /// The format of a result whose format was not chosen: its own, or PNG if that cannot be written.
            #[must_use]
            pub fn result(self) -> OutputFormat {
                match self {
                    $(Container::$name => OutputFormat::$result,)+
                }
            }

            /// The format whose signature is at the start of a file.
            pub(super) fn from_signature(start: &[u8]) -> Option<Container> {
                match start {
                    $($signature => Some(Container::$name),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for Container {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Container::$name => $words,)+
                })
            }
        }
    };
}

containers! {
    /// JPEG, baseline and progressive.
    Jpeg {
        words: "JPEG",
        extensions: ["jpg", "jpeg", "jpe", "jfif"],
        mime: "image/jpeg",
        result: Jpeg,
        signature: [0xFF, 0xD8, 0xFF, ..],
    }
    /// PNG.
    Png {
        words: "PNG",
        extensions: ["png"],
        mime: "image/png",
        result: Png,
        signature: [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..],
    }
    /// TIFF; 43 is `BigTIFF`, with 64-bit offsets.
    Tiff {
        words: "TIFF",
        extensions: ["tif", "tiff"],
        mime: "image/tiff",
        result: Tiff,
        signature: [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..],
    }
    /// WebP, lossy and lossless.
    WebP {
        words: "WebP",
        extensions: ["webp"],
        mime: "image/webp",
        result: WebP,
        signature: [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..],
    }
    /// Windows bitmap.
    Bmp {
        words: "BMP",
        extensions: ["bmp", "dib"],
        mime: "image/bmp",
        result: Png,
        signature: [b'B', b'M', ..],
    }
    /// GIF.
    Gif {
        words: "GIF",
        extensions: ["gif"],
        mime: "image/gif",
        result: Png,
        signature: [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..],
    }
    /// JPEG 2000, a codestream or JP2.
    Jpeg2000 {
        words: "JPEG 2000",
        extensions: ["jp2", "j2k", "jpf", "jpx", "j2c", "jpc"],
        mime: "image/jp2",
        result: Png,
        signature: [0xFF, 0x4F, 0xFF, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..],
    }
}

impl Container {
    /// The names of all formats, in words.
    pub(super) fn names() -> String {
        Container::ALL.map(|container| container.to_string()).join(", ")
    }
}
