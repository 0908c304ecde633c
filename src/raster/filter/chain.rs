//! Chains of filters: their text, and how they are applied to one tile.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ChainError;
use super::step::Step;
use super::{FilterSpec, Window};
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{Colours, PixelFormat, Pixels};

/// The most filters in a chain: a longer one is a mistake or an attack.
pub const MAX_FILTERS: usize = 32;

/// Filters applied one after another; the empty chain changes nothing.
///
/// Its text is `filter[,filter…]`, a filter is `name[:value…]`, and values are given in the order
/// of the filter's parameters or as `parameter=value`. [`fmt::Display`] writes the canonical text:
/// values in order, those that end the list and equal their defaults left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Chain {
    steps: Vec<Step>,
}

impl Chain {
    /// Reads the text of a chain; white space around names and values does not count.
    pub fn parse(text: &str) -> Result<Chain, ChainError> {
        if text.trim().is_empty() {
            return Ok(Chain::default());
        }
        let given = text.split(',').count();
        if given > MAX_FILTERS {
            return Err(ChainError::TooManyFilters { given, limit: MAX_FILTERS });
        }
        let steps = text.split(',').enumerate().map(|(index, step)| Step::parse(step, index + 1));
        Ok(Chain { steps: steps.collect::<Result<_, _>>()? })
    }

    /// Whether there is no filter in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The descriptions of its filters, in order.
    pub fn specs(&self) -> impl Iterator<Item = &'static FilterSpec> {
        self.steps.iter().map(|step| step.spec)
    }

    /// How many rows and columns away from a pixel its result depends on: the sum over the filters.
    #[must_use]
    pub fn radius(&self) -> u32 {
        radius(&self.steps)
    }

    /// Which colours of the image its result depends on, alpha apart.
    #[must_use]
    pub fn reads(&self) -> Colours {
        self.steps.first().map_or(Colours::All, |step| step.filter.reads())
    }

    /// The format of the result for pixels of format `input`.
    #[must_use]
    pub fn output_format(&self, input: PixelFormat) -> PixelFormat {
        self.steps.iter().fold(input, |format, step| step.filter.output_format(format))
    }

    /// Applies all filters to one window of an image of size `image`, and returns the new pixels of
    /// `keep`. `pixels` are those of `at`, which is `keep` grown by [`Chain::radius`] as far as the
    /// image goes, or more.
    ///
    /// # Panics
    /// When `pixels` are not of the size of `at`, or `at` lacks pixels that `keep` depends on.
    #[must_use]
    pub fn apply(&self, pixels: &Pixels, at: Region, keep: Region, image: Size) -> Pixels {
        assert_eq!(pixels.size(), at.size(), "a window has the size of its region");
        assert!(
            at.contains(keep.grow(self.radius(), image)),
            "the window {at} is too small for {keep} and a radius of {}",
            self.radius()
        );
        let mut window = trim(pixels, at, keep.grow(self.radius(), image));
        let mut at = keep.grow(self.radius(), image);
        for (index, step) in self.steps.iter().enumerate() {
            let keep = keep.grow(radius(&self.steps[index + 1..]), image);
            window = Cow::Owned(step.filter.apply(Window { pixels: window, at, keep, image }));
            at = keep;
        }
        window.into_owned()
    }
}

fn radius(steps: &[Step]) -> u32 {
    steps.iter().fold(0, |sum, step| sum.saturating_add(step.filter.radius()))
}

fn trim(pixels: &Pixels, at: Region, keep: Region) -> Cow<'_, Pixels> {
    if at == keep { Cow::Borrowed(pixels) } else { Cow::Owned(pixels.crop(keep.relative_to(at))) }
}

impl FromStr for Chain {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Chain, ChainError> {
        Chain::parse(text)
    }
}

impl TryFrom<String> for Chain {
    type Error = ChainError;

    fn try_from(text: String) -> Result<Chain, ChainError> {
        Chain::parse(&text)
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> String {
        chain.to_string()
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Chain) -> bool {
        self.steps == other.steps
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{step}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Chain::parse(text).unwrap().to_string()
    }

    fn refusal(text: &str) -> String {
        Chain::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_canonical_text_leaves_defaults_out_and_reads_back_to_the_same_chain() {
        assert_eq!(canonical(" blur : sigma = 2.50 , invert "), "blur:2.5,invert");
        assert_eq!(canonical("blur:2,blur,grayscale"), "blur,blur,grayscale");
        assert_eq!(canonical(" "), "");
        let chain = Chain::parse("blur:0.30000000000000004,grayscale").unwrap();
        assert_eq!(chain.to_string().parse(), Ok(chain));
    }

    #[test]
    fn a_chain_travels_as_its_text() {
        let chain: Chain = serde_json::from_str(r#""blur:sigma=3""#).unwrap();
        assert_eq!(serde_json::to_string(&chain).unwrap(), r#""blur:3""#);
    }

    #[test]
    fn radii_add_up() {
        assert_eq!(Chain::parse("blur:1,invert,blur:2.1").unwrap().radius(), 3 + 7);
    }

    #[test]
    fn a_refusal_names_the_value_and_the_way_out() {
        let known = "the filters are blur, grayscale, invert";
        assert_eq!(
            refusal("blurr"),
            format!("there is no filter \"blurr\", did you mean blur?; {known}")
        );
        assert_eq!(refusal("xyzzy"), format!("there is no filter \"xyzzy\"; {known}"));
        let range = "blur: sigma must be a number from 0.1 to 100 pixels";
        assert_eq!(refusal("blur:0"), format!("{range}, not \"0\""));
        assert_eq!(refusal("blur:nan"), format!("{range}, not \"nan\""));
        assert_eq!(refusal("blur:"), format!("{range}, not \"\""));
        assert_eq!(refusal("blur:1:2"), "blur: 2 values are too many; it takes one value, sigma");
        assert_eq!(refusal("invert:1"), "invert: 1 values are too many; it takes no values");
        assert_eq!(
            refusal("blur:1:sigma=2"),
            "blur: sigma is given twice, the second time as \"2\""
        );
        assert_eq!(
            refusal("blur:sgima=1"),
            "blur has no parameter \"sgima\", did you mean sigma?; it takes one value, sigma"
        );
        assert!(refusal("blur,,invert").starts_with("filter 2 has no name"));
        assert!(refusal(&"blur,".repeat(32)).starts_with("33 filters are more than the 32"));
    }
}
