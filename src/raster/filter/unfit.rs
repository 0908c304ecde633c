//! What a filter may need of the pixels of an image, and how an image without it is refused.

use thiserror::Error;

use crate::pixels::PixelFormat;

/// Why a filter cannot be applied to pixels of some format, with the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It goes by colours, and the bands are not known to be any.
    #[error(
        "goes by colours, and none of the bands is known to be one; put bands:3,2,1 before it, with the numbers of \
         your red, green and blue band"
    )]
    NoColours,

    /// It asks for a band that is not there.
    #[error("asks for band {number}, and there are {there}")]
    NoBand {
        /// The number of the band, counted from 1.
        number: u16,
        /// How many bands there are.
        there: usize,
    },

    /// It goes by black and white, which floats do not have.
    #[error(
        "goes by black and white, which floats do not have; put scale:0:1 before it, with your values for black and \
         white"
    )]
    NoFullScale,
}

/// Accepts grey and RGB.
pub(super) fn need_colours(input: PixelFormat) -> Result<(), Unfit> {
    if input.bands.are_colours() { Ok(()) } else { Err(Unfit::NoColours) }
}

/// Accepts whole numbers.
pub(super) fn need_full_scale(input: PixelFormat) -> Result<(), Unfit> {
    if input.sample.is_whole() { Ok(()) } else { Err(Unfit::NoFullScale) }
}

/// For samples that a filter does not accept: a chain refuses the image before.
pub(super) fn unaccepted() -> ! {
    unreachable!("the filter does not accept such samples")
}
