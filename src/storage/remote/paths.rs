//! Where the server has what. Only processes of one mill speak this; it is no part of the API.

use crate::model::job::{JobId, Step};

/// What all paths begin with.
pub const ROOT: &str = "/files";

/// The name of the storage.
#[must_use]
pub fn id() -> String {
    format!("{ROOT}/id")
}

/// The plan of a job: GET.
#[must_use]
pub fn plan(job: JobId) -> String {
    of(job, "plan")
}

/// What its original says beside its pixels, as `metadata` writes it: GET.
#[must_use]
pub fn metadata(job: JobId) -> String {
    of(job, "metadata")
}

/// Its outcome: GET is `null` while there is none; PUT with `If-None-Match: *` answers with the one that
/// stands, 201 if that is the one that was put, else 412.
#[must_use]
pub fn outcome(job: JobId) -> String {
    of(job, "outcome")
}

/// Its final image: PUT, DELETE.
#[must_use]
pub fn final_image(job: JobId) -> String {
    of(job, "final")
}

/// The small picture of its result: PUT.
#[must_use]
pub fn thumbnail(job: JobId) -> String {
    of(job, "thumbnail")
}

/// How often a step was started: POST counts one more and answers with their number; DELETE.
#[must_use]
pub fn starts(job: JobId, step: Step) -> String {
    of(job, &format!("starts/{}", step.as_str()))
}

fn of(job: JobId, what: &str) -> String {
    format!("{ROOT}/{job}/{what}")
}
