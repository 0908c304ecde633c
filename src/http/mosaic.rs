//! Small pictures of a job: its mosaic while it is in work, and its thumbnail then and afterwards.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::answers::{Internal, NotFound, WrongStatus};
use super::error::{ApiError, Result};
use super::inputs::OneJob;
use crate::model::job::Outcome;
use crate::model::mosaic::{Mosaic, THUMBNAIL};
use crate::raster::pixels::Pixels;
use crate::raster::preview;
use crate::service::ledger::LedgerEntry;

/// The tiles of a job in work: the geometry of its mosaic, and the tiles that are back.
#[derive(Debug, Serialize, ToSchema)]
pub struct TilesView {
    /// Tiles in a row of the grid.
    columns: u32,
    /// Rows of the grid.
    rows: u32,
    /// Side of a tile's slot in the mosaic, in pixels.
    slot: u32,
    /// The tiles that are back, in the order of the grid.
    tiles: Vec<TileView>,
}

/// A tile that is back.
#[derive(Debug, Serialize, ToSchema)]
struct TileView {
    /// Its index in the grid, row by row.
    tile: u32,
    /// The worker that made it; unknown for tiles from before a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    worker: Option<String>,
    /// The attempt that succeeded, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempt: Option<u32>,
    /// How long its filters took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    millis: Option<u32>,
    /// Whether it was taken over from a worker that died; left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    taken_over: bool,
}

/// The mosaic of a job in work.
///
/// The slots of all tiles, side by side, transparent where a tile is not back.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/mosaic",
    operation_id = "get_mosaic",
    tag = "images",
    params(OneJob),
    responses(
        (status = 200, description = "Columns × rows slots.", content_type = "image/png", body = Vec<u8>),
        NotFound, WrongStatus, Internal,
    ),
)]
pub async fn mosaic(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let mosaic = find(&api, &api.find(&id)?).await?;
    let png = encode(move || mosaic.picture()).await?;
    Ok(picture(png, "no-store"))
}

/// The tiles of a job in work that are back.
///
/// Each has the worker that made it, if that is known.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/tiles",
    operation_id = "get_tiles",
    tag = "images",
    params(OneJob),
    responses(
        (status = 200, description = "The tiles.", body = TilesView),
        NotFound, WrongStatus, Internal,
    ),
)]
pub async fn tiles(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let mosaic = find(&api, &api.find(&id)?).await?;
    // There may be a million, which takes a while.
    let json = web::block(move || serde_json::to_vec(&TilesView::of(&mosaic))).await;
    let json = json.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type("application/json").body(json))
}

/// A small picture of the result.
///
/// For a job in work, it shows the tiles that are back.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/thumbnail",
    operation_id = "get_thumbnail",
    tag = "images",
    params(OneJob),
    responses(
        (status = 200, description = "At most 256 pixels a side.", content_type = "image/png", body = Vec<u8>),
        NotFound, WrongStatus, Internal,
    ),
)]
pub async fn thumbnail(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let entry = api.find(&id)?;
    let job = entry.plan.id;
    if entry.outcome.as_ref().is_some_and(Outcome::is_complete) {
        let kept = api.app.storage.thumbnail(job).await?;
        let png = kept.ok_or_else(|| ApiError::NotFound(format!("thumbnail of job {job}")))?;
        return Ok(picture(png, "max-age=31536000, immutable"));
    }
    let mosaic = find(&api, &entry).await?;
    let png = encode(move || mosaic.thumbnail(THUMBNAIL)).await?;
    Ok(picture(png, "no-store"))
}

async fn find(api: &Api, entry: &LedgerEntry) -> Result<Mosaic> {
    let job = entry.plan.id;
    let mosaic = match entry.outcome {
        Some(_) => None,
        None => api.app.state.mosaic(job).await?,
    };
    if let Some(mosaic) = mosaic {
        return Ok(mosaic);
    }
    Err(api.wrong_status(entry, "only a job in work has a mosaic").await)
}

async fn encode(draw: impl FnOnce() -> Pixels + Send + 'static) -> Result<Vec<u8>> {
    let encoded = web::block(move || preview::png(&draw())).await;
    encoded.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

fn picture(png: Vec<u8>, caching: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/png")
        .insert_header((header::CACHE_CONTROL, caching))
        .body(png)
}

impl TilesView {
    fn of(mosaic: &Mosaic) -> Self {
        let grid = mosaic.grid();
        let tiles = u32::try_from(grid.len()).unwrap_or(u32::MAX);
        let there = (0..tiles).filter(|tile| mosaic.has(*tile));
        Self {
            columns: grid.columns(),
            rows: grid.rows(),
            slot: mosaic.slot_side(),
            tiles: there.map(|tile| TileView::of(mosaic, tile)).collect(),
        }
    }
}

impl TileView {
    fn of(mosaic: &Mosaic, tile: u32) -> Self {
        let maker = mosaic.maker(tile);
        Self {
            tile,
            attempt: maker.as_ref().map(|maker| maker.attempt),
            millis: maker.as_ref().map(|maker| maker.millis),
            taken_over: maker.as_ref().is_some_and(|maker| maker.taken_over),
            worker: maker.map(|maker| maker.worker.to_string()),
        }
    }
}
