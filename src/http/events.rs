//! What happens, as a stream of server-sent events: a snapshot first, then changes.
//!
//! Each event carries the whole of what it is about (`jobs`, `workers`, `processes`, `queue`, `job`), and
//! `tiles` what a client does not know of a mosaic, so nothing has to be resumed: who reconnects gets
//! everything again. A followed job that is deleted is `gone`. While the mill cannot be looked at, `trouble` comes
//! behind what is known of the jobs all the same, and everything again when that is over. Events are made once for all
//! clients.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use utoipa::IntoParams;

use super::Api;
use super::answers::{Internal, Malformed, NotFound};
use super::error::ApiError;
use super::forwarded::Forwarded;
use super::live::Live;
use super::view::{self, JobView, Links};
use crate::app::App;
use crate::model::job::{JobId, Status};
use crate::service::PortError;
use crate::state::LAST_LOOK;
use crate::{blocking, causes};

/// Changes are told at most this often.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Without a signal, everything is looked at this often: workers fall silent without one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// `alive` is sent after this long without an event: proxies keep the stream open, and a client that hears
/// nothing for longer knows that it is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How far jobs in the list are is told this often, what else changes there at once.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// The mosaic of a job of more tiles than this is told as seldom: it takes milliseconds to compare.
const MANY_TILES: u32 = 50_000;
const ALIVE: &[u8] = b"event: alive\ndata: {}\n\n";
/// Jobs that a stream tells of: the newest.
const JOBS: usize = 50;

/// Looks once for all listeners.
#[derive(Clone)]
pub struct Hub {
    frames: watch::Sender<Frame>,
    /// When the last look began. One look at a time, so that a later frame never shows something older.
    looked: Arc<Mutex<Option<Instant>>>,
    followed: Followed,
    shutdown: CancellationToken,
}

/// What is told, as events as they are sent, each of which stays the same as long as there is nothing new.
#[derive(Clone, Default)]
struct Frame {
    /// The list of jobs, to everybody.
    list: Option<List>,
    /// What else is told to everybody.
    common: Vec<Bytes>,
    /// To those who follow a job.
    jobs: BTreeMap<JobId, JobFrame>,
    /// Why the mill cannot be looked at.
    trouble: Option<Bytes>,
    /// Whether the jobs are known all the same; if not, the trouble is told instead of everything.
    is_known: bool,
}

/// The list of jobs as it was told.
#[derive(Clone)]
struct List {
    told_at: Instant,
    event: Bytes,
    /// What is told at once when it changes.
    marks: (usize, Vec<(JobId, Status, Links)>),
}

/// What is told of one job.
#[derive(Clone, Default)]
struct JobFrame {
    about: Option<Bytes>,
    live: Option<Arc<Live>>,
    /// When the mosaic was looked at.
    looked_at: Option<Instant>,
}

