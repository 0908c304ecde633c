//! One request to the server, and what its answer means. Everything here blocks.

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Seek};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::header::{AUTHORIZATION, IF_NONE_MATCH};
use ureq::http::{HeaderName, Method, Request, Response, StatusCode};
use ureq::{Agent, AsSendBody, Body};

use super::{Result, metadata, paths};
use crate::agent::agent;
use crate::agent::problem::Problem;
use crate::agent::url::ServerUrl;
use crate::model::job::{JobId, Outcome, Plan, StorageId, UnreadablePlan};
use crate::raster::metadata::Metadata;
use crate::storage::{Staged, StorageError};

/// How long the server may be silent: it syncs a final image before it answers.
const SILENCE: Duration = Duration::from_mins(5);
/// How long an answer may take when the server has little to do.
const PROMPT: Duration = Duration::from_secs(10);

/// An HTTP client of one server.
#[derive(Debug)]
pub(super) struct Link {
    agent: Agent,
    url: ServerUrl,
    authorization: String,
}

/// A request body.
pub(super) trait Payload {
    /// The body from its beginning.
    fn body(&self) -> io::Result<impl AsSendBody>;
    /// The deadline of the request, answer included, if there is one.
    const LIMIT: Option<Duration> = Some(PROMPT);
}

impl Payload for () {
    fn body(&self) -> io::Result<impl AsSendBody> {
        Ok(())
    }
}

/// An empty body, for a request that the server answers after a sync. It must not be sent, and counted, twice only
/// because the server's disk is slow.
struct Synced;

impl Payload for Synced {
    fn body(&self) -> io::Result<impl AsSendBody> {
        Ok(())
    }

    const LIMIT: Option<Duration> = Some(SILENCE);
}

impl Payload for Vec<u8> {
    fn body(&self) -> io::Result<impl AsSendBody> {
        Ok(self)
    }
}

impl Payload for Staged {
    fn body(&self) -> io::Result<impl AsSendBody> {
        let mut file: File = self.file().try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    const LIMIT: Option<Duration> = None;
}

/// Why a request failed.
enum Fault {
    /// There is no such job or file.
    Missing,
    /// The server's disk is full.
    Full(String),
    /// The server does not accept the token.
    Stranger(String),
    /// It refuses, and will refuse again.
    Refused(String),
    /// A retry may work later.
    Passing(Box<dyn Error + Send + Sync>),
}

impl Link {
    pub(super) fn new(url: ServerUrl, token: &str) -> Self {
        Self { agent: agent(SILENCE), url, authorization: format!("Bearer {token}") }
    }

    /// The id of the server's storage. Only here is a wrong token a permanent error; later it may be mended.
    pub(super) fn introduce(&self) -> Result<StorageId> {
        let asked = self.call(Method::GET, &paths::id(), None, &()).and_then(json);
        asked.map_err(|fault| match fault {
            Fault::Stranger(detail) => self.refused(detail),
            Fault::Missing => self.refused("it is not a tilemill server of this version".into()),
            other => self.error(other, JobId::generate(), "name"),
        })
    }

    /// Reads a record of a job.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        job: JobId,
        what: &'static str,
        path: &str,
    ) -> Result<T> {
        let read = self.call(Method::GET, path, None, &()).and_then(json);
        read.map_err(|fault| self.error(fault, job, what))
    }

    /// Reads the plan of a job.
    pub(super) fn plan(&self, job: JobId, path: &str) -> Result<Plan> {
        Plan::read(self.read(job, "plan", path)?).map_err(|error| match error {
            // Another version of the server wrote it: the file itself need not be damaged.
            UnreadablePlan::Damaged(error) => self.refused(unreadable(&error)),
            newer @ UnreadablePlan::Newer(_) => StorageError::of_plan(job, newer),
        })
    }

    /// Reads the metadata of an original.
    pub(super) fn metadata(&self, job: JobId, path: &str) -> Result<Metadata> {
        let read = self.call(Method::GET, path, None, &()).and_then(|mut response| {
            let body = response.body_mut().with_config().limit(metadata::MAX_BYTES as u64);
            let bytes = body.read_to_vec().map_err(|error| Fault::Passing(error.into()))?;
            metadata::read(&bytes).map_err(|error| Fault::Refused(error.to_string()))
        });
        read.map_err(|fault| self.error(fault, job, "original"))
    }

