//! The limits of the server, for clients that check before they upload.

use std::collections::BTreeMap;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, formats};
use crate::config::Config;
use crate::raster::decode::Container;
use crate::raster::encode::OutputFormat;
use crate::service::admit;

/// The limits of the server. All are inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitsView {
    /// The most bytes of an image's file.
    upload_bytes: u64,
    /// The most pixels of an image.
    pixels: u64,
    /// The most pixels of its longer side.
    side: u32,
    /// The most tiles that it may be cut into.
    tiles: u32,
    /// The side of a tile in pixels.
    tile_size: Range,
    /// The quality of a JPEG.
    quality: Range,
    /// The formats of files.
    formats: Formats,
    /// The most jobs that may wait; beyond that, new ones are refused for now.
    jobs_queued: u32,
    /// The most uploads at a time; beyond that, new ones are refused for now.
    uploads: u32,
}

/// The whole numbers that are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Range {
    /// The smallest.
    min: u32,
    /// The largest.
    max: u32,
    /// The one that is used if none is given.
    default: u32,
}

/// Formats of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Formats {
    /// Those that can be read.
    #[schema(value_type = Vec<String>)]
    input: Vec<Container>,
    /// Those that can be written.
    #[schema(value_type = Vec<formats::OutputFormat>)]
    output: Vec<OutputFormat>,
    /// For each that can be read, the format of the result if none is given.
    #[schema(value_type = BTreeMap<String, formats::OutputFormat>)]
    default: BTreeMap<Container, OutputFormat>,
}

/// The limits of the server.
///
/// A client can check them before it uploads.
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
        let default = |format: Container| (format, format.result());
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
