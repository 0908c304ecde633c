//! What the server takes, for clients that want to know before they upload.

use std::collections::BTreeMap;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::config::Config;
use crate::raster::decode::Container;
use crate::raster::encode::OutputFormat;
use crate::service::admit;

/// What the server takes. All limits are inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitsView {
    /// Bytes of an image's file.
    upload_bytes: u64,
    /// Pixels of an image.
    pixels: u64,
    /// Pixels of its longer side.
    side: u32,
    /// Tiles that it may be cut into.
    tiles: u32,
    /// The side of a tile in pixels.
    tile_size: Range,
    /// The quality of a JPEG.
    quality: Range,
    /// The formats of files.
    formats: Formats,
    /// Jobs that may wait for a place; beyond it, new ones are refused for now.
    jobs_queued: u32,
    /// Uploads at a time; beyond it, new ones are refused for now.
    uploads: u32,
}

/// Whole numbers that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Range {
    /// The least.
    min: u32,
    /// The most.
    max: u32,
    /// The one that is taken where none is asked for.
    default: u32,
}

/// Formats of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Formats {
    /// Those that can be read.
    #[schema(value_type = Vec<String>)]
    input: Vec<Container>,
    /// Those that can be written.
    output: Vec<OutputFormat>,
    /// For each that can be read, the format of the result where none is asked for.
    #[schema(value_type = BTreeMap<String, OutputFormat>)]
    default: BTreeMap<Container, OutputFormat>,
}

/// What the server takes.
///
/// A client can tell by it before it uploads.
#[utoipa::path(
    get,
    path = "/api/limits",
    operation_id = "get_limits",
    tag = "jobs",
    responses((status = 200, description = "The limits.", body = LimitsView)),
)]
pub async fn show(api: web::Data<Api>) -> web::Json<LimitsView> {
    web::Json(LimitsView::of(&api.app.config))
}

impl LimitsView {
    fn of(config: &Config) -> Self {
        let decode = admit::decode_limits(config);
        let default = |format| (format, admit::same_format(format));
        Self {
            upload_bytes: config.limits.max_upload.get(),
            pixels: decode.max_pixels,
            side: decode.max_side,
            tiles: config.limits.max_tiles,
            tile_size: Range { min: 1, max: config.limits.max_tile, default: config.tile.size },
            quality: Range { min: 1, max: 100, default: config.output.quality.into() },
            formats: Formats {
                input: Container::ALL.to_vec(),
                output: OutputFormat::ALL.to_vec(),
                default: Container::ALL.map(default).into(),
            },
            jobs_queued: config.jobs.queued,
            uploads: config.limits.uploads,
        }
    }
}
