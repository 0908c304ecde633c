//! Lists of words: a TOML list, or one text with commas between them, as in an environment variable.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    List(Vec<String>),
    Text(String),
}

pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Raw::deserialize(from)? {
        Raw::List(words) => words,
        Raw::Text(text) if text.trim().is_empty() => Vec::new(),
        Raw::Text(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
    })
}

/// A list whose words are parsed.
pub(super) fn parsed<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let parse = |word: String| word.parse().map_err(D::Error::custom);
    words(from)?.into_iter().map(parse).collect()
}
