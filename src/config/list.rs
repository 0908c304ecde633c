//! Lists of words, which may also be one text with commas between them, as an environment variable has it.

use serde::{Deserialize, Deserializer};

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
