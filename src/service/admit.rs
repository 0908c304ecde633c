//! Admission: turns an image and options into a plan, or refuses them and says what to change.

use std::io::{BufRead, Seek};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Config;
use crate::model::batch::BatchId;
use crate::model::job::{JobId, Plan, StorageId};
use crate::raster;
use crate::raster::colour::Space;
use crate::raster::decode::{self, Header};
use crate::raster::encode::{Encoder, Loss, OutputFormat, OutputOptions, SampleChoice};
use crate::raster::filter::Chain;
use crate::raster::grid::{Grid, Region, Size};
use crate::raster::metadata::Policy;
use crate::raster::pixels::{Nodata, PixelFormat, StoredType};
use crate::refusal::{Code, Refusal};

/// The options of a job; those left out are decided by the configuration and the image.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The filter chain; `grayscale` if left out.
    pub filters: Option<String>,
    /// Side of a tile in pixels.
    pub tile_size: Option<u32>,
    /// Format of the result. By default that of the image, or PNG if that cannot be written.
    pub format: Option<OutputFormat>,
    /// JPEG quality, 1 to 100.
    pub quality: Option<u8>,
    /// The samples of a TIFF that are floats in memory.
    pub sample_type: Option<SampleChoice>,
    /// The page of the image, counted from 0.
    pub page: Option<u32>,
    /// The batch that the job belongs to.
    pub batch: Option<BatchId>,
}

/// Room in a message for everything beside the pixels of its tile, numbers and the chain: far more than they take.
const BESIDE_PIXELS: u64 = 64 << 10;

/// The most bytes of a tile, also where no message limits it.
const MOST_TILE: u64 = 1 << 30;

/// The chain of a job that names none.
pub const DEFAULT_FILTERS: &str = "grayscale";

/// What a tile has to fit into.
struct Room {
    words: &'static str,
    bytes: u64,
    /// The setting that moves the limit.
    setting: Option<&'static str>,
}

/// An image that is to be admitted, with its header.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its file name.
    pub name: String,
    /// The size of its file.
    pub bytes: u64,
    /// Its page, if one was chosen.
    pub page: Option<u32>,
    /// The header of that page.
    pub header: Header,
}

impl Candidate {
    /// Reads the header of a page of an image, and no pixels.
    pub fn read(
        name: impl Into<String>,
        bytes: u64,
        image: impl BufRead + Seek + Send,
        page: Option<u32>,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let header = decode::probe_page(image, &decode_limits(config), page)?;
        Ok(Self { name: name.into(), bytes, page, header })
    }
}

/// Writes plans.
#[derive(Debug, Clone)]
pub struct Admission {
    config: Arc<Config>,
    storage: StorageId,
    results_partitions: u32,
    /// The most bytes of a message, if there is a limit.
    max_message: Option<u64>,
}

impl Admission {
    /// Plans jobs of `storage` whose results travel in one of `results_partitions` partitions.
    #[must_use]
    pub fn new(config: Arc<Config>, storage: StorageId, results_partitions: u32) -> Self {
        Self { config, storage, results_partitions, max_message: None }
    }

    /// Limits tiles to what fits into messages of `bytes`.
    #[must_use]
    pub fn with_messages_of(self, bytes: u64) -> Self {
        Self { max_message: Some(bytes), ..self }
    }

    /// The plan for a candidate, or why it is refused.
    pub fn plan(&self, id: JobId, image: Candidate, wishes: &Wishes) -> Result<Plan, Refusal> {
        let filters: Chain = wishes.filters.as_deref().unwrap_or(DEFAULT_FILTERS).parse()?;
        let wanted = tile_size(wishes, &self.config)?;
        let Header { container, size, inks, .. } = image.header;
        filters.check(image.header.format, size)?;
        let result = self.result_size(&filters, size)?;
        let output = self.output(wishes, &image.header)?;
        let pixels = wanted_pixels(&image.header, &filters, output)?;
        let format = image.header.format_for(pixels);
        let tile_size = self.fit(wanted, size, format, &filters)?;
        self.check_tile_count(result, tile_size)?;
        let encoder = Encoder::new(output, result, filters.output_format(format))?;
        let mut notes = image.header.notes.clone();
        notes.extend(encoder.losses().into_iter().map(told));
        notes.extend(unsaid(&image.header, output));
        let converted = pixels.space == Space::Srgb;
        notes.extend(converted.then(|| "colours were converted to sRGB".to_owned()));
        notes.extend(inks.then(|| "CMYK was converted to sRGB".to_owned()));
        notes.extend((tile_size < wanted).then(|| {
            let words = self.room().words;
            format!(
                "tiles are {tile_size} pixels a side, not {wanted}, so that they fit into {words}; the \
                 result is the same"
            )
        }));
        Ok(Plan {
            version: Plan::VERSION,
            id,
            name: image.name,
            created_at: Timestamp::now(),
            storage: self.storage.clone(),
            container,
            original_bytes: image.bytes,
            size,
            page: image.page,
            format,
            space: pixels.space,
            filters,
            tile_size,
            output,
            notes,
            results_partition: self.results_partition(id),
            revision: raster::REVISION,
            batch: wishes.batch,
        })
    }

