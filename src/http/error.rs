//! Errors as the API shows them: one table from error to status, code and text.

use std::error::Error;
use std::io;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;

use crate::model::batch::BatchId;
use crate::model::job::{JobId, Status};
use crate::queue::QueueError;
use crate::refusal::{Code, Refusal};
use crate::service::{PortError, space};
use crate::state::StateError;
use crate::storage::{self, StorageError};

/// What handlers return.
pub(super) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// An error as the client sees it. Its system cause goes to the log only.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request was understood but not accepted.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The request is malformed.
    #[error("{0}")]
    Malformed(String),
    /// The client did not send the required token.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// What the request names does not exist.
    #[error("there is no {0}")]
    NotFound(String),
    /// The path does not accept this method.
    #[error("this answers to {allowed} only")]
    WrongMethod {
        /// The methods that it accepts.
        allowed: &'static str,
    },
    /// The job does not have the status that this needs.
    #[error("job {job} is {}, {needs}", status.as_str())]
    WrongStatus {
        /// The job.
        job: JobId,
        /// Its status.
        status: Status,
        /// What the request needs.
        needs: &'static str,
    },
    /// No job of a batch has a result yet.
    #[error(
        "no job of batch {batch} is complete; its results can be fetched once `complete` in \
         /api/batches/{batch} is above 0"
    )]
    NoneComplete {
        /// The batch.
        batch: BatchId,
    },
    /// Kafka or Redis is away.
    #[error(
        "a service that this needs cannot be reached; the server keeps trying, and its log says more"
    )]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A service that this needs answers but cannot be used, or the mill cannot go on for another reason that a person
    /// has to fix.
    #[error("{0}")]
    Hindered(String),
    /// Something failed that is not the client's fault.
    #[error("internal error; the log of the server says more")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// A problem as RFC 9457 describes it, with the fields of a refusal beside it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, examples(json!({
    "title": "Unprocessable Entity",
    "status": 422,
    "code": "invalid_option",
    "detail": "the quality must be from 1 to 100: 0",
    "value": "0",
})))]
pub struct Problem<'a> {
    /// The status in words.
    title: &'static str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What kind of problem this is. Stable: scripts may match on it.
    code: &'a str,
    /// What is wrong and how to fix it, as a sentence for people.
    detail: String,
    /// The offending value, with its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<&'a str>,
    /// The limit, or what is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<&'a str>,
    /// The configuration key of the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    setting: Option<&'a str>,
}

/// The code of a problem, attached to the response for `traffic`, which counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProblemCode(pub(super) &'static str);

/// Codes of errors that are not a [`Refusal`].
const OTHER_CODES: [&str; 8] = [
    "malformed_request",
    "unauthorized",
    "not_found",
    "wrong_method",
    "wrong_status",
    "unavailable",
    "hindered",
    "internal",
];

impl ApiError {
    /// All codes that a problem may have.
    pub(super) fn codes() -> impl Iterator<Item = &'static str> {
        Code::ALL.iter().map(|code| code.as_str()).chain(OTHER_CODES)
    }

    /// For `map_err`: an error that is not the client's fault.
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// For `map_err`: a disk that is full is not an internal error.
    #[must_use]
    pub fn io(error: io::Error) -> Self {
        if storage::is_full(&error) { space::full().into() } else { Self::internal(error) }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(refusal) => (refusal_status(refusal.code), refusal.code.as_str()),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::WrongStatus { .. } | Self::NoneComplete { .. } => {
                (StatusCode::CONFLICT, "wrong_status")
            }
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Hindered(_) => (StatusCode::SERVICE_UNAVAILABLE, "hindered"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

fn refusal_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidImage | Code::UnsupportedImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::InvalidFilters | Code::InvalidOption => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Exists => StatusCode::CONFLICT,
        Code::TooManyJobs => StatusCode::TOO_MANY_REQUESTS,
        Code::TooManyUploads | Code::TooManyPreviews => StatusCode::SERVICE_UNAVAILABLE,
        Code::Stalled => StatusCode::REQUEST_TIMEOUT,
        Code::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        Code::Gone => StatusCode::GONE,
        Code::ForeignSite => StatusCode::FORBIDDEN,
    }
}

/// Seconds after which the same request may be accepted.
fn retry_after(code: Code) -> Option<&'static str> {
    match code {
        Code::TooManyJobs => Some("10"),
        Code::TooManyUploads | Code::TooManyPreviews => Some("2"),
        _ => None,
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status_and_code().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.status_and_code();
        debug_assert!(Self::codes().any(|known| known == code), "{code} is none of the codes");
        match self {
            Self::Internal(cause) => error!(error = &**cause as &dyn Error, "request failed"),
            Self::Unavailable(cause) => warn!(error = &**cause as &dyn Error, "request failed"),
            _ => {}
        }
        let refusal = if let Self::Refused(refusal) = self { Some(refusal) } else { None };
        let mut response = HttpResponse::build(status);
        let seconds = match self {
            Self::Refused(refusal) => retry_after(refusal.code),
            Self::Unavailable(_) | Self::Hindered(_) => Some("2"),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if let Self::WrongMethod { allowed } = self {
            response.insert_header((ALLOW, *allowed));
        }
        let mut response = response.content_type(PROBLEM_TYPE).json(Problem {
            title: status.canonical_reason().unwrap_or("error"),
            status: status.as_u16(),
            code,
            detail: self.to_string(),
            value: refusal.and_then(|refusal| refusal.value.as_deref()),
            limit: refusal.and_then(|refusal| refusal.limit.as_deref()),
            setting: refusal.and_then(|refusal| refusal.setting),
        });
        response.extensions_mut().insert(ProblemCode(code));
        response
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound(job, what) => Self::NotFound(format!("{what} of job {job}")),
            full if full.is_full() => space::full().into(),
            StorageError::Unavailable(cause) => Self::Unavailable(cause),
            other => Self::internal(other),
        }
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Unavailable(cause) => Self::Unavailable(cause),
            // Its text tells the operator what to do.
            refused @ StateError::Refused { .. } => Self::Hindered(refused.to_string()),
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Storage(error) => error.into(),
            PortError::State(error) => error.into(),
            PortError::Queue(QueueError::Unavailable(cause)) => Self::Unavailable(cause),
            PortError::Queue(error) => Self::internal(error),
        }
    }
}
