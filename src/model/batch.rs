//! A batch: jobs that a client counts as one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id;
use crate::as_text::as_text;

/// The id of a batch: 32 lower-case hexadecimal digits, chosen by the client that submits its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(Uuid);

impl BatchId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// The text is not a batch id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a batch id, which has 32 lower-case hexadecimal digits")]
pub struct InvalidBatchId(String);

impl FromStr for BatchId {
    type Err = InvalidBatchId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        id::parse(text).map(Self).ok_or_else(|| InvalidBatchId(text.to_owned()))
    }
}

as_text!(BatchId);

#[cfg(test)]
mod tests {
    use super::BatchId;

    #[test]
    fn a_batch_id_has_one_spelling() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<BatchId>().unwrap().to_string(), text);
        let dashed = "01234567-89ab-cdef-0123-456789abcdef";
        for wrong in
            [&text[1..], &text.to_uppercase(), dashed, "", "../../../../../../../etc/passwd"]
        {
            assert!(wrong.parse::<BatchId>().is_err(), "{wrong}");
        }
    }
}
