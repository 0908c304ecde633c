//! Jobs and the queue as the API shows them. The field names are stable: scripts read them.

use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::model::board::Board;
use crate::model::job::{Failure, JobId, Outcome, Status, Timings};
use crate::raster::encode::OutputFormat;
use crate::service::PortError;
use crate::service::ledger::Entry;
use crate::storage::Kept;

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are explained in the API's own description")]
pub struct JobView {
    pub id: JobId,
    pub name: String,
    pub status: Status,
    pub width: u32,
    pub height: u32,
    pub filters: String,
    pub tile_size: u32,
    pub format: OutputFormat,
    pub tiles_total: u32,
    pub tiles_done: u32,
    /// The most attempts that any one tile has needed so far.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub timings: Option<Timings>,
    pub error: Option<ErrorView>,
    /// What the job waits for that somebody has to do, in words.
    pub obstacle: Option<String>,
    /// What the result loses against the original, in words.
    pub notes: Vec<String>,
    /// Bytes of the result.
    pub bytes: Option<u64>,
    pub links: Links,
}

/// Why a job failed: its parts, and all of them as a sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorView {
    text: String,
    #[serde(flatten)]
    failure: Failure,
}

/// Where else to look.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the path of what its name says")]
pub struct Links {
    #[serde(rename = "self")]
    pub own: String,
    /// There only as long as the original is.
    pub original: Option<String>,
    /// There only while the job is in work and as long as its result is.
    pub thumbnail: Option<String>,
    /// There only when there is a result.
    pub result: Option<String>,
    pub events: String,
}

/// What is on its way through the mill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueView {
    /// Tiles of active jobs that are not in their canvas.
    pub tiles_waiting: u64,
    /// Tiles that were sent to workers, of which the result has not been taken in.
    pub tiles_in_flight: u64,
    /// Jobs that wait for a place.
    pub jobs_queued: usize,
    /// Jobs in work.
    pub jobs_active: usize,
}

/// One job as it is now.
pub async fn job(app: &App, entry: &Entry) -> Result<JobView, PortError> {
    let board = match entry.outcome {
        Some(_) => None,
        None => app.state.board(entry.plan.id).await?,
    };
    Ok(build(entry, board.as_ref()))
}

/// A page of jobs, newest first, and how many jobs there are.
pub async fn jobs(
    app: &App,
    skip: usize,
    count: usize,
) -> Result<(Vec<JobView>, usize), PortError> {
    let (entries, total) = app.ledger.newest(skip, count);
    let mut views = Vec::with_capacity(entries.len());
    for entry in &entries {
        views.push(job(app, entry).await?);
    }
    Ok((views, total))
}

/// The queue as it is now.
pub async fn queue(app: &App) -> Result<QueueView, PortError> {
    let active = app.state.active().await?;
    let mut tiles_waiting = 0;
    for job in &active {
        let board = app.state.board(job.id).await?;
        tiles_waiting += board.map_or(0, |board| u64::from(board.tiles() - board.done()));
    }
    let tasks = app.tasks.progress().await?;
    let results = app.results.progress().await?;
    Ok(QueueView {
        tiles_waiting,
        tiles_in_flight: tasks.iter().chain(&results).map(|p| p.end - p.committed).sum(),
        jobs_queued: app.ledger.unfinished().len().saturating_sub(active.len()),
        jobs_active: active.len(),
    })
}

fn build(entry: &Entry, board: Option<&Board>) -> JobView {
    let (plan, outcome) = (&entry.plan, entry.outcome.as_ref());
    let status = outcome.map_or_else(|| running_status(board), Outcome::status);
    let tiles_total = plan.tiles();
    let done = if status == Status::Complete { tiles_total } else { board.map_or(0, Board::done) };
    let mut view = JobView {
        id: plan.id,
        name: plan.name.clone(),
        status,
        width: plan.size.width,
        height: plan.size.height,
        filters: plan.filters.to_string(),
        tile_size: plan.tile_size,
        format: plan.output.format,
        tiles_total,
        tiles_done: done,
        attempts: board.map_or(1, Board::attempts),
        created_at: plan.created_at,
        finished_at: outcome.map(Outcome::finished_at),
        timings: None,
        error: None,
        obstacle: board.and_then(Board::obstacle).map(String::from),
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
