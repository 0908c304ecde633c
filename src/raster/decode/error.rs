//! Errors of decoding: why a file is not read.

use std::fmt;
use std::io;

use thiserror::Error;

use super::container::Container;
use crate::grid::Size;

/// The remedy if the pixels are ordinary, but the way in which they are stored is not.
pub(super) const RESAVE: &str = "save it as PNG, or as TIFF with LZW or deflate";

/// Why a file is not read. Its text names the value and the way out; the cause is its source.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The content begins like none of the formats.
    #[error("this is not an image; readable formats are {}", Container::names())]
    NotAnImage,

    /// The header asks for more than a limit allows.
    #[error("the image has {value} {quantity}, the limit is {limit}")]
    TooLarge {
        /// The quantity that is too large.
        quantity: Quantity,
        /// How much the image has.
        value: u64,
        /// How much it may have.
        limit: u64,
    },

    /// An image of an unsupported kind.
    #[error("{what} cannot be processed; {remedy}")]
    Unsupported {
        /// What is unsupported: "TIFF with 3 pages", "AVIF".
        what: String,
        /// The way out.
        remedy: String,
    },

    /// A page that is not there.
    #[error("there is no page {page}; the last page of the file is {last}, counted from 0")]
    NoPage {
        /// The page asked for.
        page: u32,
        /// The last page that there is.
        last: u32,
    },

    /// An image without pixels.
    #[error("the image is empty: {size} pixels")]
    EmptyImage {
        /// Its width and height.
        size: Size,
    },

    /// The file ends too early or contradicts its format.
    #[error("the {container} file is damaged or incomplete")]
    Damaged {
        /// The file format.
        container: Container,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The receiver of the decoded rows could not store them.
    #[error("cannot keep the decoded image")]
    Keep {
        /// What the receiver says.
        source: io::Error,
    },

    /// The reader failed; the file itself may be good.
    #[error("cannot read the image")]
    Read {
        /// What the reader says.
        #[from]
        source: io::Error,
    },
}

/// A quantity of an image that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// [`Limits::max_pixels`](super::Limits::max_pixels).
    Pixels,
    /// [`Limits::max_side`](super::Limits::max_side).
    Side,
    /// [`Limits::max_bytes`](super::Limits::max_bytes).
    Memory,
    /// Pixels of all frames of an animation that one of them is drawn from: [`Limits::max_pixels`] for their sum.
    ///
    /// [`Limits::max_pixels`]: super::Limits::max_pixels
    Drawn,
}

/// Its unit, after a number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantity::Pixels => "pixels",
            Quantity::Side => "pixels a side",
            Quantity::Memory => "bytes of memory while it is decoded",
            Quantity::Drawn => "pixels in the frames that this page is drawn from",
        })
    }
}

impl DecodeError {
    /// Whether the image itself is at fault, rather than a limit, a disk or a reader.
    #[must_use]
    pub fn is_of_the_image(&self) -> bool {
        !matches!(
            self,
            Self::TooLarge { .. } | Self::NoPage { .. } | Self::Keep { .. } | Self::Read { .. }
        )
    }

    pub(super) fn damaged(
        container: Container,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> DecodeError {
        DecodeError::Damaged { container, source: source.into() }
    }

    /// A file of a known format with `what`; `remedy` is what its owner can do.
    pub(super) fn unsupported(container: Container, what: &str, remedy: &str) -> DecodeError {
        DecodeError::Unsupported {
            what: format!("{container} with {what}"),
            remedy: remedy.to_owned(),
        }
    }

    /// An animation of `frames` frames, of which none was chosen.
    pub(super) fn animated(container: Container, frames: u32) -> DecodeError {
        DecodeError::animation(
            container,
            &format!("{frames} frame{}", if frames == 1 { "" } else { "s" }),
        )
    }

    /// An animation of which no frame was chosen; `frames` is their number in words.
    pub(super) fn animation(container: Container, frames: &str) -> DecodeError {
        let what = format!("an animation of {frames}");
        DecodeError::unsupported(container, &what, "`page` chooses one of them, counted from 0")
    }

    /// Refuses a page of a file that has only one.
    pub(super) fn check_only_page(page: Option<u32>) -> Result<(), DecodeError> {
        match page {
            Some(page @ 1..) => Err(DecodeError::NoPage { page, last: 0 }),
            _ => Ok(()),
        }
    }

    pub(super) fn keep(source: io::Error) -> DecodeError {
        DecodeError::Keep { source }
    }

    pub(super) fn from_io(container: Container, error: io::Error) -> DecodeError {
        match error.kind() {
            // Decoders report a file that contradicts itself in these two ways as well.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Other => DecodeError::damaged(container, error),
            _ => DecodeError::Read { source: error },
        }
    }
}
