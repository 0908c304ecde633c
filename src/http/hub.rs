//! Looks at the mill for all clients of the event stream, and makes the events, once for all of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::live::Live;
use super::queue;
use super::view::{self, JobView, Links};
use crate::app::App;
use crate::locked::Locked;
use crate::model::job::{JobId, Status};
use crate::service::PortError;
use crate::state::LAST_LOOK;
use crate::{blocking, causes};

/// The shortest time between two frames.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest time between two looks, even without a signal: a worker falls silent without one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often progress in the list of jobs is sent; other changes in it are sent at once.
const LIST_EVERY: Duration = Duration::from_secs(1);

/// The mosaic of a job with more tiles than this is read only every [`LOOK_EVERY`]: comparing it takes milliseconds.
const MANY_TILES: u32 = 50_000;

/// The number of jobs in the list, the newest.
const JOBS: usize = 50;

/// Looks at the mill once for all listeners.
#[derive(Clone)]
pub struct Hub {
    pub(super) frames: watch::Sender<Frame>,
    /// When the last look began. Locked during a look, so that a later frame never shows an older state.
    looked: Arc<Mutex<Option<Instant>>>,
    pub(super) followed: Followed,
    pub(super) shutdown: CancellationToken,
}

/// The current events, as they are sent. An event that has not changed stays the same buffer.
#[derive(Clone, Default)]
pub(super) struct Frame {
    /// The list of jobs, for all clients.
    pub(super) list: Option<List>,
    /// The other events for all clients.
    pub(super) common: Vec<Bytes>,
    /// The events for clients that follow a job.
    pub(super) jobs: BTreeMap<JobId, JobFrame>,
    /// Why the mill cannot be read.
    pub(super) trouble: Option<Bytes>,
    /// Whether the jobs are known nevertheless; if not, only the trouble is sent.
    pub(super) is_known: bool,
}

/// The list of jobs as it was sent.
#[derive(Clone)]
pub(super) struct List {
    told_at: Instant,
    pub(super) event: Bytes,
    /// The parts whose changes are sent at once.
    marks: (usize, Vec<(JobId, Status, Links)>),
}

/// The events about one job.
#[derive(Clone, Default)]
pub(super) struct JobFrame {
    pub(super) about: Option<Bytes>,
    pub(super) live: Option<Arc<Live>>,
    /// When the mosaic was read.
    looked_at: Option<Instant>,
}

impl Hub {
    /// A hub whose streams end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        let frames = watch::Sender::new(Frame::default());
        Self { frames, looked: Arc::default(), followed: Followed::default(), shutdown }
    }

    /// Looks at the mill after each signal and at least every `LOOK_EVERY`, while there are listeners.
    pub async fn run(self, app: App) {
        let mut looks = app.state.looks();
        let mut clock = interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                _ = looks.recv() => {}
                () = app.splits.moved() => {}
            }
            // This look covers all signals so far; those during it are covered by the next.
            looks = looks.resubscribe();
            let next = Instant::now() + MIN_INTERVAL;
            if self.frames.receiver_count() > 0
                && let Err(error) = self.look(&app).await
            {
                warn!(error = causes::field(&error), "could not look at the mill");
            }
            sleep_until(next).await;
        }
    }

    /// How many streams are open.
    pub(super) fn listeners(&self) -> usize {
        self.frames.receiver_count()
    }

    async fn look(&self, app: &App) -> Result<(), PortError> {
        self.look_now(&mut *self.looked.lock().await, app).await
    }

    /// Looks for a new listener, unless the last frame is young and has the job that it follows: many
    /// listeners that come together cost one look.
    pub(super) async fn look_for(&self, job: Option<JobId>, app: &App) -> Result<(), PortError> {
        let came = Instant::now();
        let mut looked = self.looked.lock().await;
        // A look may take long while a service is away. One that began after `came` serves all that wait.
        if looked.is_some_and(|at| at > came) {
            return Ok(());
        }
        let is_young = looked.is_some_and(|at| at.elapsed() < MIN_INTERVAL);
        let has_job = job.is_none_or(|job| self.frames.borrow().jobs.contains_key(&job));
        if is_young && has_job { Ok(()) } else { self.look_now(&mut looked, app).await }
    }

    async fn look_now(&self, looked: &mut Option<Instant>, app: &App) -> Result<(), PortError> {
        let began = Instant::now();
        let before = self.frames.borrow().clone();
        let done = match self.frame(&before, app).await {
            Ok(frame) => {
                self.frames.send_replace(frame);
                Ok(())
            }
            Err(error) => {
                let trouble = Some(trouble_event(&causes::all(&error), &before));
                self.frames.send_modify(|frame| (frame.trouble, frame.is_known) = (trouble, false));
                Err(error)
            }
        };
        *looked = Some(began);
        done
    }

    async fn frame(&self, before: &Frame, app: &App) -> Result<Frame, PortError> {
        if let Some(trouble) = app.outlook.state() {
            return hindered(&self.followed, before, trouble, app).await;
        }
        let list = list(app, before.list.as_ref()).await?;
        let mut common = common(app).await?;
        for (now, old) in common.iter_mut().zip(&before.common) {
            stay(now, old);
        }
        let mut jobs = BTreeMap::new();
        for job in self.followed.jobs() {
            let known = before.jobs.get(&job).cloned().unwrap_or_default();
            jobs.insert(job, follow(app, job, known).await?);
        }
        Ok(Frame { list: Some(list), common, jobs, trouble: None, is_known: true })
    }
}

