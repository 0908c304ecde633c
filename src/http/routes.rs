//! Which path leads where.

use actix_web::web::resource;
use actix_web::{HttpResponse, Route, guard, web};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::view::{self, JobView, QueueView};
use super::{Api, download, events, mosaic, page, upload};
use crate::model::event::Look;
use crate::model::job::Outcome;
use crate::model::worker::WorkerView;
use crate::raster::filter::{FilterSpec, filters};

type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Jobs on a page of the list, unless the client says otherwise; and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 500;

/// All routes. A path that is known but not for this method is answered with 405.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(
            web::scope("/api")
                .service(
                    resource("/jobs").route(web::post().to(upload::create)).route(read().to(list)),
                )
                .service(
                    resource("/jobs/{id}").route(web::delete().to(remove)).route(read().to(show)),
                )
                .service(resource("/jobs/{id}/cancel").route(web::post().to(cancel)))
                .service(resource("/jobs/{id}/retry").route(web::post().to(upload::retry)))
                .service(resource("/jobs/{id}/result").route(read().to(download::result)))
                .service(resource("/jobs/{id}/original").route(read().to(download::original)))
                .service(resource("/jobs/{id}/thumbnail").route(read().to(mosaic::thumbnail)))
                .service(resource("/jobs/{id}/mosaic").route(read().to(mosaic::mosaic)))
                .service(resource("/jobs/{id}/tiles").route(read().to(mosaic::tiles)))
                .service(resource("/events").route(web::get().to(events::stream)))
                .service(resource("/workers").route(read().to(workers)))
                .service(resource("/queue").route(read().to(queue)))
                .service(resource("/filters").route(read().to(list_filters)))
                .default_service(web::to(unknown)),
        )
        .service(resource("/healthz").route(read().to(health)))
        .service(resource("/readyz").route(read().to(ready)))
        .default_service(web::to(page::file));
}

/// GET, and HEAD, which is GET without the body.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

#[derive(Deserialize)]
struct Paging {
    #[serde(default)]
    skip: usize,
    count: Option<usize>,
}

#[derive(Serialize)]
struct JobPage {
    jobs: Vec<JobView>,
    total: usize,
}

async fn list(
    api: web::Data<Api>,
    paging: Result<web::Query<Paging>, actix_web::Error>,
) -> Result<web::Json<JobPage>> {
    let paging = paging.map_err(|error| ApiError::Malformed(error.to_string()))?;
    let count = paging.count.unwrap_or(PAGE).min(MAX_PAGE);
    let (jobs, total) = view::jobs(&api.app, paging.skip, count).await?;
    Ok(web::Json(JobPage { jobs, total }))
}

async fn show(api: web::Data<Api>, id: web::Path<String>) -> Result<web::Json<JobView>> {
    let entry = api.find(&id)?;
    Ok(web::Json(view::job(&api.app, &entry).await?))
}

async fn cancel(api: web::Data<Api>, id: web::Path<String>) -> Result<web::Json<JobView>> {
    let entry = api.find(&id)?;
    let job = entry.plan.id;
    let stands = api.app.ledger.conclude(job, Outcome::cancelled()).await?;
    if !matches!(stands, Outcome::Cancelled { .. }) {
        let (status, needs) = (stands.status(), "only a job that has not ended can be cancelled");
        return Err(ApiError::WrongStatus { job, status, needs });
    }
    api.app.state.signal(Look::Job(job)).await?;
    show(api, id).await
}

async fn remove(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let job = api.find(&id)?.plan.id;
    // The outcome first: it stops whoever works on the job. So does a plan that is not there any more,
    // only later; and that needs no room on the disk.
    match api.app.ledger.conclude(job, Outcome::cancelled()).await {
        Err(error) if !error.is_full() => return Err(error.into()),
        _ => {}
    }
    api.app.ledger.remove(job).await?;
    api.app.state.forget(job).await?;
    api.app.state.signal(Look::Job(job)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn workers(api: web::Data<Api>) -> Result<web::Json<Vec<WorkerView>>> {
    Ok(web::Json(api.app.state.workers(events::late_after(&api.app)).await?))
}

async fn queue(api: web::Data<Api>) -> Result<web::Json<QueueView>> {
    Ok(web::Json(view::queue(&api.app).await?))
}

async fn list_filters() -> web::Json<&'static [FilterSpec]> {
    web::Json(filters())
}

/// The process answers.
async fn health() -> &'static str {
    "ok\n"
}

/// Jobs are accepted and find a mill: the state and the queue answer.
async fn ready(api: web::Data<Api>) -> Result<&'static str> {
    view::queue(&api.app).await?;
    Ok("ready\n")
}

async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse> {
    Err(ApiError::NotFound(format!("{} {}", request.method(), request.path())))
}