    fn results_partition(&self, id: JobId) -> u32 {
        let partition = id.spread() % u64::from(self.results_partitions);
        u32::try_from(partition).expect("it is below a u32")
    }

    /// The size of the result, which has to keep to the limits of the image: it goes the same way.
    fn result_size(&self, filters: &Chain, image: Size) -> Result<Size, Refusal> {
        let (result, limits) = (filters.output_size(image), decode_limits(&self.config));
        let refused = |limit, setting| {
            let refusal = Refusal::new(Code::TooLarge, "the filters make the image too large");
            Err(refusal.value(format!("{result} pixels")).limit(limit, setting))
        };
        if result.width.max(result.height) > limits.max_side {
            return refused(format!("{} pixels a side", limits.max_side), "limits.max_side");
        }
        if result.pixels() > limits.max_pixels {
            let limit = format!("{} megapixels", self.config.limits.max_megapixels);
            return refused(limit, "limits.max_megapixels");
        }
        Ok(result)
    }

    /// The tile size: `wanted`, or else the largest of its half, quarter … with which all that a tile depends on fits
    /// into a message, and the tile into another.
    fn fit(
        &self,
        wanted: u32,
        image: Size,
        format: PixelFormat,
        filters: &Chain,
    ) -> Result<u32, Refusal> {
        let Room { bytes: limit, setting, .. } = self.room();
        let room = limit.saturating_sub(BESIDE_PIXELS);
        let bytes = |side: u32| {
            let (window, tile) = largest(filters, image, side);
            format.bytes(window).max(filters.output_format(format).bytes(tile))
        };
        let mut side = wanted;
        loop {
            let needed = bytes(side);
            if needed <= u128::from(room) {
                return Ok(side);
            }
            if side == 1 {
                let what = "the filters read more pixels for each pixel than fit into a tile";
                let refusal = Refusal::new(Code::TooLarge, what).value(format!("{needed} bytes"));
                return Err(Refusal { limit: Some(format!("{limit} bytes")), setting, ..refusal });
            }
            side /= 2;
        }
    }

