//! What names a job or a batch: 32 lower-case hexadecimal digits.

use uuid::Uuid;

/// Reads the one spelling of an id: two texts never name one thing, and a job's is also the name of a directory.
pub(super) fn parse(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.simple().to_string() == text)
}
