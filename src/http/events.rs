//! The state of the mill as a stream of server-sent events: a snapshot first, then changes.
//!
//! Each event carries its subject as a whole (`jobs`, `workers`, `processes`, `queue`, `job`); only `tiles` carries
//! what a client does not have of a mosaic. So nothing has to be resumed: a client that reconnects gets everything
//! again. A followed job that is deleted is `gone`. While the mill cannot be read, the jobs that are known without it
//! are followed by `trouble`, and everything is sent again when that is over. Events are made once for all clients.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use utoipa::IntoParams;

use super::Api;
use super::answers::{Internal, Malformed, NotFound};
use super::error::ApiError;
use super::forwarded::Forwarded;
use super::hub::{Follower, Frame, JobFrame};
use crate::causes;

/// `alive` is sent after this long without an event, so that proxies keep the stream open, and a client that
/// receives nothing for longer knows that it is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const ALIVE: &[u8] = b"event: alive\ndata: {}\n\n";

/// The job that a client follows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Follow {
    /// A job to follow, in events named `job` and `tiles`.
    job: Option<String>,
}

/// Changes as they happen.
///
/// Server-sent events, each with its subject as a whole: `jobs` (the newest, as in `/api/jobs`), `workers`,
/// `processes`, `queue`, and `job` for the followed job, with its `tiles` as they come back: small pictures in
/// base64, for the page. First comes everything, then what has changed. Nothing has to be resumed: a client that
/// reconnects gets everything again. `gone` says that the followed job was deleted. `alive` comes after ten seconds
/// without another event, with an empty object. `trouble` says why no events come for now, except possibly those
/// about jobs.
///
/// The stream ends only with the server, so read it as it comes (`EventSource`, `curl -N`): a call that waits for the
/// whole answer, as in most generated clients, does not return.
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
    // The last frame may be old, since no look happens without listeners. A browser does not reconnect to a
    // stream that was refused, so a stream begins even while the mill cannot be read.
    let followed = job.as_ref().map(|follower| follower.job);
    if let Err(error) = api.hub.look_for(followed, &api.app).await {
        warn!(error = causes::field(&error), "could not look at the mill");
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

/// One client of the event stream.
struct Listener {
    shutdown: CancellationToken,
    job: Option<Follower>,
    frames: watch::Receiver<Frame>,
    /// Its request as it was sent, for the prefix of links.
    seen_as: Forwarded,
    /// The current events that it has received.
    told: Vec<Bytes>,
    /// The revision of the mosaic that it has received.
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

    /// The events of a frame that the client has not received yet.
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
        // Sent again after any other event, since the last event is the current state.
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
