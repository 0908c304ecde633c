//! What happens, as a stream of server-sent events: a snapshot first, then changes.
//!
//! Each event carries the whole of what it is about (`jobs`, `workers`, `queue`, `job`), so nothing
//! has to be resumed: who reconnects gets everything again. A followed job that is deleted is `gone`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use utoipa::IntoParams;

use super::Api;
use super::description::{Internal, Malformed, NotFound};
use super::error::ApiError;
use super::view;
use crate::app::App;
use crate::service::PortError;

/// Changes are told at most this often.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Without a signal, everything is looked at this often: workers fall silent without one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A comment is sent after this long without an event, so that proxies keep the stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Jobs that a stream tells of: the newest.
const JOBS: usize = 50;

/// A worker is late when it has missed two heartbeats.
pub(super) fn late_after(app: &App) -> Duration {
    2 * app.config.worker.heartbeat.duration()
}

/// Looks once for all listeners.
#[derive(Clone)]
pub struct Hub {
    frames: watch::Sender<Frame>,
    /// One look at a time, so that a later frame never shows something older.
    looking: Arc<Mutex<()>>,
    shutdown: CancellationToken,
}

/// What every listener is told, as JSON, by name of the event.
#[derive(Clone, Default)]
struct Frame {
    parts: Vec<(&'static str, Arc<str>)>,
}

impl Hub {
    /// A hub whose streams end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        let frames = watch::Sender::new(Frame::default());
        Self { frames, looking: Arc::default(), shutdown }
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

    async fn look(&self, app: &App) -> Result<(), PortError> {
        let _turn = self.looking.lock().await;
        self.frames.send_replace(frame(app).await?);
        Ok(())
    }
}

async fn frame(app: &App) -> Result<Frame, PortError> {
    let (jobs, total) = view::jobs(app, 0, JOBS).await?;
    let workers = app.state.workers(late_after(app)).await?;
    let queue = view::queue(app).await?;
    let jobs = serde_json::json!({ "jobs": jobs, "total": total });
    let parts = vec![("jobs", json(&jobs)), ("workers", json(&workers)), ("queue", json(&queue))];
    Ok(Frame { parts })
}

fn json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value).expect("views are plain data").into()
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
/// `/api/jobs`), `workers`, `queue`, and `job` for the one that was asked for. First comes
/// everything, then what has changed. Nothing has to be resumed: who reconnects gets everything again.
#[utoipa::path(
    get,
    path = "/api/events",
    operation_id = "follow_events",
    tag = "fleet",
    params(Follow),
    responses(
        (status = 200, description = "A stream that ends with the server.", body = String,
         content_type = "text/event-stream"),
        Malformed, NotFound, Internal,
    ),
)]
pub async fn stream(
    api: web::Data<Api>,
    follow: Result<web::Query<Follow>, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    let follow = follow.map_err(|error| ApiError::Malformed(error.to_string()))?;
    if let Some(job) = &follow.job {
        api.find(job)?;
    }
    let mut frames = api.hub.frames.subscribe();
    // The last frame may be from before anybody listened. A browser does not come back to a stream that
    // was refused, so one begins even while the mill cannot be looked at.
    if let Err(error) = api.hub.look(&api.app).await {
        warn!(error = &error as &dyn std::error::Error, "could not look at the mill");
    }
    frames.mark_changed();
    let job = follow.into_inner().job;
    let listener = Listener { api, job, frames, told: Frame::default() };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.events()))
}

/// One client.
struct Listener {
    api: web::Data<Api>,
    job: Option<String>,
    frames: watch::Receiver<Frame>,
    /// What it knows.
    told: Frame,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let text = listener.next().await?;
            Some((Ok(Bytes::from(text)), listener))
        })
    }

    /// The next events as text; `None` when the server stops.
    async fn next(&mut self) -> Option<String> {
        let shutdown = self.api.hub.shutdown.clone();
        loop {
            let changed = tokio::select! {
                () = shutdown.cancelled() => return None,
                changed = timeout(KEEP_ALIVE, self.frames.changed()) => changed,
            };
            let Ok(changed) = changed else {
                return Some(": still here\n\n".into());
            };
            changed.ok()?;
            let frame = self.frames.borrow_and_update().clone();
            let text = self.news(frame).await;
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    /// The events that tell what the client does not know yet.
    async fn news(&mut self, mut frame: Frame) -> String {
        frame.parts.extend(self.followed().await);
        let new = frame.parts.iter().filter(|part| !self.told.parts.contains(part));
        let text = new.map(|(name, json)| format!("event: {name}\ndata: {json}\n\n")).collect();
        self.told = frame;
        text
    }

    async fn followed(&self) -> Option<(&'static str, Arc<str>)> {
        let job = self.job.as_ref()?;
        let Ok(entry) = self.api.find(job) else {
            return Some(("gone", json(&serde_json::json!({ "id": job }))));
        };
        let view = view::job(&self.api.app, &entry).await.ok()?;
        Some(("job", json(&view)))
    }
}