impl Hub {
    /// A hub whose streams end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        let frames = watch::Sender::new(Frame::default());
        Self { frames, looked: Arc::default(), followed: Followed::default(), shutdown }
    }

    /// Looks as often as there is something to see, as long as somebody listens.
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
            // One look answers all signals so far; those during it are answered by the next.
            looks = looks.resubscribe();
            let next = Instant::now() + MIN_INTERVAL;
            if self.frames.receiver_count() > 0
                && let Err(error) = self.look(&app).await
            {
                warn!(error = &error as &dyn std::error::Error, "could not look at the mill");
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

    /// Looks for somebody who has just come, unless the last frame is young and has what they follow: many
    /// who come together cost one look.
    async fn look_for(&self, job: Option<JobId>, app: &App) -> Result<(), PortError> {
        let came = Instant::now();
        let mut looked = self.looked.lock().await;
        // A look may take long while a service is away: one that began since is one for all who wait.
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

/// What is told where the state cannot be used: the jobs, which name that, as far as they are known without it.
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

/// Leaves what is the same the same, so that listeners see it by its address.
fn stay(now: &mut Bytes, old: &Bytes) {
    if now == old {
        *now = old.clone();
    }
}

/// The list of jobs; the one before as long as that says what matters and is young.
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
    let fleet = view::fleet(app).await?;
    Ok(vec![
        event("workers", &fleet.workers),
        event("processes", &fleet.processes),
        event("queue", &view::queue(app, &fleet).await?),
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

/// What is told of a job without its mosaic.
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

/// The mosaic now; the one before as long as none is published.
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

/// The jobs that somebody follows.
#[derive(Clone, Default)]
struct Followed(Arc<std::sync::Mutex<BTreeMap<JobId, usize>>>);

impl Followed {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, usize>> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jobs(&self) -> Vec<JobId> {
        self.lock().keys().copied().collect()
    }

    fn add(&self, job: JobId) -> Follower {
        *self.lock().entry(job).or_default() += 1;
        Follower { job, followed: self.clone() }
    }
}

/// Somebody who follows a job, until this is dropped.
struct Follower {
    job: JobId,
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

/// Which job a client wants to follow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Follow {
    /// A job to be told of in full, in events named `job`.
    job: Option<String>,
}

/// What happens, as it happens.
///
/// Server-sent events, each with the whole of what it is about: `jobs` (the newest, as in
/// `/api/jobs`), `workers`, `processes`, `queue`, and `job` for the one that was asked for, with its
/// `tiles` as they come back: small pixels in base64, for the page. First comes everything, then what
/// has changed. Nothing has to be resumed: who reconnects gets everything again. `alive` says nothing, after
/// ten seconds without another event; `trouble` says why there is nothing else for now but, at best, the jobs.
///
/// The stream ends only with the server, so read it as it comes (`EventSource`, `curl -N`): a call that returns the
/// whole answer, as most generated clients make it, does not return.
#[utoipa::path(
    get,
    path = "/api/events",
    operation_id = "follow_events",
    tag = "fleet",
    params(Follow),
    responses(
        (status = 200, description = "The events, without an end.", body = String,
         content_type = "text/event-stream"),
        Malformed, NotFound, Internal,
    ),
)]
pub async fn stream(
    api: web::Data<Api>,
    seen_as: Forwarded,
    follow: Result<web::Query<Follow>, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let follow = follow.map_err(|error| ApiError::Malformed(error.to_string()))?;
    let job = follow.into_inner().job.map(|job| Ok::<_, ApiError>(api.find(&job)?.plan.id));
    let job = job.transpose()?.map(|job| api.hub.followed.add(job));
    let mut frames = api.hub.frames.subscribe();
    // The last frame may be from long before anybody listened. A browser does not come back to a stream that
    // was refused, so one begins even while the mill cannot be looked at.
    let followed = job.as_ref().map(|follower| follower.job);
    if let Err(error) = api.hub.look_for(followed, &api.app).await {
        warn!(error = &error as &dyn std::error::Error, "could not look at the mill");
    }
    frames.mark_changed();
    let shutdown = api.hub.shutdown.clone();
    let listener = Listener { shutdown, job, frames, seen_as, told: Vec::new(), seen: 0 };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.events()))
}

/// One client.
struct Listener {
    shutdown: CancellationToken,
    job: Option<Follower>,
    frames: watch::Receiver<Frame>,
    /// How it reaches this server.
    seen_as: Forwarded,
    /// The events that it knows.
    told: Vec<Bytes>,
    /// The revision of the mosaic that it knows.
    seen: u32,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let all = stream::unfold(self, |mut listener| async move {
            let news = listener.next().await?;
            let seen_as = listener.seen_as.clone();
            let news = stream::iter(news).map(move |event| Ok(seen_as.hear(event)));
            Some((news, listener))
        });
        all.flatten()
    }

    /// The next events; `None` when the server stops.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        let shutdown = self.shutdown.clone();
        loop {
            let changed = tokio::select! {
                () = shutdown.cancelled() => return None,
                changed = timeout(KEEP_ALIVE, self.frames.changed()) => changed,
            };
            let Ok(changed) = changed else {
                return Some(vec![Bytes::from_static(ALIVE)]);
            };
            changed.ok()?;
            let frame = self.frames.borrow_and_update().clone();
            let news = self.news(frame);
            if !news.is_empty() {
                return Some(news);
            }
        }
    }

    /// The events that tell what the client does not know yet.
    fn news(&mut self, mut frame: Frame) -> Vec<Bytes> {
        let job = self.job.as_ref().map(|follower| follower.job);
        let mut followed = JobFrame::default();
        let mut now: Vec<Bytes> = if frame.is_known {
            followed = job.and_then(|job| frame.jobs.remove(&job)).unwrap_or_default();
            let list = frame.list.map(|list| list.event);
            list.into_iter().chain(frame.common).chain(followed.about.take()).collect()
        } else {
            Vec::new()
        };
        let is_told = |event: &Bytes| self.told.iter().any(|told| told.as_ptr() == event.as_ptr());
        let mut news: Vec<_> = now.iter().filter(|event| !is_told(event)).cloned().collect();
        if let (Some(job), Some(live)) = (job, &followed.live) {
            news.extend(live.news(job, self.seen));
            self.seen = live.revision();
        }
        // Told again behind whatever is told: what comes last says how it is.
        if let Some(trouble) = frame.trouble {
            if !news.is_empty() || !is_told(&trouble) {
                news.push(trouble.clone());
            }
            now.push(trouble);
        }
        self.told = now;
        news
    }
}
