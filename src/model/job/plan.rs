//! What admission decides about a job.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{JobId, StorageId};
use crate::model::batch::BatchId;
use crate::raster::colour::Space;
use crate::raster::decode::{Container, Wanted};
use crate::raster::encode::OutputOptions;
use crate::raster::filter::Chain;
use crate::raster::grid::{Grid, Region, Size};
use crate::raster::metadata::Metadata;
use crate::raster::pixels::{Bands, PixelFormat, SampleType};

/// All that a result depends on, and the way of its tiles. Written once, before the job is accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this record's layout.
    pub version: u32,
    /// The job.
    pub id: JobId,
    /// The image's file name, as its owner calls it.
    pub name: String,
    /// When the job was accepted.
    pub created_at: Timestamp,
    /// Where the job's files are.
    pub storage: StorageId,
    /// Format of the original.
    pub container: Container,
    /// Bytes of the original.
    pub original_bytes: u64,
    /// Width and height in pixels, in upright orientation.
    pub size: Size,
    /// The page of the original, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Pixel format of the decoded original.
    pub format: PixelFormat,
    /// What its pixels mean when they are filtered.
    #[serde(default)]
    pub space: Space,
    /// The filters, in order.
    pub filters: Chain,
    /// Side of a tile of the result in pixels.
    pub tile_size: u32,
    /// How the result is written.
    pub output: OutputOptions,
    /// What the result loses against the original, in words.
    pub notes: Vec<String>,
    /// The partition of the results topic that carries this job's tiles.
    pub results_partition: u32,
    /// Revision whose bytes are promised: [`crate::raster::REVISION`] at admission.
    pub revision: u32,
    /// The batch that the job belongs to. Versions without batches ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
}

/// Why a record is not a plan for this program.
#[derive(Debug, thiserror::Error)]
pub enum UnreadablePlan {
    /// A newer program wrote it.
    #[error(
        "a program that reads plans of version {known} is too old for one of version {0}: finish \
         the upgrade",
        known = Plan::VERSION
    )]
    Newer(u64),
    /// It does not parse.
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
}

/// Gives a pixel format of version 1, with `channels` and `depth`, the fields of today.
fn renew_format(format: &mut Value) {
    let bands = match format["channels"].as_str() {
        Some("grey") => Bands::GREY,
        Some("grey_alpha") => Bands::GREY_ALPHA,
        Some("rgb") => Bands::RGB,
        Some("rgba") => Bands::RGBA,
        _ => return,
    };
    let sample = if format["depth"] == "sixteen" { SampleType::U16 } else { SampleType::U8 };
    *format = serde_json::json!(PixelFormat::new(bands, sample));
}

impl Plan {
    /// Layout version of plans written by this program. It rises when older programs would misread a plan.
    pub const VERSION: u32 = 2;

    /// The plan in a record. The version is read first: the rest of a newer plan may not parse.
    pub fn read(mut record: Value) -> Result<Self, UnreadablePlan> {
        match record["version"].as_u64() {
            Some(version) if version > Self::VERSION.into() => Err(UnreadablePlan::Newer(version)),
            Some(1) => {
                renew_format(&mut record["format"]);
                Ok(serde_json::from_value(record)?)
            }
            _ => Ok(serde_json::from_value(record)?),
        }
    }

    /// The tiles of the result.
    #[must_use]
    pub fn grid(&self) -> Grid {
        Grid::new(self.result_size(), self.tile_size)
    }

    /// The form in which the original's pixels are filtered.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted { colours: self.filters.reads(), space: self.space }
    }

    /// How many tiles there are.
    #[must_use]
    pub fn tiles(&self) -> u32 {
        u32::try_from(self.grid().len()).expect("admission refuses plans of more tiles")
    }

    /// Width and height of the filtered image.
    #[must_use]
    pub fn result_size(&self) -> Size {
        self.filters.output_size(self.size)
    }

    /// Pixel format of the filtered image.
    #[must_use]
    pub fn result_format(&self) -> PixelFormat {
        self.filters.output_format(self.format)
    }

    /// The part of the image that has to be decoded.
    #[must_use]
    pub fn needed(&self) -> Region {
        if self.filters.surveys() {
            return Region::of(self.size);
        }
        self.filters.needs(Region::of(self.result_size()), self.size)
    }

    /// The part of the image that a worker needs for tile `index` of the result.
    #[must_use]
    pub fn window(&self, index: u32) -> Region {
        self.filters.needs(self.grid().region(index), self.size)
    }

    /// The metadata of the result for an original with the metadata `original`, before its format and
    /// `output.metadata` are applied.
    #[must_use]
    pub fn result_metadata(&self, original: Metadata) -> Metadata {
        match self.space {
            Space::Stored => original,
            Space::Srgb => original.without_profile(),
        }
    }

    /// SHA-256 over the plan without its batch, which affects no pixel: two canvases belong together only if it
    /// agrees.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let alone = Self { batch: None, ..self.clone() };
        let text = serde_json::to_vec(&alone).expect("a plan is plain data");
        Sha256::digest(text).into()
    }
}
