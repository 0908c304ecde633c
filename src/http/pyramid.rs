//! Serves the pyramids of originals and results: any part at any size, however large the image is.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::answers::{Gone, Internal, NotFound, WrongStatus};
use super::error::{ApiError, Result};
use crate::model::job::Plan;
use crate::raster::pyramid::{self, Levels, Place};
use crate::service::ledger::LedgerEntry;
use crate::service::pyramid::file::Pyramid;
use crate::service::pyramid::{Coarse, Status, Which};
use crate::service::retention;

/// The parameters of a path, or why they do not parse.
type Given<T> = Result<web::Path<T>, actix_web::Error>;

/// An image of a job as copies at falling sizes, each cut into tiles.
#[derive(Debug, Serialize, ToSchema)]
pub struct PyramidView {
    /// Whether its tiles can be fetched, are being made, or cannot be made.
    state: StateView,
    /// The fraction that is made, from 0 to 1.
    fraction: f64,
    /// The level of the finest copy whose tiles can be fetched; those of smaller copies can be fetched, too. While the
    /// pyramid is being made, it is null at first, then a copy that fills a screen.
    finest: Option<u32>,
    /// Why it cannot be made, as text.
    error: Option<String>,
    /// Width of the image in pixels, upright.
    width: u32,
    /// Height of the image in pixels, upright.
    height: u32,
    /// Side of a tile in pixels.
    tile: u32,
    /// How many copies there are: level 0 is the image, each further one has half the size.
    levels: u32,
}

/// The state of a pyramid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateView {
    /// It is being made.
    Making,
    /// Its tiles can be fetched.
    Ready,
    /// It cannot be made.
    Failed,
}

/// The image that a path names.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OneImage {
    /// The job.
    id: String,
    /// Its original or its result.
    #[param(inline)]
    image: Which,
}

/// The tile that a path names.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OneTile {
    /// The job.
    id: String,
    /// Its original or its result.
    #[param(inline)]
    image: Which,
    /// The level of the copy; 0 is the image itself.
    level: u32,
    /// Column of the tile.
    column: u32,
    /// Row of the tile.
    row: u32,
}

/// An image of a complete job as copies at falling sizes.
///
/// The first request starts making the copies: ask again until `state` is `ready` or `failed`.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/pyramid/{image}",
    operation_id = "get_pyramid",
    tag = "images",
    params(OneImage),
    responses(
        (status = 200, description = "The copies.", body = PyramidView),
        NotFound, WrongStatus, Gone, Internal,
    ),
)]
pub async fn show(api: web::Data<Api>, path: Given<OneImage>) -> Result<web::Json<PyramidView>> {
    let path = path.map_err(|_| nowhere())?;
    let plan = find(&api, &path.id, path.image).await?;
    let status = api.app.pyramids.look(&plan, path.image).await;
    Ok(web::Json(PyramidView::of(&plan, path.image, &status)))
}

/// A tile of one of the copies.
///
/// It has 8 bits per sample, whatever the depth of the image.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/pyramid/{image}/{level}/{column}/{row}",
    operation_id = "get_pyramid_tile",
    tag = "images",
    params(OneTile),
    responses(
        (status = 200, description = "The tile; PNG where the image has alpha.", content(
            (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"),
        )),
        NotFound, WrongStatus, Gone, Internal,
    ),
)]
pub async fn tile(api: web::Data<Api>, path: Given<OneTile>) -> Result<HttpResponse> {
    let path = path.map_err(|_| nowhere())?;
    let OneTile { ref id, image, level, column, row } = *path;
    let plan = find(&api, id, image).await?;
    let place = Place { level, column, row };
    let pyramid = match api.app.pyramids.look(&plan, image).await {
        Status::Ready(pyramid) => pyramid,
        Status::Making { coarse: Some(Coarse { finest, pyramid }), .. } if level >= finest => {
            pyramid
        }
        Status::Failed(cause) => {
            return Err(ApiError::NotFound(format!("tile of job {id}: {cause}")));
        }
        Status::Making { .. } => {
            let text = format!("tile of job {id} at this level yet: it is being made");
            return Err(ApiError::NotFound(text));
        }
    };
    let found = read(Arc::clone(&pyramid), place).await?;
    let missing = || ApiError::NotFound(format!("tile {level}/{column}/{row} of job {id}"));
    Ok(HttpResponse::Ok()
        .content_type(pyramid.format().mime())
        .insert_header((header::CACHE_CONTROL, "max-age=31536000, immutable"))
        .body(found.ok_or_else(missing)?))
}

fn nowhere() -> ApiError {
    ApiError::NotFound("such image or tile".into())
}

async fn read(pyramid: Arc<Pyramid>, place: Place) -> Result<Option<Vec<u8>>> {
    let read = web::block(move || pyramid.tile(place)).await;
    read.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

/// The plan of a complete job whose `image` is still kept. Other jobs are refused, since their images may be impossible
/// to decode.
async fn find(api: &Api, id: &str, image: Which) -> Result<Arc<Plan>> {
    let needs = "only the images of a complete job can be viewed";
    let entry = api.find_complete(id, needs).await?;
    gone(&entry, image, api).map_or(Ok(entry.plan), Err)
}

fn gone(entry: &LedgerEntry, image: Which, api: &Api) -> Option<ApiError> {
    let limits = &api.app.config.retention;
    let refusal = match image {
        Which::Original if entry.kept.original.is_none() => retention::original_gone(entry, limits),
        Which::Result if entry.kept.result.is_none() => retention::result_gone(entry, limits),
        Which::Original | Which::Result => return None,
    };
    Some(refusal.into())
}

impl PyramidView {
    fn of(plan: &Plan, image: Which, status: &Status) -> Self {
        let (state, fraction, finest, error) = match status {
            Status::Making { fraction, coarse } => {
                let finest = coarse.as_ref().map(|coarse| coarse.finest);
                (StateView::Making, *fraction, finest, None)
            }
            Status::Ready(_) => (StateView::Ready, 1.0, Some(0), None),
            Status::Failed(why) => (StateView::Failed, 0.0, None, Some(why.clone())),
        };
        let size = match image {
            Which::Original => plan.size,
            Which::Result => plan.result_size(),
        };
        let levels = Levels::new(size);
        Self {
            state,
            fraction,
            finest,
            error,
            width: size.width,
            height: size.height,
            tile: pyramid::SIDE,
            levels: levels.count(),
        }
    }
}
