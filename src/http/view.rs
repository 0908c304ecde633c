//! Jobs and the queue as the API shows them. The field names are stable: scripts read them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::formats;
use super::forwarded::Linked;
use crate::app::App;
use crate::causes;
use crate::model::batch::BatchId;
use crate::model::board::Board;
use crate::model::job::{Failure, JobId, Outcome, Status, Timings};
use crate::model::process::{Process, Role};
use crate::model::worker::{Liveness, WorkerView};
use crate::queue::{Progress, QueueError};
use crate::raster::encode::OutputFormat;
use crate::service::PortError;
use crate::service::ledger::LedgerEntry;
use crate::service::topics::Purpose;
use crate::storage::Kept;

/// How long a view waits for the queue.
const PATIENCE: Duration = Duration::from_secs(3);

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "0199a3c5b8e77d3c9f5c6a1e2b4d8f70",
    "name": "photo.jpg",
    "status": "complete",
    "width": 6000,
    "height": 4000,
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
    /// Width of the image in pixels, upright.
    pub width: u32,
    /// Height of the image in pixels, upright.
    pub height: u32,
    /// The filter chain, with all its values.
    pub filters: String,
    /// Side of a tile in pixels.
    pub tile_size: u32,
    /// Format of the result.
    #[schema(value_type = formats::OutputFormat)]
    pub format: OutputFormat,
    /// Tiles that the image is cut into.
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

/// The jobs and tiles in work, and what holds them up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueView {
    /// Tiles of this server's jobs in work that are not in their canvas.
    pub tiles_waiting: u64,
    /// Tiles that were sent to workers and whose results are not in the canvas yet. Unknown while the queue
    /// does not answer for all of its partitions; `missing` says why.
    pub tiles_in_flight: Option<u64>,
    /// Jobs of this server that wait for a place.
    pub jobs_queued: usize,
    /// Jobs of this server that are in work.
    pub jobs_active: usize,
    /// What holds up tiles, each with what to do about it: services that cannot be used, obstacles that processes
    /// report, roles without a process, and parts of the queue that do not answer.
    pub missing: Vec<String>,
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

/// The processes that are running.
pub struct Fleet {
    /// The processes other than workers.
    pub processes: Vec<Process>,
    /// The workers.
    pub workers: Vec<WorkerView>,
}

/// Reads the running processes from the state.
pub async fn fleet(app: &App) -> Result<Fleet, PortError> {
    let processes = app.state.processes().await?;
    let workers = app.state.workers(app.config.worker.late_after()).await?;
    Ok(Fleet { processes, workers })
}

/// The messages that the consumer groups have not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Tiles that wait for a worker or are in work at one.
    pub tasks: u64,
    /// Filtered tiles that wait for a collector.
    pub results: u64,
}

impl Lag {
    /// All tiles in flight.
    #[must_use]
    pub const fn tiles(self) -> u64 {
        self.tasks + self.results
    }
}

/// The queue as it is now, with the roles that `fleet` lacks.
pub async fn queue(app: &App, fleet: &Fleet) -> Result<QueueView, PortError> {
    Ok(queue_and_lag(app, fleet).await?.0)
}

/// As [`queue`], with the lag if it is known.
pub async fn queue_and_lag(
    app: &App,
    fleet: &Fleet,
) -> Result<(QueueView, Option<Lag>), PortError> {
    let mut active = app.state.active().await?;
    active.retain(|job| job.storage == *app.storage.id());
    let mut tiles_waiting = 0;
    for job in &active {
        let board = app.state.board(job.id).await?;
        tiles_waiting += board.map_or(0, |board| u64::from(board.tiles() - board.done()));
    }
    // One partition without a leader, or a silent broker, must not hide everything else.
    let lag = match timeout(PATIENCE, lag(app)).await {
        Ok(asked) => asked.map_err(|error| causes::all(&error)),
        Err(_) => Err("the queue does not answer".to_owned()),
    };
    let mut missing = missing_of(app, fleet);
    missing.extend(partial_obstacles(app, fleet));
    let silence = lag.as_ref().err();
    missing.extend(silence.map(|why| format!("{why}; `tilemill check` finds out what is wrong")));
    let lag = lag.ok();
    let queue = QueueView {
        tiles_waiting,
        tiles_in_flight: lag.map(Lag::tiles),
        jobs_queued: app.ledger.count_unfinished().saturating_sub(active.len()),
        jobs_active: active.len(),
        missing,
    };
    Ok((queue, lag))
}

/// Asks the queue for the lag.
pub async fn lag(app: &App) -> Result<Lag, QueueError> {
    let behind = |all: Vec<Progress>| {
        all.iter().map(|progress| progress.end.saturating_sub(progress.committed)).sum()
    };
    let tasks = behind(app.topics.tasks.progress().await?);
    let results = behind(app.topics.results.progress().await?);
    Ok(Lag { tasks, results })
}

