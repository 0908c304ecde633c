//! The filters, and what they have in common.
//!
//! A new filter is one file with a `SPEC` and one name in the `filters!` line below.
//!
//! - [`param`]: parameters and their values
//! - [`chain`]: filters applied one after another, written `blur:2.5,invert`
//! - [`error`]: what can be wrong with the text of a chain
//! - [`statistics`]: the survey that some filters need of the whole image
//! - `step`: one filter of a chain
//! - `curve`, `matrix`: functions of one colour, functions of one pixel
//! - `luma`: how bright colours look
//! - `empty`: pixels that no filter fills
//! - `unfit`: what a filter may need of pixels
//! - `alpha`: means over pixels, weighted by alpha
//! - `gaussian`: weighted means along rows and columns in integers
//! - `around`: a pixel and its eight neighbours
//! - `turn`: quarter turns and reflections
//! - `resample`: weighted means for images of another size
//! - `field`: pixels compared with others at an offset; `alike`: floats compared so

use std::borrow::Cow;
use std::fmt::Debug;

use super::grid::{Region, Size};
use super::pixels::{Bands, Colours, PixelFormat, Pixels};

mod alike;
mod alpha;
mod around;
pub mod chain;
mod curve;
mod empty;
pub mod error;
mod field;
mod gaussian;
mod luma;
mod matrix;
pub mod param;
mod resample;
pub mod statistics;
mod step;
mod stretch;
mod turn;
pub mod unfit;

pub use chain::Chain;
pub use error::ChainError;
pub use param::{ParamKind, ParamSpec, Value, Values};
pub use statistics::{Histogram, Levels};
pub use unfit::Unfit;

// rustfmt does not look inside macros, so it needs these files by name.
macro_rules! filters {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static FILTERS: &[FilterSpec] = &[$($name::SPEC),+];
    };
}

filters![
    autolevels, bands, blur, r#box, brightness, contrast, crop, denoise, edges, emboss, equalize,
    flip, gamma, grayscale, invert, median, normalize, pixelate, posterize, resize, rotate,
    saturation, scale, sepia, sharpen, threshold
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

/// A filter's name, its parameters, and its constructor.
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
/// The result for a region may depend only on the pixels that [`Filter::needs`] names, on its place in the image and on
/// the image's size. Beyond the edges of the *image* a filter makes up pixels as it likes; beyond the edges of a window
/// it must not need any.
///
/// Arithmetic is in integers, or in `f64` in one fixed order, so the bytes are the same on every processor.
pub trait Filter: Debug + Send + Sync {
    /// The reach in rows and columns of a filter that moves no pixels: a result depends only on pixels at most this
    /// far away.
    fn radius(&self) -> u32 {
        0
    }

    /// Whether it moves pixels: those at one place of the input and of the result have nothing to do with each other.
    /// It then takes care of empty pixels itself.
    fn moves(&self) -> bool {
        false
    }

    /// Whether it can be applied to an image of size `input`; the error says what does not fit.
    fn fits(&self, _input: Size) -> Result<(), Unfit> {
        Ok(())
    }

    /// The size of the result for an image of size `input` that it [fits](Filter::fits).
    fn output_size(&self, input: Size) -> Size {
        input
    }

    /// The region of an image of size `input` that a region of the result depends on. Its columns depend on the
    /// columns of `output` alone and its rows on the rows, or the other way round.
    fn needs(&self, output: Region, input: Size) -> Region {
        output.grow(self.radius(), input)
    }

    /// Which colours its result depends on; alpha does not count.
    fn reads(&self) -> Colours {
        Colours::All
    }

    /// Whether it leaves all 8-bit samples as they are, though perhaps at other places. A chain ignores such a filter
    /// when it decides which colours of a file it reads.
    fn changes_nothing(&self) -> bool {
        false
    }

    /// Whether it can be applied to pixels of format `input`; the error says what they lack.
    fn accepts(&self, _input: PixelFormat) -> Result<(), Unfit> {
        Ok(())
    }

    /// The format of the result for pixels of format `input`.
    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        input
    }

    /// Whether it needs a survey of the whole image. Such a filter can only stand first in a chain.
    fn surveys(&self) -> bool {
        false
    }

    /// The survey that it takes from the `histogram` of the whole image, if it needs one.
    fn survey(&self, _histogram: &Histogram) -> Option<Levels> {
        None
    }

    /// A copy of the filter that knows its survey; `None` if it needs none, or `levels` do not fit.
    fn informed(&self, _levels: &Levels) -> Option<Box<dyn Filter>> {
        None
    }

    /// The new pixels of `window.keep`, in [`Filter::output_format`].
    fn apply(&self, window: Window<'_>) -> Pixels;
}

/// The input of a filter.
#[derive(Debug)]
pub struct Window<'a> {
    /// The pixels of `at`; owned, to be changed in place, if a filter came before.
    pub pixels: Cow<'a, Pixels>,
    /// Where they lie: what the filter [needs](Filter::needs) for `keep`, or more.
    pub at: Region,
    /// The region of the result to compute.
    pub keep: Region,
    /// The size of the whole image that the filter is applied to.
    pub image: Size,
}

impl Window<'_> {
    /// The number of samples in `keep`, for these bands.
    fn wanted(&self, bands: Bands) -> usize {
        self.keep.width as usize * self.keep.height as usize * bands.count()
    }
}
