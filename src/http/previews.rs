//! Draws parts of the result that a job would have, of an image that is uploaded for previews or of a job's original.

use std::fs::File;

use actix_multipart::{Field, Multipart};
use actix_web::http::header::{self, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::{
    Gone, Internal, Malformed, NoPreview, NoSpace, NotFound, Stalled, TooLarge, TooManyPreviews,
    TooManyUploads, Unsupported, Unusable,
};
use super::error::{ApiError, Result};
use super::form;
use super::forwarded::{Forwarded, Linked};
use super::heads::Heads;
use super::inputs::{NewPreview, OneJob};
use super::receive::{self, Limit, within};
use super::upload;
use super::{Api, formats};
use crate::model::job::JobId;
use crate::raster::decode::Container;
use crate::raster::encode::{OutputFormat, SampleChoice};
use crate::service::admit::Wishes;
use crate::service::preview::{IDLE, Part, Picture, Undrawn};

/// The parameters of a query, or why they do not parse.
type Given<T> = Result<web::Query<T>, actix_web::Error>;

/// An image that is kept for previews.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// Names the image as long as it is kept.
    id: String,
    /// Its file name, as it was uploaded.
    name: String,
    /// Width of the image in pixels, upright.
    width: u32,
    /// Height of the image in pixels, upright.
    height: u32,
    /// Format of the file.
    #[schema(value_type = String)]
    format: Container,
    /// When it is removed if no preview is fetched; earlier if many other images are uploaded for previews.
    expires_at: Timestamp,
    /// Related paths.
    links: PreviewLinks,
}

/// Related paths.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewLinks {
    /// Path of its previews.
    #[serde(rename = "self")]
    own: String,
}

impl Linked for PreviewView {
    fn links(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.links.own].into_iter()
    }
}

/// The result to preview.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Through {
    /// The filter chain, such as `blur:2.5,invert`. Without one, the image itself is shown.
    #[serde(default)]
    #[param(required = false)]
    filters: String,
    /// Format of the result. By default that of the image, or PNG if that cannot be written.
    #[param(value_type = Option<formats::OutputFormat>, inline, nullable = false)]
    format: Option<OutputFormat>,
    /// Quality of a JPEG.
    #[param(minimum = 1, maximum = 100, nullable = false)]
    quality: Option<u8>,
}

/// The parameter of a path with the `{id}` of an image for previews.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the handlers take it as a plain string")]
pub struct OnePreview {
    /// The image.
    id: String,
}

/// Keeps an image for previews.
///
/// It is kept for some minutes, so that filters can be tried on parts of it before a job is created.
#[utoipa::path(
    post,
    path = "/api/previews",
    operation_id = "create_preview",
    tag = "previews",
    request_body(content = NewPreview, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The image is kept.", body = PreviewView,
         headers(("location" = String, description = "Path of its previews."))),
        Malformed, Stalled, TooLarge, Unsupported, Internal, TooManyUploads, NoSpace,
    ),
)]
pub(super) async fn create(
    api: web::Data<Api>,
    seen: Forwarded,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse> {
    let _permit = api.door.file()?;
    upload::check_head(&api, request.headers(), Limit::of_preview(&api.app.config)).await?;
    let body = Multipart::new(request.headers(), Heads::new(&request, body));
    let view = seen.see(receive(&api, body).await?);
    Ok(HttpResponse::Created().insert_header((LOCATION, view.links.own.clone())).json(view))
}

/// A preview of a result, before there is a job.
///
/// The same part of the result of a job with this image, converted for a screen.
#[utoipa::path(
    get,
    path = "/api/previews/{id}",
    operation_id = "get_preview",
    tag = "previews",
    params(OnePreview, Through, Part),
    responses(
        (
            status = 200, description = "The part, 8 bits a sample.", content_type = "image/png", body = Vec<u8>,
            headers(("tilemill-image-size" = String, description = "The size of the whole result, as in `6000x4000`.")),
        ),
        Malformed, NoPreview, TooLarge, Unsupported, Unusable, Internal, TooManyPreviews,
    ),
)]
pub async fn show(
    api: web::Data<Api>,
    id: web::Path<String>,
    filters: Given<Through>,
    part: Given<Part>,
) -> Result<HttpResponse> {
    let (filters, part) = (given(filters)?, given(part)?);
    let gone = || {
        let id = id.as_str();
        ApiError::NotFound(format!("image {id:?} for previews, or no longer; upload it again"))
    };
    let picture = api.app.previews.find(&id).ok_or_else(gone)?;
    draw(&api, &picture, filters, part).await
}