    /// What a tile has to fit into.
    fn room(&self) -> Room {
        match self.max_message {
            Some(bytes) if bytes < MOST_TILE => Room {
                words: "messages (topics.max_message)",
                bytes,
                setting: Some("topics.max_message"),
            },
            _ => Room { words: "a gibibyte of memory", bytes: MOST_TILE, setting: None },
        }
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

    fn output(&self, wishes: &Wishes, header: &Header) -> Result<OutputOptions, Refusal> {
        let quality = quality(wishes, &self.config)?;
        let format = wishes.format.unwrap_or_else(|| header.container.result());
        let output = &self.config.output;
        let choice = wishes.sample_type.unwrap_or(output.sample_type);
        Ok(OutputOptions {
            format,
            quality,
            background: output.background.0,
            subsampling: output.subsampling,
            png_speed: output.png_speed,
            tiff_compression: output.tiff_compression,
            metadata: output.metadata,
            sample_type: sample_type(header, choice)?,
            nodata: header.nodata.or_else(|| lowest(header)),
        })
    }
}

/// The largest region of the image that a tile of `side` pixels depends on, and the size of the largest tile.
///
/// What a tile needs along one side does not depend on its place along the other: a row and a column of tiles show all.
fn largest(filters: &Chain, image: Size, side: u32) -> (Size, Size) {
    let result = filters.output_size(image);
    let tile = |x: u32, y: u32| {
        let (width, height) = (side.min(result.width - x), side.min(result.height - y));
        Region { x, y, width, height }
    };
    let row = (0..result.width).step_by(side as usize).map(|x| tile(x, 0));
    let column = (0..result.height).step_by(side as usize).map(|y| tile(0, y));
    let windows = row.chain(column).map(|tile| filters.needs(tile, image).size());
    let window = windows.fold(Size::new(1, 1), |largest, window| {
        Size::new(largest.width.max(window.width), largest.height.max(window.height))
    });
    (window, tile(0, 0).size())
}

/// The pixels to filter: in the colours of the image's profile if the result can carry it, else in
/// sRGB, which needs no profile.
fn wanted_pixels(
    header: &Header,
    filters: &Chain,
    output: OutputOptions,
) -> Result<decode::Wanted, Refusal> {
    let wanted = decode::Wanted::from(filters.reads());
    let format = filters.output_format(header.format_for(wanted));
    let model = Encoder::new(output, filters.output_size(header.size), format)?.model();
    let carried = output.metadata != Policy::None && header.profile == model;
    Ok(if header.profile.is_none() || carried { wanted } else { wanted.in_srgb() })
}

/// The value of the empty pixels that a mask makes of signed numbers, whose full alpha is not agreed upon.
fn lowest(header: &Header) -> Option<Nodata> {
    match header.own {
        StoredType::I8 if header.format.bands.has_mask() => Some(Nodata(i8::MIN.into())),
        StoredType::I16 if header.format.bands.has_mask() => Some(Nodata(i16::MIN.into())),
        _ => None,
    }
}

/// The type of the result's samples, if it is another one than in memory.
fn sample_type(header: &Header, choice: SampleChoice) -> Result<Option<StoredType>, Refusal> {
    match choice {
        SampleChoice::Float32 => Ok(None),
        SampleChoice::Own if header.own.is_rounded() => {
            let what = "these samples would be rounded to floats of 32 bits; set sample_type to float32 to allow that";
            let refusal = Refusal::new(Code::UnsupportedImage, what).value(header.own);
            Err(Refusal { setting: Some("output.sample_type"), ..refusal })
        }
        SampleChoice::Own => {
            let is_other = StoredType::from(header.format.sample) != header.own;
            Ok(is_other.then_some(header.own))
        }
    }
}

/// A loss in words, with the setting that it follows.
fn told(loss: Loss) -> String {
    match loss {
        Loss::Alpha(_) => format!("{loss} (output.background)"),
        Loss::Depth => loss.to_string(),
        Loss::Rounded(_) => format!("{loss} (output.sample_type)"),
    }
}

/// The note for colours that no profile can express; none if the result carries their code points, as PNG does.
fn unsaid(header: &Header, output: OutputOptions) -> Option<String> {
    let colours = header.unsaid?;
    match (output.format, output.metadata) {
        (_, Policy::None) => Some(format!(
            "its colours are {colours}, which the result does not say (output.metadata)"
        )),
        (OutputFormat::Png, _) => None,
        (format, _) => Some(format!("its colours are {colours}, which {format} cannot say")),
    }
}

/// Refuses options that are invalid for every image.
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

/// The limits for decoders.
#[must_use]
pub fn decode_limits(config: &Config) -> decode::Limits {
    let limits = &config.limits;
    decode::Limits {
        max_pixels: u64::from(limits.max_megapixels) * 1_000_000,
        max_side: limits.max_side,
        max_bytes: limits.decode_memory.get(),
        threads: config.worker.threads().get(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::raster::pixels::{Bands, SampleType};

    /// The tile size for a grey image of 61 × 43 pixels.
    fn tile_size(filters: &str, max_message: u64) -> Result<u32, Refusal> {
        let image = include_bytes!("../../tests/data/grey-8.png");
        let config = Arc::new(Config::default());
        let bytes = image.len() as u64;
        let candidate = Candidate::read("a.png", bytes, Cursor::new(image), None, &config)?;
        let wishes =
            Wishes { filters: Some(filters.into()), tile_size: Some(40), ..Wishes::default() };
        let storage = StorageId("here".into());
        let admission = Admission::new(config, storage, 1).with_messages_of(max_message);
        admission.plan(JobId::generate(), candidate, &wishes).map(|plan| plan.tile_size)
    }

    #[test]
    fn a_tile_and_its_result_fit_into_a_message() {
        let room = |pixels: u64| BESIDE_PIXELS + pixels;
        assert_eq!(tile_size("invert", room(40 * 40)).unwrap(), 40);
        assert_eq!(tile_size("invert", room(40 * 40 - 1)).unwrap(), 20);
        // The halo of `box` is clipped at the edge of the image; `sepia` makes three samples of each.
        assert_eq!(tile_size("box:2", room(42 * 42)).unwrap(), 40);
        assert_eq!(tile_size("box:2", room(42 * 42 - 1)).unwrap(), 20);
        // A tile of a smaller image needs many pixels.
        assert_eq!(tile_size("resize:percent=50", room(61 * 43)).unwrap(), 40);
        assert_eq!(tile_size("resize:percent=50", room(61 * 43 - 1)).unwrap(), 20);
        assert_eq!(tile_size("sepia", room(3 * 40 * 40)).unwrap(), 40);
        assert_eq!(tile_size("sepia", room(3 * 40 * 40 - 1)).unwrap(), 20);
        let refusal = tile_size("sepia", room(2)).unwrap_err();
        assert!(refusal.to_string().contains("topics.max_message"), "{refusal}");
    }

    #[test]
    fn a_tile_fits_into_memory_where_no_message_limits_it() {
        let config = Arc::new(Config::default());
        let admission = Admission::new(config, StorageId("here".into()), 1);
        let (image, bands) = (Size::new(60_000, 60_000), Bands::unnamed(300));
        let fit = |filters: &str, sample| {
            let filters: Chain = filters.parse().unwrap();
            admission.fit(2048, image, PixelFormat::new(bands, sample), &filters)
        };
        assert_eq!(fit("invert", SampleType::U8).unwrap(), 1024);
        assert_eq!(fit("", SampleType::F32).unwrap(), 512);
        let refusal = fit("blur:100,blur:100,blur:100", SampleType::F32).unwrap_err();
        assert_eq!((refusal.setting, refusal.limit.as_deref()), (None, Some("1073741824 bytes")));
    }
}
