//! Admission: an image and wishes become a plan, or a refusal that says what to change.

use std::io::{BufRead, Seek};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Config;
use crate::model::job::{JobId, Plan, StorageId};
use crate::raster;
use crate::raster::decode::{self, Container, Header};
use crate::raster::encode::{Encoder, OutputFormat, OutputOptions};
use crate::raster::filter::Chain;
use crate::raster::grid::{Grid, Size};
use crate::refusal::{Code, Refusal};

/// What the owner of an image wants; what is left out is decided by the configuration and the image.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The filter chain; `grayscale` if left out.
    pub filters: Option<String>,
    /// Side of a tile in pixels.
    pub tile_size: Option<u32>,
    /// Format of the result; that of the image if left out, PNG where it cannot be written.
    pub format: Option<OutputFormat>,
    /// JPEG quality, 1 to 100.
    pub quality: Option<u8>,
}

/// The chain of a job that names none.
pub const DEFAULT_FILTERS: &str = "grayscale";

/// An image at the door: what its header says.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its file name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// What its header says.
    pub header: Header,
}

impl Candidate {
    /// Reads the header of an image, and nothing more.
    pub fn read(
        name: impl Into<String>,
        bytes: u64,
        image: impl BufRead + Seek,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let header = decode::probe(image, &decode_limits(config))?;
        Ok(Self { name: name.into(), bytes, header })
    }
}

/// Writes plans.
#[derive(Debug, Clone)]
pub struct Admission {
    config: Arc<Config>,
    storage: StorageId,
    results_partitions: u32,
}

impl Admission {
    /// Plans jobs of `storage` whose results travel in one of `results_partitions` partitions.
    #[must_use]
    pub fn new(config: Arc<Config>, storage: StorageId, results_partitions: u32) -> Self {
        Self { config, storage, results_partitions }
    }

    /// The plan for a candidate, unless something stands against it.
    pub fn plan(&self, id: JobId, image: Candidate, wishes: &Wishes) -> Result<Plan, Refusal> {
        let filters: Chain = wishes.filters.as_deref().unwrap_or(DEFAULT_FILTERS).parse()?;
        let tile_size = tile_size(wishes, &self.config)?;
        let Header { container, size, .. } = image.header;
        let format = image.header.format_for(filters.reads());
        self.check_tile_count(size, tile_size)?;
        let output = self.output(wishes, container)?;
        let encoder = Encoder::new(output, size, filters.output_format(format))?;
        Ok(Plan {
            version: Plan::VERSION,
            id,
            name: image.name,
            created_at: Timestamp::now(),
            storage: self.storage.clone(),
            container,
            original_bytes: image.bytes,
            size,
            format,
            filters,
            tile_size,
            output,
            notes: encoder.notes(),
            results_partition: self.results_partition(id),
            revision: raster::REVISION,
        })
    }

    fn results_partition(&self, id: JobId) -> u32 {
        let partition = id.spread() % u64::from(self.results_partitions);
        u32::try_from(partition).expect("it is below a u32")
    }

    fn check_tile_count(&self, size: Size, tile_size: u32) -> Result<(), Refusal> {
        let limit = self.config.limits.max_tiles;
        let tiles = Grid::new(size, tile_size).len();
        if tiles <= u64::from(limit) {
            return Ok(());
        }
        let what = format!("tiles of {tile_size} pixels are too many for this image");
        Err(Refusal::new(Code::TooLarge, what)
            .value(format!("{tiles} tiles"))
            .limit(format!("{limit} tiles; choose a larger tile size"), "limits.max_tiles"))
    }

    fn output(&self, wishes: &Wishes, container: Container) -> Result<OutputOptions, Refusal> {
        let quality = quality(wishes, &self.config)?;
        let format = wishes.format.unwrap_or_else(|| same_format(container));
        Ok(OutputOptions { format, quality, background: self.config.output.background.0 })
    }
}

/// Refuses wishes that no image could fulfil.
pub fn check(wishes: &Wishes, config: &Config) -> Result<(), Refusal> {
    wishes.filters.as_deref().unwrap_or(DEFAULT_FILTERS).parse::<Chain>()?;
    tile_size(wishes, config)?;
    quality(wishes, config)?;
    Ok(())
}

fn tile_size(wishes: &Wishes, config: &Config) -> Result<u32, Refusal> {
    let limit = config.limits.max_tile;
    match wishes.tile_size.unwrap_or(config.tile.size) {
        0 => Err(Refusal::new(Code::InvalidOption, "the tile size must be at least 1 pixel")
            .value("0 pixels")),
        size if size > limit => {
            Err(Refusal::new(Code::InvalidOption, "the tile size is too large")
                .value(format!("{size} pixels"))
                .limit(format!("{limit} pixels"), "limits.max_tile"))
        }
        size => Ok(size),
    }
}

fn quality(wishes: &Wishes, config: &Config) -> Result<u8, Refusal> {
    let quality = wishes.quality.unwrap_or(config.output.quality);
    if (1..=100).contains(&quality) {
        return Ok(quality);
    }
    Err(Refusal::new(Code::InvalidOption, "the quality must be from 1 to 100").value(quality))
}

/// The format that the original has, or PNG where that cannot be written.
fn same_format(container: Container) -> OutputFormat {
    match container {
        Container::Jpeg => OutputFormat::Jpeg,
        Container::Tiff => OutputFormat::Tiff,
        Container::WebP => OutputFormat::WebP,
        Container::Png | Container::Bmp | Container::Gif => OutputFormat::Png,
    }
}

/// What a decoder is allowed to do.
#[must_use]
pub fn decode_limits(config: &Config) -> decode::Limits {
    let limits = &config.limits;
    decode::Limits {
        max_pixels: u64::from(limits.max_megapixels) * 1_000_000,
        max_side: limits.max_side,
        max_bytes: limits.decode_memory.get(),
    }
}
