//! The path below which a server is reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::as_text::as_text;

/// Empty, or such as `/tilemill`: with a slash at its start and none at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BasePath(String);

impl BasePath {
    /// Whether it is empty.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rest of `path` after this prefix: empty, or with a slash at its start. `None` if this is empty or no prefix.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.0).filter(|_| !self.is_root())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Its first name.
    pub(super) fn first(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.trim().trim_end_matches('/');
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain);
        let mut names = path.split('/');
        if names.next() == Some("") && names.all(is_name) {
            return Ok(Self(path.to_owned()));
        }
        Err(format!(
            "{text:?} is not a path: expected one such as \"/tilemill\", of letters, digits and the characters - . _ ~"
        ))
    }
}

as_text!(BasePath);

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::BasePath;

    #[test]
    fn a_path_has_no_slash_at_its_end_and_no_character_with_a_meaning() {
        for (text, path) in
            [("", ""), ("/", ""), ("/tilemill", "/tilemill"), ("/a/b_c.d~e-f/", "/a/b_c.d~e-f")]
        {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), path);
        }
        for wrong in [
            "tilemill",
            "//evil.example",
            "/a//b",
            "/a/../b",
            "/a?b",
            "/a b",
            "/a%2Fb",
            "/\"",
            "http://a/b",
        ] {
            assert!(wrong.parse::<BasePath>().unwrap_err().contains("\"/tilemill\""), "{wrong}");
        }
    }

    #[test]
    fn only_whole_names_are_stripped() {
        let base: BasePath = "/mill".parse().unwrap();
        assert_eq!(base.strip("/mill/api/jobs"), Some("/api/jobs"));
        assert_eq!(base.strip("/mill"), Some(""));
        for other in ["/", "/api/jobs", "/mills/api", "/api/mill"] {
            assert_eq!(base.strip(other), None, "{other}");
        }
        assert_eq!(BasePath::default().strip("/api"), None);
    }
}
