//! Creates jobs: from an upload, which is streamed to storage, checked and planned, or from the image of another job.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use actix_multipart::Multipart;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};

use super::Api;
use super::answers::{
    Gone, Internal, Malformed, NoSpace, NotFound, Stalled, TooLarge, TooManyJobs, TooManyUploads,
    Unsupported, Unusable, WrongStatus,
};
use super::error::{ApiError, Result};
use super::form::{self, Upload};
use super::forwarded::Forwarded;
use super::heads::Heads;
use super::inputs::{NewJob, OneJob};
use super::receive::{self, Limit};
use super::view::{self, JobView};
use crate::model::event::Look;
use crate::model::job::{JobId, Plan};
use crate::raster::encode::SampleChoice;
use crate::service::admit::{Candidate, Wishes};
use crate::service::space::{ServerDirectory, Space};
use crate::storage::StorageError;

/// The most bytes of a multipart body beside the image: headers and other fields.
const MAX_OVERHEAD: u64 = 1 << 20;

/// Creates a job from an image, or from the image of another job.
///
/// The form has either `image` or `from`. Send the image last: the fields before it are checked before it is read. The
/// answer comes as soon as the job exists; the image is filtered afterwards.
#[utoipa::path(
    post,
    path = "/api/jobs",
    operation_id = "create_job",
    tag = "jobs",
    request_body(content = NewJob, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The job exists, and outlives a crash of the server.",
         body = JobView, headers(("location" = String, description = "Path of the job."))),
        Malformed, NotFound, Stalled, Gone, TooLarge, Unsupported, Unusable, TooManyJobs, Internal,
        TooManyUploads, NoSpace,
    ),
)]
pub async fn create(
    api: web::Data<Api>,
    seen: Forwarded,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse> {
    let _coming = api.door.upload()?;
    check_head(&api, request.headers(), Limit::of_upload(&api.app.config)).await?;
    let id = JobId::generate();
    let body = Multipart::new(request.headers(), Heads::new(&request, body));
    let form = form::read(&api, id, body).await?;
    let view = match (form.image, form.from) {
        (Some(image), None) => admit(&api, &seen, id, image, &form.wishes).await?,
        (None, Some(source)) => admit_again(&api, &seen, id, &source, form.wishes).await?,
        _ => {
            let text = "the form needs either `image`, a file, or `from`, the id of a job";
            return Err(ApiError::Malformed(text.into()));
        }
    };
    Ok(created(&view))
}

/// Retries a job.
///
/// Creates a new job with the image and the options of one that has ended.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/retry",
    operation_id = "retry_job",
    tag = "jobs",
    params(OneJob),
    responses(
        (status = 201, description = "The new job.", body = JobView,
         headers(("location" = String, description = "Path of the new job."))),
        NotFound, WrongStatus, Gone, TooLarge, Unsupported, Unusable, TooManyJobs, Internal, NoSpace,
    ),
)]
pub async fn retry(
    api: web::Data<Api>,
    seen: Forwarded,
    source: web::Path<String>,
) -> Result<HttpResponse> {
    let _coming = api.door.job()?;
    let entry = api.find(&source)?;
    if entry.outcome.is_none() {
        return Err(api.wrong_status(&entry, "only a job that has ended can be retried").await);
    }
    let plan = &entry.plan;
    let wishes = Wishes {
        filters: Some(plan.filters.to_string()),
        tile_size: Some(plan.tile_size),
        format: Some(plan.output.format),
        quality: Some(plan.output.quality),
        // Where none is named, samples are written as they are in memory.
        sample_type: plan.output.sample_type.is_none().then_some(SampleChoice::Float32),
        page: plan.page,
        batch: plan.batch,
    };
    Ok(created(&admit_again(&api, &seen, JobId::generate(), &source, wishes).await?))
}

