//! The queue and what holds it up, as the API shows them. The field names are stable: scripts read them.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::App;
use crate::causes;
use crate::model::process::{Process, Role};
use crate::model::worker::{Liveness, WorkerView};
use crate::queue::{Progress, QueueError};
use crate::service::PortError;
use crate::service::topics::Purpose;

/// How long a view waits for the queue.
const PATIENCE: Duration = Duration::from_secs(3);

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
pub(super) async fn missing(app: &App) -> Result<Vec<String>, PortError> {
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
