//! What a filter may need of the pixels of an image, and how an image without it is refused.

use thiserror::Error;

use super::resample::LONGEST;
use crate::grid::{Region, Size};
use crate::pixels::PixelFormat;

/// Why a filter cannot be applied to an image, with the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It goes by colours, and the bands are not known to be any.
    #[error(
        "needs colours, but these bands have no names; put bands:3,2,1 before it, with the numbers of \
         your red, green and blue band"
    )]
    NoColours,

    /// It counts the values of each band, and there are too many.
    #[error(
        "counts the values of at most {most} bands; put bands:1,2,3 before it, with the numbers of those you need"
    )]
    TooManyBands {
        /// The most bands.
        most: usize,
    },

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
        "needs black and white, which floats do not have; put scale:0:1 before it, with your values for black and \
         white"
    )]
    NoFullScale,

    /// It keeps pixels that are not there.
    #[error("keeps {asked}, which reaches outside")]
    Outside {
        /// The least that it keeps.
        asked: Region,
    },

    /// A side is longer than its sums can be.
    #[error("makes {made} pixels, and {LONGEST} a side is the most")]
    TooLong {
        /// The size of its result.
        made: Size,
    },

    /// It is given a size and a share.
    #[error("takes percent, or width and height, and not both")]
    TwoSizes,
}

/// Accepts grey and RGB.
pub(super) fn need_colours(input: PixelFormat) -> Result<(), Unfit> {
    if input.bands.are_colours() { Ok(()) } else { Err(Unfit::NoColours) }
}

/// Accepts whole numbers.
pub(super) fn need_full_scale(input: PixelFormat) -> Result<(), Unfit> {
    if input.sample.is_whole() { Ok(()) } else { Err(Unfit::NoFullScale) }
}

/// The most bands whose values are counted: 512 KiB of counts for each of 16 bits.
const MOST_COUNTED: usize = 64;

/// Accepts so many bands that their values can be counted.
pub(super) fn need_few_bands(input: PixelFormat) -> Result<(), Unfit> {
    let few = input.bands.colours() <= MOST_COUNTED;
    if few { Ok(()) } else { Err(Unfit::TooManyBands { most: MOST_COUNTED }) }
}

/// For samples that a filter does not accept: a chain refuses the image before.
pub(super) fn unaccepted() -> ! {
    unreachable!("the filter does not accept such samples")
}
