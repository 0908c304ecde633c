//! Colour profiles (ICC.1), and the conversion from their colours to sRGB.
//!
//! - `shaper`: profiles of three curves and a matrix, or of one curve for grey
//! - `table`: profiles of lookup tables
//! - `curve`: the curves of both
//! - `build`: profiles for colours that a file describes without one
//! - `points`: colours by code points, as in PNG
//! - `connection`: the colours that lookup tables give
//! - `lab`: CIE Lab without a profile
//! - `srgb`: linear light to sRGB values
//! - `convert`: conversion of rows
//! - `inks`: cyan, magenta, yellow and black without a profile

use moxcms::{ColorProfile, DataColorSpace};
use serde::{Deserialize, Serialize};

use super::format::{Bands, PixelFormat};

pub(super) mod build;
mod connection;
mod convert;
mod curve;
mod inks;
mod lab;
mod points;
mod shaper;
mod srgb;
mod table;

pub(super) use convert::{Conversion, Converted};
pub(super) use lab::LabToSrgb;
pub use points::CodePoints;

/// The kind of colours that a profile is for.
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
    /// The model of decoded pixels, which are never inks.
    #[must_use]
    pub fn of(bands: Bands) -> Model {
        if bands.colours() == 1 { Model::Grey } else { Model::Rgb }
    }

    /// Number of samples of a colour.
    fn samples(self) -> usize {
        match self {
            Model::Grey => 1,
            Model::Rgb => 3,
            Model::Inks => 4,
        }
    }
}

/// The colour space of decoded pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// That of the file's profile, or sRGB if it has none.
    #[default]
    Stored,
    /// sRGB, or its lightness.
    Srgb,
}

/// A parsed profile.
#[derive(Debug)]
pub(super) struct Profile {
    parsed: Box<ColorProfile>,
    model: Model,
}

/// The most bytes of a profile: real ones have a few megabytes at most.
const LARGEST: usize = 16 << 20;

impl Profile {
    /// Parses a profile; `None` if it is invalid, or for an unsupported kind of colours.
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

    /// The profile of pixels of this `model`, if it means anything but sRGB. A profile that lacks what the
    /// conversion to sRGB needs is ignored.
    pub(super) fn of(icc: Option<&[u8]>, model: Model) -> Option<Profile> {
        let profile = Profile::read(icc?).filter(|profile| profile.model == model)?;
        let parsed = &profile.parsed;
        if table::of(parsed, model.samples()).is_some() {
            return Some(profile);
        }
        (shaper::suits(parsed, model) && !shaper::is_srgb(parsed, model)).then_some(profile)
    }

    /// The conversion to sRGB for samples of the type of `format`; `None` for floats.
    pub(super) fn conversion(&self, format: PixelFormat) -> Option<Conversion> {
        Conversion::with(&self.parsed, self.model, format.sample)
    }
}

/// The kind of colours that a profile is for; `None` if it cannot be read.
#[must_use]
pub fn model_of(icc: &[u8]) -> Option<Model> {
    Profile::read(icc).map(|profile| profile.model)
}
