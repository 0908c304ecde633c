//! The running processes, the queue, and whether the server can work.

use actix_web::web;

use super::Api;
use super::answers::Internal;
use super::error::{ApiError, Result};
use super::queue::{self, QueueView};
use crate::causes;
use crate::model::process::Process;
use crate::model::worker::WorkerView;
use crate::service::PortError;

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
    Ok(web::Json(queue::queue(&api.app, &queue::fleet(&api.app).await?).await?))
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
    if let Some(obstacle) = queue::obstacles(&api.app).await.map_err(said)?.into_iter().next() {
        return Err(ApiError::Hindered(obstacle));
    }
    queue::lag(&api.app).await.map_err(|error| said(error.into()))?;
    Ok("ready\n")
}
