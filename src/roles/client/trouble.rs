//! What can go wrong between a client and a server.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

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

/// An answer that is what was asked for, or the trouble that it tells of.
pub(super) fn understand(mut response: Response<Body>) -> Result<Response<Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if let Some(place) = response.headers().get(header::LOCATION) {
        return Err(Trouble::Foreign(format!("it points to {}", place.to_str().unwrap_or("?"))));
    }
    let after = retry_after(&response);
    let problem: Option<Problem> = response.body_mut().read_json().ok();
    Err(match (problem, after) {
        (Some(Problem { detail }), Some(after)) if is_passing(status) => {
            Trouble::Busy { detail, after }
        }
        (Some(Problem { detail }), _) => Trouble::Refused(detail),
        (None, _) if is_of_proxy(status) => {
            Trouble::Unreachable(format!("a proxy says {status}").into())
        }
        (None, _) => Trouble::Foreign(format!("it says {status}")),
    })
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// What a proxy answers while the server behind it starts again.
fn is_of_proxy(status: StatusCode) -> bool {
    let away =
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    away.contains(&status)
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
