//! Lists, shows, cancels and removes jobs.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answers::{Internal, Malformed, NotFound, WrongStatus};
use super::error::{ApiError, Result};
use super::forwarded::Forwarded;
use super::inputs::OneJob;
use super::view::{self, JobView};
use super::{Api, form};
use crate::model::event::Look;
use crate::model::job::Outcome;

/// Jobs on a page of the list, unless the client gives another number.
const PAGE: usize = 50;
/// The most jobs on a page of the list.
const MAX_PAGE: usize = 500;

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