fn created(view: &JobView) -> HttpResponse {
    HttpResponse::Created().insert_header((LOCATION, view.links.own.clone())).json(view)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body that is too large for `limit` or for the disk by its `Content-Length`, before it is read.
pub(super) async fn check_head(api: &Api, headers: &HeaderMap, limit: Limit) -> Result<()> {
    let length = content_length(headers);
    if let Some(length) = length
        && length > limit.bytes.saturating_add(MAX_OVERHEAD)
    {
        return Err(receive::too_large(length, limit).into());
    }
    // Without a length there may be as much as the limit. That of uploads is more than many disks have free: they are
    // checked while they are received.
    let room = length.unwrap_or(match limit.place {
        ServerDirectory::Scratch => limit.bytes,
        ServerDirectory::Data => 0,
    });
    Ok(blocking(api, move |space| space.check(limit.place, room)).await??)
}

async fn admit(
    api: &Api,
    seen: &Forwarded,
    id: JobId,
    image: Upload,
    wishes: &Wishes,
) -> Result<JobView> {
    let file = image.staged.file().try_clone().map_err(ApiError::io)?;
    let candidate = read(api, file, image.name, image.bytes, wishes.page).await?;
    let plan = check_space(api, api.admission.plan(id, candidate, wishes)?).await?;
    let storage = Arc::clone(&api.app.storage);
    let create = |plan: Arc<Plan>| async move { storage.create(&plan, image.staged).await };
    accept(api, seen, plan, create).await
}

/// Reads the header of a page of an image.
pub(super) async fn read(
    api: &Api,
    image: File,
    name: String,
    bytes: u64,
    page: Option<u32>,
) -> Result<Candidate> {
    let config = Arc::clone(&api.app.config);
    let reading = move || Candidate::read(name, bytes, BufReader::new(image), page, &config);
    Ok(web::block(reading).await.map_err(ApiError::internal)??)
}

async fn admit_again(
    api: &Api,
    seen: &Forwarded,
    id: JobId,
    source: &str,
    wishes: Wishes,
) -> Result<JobView> {
    let source = api.find_with_original(source)?.plan;
    let original = api.app.storage.open_original(source.id).await?;
    let (name, bytes) = (source.name.clone(), source.original_bytes);
    let candidate = read(api, original, name, bytes, wishes.page.or(source.page)).await?;
    let plan = check_space(api, api.admission.plan(id, candidate, &wishes)?).await?;
    let storage = Arc::clone(&api.app.storage);
    let create = |plan: Arc<Plan>| async move { storage.create_from(&plan, source.id).await };
    accept(api, seen, plan, create).await
}

async fn check_space(api: &Api, plan: Plan) -> Result<Plan> {
    Ok(blocking(api, move |space| space.check_job(&plan).map(|()| plan)).await??)
}

/// Runs a check of the disks where blocking is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    api: &Api,
    look: impl FnOnce(&Space) -> T + Send + 'static,
) -> Result<T> {
    let space = api.space.clone();
    web::block(move || look(&space)).await.map_err(ApiError::internal)
}

/// Stores a job and announces it; a job that could not be stored whole is removed.
///
/// All of it happens even if the client disconnects meanwhile: a job that is stored but not in the ledger would be
/// unknown until the next start.
async fn accept<F>(
    api: &Api,
    seen: &Forwarded,
    plan: Plan,
    create: impl FnOnce(Arc<Plan>) -> F,
) -> Result<JobView>
where
    F: Future<Output = Result<(), StorageError>> + Send + 'static,
{
    let plan = Arc::new(plan);
    let id = plan.id;
    let client = seen.client;
    let create = create(Arc::clone(&plan));
    let (storage, ledger) = (Arc::clone(&api.app.storage), Arc::clone(&api.app.ledger));
    let accepting = tokio::spawn(async move {
        if let Err(error) = create.await {
            storage.remove(plan.id).await?;
            return Err(error);
        }
        let client = client.map(tracing::field::display);
        tracing::info!(job = %plan.id, name = plan.name, size = %plan.size, client, "accepted");
        ledger.add(plan);
        Ok(())
    });
    accepting.await.map_err(ApiError::internal)??;
    api.tell(Look::Job(id)).await;
    Ok(seen.see(view::new_job(&api.find(&id.to_string())?)))
}
