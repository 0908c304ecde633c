//! Why a configuration cannot be used, in words that help and show no secret.

use std::path::PathBuf;

use figment::Provider;
use figment::error::{Kind, OneOf};

use super::environment::{self, environment};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file does not exist.
    #[error(
        "the configuration file {path} named by {named_by} does not exist; create it, or leave \
         {named_by} out to use the defaults"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// `--config` or `TILEMILL_CONFIG`.
        named_by: &'static str,
    },
    /// The text does not parse, a key is unknown, or a value has the wrong type.
    #[error(
        "configuration: {0}; config.toml, beside the sources, lists every key with its default"
    )]
    Unreadable(String),
    /// A directory was named instead of a file.
    #[error("the configuration {path} named by {named_by} is a directory, not a file")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// `--config` or `TILEMILL_CONFIG`.
        named_by: &'static str,
    },
    /// The user may not look whether there is a file; if there is one, the defaults would be wrong.
    #[error(
        "configuration: this user may not see whether {0} exists; use `sudo` as root or as the user \
         that the file is for, or name a file with --config"
    )]
    Hidden(PathBuf),
    /// A value is outside its range.
    #[error("configuration: `{key}` is {value}, but {rule}; set it in {origin}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is accepted.
        rule: String,
        /// Where the value was set.
        origin: String,
    },
}

/// An error as text without secrets: the line of a file is named but not quoted, and an environment variable is named
/// instead of the key.
pub(super) fn readable(error: &figment::Error) -> String {
    let tell = |error: &figment::Error| {
        let text = variable(error)
            .map_or_else(|| error.to_string(), |variable| format!("{variable}: {}", error.kind));
        without_outer_quotes(text, &error.kind)
    };
    let told = error.clone().into_iter().map(|error| tell(&error)).collect::<Vec<_>>().join("\n");
    // Figment names its profile, `default`, as if it were part of the key.
    let text = told.replace("\"default.", "\"");
    text.lines().filter(|line| !is_quoted(line)).collect::<Vec<_>>().join("\n")
}

/// Figment quotes a list of names that have quotes already.
fn without_outer_quotes(text: String, kind: &Kind) -> String {
    let (Kind::UnknownField(_, known) | Kind::UnknownVariant(_, known)) = kind else { return text };
    let listed = OneOf(known).to_string();
    text.replace(&format!("`{listed}`"), &listed)
}

/// The variable that an error is about, if it is about one.
fn variable(error: &figment::Error) -> Option<String> {
    let from = error.metadata.as_ref()?;
    (from.name == environment().metadata().name)
        .then(|| environment::variable(&error.path.join(".")))
}

/// Whether this quotes the file, as in `2 | password = 0123`, or marks a place in a quoted line.
fn is_quoted(line: &str) -> bool {
    line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|')
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::readable;
    use crate::config::keys::Config;

    #[test]
    fn what_an_error_quotes_of_the_file_shows_no_secret() {
        for file in ["[redis]\npassword = 0123\n", "storage = { token = 0123 }\n"] {
            let error = Figment::from(Toml::string(file)).extract::<Config>().unwrap_err();
            let text = readable(&error);
            assert!(text.contains("at line") && !text.contains("0123"), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_told_with_those_that_are() {
        let error = Figment::from(Toml::string("[tls]\n")).extract::<Config>().unwrap_err();
        let text = readable(&error);
        assert!(
            text.starts_with("unknown field: found `tls`, expected one of `data_dir`, "),
            "{text}"
        );
        assert!(!text.contains("``"), "{text}");
        // An empty value keeps its quotes.
        let error = Figment::from(Toml::string("[log]\nformat = \"\"\n"));
        let text = readable(&error.extract::<Config>().unwrap_err());
        assert!(text.contains("found ``, expected `text` or `json`"), "{text}");
    }
}
