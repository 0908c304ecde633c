//! The paths under which a server offers its files to collectors. They are internal, not part of the API.

use crate::model::job::{JobId, Step};

/// The prefix of all paths.
pub const ROOT: &str = "/files";

/// The id of the storage: GET.
#[must_use]
pub fn id() -> String {
    format!("{ROOT}/id")
}

/// The plan of a job: GET.
#[must_use]
pub fn plan(job: JobId) -> String {
    of(job, "plan")
}

/// The metadata of its original, as `metadata` encodes it: GET.
#[must_use]
pub fn metadata(job: JobId) -> String {
    of(job, "metadata")
}

/// Its outcome: GET returns `null` while there is none; PUT with `If-None-Match: *` returns the one that
/// stands, with 201 if that is the one that was put, else 412.
#[must_use]
pub fn outcome(job: JobId) -> String {
    of(job, "outcome")
}

/// Its final image: PUT, DELETE.
#[must_use]
pub fn final_image(job: JobId) -> String {
    of(job, "final")
}

/// The thumbnail of its result: PUT.
#[must_use]
pub fn thumbnail(job: JobId) -> String {
    of(job, "thumbnail")
}

/// The starts of a step: POST counts one more and returns their number; DELETE forgets them.
#[must_use]
pub fn starts(job: JobId, step: Step) -> String {
    of(job, &format!("starts/{}", step.as_str()))
}

fn of(job: JobId, what: &str) -> String {
    format!("{ROOT}/{job}/{what}")
}