/// A preview of another result of a job's image.
///
/// The same part of the result of another job with this job's image, converted for a screen.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/preview",
    operation_id = "get_job_preview",
    tag = "previews",
    params(OneJob, Through, Part),
    responses(
        (
            status = 200, description = "The part, 8 bits a sample.", content_type = "image/png", body = Vec<u8>,
            headers(("tilemill-image-size" = String, description = "The size of the whole result, as in `6000x4000`.")),
        ),
        Malformed, NotFound, Gone, TooLarge, Unsupported, Unusable, Internal, TooManyPreviews,
    ),
)]
pub async fn of_job(
    api: web::Data<Api>,
    id: web::Path<String>,
    filters: Given<Through>,
    part: Given<Part>,
) -> Result<HttpResponse> {
    let (filters, part) = (given(filters)?, given(part)?);
    let plan = api.find_with_original(&id)?.plan;
    let original = api.app.storage.open_original(plan.id).await?;
    let picture = api.app.previews.of_job(&plan, original).await?;
    draw(&api, &picture, filters, part).await
}

fn given<T>(query: Given<T>) -> Result<T> {
    let query = query.map_err(|error| ApiError::Malformed(error.to_string()))?;
    Ok(query.into_inner())
}

async fn draw(api: &Api, picture: &Picture, through: Through, part: Part) -> Result<HttpResponse> {
    let Through { filters, format, quality } = through;
    // What is shown is rounded anyway.
    let sample_type = Some(SampleChoice::Float32);
    let wishes =
        Wishes { filters: Some(filters), format, quality, sample_type, ..Wishes::default() };
    let candidate = picture.candidate().clone();
    let plan = api.admission.plan(JobId::generate(), candidate, &wishes)?;
    let made = plan.result_size();
    let region = part.within(made)?;
    let png = api.app.previews.draw(picture, plan, region).await?;
    Ok(HttpResponse::Ok()
        .content_type("image/png")
        .insert_header(("tilemill-image-size", format!("{}x{}", made.width, made.height)))
        .insert_header((header::CACHE_CONTROL, format!("max-age={}", IDLE.as_secs())))
        .body(png))
}

/// Reads a form with an image, and perhaps its page.
async fn receive(api: &Api, mut body: Multipart) -> Result<PreviewView> {
    let (config, mut image, mut page) = (&api.app.config, None, None);
    while let Some(field) = within(config, body.try_next()).await? {
        match field.name().unwrap_or_default() {
            "image" if image.is_none() => image = Some(receive_image(api, field).await?),
            "image" => {
                return Err(ApiError::Malformed("the form has more than one `image`".into()));
            }
            "page" => page = Some(form::option("page", &form::text(config, field).await?)?),
            name => {
                let text = format!("the form has a field {name:?}; its fields are image and page");
                return Err(ApiError::Malformed(text));
            }
        }
    }
    let image =
        image.ok_or_else(|| ApiError::Malformed("the form needs `image`, a file".into()))?;
    keep(api, image, page).await
}

/// An image that has arrived, with its name and the bytes of its file.
type Arrived = (File, String, u64);

async fn receive_image(api: &Api, field: Field) -> Result<Arrived> {
    let name = form::file_name(&field);
    let file = api.app.previews.stage().await.map_err(ApiError::io)?;
    let copy = file.try_clone().map_err(ApiError::io)?;
    let limit = Limit::of_preview(&api.app.config);
    let bytes = receive::into_file(api, copy, Some(limit), field).await?;
    Ok((file, name, bytes))
}

async fn keep(api: &Api, image: Arrived, page: Option<u32>) -> Result<PreviewView> {
    let (file, name, bytes) = image;
    let header = file.try_clone().map_err(ApiError::io)?;
    let candidate = upload::read(api, header, name, bytes, page).await?;
    let (name, size) = (candidate.name.clone(), candidate.header.size);
    let format = candidate.header.container;
    let expires_at = Timestamp::now() + IDLE;
    let id = api.app.previews.keep(file, candidate);
    let links = PreviewLinks { own: format!("/api/previews/{id}") };
    let (width, height) = (size.width, size.height);
    Ok(PreviewView { id, name, width, height, format, expires_at, links })
}

impl From<Undrawn> for ApiError {
    fn from(error: Undrawn) -> Self {
        match error {
            Undrawn::Refused(refusal) => refusal.into(),
            Undrawn::Io(error) => Self::io(error),
        }
    }
}
