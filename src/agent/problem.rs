//! Errors as a tilemill server describes them (RFC 9457).

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, header};

/// The parts of a description that clients need.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    /// The kind of error, which is stable; empty if there is none.
    #[serde(default)]
    pub(crate) code: String,
    /// What is wrong, and what to do.
    pub(crate) detail: String,
}

impl Problem {
    /// The description in an answer. `None` if there is none: then a proxy answers, or another service.
    pub(crate) fn of(response: &mut Response<Body>) -> Result<Option<Self>, ureq::Error> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/problem+json")) {
            return Ok(None);
        }
        response.body_mut().read_json().map(Some)
    }
}
