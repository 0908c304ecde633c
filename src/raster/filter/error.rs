//! What can be wrong with the text of a chain.

use thiserror::Error;

use super::param::{ParamKind, ParamSpec};
use super::unfit::Unfit;
use crate::grid::Size;
use crate::pixels::PixelFormat;

/// Why a text is not a chain of filters. [`fmt::Display`](std::fmt::Display) writes a sentence with the way out.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ChainError {
    /// There is no filter of this name.
    #[error("there is no filter {name:?}{}; the filters are {}", suggest(*.closest), .known.join(", "))]
    UnknownFilter {
        /// The name given.
        name: String,
        /// All filter names.
        known: Vec<&'static str>,
        /// The one that may have been meant.
        closest: Option<&'static str>,
    },

    /// A filter without a name.
    #[error(
        "filter {position} has no name; separate filters by single commas, as in blur:2,invert"
    )]
    NoName {
        /// Its place, counted from 1.
        position: usize,
    },

    /// More filters than a chain may have.
    #[error("a chain takes at most {limit} filters, got {given}")]
    TooManyFilters {
        /// How many were given.
        given: usize,
        /// The most that a chain may have.
        limit: usize,
    },

    /// A filter that must be the first.
    #[error(
        "{filter} is filter {position}, but it must be the first of its chain: it depends on the \
         whole uploaded image, which is measured while it is decoded"
    )]
    NotFirst {
        /// The filter.
        filter: &'static str,
        /// Its place, counted from 1.
        position: usize,
    },

    /// A filter that cannot be applied to the pixels that reach it.
    #[error("{filter} cannot be applied to {format}: it {why}")]
    Unfit {
        /// The filter.
        filter: &'static str,
        /// The format of the pixels.
        format: PixelFormat,
        /// What they lack, and the way out.
        why: Unfit,
    },

    /// A filter that cannot be applied to an image of the size that reaches it.
    #[error("{filter} cannot be applied to {size} pixels: it {why}")]
    WrongSize {
        /// The filter.
        filter: &'static str,
        /// The size of the image.
        size: Size,
        /// What does not fit.
        why: Unfit,
    },

    /// The survey behind the chain is malformed, or does not fit the chain.
    #[error("the survey that came with the chain {chain} cannot be read")]
    BadLevels {
        /// The chain.
        chain: String,
    },

    /// The filter has no parameter of this name.
    #[error("{filter} has no parameter {param:?}{}; {}", suggest(*.closest), takes(.known))]
    UnknownParam {
        /// The filter.
        filter: &'static str,
        /// The name given.
        param: String,
        /// The names of its parameters.
        known: Vec<&'static str>,
        /// The one that may have been meant.
        closest: Option<&'static str>,
    },

    /// A value outside what the parameter allows.
    #[error("{filter}: {} must be {}, not {value:?}", .param.name, .param.kind)]
    BadValue {
        /// The filter.
        filter: &'static str,
        /// The parameter, with the values it allows.
        param: &'static ParamSpec,
        /// The text given.
        value: String,
    },

    /// More values than the filter has parameters.
    #[error("{filter}: too many values ({given}); {}", takes(.known))]
    TooManyValues {
        /// The filter.
        filter: &'static str,
        /// How many values were given.
        given: usize,
        /// The parameters of the filter.
        known: Vec<&'static str>,
    },

    /// A parameter that is given twice.
    #[error("{filter}: {param} is given twice, the second time as {value:?}")]
    GivenTwice {
        /// The filter.
        filter: &'static str,
        /// The parameter.
        param: &'static str,
        /// The second value.
        value: String,
    },
}

impl ChainError {
    /// The values that the parameter allows, if the error is about a value.
    #[must_use]
    pub fn allowed(&self) -> Option<ParamKind> {
        match self {
            ChainError::BadValue { param, .. } => Some(param.kind),
            _ => None,
        }
    }
}

fn suggest(closest: Option<&str>) -> String {
    closest.map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

fn takes(known: &[&str]) -> String {
    match known {
        [] => "it takes no values".to_owned(),
        [one] => format!("it takes one value, {one}"),
        many => format!("it takes {} values: {}", many.len(), many.join(", ")),
    }
}

/// The known name that `given` most probably means: at most a third of its letters are wrong, or one begins with the
/// other.
pub(super) fn closest(given: &str, known: &[&'static str]) -> Option<&'static str> {
    let given: String = given.chars().take(40).collect::<String>().to_lowercase();
    let mut begin =
        known.iter().filter(|name| begins_with(name, &given) || begins_with(&given, name));
    if let (Some(only), None) = (begin.next(), begin.next()) {
        return Some(only);
    }
    let distance = |name: &&&str| edit_distance(&given, name);
    let best = known.iter().min_by_key(distance)?;
    (edit_distance(&given, best) * 3 <= best.len()).then_some(*best)
}

/// Whether `longer` begins with `shorter`; fewer than three letters are too little to go by.
fn begins_with(longer: &str, shorter: &str) -> bool {
    shorter.len() >= 3 && longer.starts_with(shorter)
}

/// Levenshtein distance, with a swap of neighbouring letters counted as one edit.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut cost = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            cost[i][j] = if i == 0 || j == 0 { i + j } else { cheapest(&cost, &a, &b, i, j) };
        }
    }
    cost[a.len()][b.len()]
}

fn cheapest(cost: &[Vec<usize>], a: &[char], b: &[char], i: usize, j: usize) -> usize {
    let replaced = cost[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
    let best = replaced.min(cost[i - 1][j] + 1).min(cost[i][j - 1] + 1);
    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
    if swapped { best.min(cost[i - 2][j - 2] + 1) } else { best }
}
