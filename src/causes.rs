//! What went wrong, in words for people who see no log.

use std::error::Error;
use std::iter::successors;

/// An error, and why it came to that, one cause after the other.
pub(crate) fn all(error: &dyn Error) -> String {
    joined(Some(error))
}

/// Only why, where a text says already what happened.
pub(crate) fn behind(error: &dyn Error) -> String {
    joined(error.source())
}

fn joined(first: Option<&dyn Error>) -> String {
    let causes = successors(first, |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
