//! Chains of filters: their text, and how they are applied to one tile.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

    /// Whether pixels of the result lie at other places than those of the image that they are made of.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.steps.iter().any(|step| step.filter.moves())
    }

    /// The size of the result for an image of size `image`.
    #[must_use]
    pub fn output_size(&self, image: Size) -> Size {
        self.steps.iter().fold(image, |size, step| step.filter.output_size(size))
    }

    /// The region of an image of size `image` that the region `keep` of the result depends on.
    #[must_use]
    pub fn needs(&self, keep: Region, image: Size) -> Region {
        self.way(keep, image).first().map_or(keep, |first| first.at)
    }

    /// The region and the size of the image before each filter, for the region `keep` of the result.
    fn way(&self, keep: Region, image: Size) -> Vec<Place> {
        let mut size = image;
        let mut places: Vec<Place> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            places.push(Place { at: keep, image: size });
            size = step.filter.output_size(size);
        }
        let mut keep = keep;
        for (place, step) in places.iter_mut().zip(&self.steps).rev() {
            keep = step.filter.needs(keep, place.image);
            place.at = keep;
        }
        places
    }

    /// Which colours of the image its result depends on: those read by the first filter that changes
    /// anything. Alpha does not count.
    #[must_use]
    pub fn reads(&self) -> Colours {
        let first = self.steps.iter().find(|step| !step.filter.changes_nothing());
        first.map_or(Colours::All, |step| step.filter.reads())
    }

    /// Whether each filter can be applied to an image of the size that reaches it, if the first is given one of `size`.
    #[must_use]
    pub fn fits(&self, size: Size) -> bool {
        let next =
            |size, step: &Step| step.filter.fits(size).ok().map(|()| step.filter.output_size(size));
        self.steps.iter().try_fold(size, next).is_some()
    }

    /// Checks that each filter can be applied to what reaches it, if the image has the size `size` and pixels of format
    /// `format`.
    pub fn check(&self, format: PixelFormat, size: Size) -> Result<(), ChainError> {
        self.steps.iter().try_fold((format, size), |(format, size), step| {
            let (name, filter) = (step.spec.name, &step.filter);
            let unfit = |why| ChainError::Unfit { filter: name, format, why };
            filter.accepts(format).map_err(unfit)?;
            filter.fits(size).map_err(|why| ChainError::WrongSize { filter: name, size, why })?;
            Ok((filter.output_format(format), filter.output_size(size)))
        })?;
        Ok(())
    }

    /// The format of the result for pixels of format `input`.
    #[must_use]
    pub fn output_format(&self, input: PixelFormat) -> PixelFormat {
        self.steps.iter().fold(input, |format, step| step.filter.output_format(format))
    }

    /// Applies all filters to one window of an image of size `image`, and returns the pixels of the region `keep` of
    /// the result. `pixels` are those of the region `at` of the image, which [`Chain::needs`] names, or more.
    ///
    /// # Panics
    /// When `pixels` are not of the size of `at`, or of a format that [`Chain::check`] refuses, `at` lacks pixels that
    /// `keep` depends on, or the chain lacks the survey it needs.
    #[must_use]
    pub fn apply(&self, pixels: &Pixels, at: Region, keep: Region, image: Size) -> Pixels {
        self.apply_to(Cow::Borrowed(pixels), at, keep, image)
    }

    /// Like [`Chain::apply`], and in place if `pixels` are owned and the filters allow it.
    #[must_use]
    pub fn apply_to(
        &self,
        pixels: Cow<'_, Pixels>,
        at: Region,
        keep: Region,
        image: Size,
    ) -> Pixels {
        assert!(!self.surveys(), "{self} lacks its survey of the whole image");
        assert_eq!(pixels.size(), at.size(), "a window has the size of its region");
        let needed = self.needs(keep, image);
        assert!(at.contains(needed), "the window {at} is too small: {keep} needs {needed}");
        let mut window = trim(pixels, at, needed);
        let way = self.way(keep, image);
        let results = way.iter().skip(1).map(|place| place.at).chain([keep]);
        for ((step, place), keep) in self.steps.iter().zip(&way).zip(results) {
            let Place { at, image } = *place;
            window = Cow::Owned(step.apply(Window { pixels: window, at, keep, image }));
        }
        window.into_owned()
    }
}

