//! What a file says beside its pixels, and what of it goes into another file.
//!
//! - `ifd`: the directories of TIFF and Exif
//! - `exif`: what they say, and what of that is safe
//! - `resolution`: pixels to a length on paper

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::colour::{self, Model};

pub(super) mod exif;
pub(super) mod ifd;
mod resolution;

use exif::Exif;
pub(super) use resolution::Resolution;

/// What of an image's metadata its result keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The colour profile, copyright, artist, dates and resolution: no place, no thumbnail, no names
    /// of devices.
    #[default]
    Safe,
    /// Everything that is understood, the place and a thumbnail of the original included.
    All,
    /// Nothing. Colours become sRGB, which needs no profile.
    None,
}

/// What a file says beside its pixels, as it stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The colour profile of its pixels.
    pub icc: Option<Vec<u8>>,
    /// An Exif block, beginning with its byte order.
    pub exif: Option<Vec<u8>>,
    /// A packet of XMP.
    pub xmp: Option<Vec<u8>>,
}

impl Metadata {
    /// What is kept of it. The orientation is said to be upright, since it has been applied.
    #[must_use]
    pub fn kept(&self, policy: Policy) -> Metadata {
        match policy {
            Policy::None => Metadata::default(),
            Policy::Safe => {
                let exif = self.exif.as_deref().map(|block| Exif::read(block).safe());
                let exif = exif.filter(|exif| !exif.is_empty()).map(|exif| exif.write());
                Metadata { icc: self.icc.clone(), exif, xmp: None }
            }
            Policy::All => Metadata {
                icc: self.icc.clone(),
                exif: self.exif.as_deref().map(exif::upright),
                xmp: self.xmp.as_deref().map(exif::upright_xmp),
            },
        }
    }

    /// The same, its profile only if that is one for pixels of `model`.
    #[must_use]
    pub fn with_profile_for(mut self, model: Option<Model>) -> Metadata {
        self.icc = self.icc.filter(|icc| model.is_some() && colour::model_of(icc) == model);
        self
    }

    /// The same with a resolution that the file told elsewhere, unless its Exif block tells one.
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

    /// The resolution, for formats that tell it elsewhere.
    pub(super) fn resolution(&self) -> Option<Resolution> {
        Resolution::of(&Exif::read(self.exif.as_deref()?))
    }

    /// The same without its profile.
    #[must_use]
    pub fn without_profile(self) -> Metadata {
        Metadata { icc: None, ..self }
    }
}
