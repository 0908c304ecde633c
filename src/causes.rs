//! An error with its causes: as one text, for people who see no log, and for the log.

use std::error::Error;
use std::iter::successors;

/// An error as a field of a log line, which then has its causes.
pub(crate) fn field<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error
}

/// The error and its causes, outermost first, joined by `": "`.
pub(crate) fn all(error: &dyn Error) -> String {
    joined(Some(error))
}

/// Only the causes, for a text that already says what happened.
pub(crate) fn behind(error: &dyn Error) -> String {
    joined(error.source())
}

fn joined(first: Option<&dyn Error>) -> String {
    let causes = successors(first, |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
