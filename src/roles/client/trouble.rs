//! What can go wrong between a client and a server.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::proxy;

pub(crate) type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody answers, or a proxy for it.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Somebody answers who does not speak as a tilemill server does.
    #[error("what answers there is not a tilemill server, {0}")]
    Foreign(String),
    /// A proxy in front of the server lets nothing through.
    #[error("{0}")]
    Barred(String),
    /// An upload came to nothing several times, and other requests did not.
    #[error(
        "the upload broke off {0} times while other requests were answered; a proxy may refuse its size"
    )]
    Broken(u32, #[source] Box<dyn Error + Send + Sync>),
    /// The server refuses, in these words.
    #[error("{0}")]
    Refused(String),
    /// The server refuses for now.
    #[error("{detail}")]
    Busy {
        /// Its words.
        detail: String,
        /// When to try again.
        after: Duration,
    },
    /// A file on this machine cannot be read or written.
    #[error("cannot {0}")]
    Here(String, #[source] io::Error),
}

impl From<ureq::Error> for Trouble {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Json(error) => Self::Foreign(error.to_string()),
            ureq::Error::Io(error) => Self::Unreachable(error.into()),
            error => Self::Unreachable(error.into()),
        }
    }
}

/// The parts of a problem that a person needs.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// An answer that is what was asked for, by a client that showed credentials or did not, or the trouble that it tells
/// of.
pub(super) fn understand(mut response: Response<Body>, is_known: bool) -> Result<Response<Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if let Some(place) = response.headers().get(header::LOCATION) {
        return Err(Trouble::Foreign(format!("it points to {}", place.to_str().unwrap_or("?"))));
    }
    if !is_problem(&response) {
        return Err(of_proxy(&response, is_known));
    }
    let after = retry_after(&response);
    let Problem { detail } = response.body_mut().read_json()?;
    Err(match after {
        Some(after) if is_passing(status) => Trouble::Busy { detail, after },
        _ => Trouble::Refused(detail),
    })
}

/// Whether the server itself says what is wrong.
fn is_problem(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/problem+json"))
}

fn of_proxy(response: &Response<Body>, is_known: bool) -> Trouble {
    let said = || proxy::explained(response, is_known);
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::Refused(said()),
        // The server behind it may be starting again.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Trouble::Unreachable(said().into())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Barred(said()),
        status => Trouble::Foreign(format!("it says {status}")),
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
