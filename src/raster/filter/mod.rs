//! The filters, and what all of them have in common.
//!
//! A new filter is one file with a `SPEC` and one name in the `filters!` line below.
//!
//! - [`param`]: parameters and their values
//! - [`chain`]: filters applied one after another, written `blur:2.5,invert`
//! - [`error`]: what can be wrong with the text of a chain
//! - [`statistics`]: what some filters have to know of the whole image
//! - `step`: one filter of a chain
//! - `curve`, `matrix`: each colour for itself, each pixel for itself
//! - `luma`: how bright colours look
//! - `alpha`: means over pixels of which some cannot be seen
//! - `gaussian`: weighted means along rows and columns in integers
//! - `around`: a pixel and its eight neighbours
//! - `field`: places compared with others at an offset

use std::borrow::Cow;
use std::fmt::Debug;

use super::grid::{Region, Size};
use super::pixels::{Channels, Colours, PixelFormat, Pixels};

mod alpha;
mod around;
pub mod chain;
mod curve;
pub mod error;
mod field;
mod gaussian;
mod luma;
mod matrix;
pub mod param;
pub mod statistics;
mod step;

pub use chain::Chain;
pub(super) use curve::nearest;
pub use error::ChainError;
pub use param::{ParamKind, ParamSpec, Value, Values};
pub use statistics::{Histogram, Levels};

// rustfmt does not look inside macros, so it must be given these modules by name.
macro_rules! filters {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static FILTERS: &[FilterSpec] = &[$($name::SPEC),+];
    };
}

filters![
    autolevels, blur, r#box, brightness, contrast, denoise, edges, emboss, equalize, gamma,
    grayscale, invert, median, pixelate, posterize, saturation, sepia, sharpen, threshold
];

/// All filters, in alphabetical order.
#[must_use]
pub fn filters() -> &'static [FilterSpec] {
    FILTERS
}

/// The filter of this name.
pub fn find(name: &str) -> Result<&'static FilterSpec, ChainError> {
    filters().iter().find(|spec| spec.name == name).ok_or_else(|| {
        let known: Vec<_> = filters().iter().map(|spec| spec.name).collect();
        let closest = error::closest(name, &known);
        ChainError::UnknownFilter { name: name.to_owned(), closest, known }
    })
}

/// A filter's name, its parameters, and how it is made.
#[derive(Clone, Copy, Debug)]
pub struct FilterSpec {
    /// Its name in a chain.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its parameters, in the order in which a chain gives their values.
    pub params: &'static [ParamSpec],
    /// Makes the filter from one value for each parameter.
    pub build: fn(&Values) -> Box<dyn Filter>,
}

/// Makes new pixels from the pixels around them.
///
/// The result for a pixel may depend only on the pixels at most [`Filter::radius`] rows and columns
/// away, on its place in the image and on the image's size. Beyond the edges of the *image* a filter
/// thinks up pixels as it likes; beyond the edges of a window there is nothing to ask for.
/// Arithmetic is in integers, or in `f64` in one fixed order, so that the bytes are the same
/// on every processor.
pub trait Filter: Debug + Send + Sync {
    /// How many rows and columns away from a pixel its result depends on.
    fn radius(&self) -> u32 {
        0
    }

    /// Which colours its result depends on, alpha apart.
    fn reads(&self) -> Colours {
        Colours::All
    }

    /// Whether its result shows what it got, in samples of 8 bits: it counts as if it were not there where a
    /// chain decides which colours of a file it reads.
    fn changes_nothing(&self) -> bool {
        false
    }

    /// The format of the result for pixels of format `input`.
    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        input
    }

    /// Whether it has to know the whole image, so that it can only stand first in a chain.
    fn surveys(&self) -> bool {
        false
    }

    /// What it has to know of the image that `histogram` was made of, if anything.
    fn survey(&self, _histogram: &Histogram) -> Option<Levels> {
        None
    }

    /// The same filter, knowing that; `None` if it needs nothing, or something else.
    fn informed(&self, _levels: &Levels) -> Option<Box<dyn Filter>> {
        None
    }

    /// The new pixels of `window.keep`, in [`Filter::output_format`].
    fn apply(&self, window: Window<'_>) -> Pixels;
}

/// What a filter gets to see.
#[derive(Debug)]
pub struct Window<'a> {
    /// The pixels of `at`; its own, to be changed in place, if a filter came before.
    pub pixels: Cow<'a, Pixels>,
    /// Where they lie: `keep`, grown by the filter's radius as far as the image goes, or more.
    pub at: Region,
    /// The region to be made.
    pub keep: Region,
    /// The size of the whole image.
    pub image: Size,
}

impl Window<'_> {
    /// How many samples the region to be made has.
    fn wanted(&self, channels: Channels) -> usize {
        self.keep.width as usize * self.keep.height as usize * channels.count()
    }
}
