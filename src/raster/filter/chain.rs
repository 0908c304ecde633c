//! Chains of filters: their text, and how they are applied to one tile.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::empty::Empty;
use super::error::ChainError;
use super::statistics::{Histogram, Levels};
use super::step::Step;
use super::{FilterSpec, Window};
use crate::grid::{Region, Size};
use crate::pixels::{Colours, PixelFormat, Pixels};

/// The most filters in a chain: a longer chain is a mistake or an attack.
pub const MAX_FILTERS: usize = 32;

/// Filters applied one after another; the empty chain changes nothing.
///
/// Its text is `filter[,filter…]`, a filter is `name[:value…]`, and a value may be a list such as `4,3,2`. Values are
/// given in the order of the filter's parameters or as `parameter=value`. [`fmt::Display`] writes the canonical text:
/// values in order, without trailing values that equal their defaults.
///
/// A chain whose first filter needs a survey of the whole image gets it before it is applied. The
/// chain is serialized as its text, with the survey behind a `#`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Chain {
    steps: Vec<Step>,
    /// The survey of the first filter.
    levels: Option<Levels>,
}

impl Chain {
    /// Parses the text of a chain; white space around names and values is ignored.
    pub fn parse(text: &str) -> Result<Chain, ChainError> {
        if text.trim().is_empty() {
            return Ok(Chain::default());
        }
        let texts = split(text);
        if texts.len() > MAX_FILTERS {
            return Err(ChainError::TooManyFilters { given: texts.len(), limit: MAX_FILTERS });
        }
        let steps = texts.iter().enumerate().map(|(index, step)| Step::parse(step, index + 1));
        let steps: Vec<Step> = steps.collect::<Result<_, _>>()?;
        match steps.iter().skip(1).position(|step| step.filter.surveys()) {
            None => Ok(Chain { steps, levels: None }),
            Some(index) => {
                let (filter, position) = (steps[index + 1].spec.name, index + 2);
                Err(ChainError::NotFirst { filter, position })
            }
        }
    }

    /// Whether it still needs a survey of the whole image before it can be applied.
    #[must_use]
    pub fn surveys(&self) -> bool {
        self.levels.is_none() && self.steps.first().is_some_and(|step| step.filter.surveys())
    }

    /// The chain with the survey taken from `histogram`, in which all pixels of the image must be
    /// counted. A chain that needs no survey stays as it is.
    #[must_use]
    pub fn informed(&self, histogram: &Histogram) -> Chain {
        let levels = self.steps.first().and_then(|step| step.filter.survey(histogram));
        let informed = levels.and_then(|levels| self.with(levels));
        informed.unwrap_or_else(|| self.clone())
    }

