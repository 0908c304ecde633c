//! Metadata: what a file holds beside its pixels, and which of it goes into the result.
//!
//! - `announced`: other images in the file, and what announces them
//! - `ifd`: the directories of TIFF and Exif
//! - `exif`: the tags of Exif, and which of them are safe to keep
//! - `resolution`: pixels per length on paper
//! - `viewed`: Exif and XMP for a picture that has been turned upright

use serde::{Deserialize, Serialize};

use super::colour::{self, CodePoints, Model};
use super::grid::Size;
use super::orientation::Orientation;

pub(super) mod announced;
pub(super) mod exif;
pub(super) mod ifd;
mod resolution;
mod viewed;

use exif::Exif;
pub(super) use resolution::Resolution;
pub(super) use viewed::exif_block;

/// Which of an image's metadata its result keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The colour profile, copyright, artist, dates and resolution: no location, no thumbnail, no device
    /// names.
    #[default]
    Safe,
    /// Everything that is understood, including the location and a thumbnail of the original.
    All,
    /// Nothing. Colours become sRGB, which needs no profile.
    None,
}

/// What a file holds beside its pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The colour profile of its pixels.
    pub icc: Option<Vec<u8>>,
    /// The code points of the colours of its pixels.
    pub cicp: Option<CodePoints>,
    /// An Exif block, beginning with its byte order.
    pub exif: Option<Vec<u8>>,
    /// A packet of XMP.
    pub xmp: Option<Vec<u8>>,
}

impl Metadata {
    /// Metadata of the image as viewed: upright, with `size` and the resolution after the turn. An invalid Exif
    /// block is left out.
    #[must_use]
    pub(super) fn viewed(self, orientation: Orientation, size: Size) -> Metadata {
        let exif = self.exif.and_then(|block| viewed::exif(&block, orientation, size));
        let xmp = self.xmp.map(|packet| viewed::xmp(&packet, orientation, size));
        Metadata { exif, xmp, ..self }
    }

    /// The orientation in its Exif block, or upright.
    pub(super) fn orientation(&self) -> Orientation {
        self.exif.as_deref().and_then(viewed::orientation_of).unwrap_or_default()
    }

    /// The part of it that `policy` keeps.
    #[must_use]
    pub fn kept(&self, policy: Policy) -> Metadata {
        match policy {
            Policy::None => Metadata::default(),
            Policy::Safe => {
                let exif = self.exif.as_deref().map(|block| Exif::read(block).safe());
                let exif = exif.filter(|exif| !exif.is_empty()).map(|exif| exif.write());
                Metadata { exif, xmp: None, ..self.clone() }
            }
            Policy::All => self.clone(),
        }
    }

    /// Drops a profile that is not for pixels of `model`, and the code points beside it.
    #[must_use]
    pub fn with_profile_for(self, model: Option<Model>) -> Metadata {
        let fits = |icc: &Vec<u8>| model.is_some() && colour::model_of(icc) == model;
        if self.icc.as_ref().is_none_or(fits) { self } else { self.without_profile() }
    }

    /// Adds a resolution that the file gives outside Exif, unless its Exif block has one or is of a camera.
    #[must_use]
    pub(super) fn with_resolution(mut self, resolution: Option<Resolution>) -> Metadata {
        let Some(resolution) = resolution else { return self };
        let mut exif = self.exif.as_deref().map(Exif::read).unwrap_or_default();
        if Resolution::of(&exif).is_none() && !exif.is_of_a_camera() {
            resolution.put(&mut exif);
            self.exif = Some(exif.write());
        }
        self
    }

    /// The code points, if there is no profile and none can express them.
    pub(super) fn unsaid(&self) -> Option<CodePoints> {
        self.cicp.filter(|points| self.icc.is_none() && !points.has_profile())
    }

    /// The resolution in its Exif block, for formats that store it elsewhere.
    pub(super) fn resolution(&self) -> Option<Resolution> {
        Resolution::of(&Exif::read(self.exif.as_deref()?))
    }

    /// Drops the profile and the code points: the pixels are sRGB.
    #[must_use]
    pub fn without_profile(self) -> Metadata {
        Metadata { icc: None, cicp: None, ..self }
    }
}
