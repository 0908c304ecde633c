//! Jobs as the API shows them. The field names are stable: scripts read them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::formats;
use super::forwarded::Linked;
use super::queue::missing;
use crate::app::App;
use crate::model::batch::BatchId;
use crate::model::board::Board;
use crate::model::job::{Failure, JobId, Outcome, Status, Timings};
use crate::raster::encode::OutputFormat;
use crate::service::PortError;
use crate::service::ledger::LedgerEntry;
use crate::storage::Kept;

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "0199a3c5b8e77d3c9f5c6a1e2b4d8f70",
    "name": "photo.jpg",
    "status": "complete",
    "page": null,
    "width": 6000,
    "height": 4000,
    "result_width": 6000,
    "result_height": 4000,
    "moved": false,
    "filters": "blur:2.5,grayscale:bt601",
    "tile_size": 512,
    "format": "jpeg",
    "tiles_total": 96,
    "tiles_done": 96,
    "attempts": 1,
    "created_at": "2026-03-01T12:00:00Z",
    "filtering_since": null,
    "finished_at": "2026-03-01T12:00:03Z",
    "timings": {"split": 0.4, "filter": 2.1, "stitch": 0.5},
    "error": null,
    "obstacle": null,
    "batch": null,
    "split": null,
    "notes": [],
    "bytes": 5_242_880,
    "links": {
        "self": "/api/jobs/0199a3c5b8e77d3c9f5c6a1e2b4d8f70",
        "original": "/api/jobs/0199a3c5b8e77d3c9f5c6a1e2b4d8f70/original",
        "thumbnail": "/api/jobs/0199a3c5b8e77d3c9f5c6a1e2b4d8f70/thumbnail",
        "result": "/api/jobs/0199a3c5b8e77d3c9f5c6a1e2b4d8f70/result",
        "events": "/api/events?job=0199a3c5b8e77d3c9f5c6a1e2b4d8f70",
    },
})))]
pub struct JobView {
    /// Identifies the job permanently: 32 hexadecimal digits that sort by creation time.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub id: JobId,
    /// The file name of the image, as it was uploaded.
    pub name: String,
    /// The status of the job.
    pub status: Status,
    /// The page of the image, counted from 0, if one was chosen.
    pub page: Option<u32>,
    /// Width of the image in pixels, upright.
    pub width: u32,
    /// Height of the image in pixels, upright.
    pub height: u32,
    /// Width of the result in pixels, which filters such as `crop` and `resize` change.
    pub result_width: u32,
    /// Height of the result in pixels.
    pub result_height: u32,
    /// Whether pixels of the result lie at other places than in the original.
    pub moved: bool,
    /// The filter chain, with all its values.
    pub filters: String,
    /// Side of a tile of the result in pixels.
    pub tile_size: u32,
    /// Format of the result.
    #[schema(value_type = formats::OutputFormat)]
    pub format: OutputFormat,
    /// Tiles that the result is made of.
    pub tiles_total: u32,
    /// Tiles that are filtered and in the canvas.
    pub tiles_done: u32,
    /// The fraction of the image that is decoded and can be cut into tiles. Known for a job in work, from its first
    /// rows on.
    #[schema(minimum = 0, maximum = 1)]
    pub split: Option<f64>,
    /// The most attempts that any one tile has needed so far.
    pub attempts: u32,
    /// The batch that it belongs to.
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    pub batch: Option<BatchId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the first tile of a job in work was done, if that is known.
    pub filtering_since: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How long each phase of a complete job took.
    pub timings: Option<Timings>,
    /// Why a failed job failed.
    pub error: Option<ErrorView>,
    /// Why the job cannot go on until a person acts, and what to do.
    pub obstacle: Option<String>,
    /// What the result loses compared to the original, as text.
    pub notes: Vec<String>,
    /// Bytes of the result.
    pub bytes: Option<u64>,
    /// Related paths.
    pub links: Links,
}

/// Why a job failed: the facts, and all of them as a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorView {
    /// Everything, as a sentence.
    text: String,
    #[serde(flatten)]
    failure: Failure,
}

/// Related paths.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Links {
    /// Path of this job.
    #[serde(rename = "self")]
    pub own: String,
    /// Path of the image as it was uploaded, as long as it is kept.
    pub original: Option<String>,
    /// Path of a small picture of the result, while the job is in work and as long as its result is kept.
    pub thumbnail: Option<String>,
    /// Path of the result, once there is one and as long as it is kept.
    pub result: Option<String>,
    /// Path of its events.
    pub events: String,
}

impl Linked for JobView {
    fn links(&mut self) -> impl Iterator<Item = &mut String> {
        let Links { own, original, thumbnail, result, events } = &mut self.links;
        [own, events].into_iter().chain([original, thumbnail, result].into_iter().flatten())
    }
}

/// A job that has just been accepted.
#[must_use]
pub fn new_job(entry: &LedgerEntry) -> JobView {
    build(entry, None, &[])
}

/// A job as it is now.
pub async fn job(app: &App, entry: &LedgerEntry) -> Result<JobView, PortError> {
    let missing = match entry.outcome {
        Some(_) => Vec::new(),
        None => missing(app).await?,
    };
    view(app, entry, &missing).await
}