    /// Makes a request whose answer says only whether it succeeded.
    pub(super) fn send(
        &self,
        job: JobId,
        what: &'static str,
        method: Method,
        path: &str,
        payload: &impl Payload,
    ) -> Result<()> {
        let sent = self.call(method, path, None, payload);
        sent.map(drop).map_err(|fault| self.error(fault, job, what))
    }

    /// Writes an outcome unless there is one; returns the one that stands.
    pub(super) fn conclude(&self, job: JobId, path: &str, outcome: &Outcome) -> Result<Outcome> {
        let body = serde_json::to_vec(outcome).expect("records are plain data");
        let exclusive = Some((IF_NONE_MATCH, "*"));
        let stands = self.call(Method::PUT, path, exclusive, &body).and_then(json);
        stands.map_err(|fault| self.error(fault, job, "plan"))
    }

    /// Counts one more start. Returns the number of starts.
    pub(super) fn count(&self, job: JobId, path: &str) -> Result<u32> {
        let counted = self.call(Method::POST, path, None, &Synced).and_then(json);
        counted.map_err(|fault| self.error(fault, job, "plan"))
    }

    fn call<P: Payload>(
        &self,
        method: Method,
        path: &str,
        condition: Option<(HeaderName, &str)>,
        payload: &P,
    ) -> Result<Response<Body>, Fault> {
        let body = payload.body().map_err(|error| Fault::Passing(error.into()))?;
        let request = Request::builder()
            .method(method)
            .uri(self.url.path(path))
            .header(AUTHORIZATION, &self.authorization);
        let request = condition
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(body).map_err(|error| Fault::Refused(error.to_string()))?;
        let request = self.agent.configure_request(request).timeout_global(P::LIMIT).build();
        understand(self.agent.run(request).map_err(|error| Fault::Passing(error.into()))?)
    }

    /// An answer that cannot be used, and will not be until an operator changes something.
    fn refused(&self, detail: String) -> StorageError {
        let action = format!("use the files of {} (`storage.url`)", self.url);
        StorageError::Io { action, source: io::Error::other(detail) }
    }

    fn error(&self, fault: Fault, job: JobId, what: &'static str) -> StorageError {
        match fault {
            Fault::Missing => StorageError::NotFound(job, what),
            Fault::Full(detail) => {
                let source = io::Error::new(ErrorKind::StorageFull, detail);
                StorageError::Io { action: format!("write to {}", self.url), source }
            }
            Fault::Refused(detail) => self.refused(detail),
            // The server may be about to get the token of this process.
            Fault::Stranger(detail) => StorageError::Unavailable(detail.into()),
            Fault::Passing(source) => StorageError::Unavailable(source),
        }
    }
}

/// Returns an answer of success, or the fault that another one reports.
fn understand(mut response: Response<Body>) -> Result<Response<Body>, Fault> {
    let status = response.status();
    // 412: another outcome stands, and is the answer's body.
    if status.is_success() || status == StatusCode::PRECONDITION_FAILED {
        return Ok(response);
    }
    let problem = Problem::of(&mut response).map_err(|error| Fault::Passing(error.into()))?;
    // One without a code is another service's.
    let problem = problem.filter(|problem| !problem.code.is_empty());
    let Some(Problem { code, detail }) = problem else {
        // From a proxy, or from another service that has this address for now.
        let detail = format!("the answer is not from a tilemill server: {status}");
        return Err(Fault::Passing(detail.into()));
    };
    Err(match status {
        StatusCode::NOT_FOUND if code == "not_found" => Fault::Missing,
        StatusCode::INSUFFICIENT_STORAGE => Fault::Full(detail),
        StatusCode::UNAUTHORIZED => Fault::Stranger(detail),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Fault::Passing(detail.into())
        }
        status if status.is_server_error() => Fault::Passing(detail.into()),
        _ => Fault::Refused(detail),
    })
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("its answer cannot be read: {error}")
}

fn json<T: DeserializeOwned>(mut response: Response<Body>) -> Result<T, Fault> {
    response.body_mut().read_json().map_err(|error| match error {
        // Another version wrote it, and will again.
        ureq::Error::Json(error) => Fault::Refused(unreadable(&error)),
        error => Fault::Passing(error.into()),
    })
}
