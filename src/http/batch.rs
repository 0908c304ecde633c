//! Batches: the jobs of one submission, with one progress, one archive and one end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, ContentDisposition, DispositionParam, DispositionType,
};
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::answers::{Gone, Internal, NoBatch, NoneComplete};
use super::error::{ApiError, Result};
use super::forwarded::{Forwarded, Linked};
use super::{Api, archive, view};
use crate::app::App;
use crate::model::batch::BatchId;
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome, Status};
use crate::service::PortError;
use crate::service::ledger::LedgerEntry;
use crate::service::retention;
use crate::storage::StorageError;

/// Jobs that are ended or removed in parallel: each waits for the disk several times.
const AT_ONCE: usize = 8;

/// A batch, with the sums over its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BatchView {
    /// Names the batch: 32 hexadecimal digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    id: BatchId,
    /// All its jobs.
    jobs: u64,
    /// Jobs that wait for their turn.
    queued: u64,
    /// Jobs whose tiles are being filtered.
    processing: u64,
    /// Jobs whose result is being written.
    stitching: u64,
    /// Jobs whose result is complete.
    complete: u64,
    /// Jobs that failed.
    failed: u64,
    /// Jobs that were cancelled.
    cancelled: u64,
    /// Tiles of all jobs.
    tiles_total: u64,
    /// Tiles that are filtered and in their canvas.
    tiles_done: u64,
    /// Bytes of the results that are still kept.
    bytes: u64,
    /// When the first job was accepted.
    created_at: Timestamp,
    /// When the last job ended, once all have.
    finished_at: Option<Timestamp>,
    /// Related paths.
    links: BatchLinks,
}

/// Related paths.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct BatchLinks {
    /// Path of this batch.
    #[serde(rename = "self")]
    own: String,
    /// Path of its jobs.
    jobs: String,
    /// Path of the archive of its results, once there is one and as long as any is kept.
    results: Option<String>,
}

/// The parameter of a path with the id of a batch.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the handlers take it as a plain string")]
pub struct OneBatch {
    /// The batch.
    id: String,
}

/// A batch as it is now.
///
/// Its jobs are counted by status. A batch exists as long as it has a job.
#[utoipa::path(
    get,
    path = "/api/batches/{id}",
    operation_id = "get_batch",
    tag = "batches",
    params(OneBatch),
    responses((status = 200, description = "The batch.", body = BatchView), NoBatch, Internal),
)]
pub(super) async fn show(
    api: web::Data<Api>,
    seen: Forwarded,
    id: web::Path<String>,
) -> Result<web::Json<BatchView>> {
    Ok(web::Json(seen.see(look(&api, parse(&id)?).await?)))
}

/// The results of a batch as one ZIP archive.
///
/// The archive has the results that are complete and kept. It is made while it is sent: if a result cannot be read, the
/// connection breaks off before the announced length.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/results",
    operation_id = "get_batch_results",
    tag = "batches",
    params(OneBatch),
    responses(
        (status = 200, description = "The archive.", content_type = archive::MIME, body = Vec<u8>),
        NoBatch, NoneComplete, Gone, Internal,
    ),
)]
pub async fn results(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let batch = parse(&id)?;
    let jobs = api.app.ledger.batch(batch);
    let first = jobs.first().ok_or_else(|| unknown(&id))?.plan.created_at;
    let mut complete = jobs;
    complete.retain(|entry| entry.outcome.as_ref().is_some_and(Outcome::is_complete));
    let last = complete.last().cloned().ok_or(ApiError::NoneComplete { batch })?;
    complete.retain(|entry| entry.kept.result.is_some());
    if complete.is_empty() {
        return Err(retention::result_gone(&last, &api.app.config.retention).into());
    }
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(file_name(first))],
    };
    Ok(HttpResponse::Ok()
        .content_type(archive::MIME)
        .insert_header(disposition)
        // There may be more results the next time.
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(archive::of(Arc::clone(&api.app.storage), &complete)))
}

/// The name of an archive whose first job was accepted at `first`.
fn file_name(first: Timestamp) -> String {
    format!("tilemill-{}.zip", first.strftime("%Y-%m-%d-%H%M%S"))
}

/// Cancels the jobs of a batch that have not ended.
///
/// They stay listed, with the status `cancelled`.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/cancel",
    operation_id = "cancel_batch",
    tag = "batches",
    params(OneBatch),
    responses((status = 200, description = "The batch.", body = BatchView), NoBatch, Internal),
)]
pub(super) async fn cancel(
    api: web::Data<Api>,
    seen: Forwarded,
    id: web::Path<String>,
) -> Result<web::Json<BatchView>> {
    let batch = parse(&id)?;
    let all = api.clone();
    to_the_end(async move { cancel_all(&all, batch).await }).await?;
    Ok(web::Json(seen.see(look(&api, batch).await?)))
}