/// What reaches one filter.
#[derive(Clone, Copy)]
struct Place {
    /// The region of the image that it is given.
    at: Region,
    /// The size of that image.
    image: Size,
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

fn trim(pixels: Cow<'_, Pixels>, at: Region, keep: Region) -> Cow<'_, Pixels> {
    if at == keep { pixels } else { Cow::Owned(pixels.crop(keep.relative_to(at))) }
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
    fn a_size_that_sums_cannot_hold_is_refused_wherever_it_stands_in_a_chain() {
        let chain = |times| vec!["resize:percent=1000"; times].join(",") + ",resize:100:100";
        let check = |times| {
            let (format, size) =
                (PixelFormat::new(Bands::GREY, SampleType::U8), Size::new(1_000_000, 9));
            Chain::parse(&chain(times)).unwrap().check(format, size)
        };
        assert_eq!(check(3), Ok(()));
        let said = check(4).unwrap_err().to_string();
        assert!(said.starts_with("resize cannot be applied to 1000000000 × 9000 pixels"), "{said}");
        assert!(said.ends_with("1073741824 a side is the most"), "{said}");
        assert!(check(12).is_err());
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
            "crop:1:1,rotate,flip",
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
            Chain::parse(chain)
                .unwrap()
                .check(format, Size::new(9, 9))
                .map_err(|error| error.to_string())
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
    fn what_a_chain_needs_is_followed_back_through_its_filters() {
        let image = Size::new(100, 60);
        let needs = |chain: &str, x, y, width, height| {
            Chain::parse(chain).unwrap().needs(Region { x, y, width, height }, image).to_string()
        };
        assert_eq!(needs("blur:1,invert,blur:2.1", 50, 30, 2, 1), "22 × 21 at (40, 20)");
        assert_eq!(needs("crop:10:20:50:30,box:3", 0, 1, 2, 1), "5 × 5 at (10, 20)");
        assert_eq!(needs("box:3,crop:10:20:50:30", 0, 1, 2, 1), "8 × 7 at (7, 18)");
        assert_eq!(needs("rotate", 0, 0, 5, 2), "2 × 5 at (0, 55)");
        assert_eq!(needs("rotate,flip", 0, 0, 5, 2), "2 × 5 at (0, 0)");
        assert_eq!(needs("resize:50", 10, 3, 2, 1), "4 × 2 at (20, 6)");
        assert_eq!(needs("resize:30:20", 1, 0, 1, 1), "4 × 3 at (3, 0)");
    }

    #[test]
    fn filters_that_move_pixels_make_an_image_of_another_size() {
        let size =
            |chain: &str| Chain::parse(chain).unwrap().output_size(Size::new(101, 60)).to_string();
        assert_eq!(size("blur,invert"), "101 × 60");
        assert_eq!(size("crop:1:2"), "100 × 58");
        assert_eq!(size("crop:1:2:30:7,rotate:270"), "7 × 30");
        assert_eq!(size("rotate:180,flip:vertical"), "101 × 60");
        assert_eq!(size("resize:50"), "50 × 30");
        assert_eq!(size("resize:height=7"), "12 × 7");
        assert_eq!(size("resize:percent=12.5"), "13 × 8");
        assert_eq!(size("resize:200:1"), "200 × 1");
        assert_eq!(size("resize:percent=0.01"), "1 × 1");
    }

    #[test]
    fn a_filter_that_does_not_fit_the_image_says_what_does_not() {
        let check = |chain: &str| {
            let format = PixelFormat::new(Bands::GREY, SampleType::U8);
            let checked = Chain::parse(chain).unwrap().check(format, Size::new(100, 60));
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check("crop:99:59,resize:1000"), Ok(()));
        assert_eq!(check("rotate,crop:0:0:60:100"), Ok(()));
        assert_eq!(
            check("rotate,crop:0:0:100:60").unwrap_err(),
            "crop cannot be applied to 60 × 100 pixels: it keeps 100 × 60 at (0, 0), which reaches outside"
        );
        assert_eq!(
            check("crop:100").unwrap_err(),
            "crop cannot be applied to 100 × 60 pixels: it keeps 1 × 1 at (100, 0), which reaches outside"
        );
        assert_eq!(
            check("resize:50:percent=50").unwrap_err(),
            "resize cannot be applied to 100 × 60 pixels: it takes percent, or width and height, and not both"
        );
    }

    #[test]
    fn a_refusal_names_the_value_and_the_way_out() {
        let known = "the filters are autolevels, bands, blur, box, brightness, contrast, crop, \
                     denoise, edges, emboss, equalize, flip, gamma, grayscale, invert, median, normalize, pixelate, \
                     posterize, resize, rotate, saturation, scale, sepia, sharpen, threshold";
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