    fn with(&self, levels: Levels) -> Option<Chain> {
        let mut steps = self.steps.clone();
        let first = steps.first_mut()?;
        first.filter = first.filter.informed(&levels)?.into();
        Some(Chain { steps, levels: Some(levels) })
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

    /// The reach in rows and columns: the sum of [`Filter::radius`](super::Filter::radius) over the filters.
    #[must_use]
    pub fn radius(&self) -> u32 {
        radius(&self.steps)
    }

    /// Which colours of the image its result depends on: those read by the first filter that changes
    /// anything. Alpha does not count.
    #[must_use]
    pub fn reads(&self) -> Colours {
        let first = self.steps.iter().find(|step| !step.filter.changes_nothing());
        first.map_or(Colours::All, |step| step.filter.reads())
    }

    /// Checks that each filter can be applied to the pixels that reach it, if the image has pixels of format `input`.
    pub fn check(&self, input: PixelFormat) -> Result<(), ChainError> {
        self.steps.iter().try_fold(input, |format, step| {
            let fits = step.filter.accepts(format);
            fits.map_err(|why| ChainError::Unfit { filter: step.spec.name, format, why })?;
            Ok(step.filter.output_format(format))
        })?;
        Ok(())
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
    /// When `pixels` are not of the size of `at`, or of a format that [`Chain::check`] refuses, `at` lacks pixels that
    /// `keep` depends on, or the chain lacks the survey it needs.
    #[must_use]
    pub fn apply(&self, pixels: &Pixels, at: Region, keep: Region, image: Size) -> Pixels {
        assert!(!self.surveys(), "{self} lacks its survey of the whole image");
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
            let empty = Empty::of(&window, keep.relative_to(at));
            let mut pixels = step.filter.apply(Window { pixels: window, at, keep, image });
            empty.restore(&mut pixels);
            window = Cow::Owned(pixels);
            at = keep;
        }
        window.into_owned()
    }
}

/// The texts of the filters. No name begins with a digit: a part that does goes on with the list before it.
fn split(text: &str) -> Vec<&str> {
    let mut texts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for part in text.split(',') {
        if end > 0 && !part.trim_start().starts_with(|first: char| first.is_ascii_digit()) {
            texts.push(&text[start..end - 1]);
            start = end;
        }
        end += part.len() + 1;
    }
    texts.push(&text[start..]);
    texts
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
        let Some((text, levels)) = text.split_once('#') else { return Chain::parse(&text) };
        let chain = Chain::parse(text)?;
        let informed = Levels::parse(levels).and_then(|levels| chain.with(levels));
        informed.ok_or_else(|| ChainError::BadLevels { chain: chain.to_string() })
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> String {
        match &chain.levels {
            Some(levels) => format!("{chain}#{levels}"),
            None => chain.to_string(),
        }
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Chain) -> bool {
        self.steps == other.steps && self.levels == other.levels
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
    use crate::pixels::{Bands, SampleType};

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
    fn what_a_chain_was_told_travels_with_it_and_is_no_part_of_what_people_read() {
        let format = PixelFormat::new(Bands::GREY, SampleType::U8);
        let pixels = Pixels::from_bytes(Size::new(3, 1), format, &[10, 20, 40]).unwrap();
        let chain = Chain::parse("autolevels:0,blur").unwrap();
        assert!(chain.surveys());
        let informed = chain.informed(&Histogram::of(&pixels));
        assert!(!informed.surveys() && informed != chain);
        assert_eq!(informed.to_string(), "autolevels:0,blur");
        let text = serde_json::to_string(&informed).unwrap();
        assert_eq!(text, r#""autolevels:0,blur#000a0028""#);
        assert_eq!(serde_json::from_str::<Chain>(&text).unwrap(), informed);
        for text in [r#""blur#0000""#, r#""autolevels#0000""#, r#""autolevels#xyz""#] {
            assert!(serde_json::from_str::<Chain>(text).is_err(), "{text}");
        }
        assert!(Chain::parse("autolevels:0#000a0028").is_err());
    }

    #[test]
    fn a_filter_that_surveys_the_image_stands_first() {
        assert_eq!(
            refusal("blur,equalize"),
            "equalize is filter 2, but it must be the first of its chain: it depends on the whole \
             uploaded image, which is measured while it is decoded"
        );
        assert!(Chain::parse("equalize,blur").is_ok());
    }

    #[test]
    fn a_filter_that_changes_nothing_counts_as_none() {
        let reads = |text: &str| Chain::parse(text).unwrap().reads();
        for nothing in [
            "brightness:1",
            "contrast:1",
            "gamma:1",
            "saturation:1",
            "sepia:0",
            "sharpen:0",
            "pixelate:1",
            "posterize:256",
            "brightness:1.001",
            "brightness:1,sepia:0",
        ] {
            for luma in ["grayscale", "edges", "threshold"] {
                assert_eq!(reads(&format!("{nothing},{luma}")), Colours::Luma, "{nothing}");
            }
            assert_eq!(reads(&format!("{nothing},blur")), Colours::All, "{nothing}");
        }
        for something in
            ["brightness:1.1", "gamma:1.05", "sepia:0.5", "sharpen", "invert", "blur:0.1"]
        {
            assert_eq!(reads(&format!("{something},grayscale")), Colours::All, "{something}");
        }
        assert_eq!((reads(""), reads("sepia:0")), (Colours::All, Colours::All));
    }

    #[test]
    fn a_part_that_begins_with_a_digit_goes_on_with_the_list_before_it() {
        assert_eq!(canonical("bands:4, 3 ,2,blur:2.5,invert"), "bands:4,3,2,blur:2.5,invert");
        assert_eq!(canonical("invert,bands"), "invert,bands");
        assert_eq!(
            refusal("blur:2,5"),
            "blur: sigma must be a number from 0.1 to 100 pixels, not \"2,5\""
        );
        assert_eq!(
            refusal("bands:0"),
            "bands: numbers must be up to 64 whole numbers from 1 to 65535, not \"0\""
        );
    }

    #[test]
    fn a_filter_that_cannot_be_applied_says_what_helps() {
        let check = |chain: &str, bands, sample| {
            let format = PixelFormat::new(bands, sample);
            Chain::parse(chain).unwrap().check(format).map_err(|error| error.to_string())
        };
        let five = Bands::unnamed(5);
        assert_eq!(
            check("blur,grayscale", five, SampleType::U8).unwrap_err(),
            "grayscale cannot be applied to 5 bands 8 bit: it needs colours, but these bands have no names; \
             put bands:3,2,1 before it, with the numbers of your red, green and blue band"
        );
        assert_eq!(
            check("invert", Bands::GREY, SampleType::F32).unwrap_err(),
            "invert cannot be applied to grey float: it needs black and white, which floats do not \
             have; put scale:0:1 before it, with your values for black and white"
        );
        assert_eq!(check("bands:3,2,1,grayscale", five, SampleType::U8), Ok(()));
        assert_eq!(check("scale:0:9:16,invert", Bands::GREY, SampleType::F32), Ok(()));
        assert_eq!(check("blur,median,contrast", five, SampleType::F32), Ok(()));
    }

    #[test]
    fn radii_add_up() {
        assert_eq!(Chain::parse("blur:1,invert,blur:2.1").unwrap().radius(), 3 + 7);
    }

    #[test]
    fn a_refusal_names_the_value_and_the_way_out() {
        let known = "the filters are autolevels, bands, blur, box, brightness, contrast, denoise, \
                     edges, emboss, equalize, gamma, grayscale, invert, median, pixelate, posterize, \
                     saturation, scale, sepia, sharpen, threshold";
        assert_eq!(
            refusal("blurr"),
            format!("there is no filter \"blurr\", did you mean blur?; {known}")
        );
        assert_eq!(refusal("xyzzy"), format!("there is no filter \"xyzzy\"; {known}"));
        let range = "blur: sigma must be a number from 0.1 to 100 pixels";
        assert_eq!(refusal("blur:0"), format!("{range}, not \"0\""));
        assert_eq!(refusal("blur:nan"), format!("{range}, not \"nan\""));
        assert_eq!(refusal("blur:"), format!("{range}, not \"\""));
        assert_eq!(refusal("blur:1:2"), "blur: too many values (2); it takes one value, sigma");
        assert_eq!(refusal("invert:1"), "invert: too many values (1); it takes no values");
        assert_eq!(
            refusal("blur:1:sigma=2"),
            "blur: sigma is given twice, the second time as \"2\""
        );
        assert_eq!(
            refusal("blur:sgima=1"),
            "blur has no parameter \"sgima\", did you mean sigma?; it takes one value, sigma"
        );
        assert!(refusal("blur,,invert").starts_with("filter 2 has no name"));
        assert!(
            refusal(&"blur,".repeat(32)).starts_with("a chain takes at most 32 filters, got 33")
        );
    }
}
