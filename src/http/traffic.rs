//! Counts requests and bytes by route, which is the path as it is declared, never one that a client made up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::web;
use bytes::Bytes;
use futures_util::TryStreamExt;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Api;
use super::error::{ApiError, ProblemCode};

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

/// Upper bounds of the histogram in seconds, from an answer out of memory to the upload of a large image. They are few,
/// since each route has all of them.
const SECONDS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 600.0];
/// The label for all files of the page.
const PAGE: &str = "page";
/// The label for paths without a route.
const UNKNOWN: &str = "unknown";
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];

/// The traffic of one server.
pub(super) struct Traffic {
    requests: Counters,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    received: Counters,
    sent: Counters,
    refusals: Counters,
}

impl Traffic {
    pub(super) fn new() -> Self {
        let refusals = Counters::default();
        // A series that appears only with its first event shows no increase by that event.
        for code in ApiError::codes() {
            let _ = refusals.get_or_create(&labels([("code", code)]));
        }
        Self {
            requests: Counters::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            received: Counters::default(),
            sent: Counters::default(),
            refusals,
        }
    }

    /// Adds these metrics to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests whose answer has begun";
        registry.register("http_requests", help, self.requests.clone());
        let help = "From the head of a request to the end of its answer, without event streams";
        let seconds = self.seconds.clone();
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, seconds);
        let help = "Bodies of requests, as far as they were read";
        let received = self.received.clone();
        registry.register_with_unit("http_received", help, Unit::Bytes, received);
        let help = "Bodies of answers, as far as they were handed to a connection";
        registry.register_with_unit("http_sent", help, Unit::Bytes, self.sent.clone());
        let help = "Requests that were answered with a problem, by its code";
        registry.register("refusals", help, self.refusals.clone());
    }

    /// Counts an answer that begins now, and wraps its body to count the bytes and the time until its end.
    fn answered(
        &self,
        asked: &Asked,
        response: ServiceResponse<BoxBody>,
    ) -> ServiceResponse<Counted> {
        let (status, method) = (response.status(), asked.method);
        let other = if status.as_u16() < 400 { PAGE } else { UNKNOWN };
        let route = asked.route.as_deref().unwrap_or(other);
        let all = [("method", method), ("route", route), ("status", status.as_str())];
        self.requests.get_or_create(&labels(all)).inc();
        if let Some(ProblemCode(code)) = response.response().extensions().get() {
            self.refusals.get_or_create(&labels([("code", code)])).inc();
        }
        let of = labels([("method", method), ("route", route)]);
        let time = (!is_stream(&response)).then(|| self.seconds.get_or_create_owned(&of));
        let time = time.map(|seconds| (seconds, asked.began));
        // The body of an answer to HEAD is read and dropped, not sent.
        let sent =
            (method != "HEAD").then(|| self.sent.get_or_create_owned(&labels([("route", route)])));
        response.map_body(|_, body| Counted { body, sent, time })
    }
}

fn labels<const N: usize>(all: [(&'static str, &str); N]) -> Labels {
    all.into_iter().map(|(key, value)| (key, value.to_owned())).collect()
}

/// The properties of a request that are counted.
struct Asked {
    began: Instant,
    method: &'static str,
    route: Option<String>,
}

impl Asked {
    fn of(request: &ServiceRequest) -> Self {
        let (began, route) = (Instant::now(), request.match_pattern());
        Self { began, method: name_of(request.method()), route }
    }
}

/// The label of a method; `other` for one that a client made up.
fn name_of(method: &Method) -> &'static str {
    METHODS.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// Middleware that counts requests and answers.
pub(super) async fn count(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Counted>, actix_web::Error> {
    let api = request.app_data::<web::Data<Api>>().expect("every app has it").clone();
    let asked = Asked::of(&request);
    count_body(&mut request, &api.traffic, asked.route.as_deref().unwrap_or(UNKNOWN));
    let response = next.call(request).await?.map_into_boxed_body();
    Ok(api.traffic.answered(&asked, response))
}

/// Counts each part of a request body when it is read.
fn count_body(request: &mut ServiceRequest, traffic: &Traffic, route: &str) {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    let received = traffic.received.get_or_create_owned(&labels([("route", route)]));
    let count = move |part: &Bytes| {
        received.inc_by(part.len() as u64);
    };
    request.set_payload(Payload::Stream { payload: Box::pin(payload.inspect_ok(count)) });
}

/// Whether an answer is an event stream, whose end no client waits for.
fn is_stream(response: &ServiceResponse<BoxBody>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The body of an answer, which counts the bytes that are read, and records the time when it is dropped.
pub(super) struct Counted {
    body: BoxBody,
    sent: Option<Counter>,
    time: Option<(Histogram, Instant)>,
}

impl MessageBody for Counted {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        if let (Poll::Ready(Some(Ok(part))), Some(sent)) = (&polled, &self.sent) {
            sent.inc_by(part.len() as u64);
        }
        polled
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((seconds, began)) = &self.time {
            seconds.observe(began.elapsed().as_secs_f64());
        }
    }
}