/// The frame while the state cannot be used: the jobs as far as they are known without it, with the trouble as their
/// obstacle.
async fn hindered(
    followed: &Followed,
    before: &Frame,
    trouble: String,
    app: &App,
) -> Result<Frame, PortError> {
    let list = list(app, before.list.as_ref()).await?;
    let mut jobs = BTreeMap::new();
    for job in followed.jobs() {
        let known = before.jobs.get(&job).cloned().unwrap_or_default();
        let about = about(app, job, &known).await?;
        jobs.insert(job, JobFrame { about: Some(about), ..known });
    }
    let trouble = Some(trouble_event(&trouble, before));
    Ok(Frame { list: Some(list), common: Vec::new(), jobs, trouble, is_known: true })
}

/// Keeps the old buffer if the event has not changed, so that listeners recognise it by its address.
fn stay(now: &mut Bytes, old: &Bytes) {
    if now == old {
        *now = old.clone();
    }
}

/// The list of jobs; `before` as long as it is young and nothing has changed but progress.
async fn list(app: &App, before: Option<&List>) -> Result<List, PortError> {
    let (jobs, total) = view::jobs(app, None, 0, JOBS).await?;
    let marks = jobs.iter().map(|job| (job.id, job.status, job.links.clone()));
    let marks = (total, marks.collect::<Vec<_>>());
    let is_told = |list: &&List| list.marks == marks && list.told_at.elapsed() < LIST_EVERY;
    if let Some(list) = before.filter(is_told) {
        return Ok(list.clone());
    }
    let mut event = event("jobs", &serde_json::json!({ "jobs": jobs, "total": total }));
    if let Some(list) = before {
        stay(&mut event, &list.event);
    }
    Ok(List { told_at: Instant::now(), event, marks })
}

async fn common(app: &App) -> Result<Vec<Bytes>, PortError> {
    let fleet = queue::fleet(app).await?;
    Ok(vec![
        event("workers", &fleet.workers),
        event("processes", &fleet.processes),
        event("queue", &queue::queue(app, &fleet).await?),
    ])
}

async fn follow(app: &App, job: JobId, known: JobFrame) -> Result<JobFrame, PortError> {
    let Some(entry) = app.ledger.get(job) else {
        return Ok(JobFrame { about: Some(gone(job)), ..JobFrame::default() });
    };
    let view = view::job(app, &entry).await?;
    let is_told = |live: &Arc<Live>| live.tells(view.tiles_done, view.attempts);
    let about = told_of(&view, &known);
    let is_over = entry.outcome.as_ref().is_some_and(|outcome| outcome.age() > LAST_LOOK);
    let is_early = entry.plan.tiles() > MANY_TILES
        && known.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY);
    if known.live.as_ref().is_some_and(is_told) || is_over || is_early {
        return Ok(JobFrame { about: Some(about), ..known });
    }
    let looked_at = Some(Instant::now());
    Ok(JobFrame { about: Some(about), live: live(app, job, known.live).await?, looked_at })
}

/// The event about a job, without its mosaic.
async fn about(app: &App, job: JobId, known: &JobFrame) -> Result<Bytes, PortError> {
    let Some(entry) = app.ledger.get(job) else { return Ok(gone(job)) };
    Ok(told_of(&view::job(app, &entry).await?, known))
}

fn gone(job: JobId) -> Bytes {
    event("gone", &serde_json::json!({ "id": job }))
}

fn told_of(view: &JobView, known: &JobFrame) -> Bytes {
    let mut about = event("job", view);
    if let Some(old) = &known.about {
        stay(&mut about, old);
    }
    about
}

fn trouble_event(text: &str, before: &Frame) -> Bytes {
    let mut trouble = event("trouble", &serde_json::json!({ "error": text }));
    if let Some(old) = &before.trouble {
        stay(&mut trouble, old);
    }
    trouble
}

/// The current mosaic; `known` while none is published.
async fn live(
    app: &App,
    job: JobId,
    known: Option<Arc<Live>>,
) -> Result<Option<Arc<Live>>, PortError> {
    let Some(mosaic) = app.state.mosaic(job).await? else { return Ok(known) };
    let board = app.state.board(job).await?;
    let follow = move || Live::follow(known.as_ref(), mosaic, board.as_ref());
    Ok(Some(blocking::run(follow).await))
}

/// An event as it is sent.
pub(super) fn event(name: &str, value: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(value).expect("views are plain data");
    format!("event: {name}\ndata: {json}\n\n").into()
}

/// The jobs that clients follow, with the number of clients.
#[derive(Clone, Default)]
pub(super) struct Followed(Arc<std::sync::Mutex<BTreeMap<JobId, usize>>>);

impl Followed {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, usize>> {
        self.0.locked()
    }

    fn jobs(&self) -> Vec<JobId> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn add(&self, job: JobId) -> Follower {
        *self.lock().entry(job).or_default() += 1;
        Follower { job, followed: self.clone() }
    }
}

/// A client that follows a job, until this is dropped.
pub(super) struct Follower {
    pub(super) job: JobId,
    followed: Followed,
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.followed.lock().entry(self.job) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
