//! The errors of requests to a server.

use std::error::Error;
use std::io;
use std::time::Duration;

use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::proxy;
use crate::agent::problem::Problem;

pub(crate) type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nothing answers, or a proxy answers that the server does not.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// What answers is not a tilemill server.
    #[error("what answers there is not a tilemill server: {0}")]
    Foreign(String),
    /// A proxy in front of the server lets nothing through.
    #[error("{0}")]
    Barred(String),
    /// An upload failed several times while other requests were answered.
    #[error(
        "the upload broke off {0} times while other requests were answered; a proxy may refuse its size"
    )]
    Broken(u32, #[source] Box<dyn Error + Send + Sync>),
    /// The server refuses, with this text.
    #[error("{0}")]
    Refused(String),
    /// The server refuses for now.
    #[error("{detail}")]
    Busy {
        /// Its text.
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

/// Returns a successful response, and turns any other into an error; `is_known` tells whether the request had
/// credentials.
pub(super) fn understand(mut response: Response<Body>, is_known: bool) -> Result<Response<Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if let Some(place) = response.headers().get(header::LOCATION) {
        let place = place.to_str().unwrap_or("?");
        return Err(Trouble::Foreign(format!("it redirects to {place}")));
    }
    let Some(Problem { detail, .. }) = Problem::of(&mut response)? else {
        return Err(of_proxy(&response, is_known));
    };
    let after = retry_after(&response);
    Err(match after {
        Some(after) if is_passing(status) => Trouble::Busy { detail, after },
        _ => Trouble::Refused(detail),
    })
}

fn of_proxy(response: &Response<Body>, is_known: bool) -> Trouble {
    let said = || proxy::explained(response, is_known);
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::Refused(said()),
        // The server behind the proxy may be restarting.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Trouble::Unreachable(said().into())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Barred(said()),
        status => Trouble::Foreign(format!("it answers {status}")),
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