async fn view(app: &App, entry: &LedgerEntry, missing: &[String]) -> Result<JobView, PortError> {
    let board = match entry.outcome {
        Some(_) => None,
        None => board(app, entry.plan.id).await?,
    };
    let (board, decoded) = (board.as_deref(), app.splits.of(entry.plan.id));
    Ok(JobView { split: split_of(entry, board, decoded), ..build(entry, board, missing) })
}

/// The board of a job; the one that was seen last if the state cannot be used.
pub(super) async fn board(app: &App, job: JobId) -> Result<Option<Arc<Board>>, PortError> {
    if app.outlook.state().is_some() {
        return Ok(app.outlook.last_board(job));
    }
    let board = app.state.board(job).await?.map(Arc::new);
    if let Some(board) = &board {
        app.outlook.note_board(job, Arc::clone(board));
    }
    Ok(board)
}

/// A page of jobs, newest first, and the number of all jobs; only those of `batch`, if one is given.
pub async fn jobs(
    app: &App,
    batch: Option<BatchId>,
    skip: usize,
    count: usize,
) -> Result<(Vec<JobView>, usize), PortError> {
    let (entries, total) = app.ledger.newest(batch, skip, count);
    let missing = if entries.iter().any(|entry| entry.outcome.is_none()) {
        missing(app).await?
    } else {
        Vec::new()
    };
    let mut views = Vec::with_capacity(entries.len());
    for entry in &entries {
        views.push(view(app, entry, &missing).await?);
    }
    Ok((views, total))
}

fn build(entry: &LedgerEntry, board: Option<&Board>, missing: &[String]) -> JobView {
    let (plan, outcome) = (&entry.plan, entry.outcome.as_ref());
    let status = status(entry, board);
    let obstacle = board.and_then(Board::obstacle).or(missing.first().map(String::as_str));
    let obstacle = obstacle.map(String::from);
    let mut view = JobView {
        id: plan.id,
        name: plan.name.clone(),
        status,
        page: plan.page,
        width: plan.size.width,
        height: plan.size.height,
        result_width: plan.result_size().width,
        result_height: plan.result_size().height,
        moved: plan.filters.moves(),
        filters: plan.filters.to_string(),
        tile_size: plan.tile_size,
        format: plan.output.format,
        tiles_total: plan.tiles(),
        tiles_done: tiles_done(entry, board),
        split: None,
        attempts: board.map_or(1, Board::attempts),
        batch: plan.batch,
        created_at: plan.created_at,
        filtering_since: board.and_then(Board::began),
        finished_at: outcome.map(Outcome::finished_at),
        timings: None,
        error: None,
        obstacle: obstacle.filter(|_| outcome.is_none()),
        notes: plan.notes.clone(),
        bytes: None,
        links: links(plan.id, status, entry.kept),
    };
    match outcome {
        Some(Outcome::Complete { bytes, attempts, timings, .. }) => {
            (view.bytes, view.attempts) = (Some(*bytes), *attempts);
            view.timings = Some(*timings);
        }
        Some(Outcome::Failed { error, .. }) => {
            view.attempts = error.attempts.unwrap_or(1);
            view.error = Some(ErrorView { text: error.to_string(), failure: error.clone() });
        }
        Some(Outcome::Cancelled { .. }) | None => {}
    }
    view
}

/// The status of a job that has this board.
pub(super) fn status(entry: &LedgerEntry, board: Option<&Board>) -> Status {
    entry.outcome.as_ref().map_or_else(|| running_status(board), Outcome::status)
}

/// The number of tiles that are in the canvas.
pub(super) fn tiles_done(entry: &LedgerEntry, board: Option<&Board>) -> u32 {
    match status(entry, board) {
        Status::Complete => entry.plan.tiles(),
        _ => board.map_or(0, Board::done),
    }
}

/// The decoded fraction of the image of a job in work. After a restart, all tiles may be on the board without decoding.
fn split_of(entry: &LedgerEntry, board: Option<&Board>, decoded: Option<f64>) -> Option<f64> {
    match status(entry, board) {
        Status::Queued | Status::Processing => decoded,
        Status::Stitching => Some(1.0),
        Status::Complete | Status::Failed | Status::Cancelled => None,
    }
}

fn running_status(board: Option<&Board>) -> Status {
    match board {
        None => Status::Queued,
        Some(board) if board.is_complete() => Status::Stitching,
        Some(_) => Status::Processing,
    }
}

fn links(job: JobId, status: Status, kept: Kept) -> Links {
    let own = format!("/api/jobs/{job}");
    let of = |what: &str| format!("{own}/{what}");
    let result = (status == Status::Complete && kept.result.is_some()).then(|| of("result"));
    let in_work = matches!(status, Status::Queued | Status::Processing | Status::Stitching);
    Links {
        original: kept.original.map(|_| of("original")),
        thumbnail: (in_work || result.is_some()).then(|| of("thumbnail")),
        result,
        events: format!("/api/events?job={job}"),
        own,
    }
}
