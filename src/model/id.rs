//! The text form of job and batch ids: 32 lower-case hexadecimal digits.

use uuid::Uuid;

/// Parses an id, in its only spelling: two texts never name one job, and a job's id is also a directory name.
pub(super) fn parse(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.simple().to_string() == text)
}