/// What holds up jobs, each with what to do about it.
async fn missing(app: &App) -> Result<Vec<String>, PortError> {
    Ok(missing_of(app, &usable_fleet(app).await?))
}

/// The obstacles that this server or the other processes of the mill have noticed, as far as they hold up all jobs.
pub async fn obstacles(app: &App) -> Result<Vec<String>, PortError> {
    Ok(obstacles_of(app, &usable_fleet(app).await?))
}

/// The running processes; none if the state cannot be used, since it may be stale.
async fn usable_fleet(app: &App) -> Result<Fleet, PortError> {
    match app.outlook.state() {
        Some(_) => Ok(Fleet { processes: Vec::new(), workers: Vec::new() }),
        None => fleet(app).await,
    }
}

/// Obstacles that hold up all jobs: those of this server, and those of a role whose processes all have one.
fn obstacles_of(app: &App, fleet: &Fleet) -> Vec<String> {
    let mut obstacles: Vec<String> = app.outlook.state().into_iter().collect();
    obstacles.extend(app.outlook.topics());
    obstacles.extend(app.health.obstacle());
    for told in told_by_role(app, fleet) {
        if told.iter().all(Option::is_some) {
            obstacles.extend(told.into_iter().flatten());
        }
    }
    obstacles
}

/// Obstacles of processes while others of their role have none: jobs go on, more slowly.
fn partial_obstacles(app: &App, fleet: &Fleet) -> Vec<String> {
    let told = told_by_role(app, fleet).into_iter();
    let partial = told.filter(|told| told.iter().any(Option::is_none));
    partial.flatten().flatten().collect()
}

/// For each role, the obstacle of each of its processes, if it has one.
fn told_by_role(app: &App, Fleet { processes, workers }: &Fleet) -> [Vec<Option<String>>; 4] {
    let of = |role: Role| {
        let processes = processes.iter().filter(|process| process.role == role);
        let others = processes.filter(|process| process.id != app.server.0);
        let told = others.map(|Process { host, report, .. }| {
            let text = report.obstacle.as_ref()?;
            Some(format!("{} on {host}: {text}", role.command()))
        });
        told.collect()
    };
    let alive = workers.iter().filter(|worker| worker.state != Liveness::Dead);
    let told = alive.map(|WorkerView { heartbeat, .. }| {
        let text = heartbeat.report.obstacle.as_ref()?;
        Some(format!("worker {} on {}: {text}", heartbeat.id, heartbeat.host))
    });
    [told.collect(), of(Role::Serve), of(Role::Collect), of(Role::Monitor)]
}

/// Obstacles, then the roles without a process.
fn missing_of(app: &App, fleet: &Fleet) -> Vec<String> {
    let mut missing = obstacles_of(app, fleet);
    // Without the state, running roles cannot say that they run.
    if app.outlook.state().is_none() {
        missing.extend(roles_missing(app, fleet));
    }
    missing
}

fn roles_missing(app: &App, Fleet { processes, workers }: &Fleet) -> Vec<String> {
    let is_there = |role, sees: &dyn Fn(&Process) -> bool| {
        processes.iter().any(|process| process.role == role && sees(process))
    };
    let sees_files = |process: &Process| process.storage.as_ref() == Some(app.storage.id());
    let mut missing = Vec::new();
    let monitored = is_there(Role::Monitor, &|_| true);
    if !monitored {
        missing.push("no monitor is running: start `tilemill monitor`".to_owned());
    } else if !workers.iter().any(|worker| worker.state != Liveness::Dead) {
        missing.extend(no_worker(app));
    }
    if !is_there(Role::Collect, &|_| true) {
        missing.push("no collector is running: start `tilemill collect`".to_owned());
    } else if !is_there(Role::Collect, &sees_files) {
        missing.push(
            "no running collector sees the files of this server: give one the same `data_dir`, or the \
             address of this server as `storage.url`"
                .to_owned(),
        );
    }
    missing
}

/// The text if no heartbeats arrive; workers may be running nevertheless.
fn no_worker(app: &App) -> Option<String> {
    let topics = &app.config.topics;
    match app.outlook.members() {
        Some(members @ 1..) => Some(format!(
            "no heartbeats of workers arrive over the topic {}, though {members} workers take tiles \
             (members of the group {}); the log of a worker says why",
            topics.heartbeats, topics.tasks_group
        )),
        // Their heartbeats cannot arrive, and the fault of the topic is reported already.
        _ if app.outlook.is_faulty(Purpose::Heartbeats) => None,
        _ => Some("no worker is running: start `tilemill work`".to_owned()),
    }
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
        width: plan.size.width,
        height: plan.size.height,
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