/// Removes all jobs of a batch and their images.
///
/// Jobs that have not ended are cancelled first. A batch without jobs is gone already.
#[utoipa::path(
    delete,
    path = "/api/batches/{id}",
    operation_id = "delete_batch",
    tag = "batches",
    params(OneBatch),
    responses((status = 204, description = "It is gone."), NoBatch, Internal),
)]
pub async fn remove(api: web::Data<Api>, id: web::Path<String>) -> Result<HttpResponse> {
    let batch = parse(&id)?;
    to_the_end(async move {
        // All are cancelled before the first is removed, or its place would go to a waiting job. One that cannot be
        // cancelled now is tried again when it is removed.
        let _ = cancel_all(&api, batch).await;
        each(&api, api.app.ledger.batch(batch), |api, job| async move { api.remove(job).await })
            .await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn parse(id: &str) -> Result<BatchId> {
    id.parse().map_err(|_| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("batch {id:?}"))
}

/// Runs `work` to its end even if the client disconnects.
async fn to_the_end(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    tokio::spawn(work).await.map_err(ApiError::internal)?
}

/// Cancels the jobs that have not ended, newest first: those that wait before those in work.
async fn cancel_all(api: &web::Data<Api>, batch: BatchId) -> Result<()> {
    let jobs = api.app.ledger.batch(batch).into_iter().rev();
    let open = jobs.filter(|entry| entry.outcome.is_none()).collect();
    each(api, open, |api, job| async move { cancel_job(&api, job).await }).await
}

async fn cancel_job(api: &Api, job: JobId) -> Result<()> {
    match api.app.ledger.conclude(job, Outcome::cancelled()).await {
        // It was removed meanwhile.
        Err(StorageError::NotFound(..)) => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    api.tell(Look::Job(job)).await;
    Ok(())
}

/// Runs `act` for each job, even if it fails for another, and returns one of the errors.
async fn each<F: Future<Output = Result<()>> + Send>(
    api: &web::Data<Api>,
    jobs: Vec<LedgerEntry>,
    act: impl Fn(web::Data<Api>, JobId) -> F,
) -> Result<()> {
    let acts = jobs.into_iter().map(|entry| act(api.clone(), entry.plan.id));
    let done: Vec<Result<()>> = stream::iter(acts).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn look(api: &Api, batch: BatchId) -> Result<BatchView> {
    let open = api.app.ledger.batch(batch);
    let boards = boards(&api.app, open.iter().filter(|entry| entry.outcome.is_none())).await?;
    // Read again: a job that ended meanwhile has lost its board, but has an outcome by now.
    let jobs = api.app.ledger.batch(batch);
    let view = BatchView::of(batch, &jobs, &boards);
    view.ok_or_else(|| unknown(&batch.to_string()))
}

/// The boards of the jobs that have one. Few are in work at a time, however many jobs the batch has.
async fn boards(
    app: &App,
    open: impl Iterator<Item = &LedgerEntry>,
) -> Result<BTreeMap<JobId, Arc<Board>>, PortError> {
    let mut jobs: BTreeSet<JobId> = open.map(|entry| entry.plan.id).collect();
    // If the state cannot be used, the boards that were seen last are read from memory, which is cheap.
    if !jobs.is_empty() && app.outlook.state().is_none() {
        let active = app.state.active().await?;
        jobs = active.iter().map(|job| job.id).filter(|job| jobs.contains(job)).collect();
    }
    let mut boards = BTreeMap::new();
    for job in jobs {
        boards.extend(view::board(app, job).await?.map(|board| (job, board)));
    }
    Ok(boards)
}

impl BatchView {
    /// Sums up the jobs; `None` without jobs, since such a batch does not exist.
    fn of(id: BatchId, jobs: &[LedgerEntry], boards: &BTreeMap<JobId, Arc<Board>>) -> Option<Self> {
        let (created_at, links) = (jobs.first()?.plan.created_at, BatchLinks::of(id));
        let ended: Option<Vec<Timestamp>> =
            jobs.iter().map(|entry| Some(entry.outcome.as_ref()?.finished_at())).collect();
        let finished_at = ended.and_then(|ended| ended.into_iter().max());
        let mut view = Self {
            id,
            jobs: 0,
            queued: 0,
            processing: 0,
            stitching: 0,
            complete: 0,
            failed: 0,
            cancelled: 0,
            tiles_total: 0,
            tiles_done: 0,
            bytes: 0,
            created_at,
            finished_at,
            links,
        };
        for entry in jobs {
            view.add(entry, boards.get(&entry.plan.id).map(Arc::as_ref));
        }
        if view.bytes == 0 {
            view.links.results = None;
        }
        Some(view)
    }

    fn add(&mut self, entry: &LedgerEntry, board: Option<&Board>) {
        let status = view::status(entry, board);
        let count = match status {
            Status::Queued => &mut self.queued,
            Status::Processing => &mut self.processing,
            Status::Stitching => &mut self.stitching,
            Status::Complete => &mut self.complete,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
        };
        *count += 1;
        self.jobs += 1;
        self.tiles_total += u64::from(entry.plan.tiles());
        self.tiles_done += u64::from(view::tiles_done(entry, board));
        self.bytes += entry.kept.result.unwrap_or(0);
    }
}

impl Linked for BatchView {
    fn links(&mut self) -> impl Iterator<Item = &mut String> {
        let BatchLinks { own, jobs, results } = &mut self.links;
        [own, jobs].into_iter().chain(results)
    }
}

impl BatchLinks {
    fn of(id: BatchId) -> Self {
        let own = format!("/api/batches/{id}");
        Self { jobs: format!("/api/jobs?batch={id}"), results: Some(format!("{own}/results")), own }
    }
}
