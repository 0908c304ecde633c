//! The paths of the server, and the handlers that need no module of their own.

use actix_web::web::resource;
use actix_web::{HttpResponse, Resource, Route, guard, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::{Internal, Malformed, NotFound, WrongStatus};
use super::description::OneJob;
use super::error::ApiError;
use super::filters::{self, FilterView};
use super::forwarded::Forwarded;
use super::view::{self, JobView, QueueView};
use super::{
    Api, batch, description, download, events, form, limits, metrics, mosaic, page, previews,
    pyramid, upload,
};
use crate::causes;
use crate::model::event::Look;
use crate::model::job::Outcome;
use crate::model::process::Process;
use crate::model::worker::WorkerView;
use crate::service::PortError;

type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Jobs on a page of the list, unless the client gives another number.
const PAGE: usize = 50;
/// The most jobs on a page of the list.
const MAX_PAGE: usize = 500;

/// The methods of paths that are only read.
pub(super) const READ: &str = "GET, HEAD";

/// All routes.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(
            web::scope("/api")
                .service(
                    at("/jobs", "GET, HEAD, POST")
                        .route(web::post().to(upload::create))
                        .route(read().to(list)),
                )
                .service(
                    at("/jobs/{id}", "GET, HEAD, DELETE")
                        .route(web::delete().to(remove))
                        .route(read().to(show)),
                )
                .service(at("/jobs/{id}/cancel", "POST").route(web::post().to(cancel)))
                .service(at("/jobs/{id}/retry", "POST").route(web::post().to(upload::retry)))
                .service(read_at("/jobs/{id}/result").route(read().to(download::result)))
                .service(read_at("/jobs/{id}/original").route(read().to(download::original)))
                .service(read_at("/jobs/{id}/thumbnail").route(read().to(mosaic::thumbnail)))
                .service(read_at("/jobs/{id}/mosaic").route(read().to(mosaic::mosaic)))
                .service(read_at("/jobs/{id}/tiles").route(read().to(mosaic::tiles)))
                .service(read_at("/jobs/{id}/pyramid/{image}").route(read().to(pyramid::show)))
                .service(
                    read_at("/jobs/{id}/pyramid/{image}/{level}/{column}/{row}")
                        .route(read().to(pyramid::tile)),
                )
                .service(
                    at("/batches/{id}", "GET, HEAD, DELETE")
                        .route(web::delete().to(batch::remove))
                        .route(read().to(batch::show)),
                )
                .service(at("/batches/{id}/cancel", "POST").route(web::post().to(batch::cancel)))
                .service(read_at("/batches/{id}/results").route(read().to(batch::results)))
                .service(read_at("/jobs/{id}/preview").route(read().to(previews::of_job)))
                .service(at("/previews", "POST").route(web::post().to(previews::create)))
                .service(read_at("/previews/{id}").route(read().to(previews::show)))
                .service(at("/events", "GET").route(web::get().to(events::stream)))
                .service(read_at("/workers").route(read().to(workers)))
                .service(read_at("/processes").route(read().to(processes)))
                .service(read_at("/queue").route(read().to(queue)))
                .service(read_at("/filters").route(read().to(list_filters)))
                .service(read_at("/limits").route(read().to(limits::show)))
                .service(read_at("/openapi.json").route(read().to(description::describe)))
                .default_service(web::to(unknown)),
        )
        .service(read_at("/healthz").route(read().to(health)))
        .service(read_at("/readyz").route(read().to(ready)))
        .service(read_at("/metrics").route(read().to(metrics::show)))
        .default_service(web::to(page::file));
}

/// A path that accepts the methods `allowed` only, and answers others with 405.
fn at(path: &str, allowed: &'static str) -> Resource {
    let wrong = move || async move { Err::<HttpResponse, _>(ApiError::WrongMethod { allowed }) };
    resource(path).default_service(web::to(wrong))
}

/// A path that is only read.
fn read_at(path: &str) -> Resource {
    at(path, READ)
}

/// A route for GET, and for HEAD, which is GET without the body.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Jobs to skip, from the newest on.
    #[serde(default)]
    skip: usize,
    /// The most jobs to list: 50 by default, 500 at most.
    count: Option<usize>,
    /// A batch, to list its jobs only.
    batch: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct JobPage {
    /// The jobs of this page.
    jobs: Vec<JobView>,
    /// The number of jobs on all pages.
    total: usize,
}

/// Jobs, newest first.
///
/// Jobs stay listed after they have ended, until they are deleted or `retention` removes them.
#[utoipa::path(
    get,
    path = "/api/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(Paging),
    responses((status = 200, description = "A page of jobs.", body = JobPage), Malformed, Internal),
)]
pub(super) async fn list(
    api: web::Data<Api>,
    seen: Forwarded,
    paging: Result<web::Query<Paging>, actix_web::Error>,
) -> Result<web::Json<JobPage>> {
    let paging = paging.map_err(|error| ApiError::Malformed(error.to_string()))?;
    let count = paging.count.unwrap_or(PAGE).min(MAX_PAGE);
    let batch = paging.batch.as_deref().map(form::batch).transpose()?;
    let (jobs, total) = view::jobs(&api.app, batch, paging.skip, count).await?;
    let jobs = jobs.into_iter().map(|job| seen.see(job)).collect();
    Ok(web::Json(JobPage { jobs, total }))
}

