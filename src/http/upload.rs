//! An image at the door: streamed to storage, looked at, planned; and old images planned anew.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::sync::Arc;

use actix_multipart::{Field, Multipart};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::TryStreamExt;

use super::Api;
use super::description::{
    Internal, Malformed, NewJob, NotFound, TooLarge, Unsupported, Unusable, WrongStatus,
};
use super::error::ApiError;
use super::view::{self, JobView};
use crate::model::event::Look;
use crate::model::job::{JobId, Plan};
use crate::refusal::{Code, Refusal};
use crate::service::admit::{Candidate, Wishes};
use crate::storage::{Staged, StorageError};

type Result<T, E = ApiError> = std::result::Result<T, E>;

/// The longest text that a field beside the image may have, in bytes.
const MAX_FIELD: usize = 16 * 1024;
/// What a multipart body may have beside the image: field headers and the other fields.
const MAX_OVERHEAD: u64 = 1 << 20;

/// What a form contained.
#[derive(Default)]
struct Form {
    image: Option<Upload>,
    from: Option<String>,
    wishes: Wishes,
}

struct Upload {
    name: String,
    bytes: u64,
    staged: Staged,
}

/// Creates a job from an image, or from the image of another job.
#[utoipa::path(
    post,
    path = "/api/jobs",
    operation_id = "create_job",
    tag = "jobs",
    request_body(content = NewJob, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The job exists, whatever happens to the server from now on.",
         body = JobView, headers(("location" = String, description = "Path of the job."))),
        Malformed, NotFound, TooLarge, Unsupported, Unusable, Internal,
    ),
)]
pub async fn create(
    api: web::Data<Api>,
    request: HttpRequest,
    body: Multipart,
) -> Result<HttpResponse> {
    refuse_large(request.headers(), api.app.config.limits.max_upload.get())?;
    let id = JobId::generate();
    let form = read_form(&api, id, body).await?;
    let view = match (form.image, form.from) {
        (Some(image), None) => admit(&api, id, image, &form.wishes).await?,
        (None, Some(source)) => admit_again(&api, id, &source, form.wishes).await?,
        _ => {
            let text = "the form needs either `image`, a file, or `from`, the id of a job";
            return Err(ApiError::Malformed(text.into()));
        }
    };
    Ok(created(&view))
}

/// Creates a new job with the image and the options of one that has ended.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/retry",
    operation_id = "retry_job",
    tag = "jobs",
    params(("id" = String, Path, description = "The job.")),
    responses(
        (status = 201, description = "The new job.", body = JobView,
         headers(("location" = String, description = "Path of the new job."))),
        NotFound, WrongStatus, TooLarge, Unusable, Internal,
    ),
)]
pub async fn retry(api: web::Data<Api>, source: web::Path<String>) -> Result<HttpResponse> {
    let entry = api.find(&source)?;
    if entry.outcome.is_none() {
        let status = view::job(&api.app, &entry).await?.status;
        let needs = "only a job that has ended can be tried again";
        return Err(ApiError::WrongStatus { job: entry.plan.id, status, needs });
    }
    let plan = &entry.plan;
    let wishes = Wishes {
        filters: Some(plan.filters.to_string()),
        tile_size: Some(plan.tile_size),
        format: Some(plan.output.format),
        quality: Some(plan.output.quality),
    };
    Ok(created(&admit_again(&api, JobId::generate(), &source, wishes).await?))
}

fn created(view: &JobView) -> HttpResponse {
    HttpResponse::Created().insert_header((LOCATION, view.links.own.clone())).json(view)
}

/// Refuses by the header what the body would be refused for, before it is sent.
fn refuse_large(headers: &HeaderMap, limit: u64) -> Result<()> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > limit.saturating_add(MAX_OVERHEAD) => {
            Err(too_large(length, limit).into())
        }
        _ => Ok(()),
    }
}

fn too_large(bytes: u64, limit: u64) -> Refusal {
    Refusal::new(Code::TooLarge, "the upload is too large")
        .value(format!("{bytes} bytes or more"))
        .limit(format!("{limit} bytes"), "limits.max_upload")
}

