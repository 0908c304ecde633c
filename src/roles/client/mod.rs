//! A client of a server's API. Everything here blocks.
//!
//! * `credentials`: what is sent to a proxy that requires a login.
//! * `form`: the body of an upload, as a stream.
//! * `netrc`: logins by machine.
//! * `password`: a password typed at the terminal.
//! * `proxy`: explains the answer of a proxy.
//! * `trouble`: what can go wrong with a request.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use ureq::http::{Response, header};
use ureq::{Agent, Body, RequestBuilder, SendBody};

pub(super) use self::credentials::Credentials;
pub(super) use self::form::{Form, Source};
pub(super) use self::trouble::{Result, Trouble};
use crate::agent::agent;
use crate::agent::url::ServerUrl;
use crate::model::job::{JobId, Status};
use crate::raster::grid::Size;

pub(super) mod credentials;
mod form;
mod netrc;
mod password;
mod proxy;
mod trouble;

/// The timeout for a health check.
const GREETING: Duration = Duration::from_secs(10);
/// How long a server may be silent. Event streams carry an event at least every 10 seconds.
const SILENCE: Duration = Duration::from_mins(1);

/// When the body of an upload is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// Right after the headers.
    AtOnce,
    /// After the other side has answered 100, or nothing. A proxy that refuses an upload by its size does not read it
    /// to the end, and its answer may be lost. The library does not understand how Caddy 2.6 answers 100.
    WhenAllowed,
}

/// A client of one server. Clones share its connections.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    address: Arc<ServerUrl>,
    credentials: Option<Credentials>,
}

/// What a client needs to know of a job.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) status: Status,
    width: u32,
    height: u32,
    pub(super) tiles_total: u32,
    pub(super) tiles_done: u32,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    error: Option<JobError>,
    pub(super) notes: Vec<String>,
    /// The size of the result.
    pub(super) bytes: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct JobError {
    text: String,
}

impl Job {
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status, Status::Complete | Status::Failed | Status::Cancelled)
    }

    pub(super) fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// Seconds from its acceptance to its end.
    pub(super) fn seconds(&self) -> f64 {
        let end = self.finished_at.unwrap_or(self.created_at);
        end.duration_since(self.created_at).as_secs_f64()
    }

    /// Why the job has no result.
    pub(super) fn failure(&self) -> String {
        let unsaid = || "the job was cancelled".to_owned();
        self.error.as_ref().map_or_else(unsaid, |error| error.text.clone())
    }
}

impl Client {
    pub(super) fn new(address: ServerUrl, credentials: Option<Credentials>) -> Self {
        Self { agent: agent(SILENCE), address: Arc::new(address), credentials }
    }

    pub(super) fn address(&self) -> &ServerUrl {
        &self.address
    }

    /// The address of a job's result.
    pub(super) fn result_url(&self, job: JobId) -> String {
        self.address.path(&format!("/api/jobs/{job}/result"))
    }

    /// Checks that a tilemill server answers.
    pub(super) fn greet(&self) -> Result<()> {
        let request = self.known(self.agent.get(self.address.path("/healthz")));
        // Another program may listen there, and may never answer.
        let request = request.config().timeout_global(Some(GREETING)).build();
        let mut response = self.understand(request.call()?)?;
        let text = response.body_mut().read_to_string().map_err(Trouble::from)?;
        if text.trim() == "ok" {
            Ok(())
        } else {
            Err(Trouble::Foreign("it does not answer \"ok\" to /healthz".into()))
        }
    }

    /// Uploads an image.
    pub(super) fn upload(&self, form: &mut Form, sending: Sending) -> Result<Job> {
        let mut request = self.known(self.agent.post(self.address.path("/api/jobs")));
        request = request.header(header::CONTENT_TYPE, form.content_type());
        if let Some(length) = form.length() {
            request = request.header(header::CONTENT_LENGTH, length.to_string());
        }
        if sending == Sending::WhenAllowed {
            request = request.header(header::EXPECT, "100-continue");
        }
        let sent = request.send(SendBody::from_reader(form));
        // Checked first: a source that cannot be read looks like an error of the server.
        if let Some(error) = form.source_error() {
            return Err(Trouble::Here("read it".into(), error));
        }
        read_job(self.understand(sent?)?)
    }

    /// The job as it is now.
    pub(super) fn job(&self, job: JobId) -> Result<Job> {
        read_job(self.get(&format!("/api/jobs/{job}"))?)
    }

    /// Follows a job until it has ended or the stream breaks off, and calls `changed` at every change.
    pub(super) fn follow(&self, job: JobId, mut changed: impl FnMut(&Job)) -> Result<Option<Job>> {
        let stream = self.get(&format!("/api/events?job={job}"))?;
        let mut event = String::new();
        for line in BufReader::new(stream.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Trouble::from(ureq::Error::from(error)))?;
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event);
            }
            let Some(data) = line.strip_prefix("data: ").filter(|_| event == "job") else {
                continue;
            };
            let job: Job =
                serde_json::from_str(data).map_err(|e| Trouble::Foreign(e.to_string()))?;
            changed(&job);
            if job.has_ended() {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// The bytes of a result.
    pub(super) fn result(&self, job: JobId) -> Result<impl Read + use<>> {
        let response = self.get(&format!("/api/jobs/{job}/result"))?;
        Ok(response.into_body().into_reader())
    }

    fn get(&self, path: &str) -> Result<Response<Body>> {
        self.understand(self.known(self.agent.get(self.address.path(path))).call()?)
    }

    /// Adds the credentials to a request. They go to this address only: no redirect is followed.
    fn known<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.credentials {
            Some(credentials) => request.header(header::AUTHORIZATION, credentials.value()),
            None => request,
        }
    }

    fn understand(&self, response: Response<Body>) -> Result<Response<Body>> {
        trouble::understand(response, self.credentials.is_some())
    }
}

fn read_job(mut response: Response<Body>) -> Result<Job> {
    Ok(response.body_mut().read_json()?)
}
