//! Colour profiles (ICC.1), and the way from what they describe to sRGB.
//!
//! - `shaper`: profiles of three curves and a matrix, or of one curve for grey
//! - `table`: profiles by table
//! - `curve`: the curves of both
//! - `build`: profiles for colours that a file describes in other words
//! - `points`: colours by code points, as PNG has them
//! - `connection`: what tables give
//! - `srgb`: light to the numbers of sRGB
//! - `convert`: rows on their way
//! - `inks`: cyan, magenta, yellow and black without a profile

use moxcms::{ColorProfile, DataColorSpace};
use serde::{Deserialize, Serialize};

use super::format::{Channels, PixelFormat};

pub(super) mod build;
mod connection;
mod convert;
mod curve;
mod inks;
mod points;
mod shaper;
mod srgb;
mod table;

pub(super) use convert::{Conversion, Converted};
pub use points::CodePoints;

/// What kind of colours a profile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Lightness alone.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black.
    Inks,
}

impl Model {
    /// That of decoded pixels, which are never inks.
    #[must_use]
    pub fn of(channels: Channels) -> Model {
        if channels.colours() == 1 { Model::Grey } else { Model::Rgb }
    }

    /// Samples of a colour.
    fn samples(self) -> usize {
        match self {
            Model::Grey => 1,
            Model::Rgb => 3,
            Model::Inks => 4,
        }
    }
}

/// What the numbers of decoded pixels mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// What the file's profile says, or sRGB if it has none.
    #[default]
    Stored,
    /// sRGB, or its lightness.
    Srgb,
}

/// A profile that has been understood.
#[derive(Debug)]
pub(super) struct Profile {
    parsed: Box<ColorProfile>,
    model: Model,
}

/// A profile without pixels is hardly larger than this; real ones end at some megabytes.
const LARGEST: usize = 16 << 20;

impl Profile {
    /// Reads a profile; `None` if it is none, or one for colours that nobody here has.
    fn read(icc: &[u8]) -> Option<Profile> {
        let parsed =
            ColorProfile::new_from_slice(Some(icc).filter(|icc| icc.len() <= LARGEST)?).ok()?;
        let model = match parsed.color_space {
            DataColorSpace::Gray => Model::Grey,
            DataColorSpace::Rgb => Model::Rgb,
            DataColorSpace::Cmyk => Model::Inks,
            _ => return None,
        };
        Some(Profile { parsed: Box::new(parsed), model })
    }

    /// The profile of pixels that come as `model`, if it says anything else than sRGB.
    /// A profile that lacks what the way to sRGB takes says nothing either.
    pub(super) fn of(icc: Option<&[u8]>, model: Model) -> Option<Profile> {
        let profile = Profile::read(icc?).filter(|profile| profile.model == model)?;
        let parsed = &profile.parsed;
        if table::of(parsed, model.samples()).is_some() {
            return Some(profile);
        }
        (shaper::suits(parsed, model) && !shaper::is_srgb(parsed, model)).then_some(profile)
    }

    /// The way to sRGB for samples of so many bits as `format` has.
    pub(super) fn conversion(&self, format: PixelFormat) -> Option<Conversion> {
        Conversion::with(&self.parsed, self.model, format.depth)
    }
}

/// What kind of colours a profile is for; `None` if it cannot be read.
#[must_use]
pub fn model_of(icc: &[u8]) -> Option<Model> {
    Profile::read(icc).map(|profile| profile.model)
}