async fn read_form(api: &Api, id: JobId, mut body: Multipart) -> Result<Form> {
    let mut form = Form::default();
    while let Some(field) = body.try_next().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "image" if form.image.is_some() => {
                return Err(ApiError::Malformed("the form has more than one `image`".into()));
            }
            "image" => form.image = Some(receive(api, id, field).await?),
            "from" => form.from = Some(text(field).await?),
            "filters" => form.wishes.filters = Some(text(field).await?),
            "tile_size" => form.wishes.tile_size = Some(option(&name, &text(field).await?)?),
            "format" => form.wishes.format = Some(option(&name, &text(field).await?)?),
            "quality" => form.wishes.quality = Some(option(&name, &text(field).await?)?),
            _ => {
                let known = "image, from, filters, tile_size, format and quality";
                let text = format!("the form has a field {name:?}; the fields are {known}");
                return Err(ApiError::Malformed(text));
            }
        }
    }
    Ok(form)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: actix_multipart::MultipartError) -> ApiError {
    ApiError::Malformed(format!("the upload is not a multipart form, or it broke off: {error}"))
}

fn option<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|error| {
        let what = format!("`{name}` has a value that cannot be used, {error}");
        Refusal::new(Code::InvalidOption, what).value(format!("{text:?}")).into()
    })
}

async fn text(mut field: Field) -> Result<String> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = field.bytes(MAX_FIELD).await.map_err(|_| {
        let what = format!("`{name}` is longer than {MAX_FIELD} bytes");
        ApiError::from(Refusal::new(Code::TooLarge, what))
    })?;
    let bytes = bytes.map_err(malformed)?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| ApiError::Malformed(format!("`{name}` is not UTF-8 text")))
}

/// Streams the image to its place; what arrives in the meantime waits in the client.
async fn receive(api: &Api, id: JobId, mut field: Field) -> Result<Upload> {
    let limit = api.app.config.limits.max_upload.get();
    let name = file_name(&field);
    let staged = api.app.storage.stage_original(id).await?;
    let file = Arc::new(staged.file().try_clone().map_err(ApiError::internal)?);
    let mut bytes = 0;
    while let Some(chunk) = field.try_next().await.map_err(malformed)? {
        bytes += chunk.len() as u64;
        if bytes > limit {
            return Err(too_large(bytes, limit).into());
        }
        let writing = Arc::clone(&file);
        blocking(move || (&*writing).write_all(&chunk)).await?;
    }
    blocking(move || (&*file).rewind()).await?;
    Ok(Upload { name, bytes, staged })
}

/// The name that the client gave, without its directories.
fn file_name(field: &Field) -> String {
    let given = field.content_disposition().and_then(|disposition| disposition.get_filename());
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(255).collect();
    if ["", ".", ".."].contains(&name.as_str()) { "image".into() } else { name }
}

async fn admit(api: &Api, id: JobId, image: Upload, wishes: &Wishes) -> Result<JobView> {
    let file = image.staged.file().try_clone().map_err(ApiError::internal)?;
    let candidate = read(api, file, image.name, image.bytes).await?;
    let plan = api.admission.plan(id, candidate, wishes)?;
    let created = api.app.storage.create(&plan, image.staged).await;
    undo_unless(created, api, id).await?;
    accept(api, plan).await
}

/// Reads the header of an image.
async fn read(api: &Api, image: File, name: String, bytes: u64) -> Result<Candidate> {
    let config = Arc::clone(&api.app.config);
    let reading = move || Candidate::read(name, bytes, BufReader::new(image), &config);
    Ok(web::block(reading).await.map_err(ApiError::internal)??)
}

async fn admit_again(api: &Api, id: JobId, source: &str, wishes: Wishes) -> Result<JobView> {
    let source = api.find(source)?.plan;
    let original = api.app.storage.open_original(source.id).await?;
    let candidate = read(api, original, source.name.clone(), source.original_bytes).await?;
    let plan = api.admission.plan(id, candidate, &wishes)?;
    let created = api.app.storage.create_from(&plan, source.id).await;
    undo_unless(created, api, id).await?;
    accept(api, plan).await
}

/// Leaves nothing of a job that could not be stored whole.
async fn undo_unless(created: Result<(), StorageError>, api: &Api, job: JobId) -> Result<()> {
    if created.is_err() {
        api.app.storage.remove(job).await?;
    }
    Ok(created?)
}

async fn accept(api: &Api, plan: Plan) -> Result<JobView> {
    let plan = Arc::new(plan);
    tracing::info!(job = %plan.id, name = plan.name, size = %plan.size, "accepted");
    api.app.ledger.add(Arc::clone(&plan));
    api.app.state.signal(Look::Job(plan.id)).await?;
    let entry = api.find(&plan.id.to_string())?;
    Ok(view::job(&api.app, &entry).await?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    web::block(work).await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}