/// A job as it is now.
///
/// To wait for a job, ask again until `status` is `complete`, `failed` or `cancelled`, or follow `/api/events?job=ID`.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    operation_id = "get_job",
    tag = "jobs",
    params(OneJob),
    responses((status = 200, description = "The job.", body = JobView), NotFound, Internal),
)]
pub(super) async fn show(
    api: web::Data<Api>,
    seen: Forwarded,
    id: web::Path<String>,
) -> Result<web::Json<JobView>> {
    let entry = api.find(&id)?;
    Ok(web::Json(seen.see(view::job(&api.app, &entry).await?)))
}

/// Cancels a job that has not ended.
///
/// The job stays listed, with the status `cancelled`, and can be retried.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/cancel",
    operation_id = "cancel_job",
    tag = "jobs",
    params(OneJob),
    responses((status = 200, description = "The cancelled job.", body = JobView), NotFound, WrongStatus, Internal),
)]
pub(super) async fn cancel(
    api: web::Data<Api>,
    seen: Forwarded,
    id: web::Path<String>,
) -> Result<web::Json<JobView>> {
    let entry = api.find(&id)?;
    let job = entry.plan.id;
    let stands = api.app.ledger.conclude(job, Outcome::cancelled()).await?;
    if !matches!(stands, Outcome::Cancelled { .. }) {
        let (status, needs) = (stands.status(), "only a job that has not ended can be cancelled");
        return Err(ApiError::WrongStatus { job, status, needs });
    }
    api.tell(Look::Job(job)).await;
    show(api, seen, id).await
}

/// Removes a job and its images.
///
/// A job that has not ended is cancelled first.
#[utoipa::path(
    delete,
    path = "/api/jobs/{id}",
    operation_id = "delete_job",
    tag = "jobs",
    params(OneJob),
    responses((status = 204, description = "It is gone."), NotFound, Internal),
)]
pub(super) async fn remove(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let job = api.find(&id)?.plan.id;
    api.remove(job).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The workers.
///
/// A worker that has fallen silent stays listed for a while, with a `state` that says so.
#[utoipa::path(
    get,
    path = "/api/workers",
    operation_id = "list_workers",
    tag = "fleet",
    responses((status = 200, description = "The workers.", body = [WorkerView]), Internal),
)]
pub(super) async fn workers(api: web::Data<Api>) -> Result<web::Json<Vec<WorkerView>>> {
    let late_after = api.app.config.worker.late_after();
    Ok(web::Json(api.app.state.workers(late_after).await?))
}

/// The processes other than workers.
///
/// These are servers, collectors and monitors.
#[utoipa::path(
    get,
    path = "/api/processes",
    operation_id = "list_processes",
    tag = "fleet",
    responses((status = 200, description = "The processes.", body = [Process]), Internal),
)]
pub(super) async fn processes(api: web::Data<Api>) -> Result<web::Json<Vec<Process>>> {
    Ok(web::Json(api.app.state.processes().await.map_err(ApiError::from)?))
}

/// The jobs and tiles in work.
///
/// `missing` says what holds up tiles, such as a role without a process.
#[utoipa::path(
    get,
    path = "/api/queue",
    operation_id = "get_queue",
    tag = "fleet",
    responses((status = 200, description = "The queue.", body = QueueView), Internal),
)]
pub(super) async fn queue(api: web::Data<Api>) -> Result<web::Json<QueueView>> {
    Ok(web::Json(view::queue(&api.app, &view::fleet(&api.app).await?).await?))
}

/// The filters.
///
/// Each has its parameters with their ranges and defaults. A chain such as `blur:2.5,invert` is made of filters.
#[utoipa::path(
    get,
    path = "/api/filters",
    operation_id = "list_filters",
    tag = "fleet",
    responses((status = 200, description = "The filters.", body = [FilterView])),
)]
pub(super) async fn list_filters() -> web::Json<Vec<FilterView>> {
    web::Json(filters::all())
}

/// Whether the process answers.
///
/// For a supervisor that restarts a process which does not answer.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "get_health",
    tag = "health",
    responses((status = 200, description = "It answers.", body = String, content_type = "text/plain")),
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether jobs can be accepted and processed.
///
/// They can if the state and the queue answer and no obstacle holds up all jobs. `/api/queue` tells which roles are
/// missing.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "get_readiness",
    tag = "health",
    responses((status = 200, description = "They can.", body = String, content_type = "text/plain"), Internal),
)]
pub(super) async fn ready(api: web::Data<Api>) -> Result<&'static str> {
    let said = |error: PortError| ApiError::Hindered(causes::all(&error));
    if let Some(obstacle) = view::obstacles(&api.app).await.map_err(said)?.into_iter().next() {
        return Err(ApiError::Hindered(obstacle));
    }
    view::lag(&api.app).await.map_err(|error| said(error.into()))?;
    Ok("ready\n")
}

async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse> {
    Err(ApiError::NotFound(format!("{} {}", request.method(), request.path())))
}
