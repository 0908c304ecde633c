//! Environment variables: each key has one, which overrides the file.

use figment::providers::Env;
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

const PREFIX: &str = "TILEMILL_";

/// The variable of a key: `TILEMILL_LIMITS__MAX_UPLOAD` is `limits.max_upload`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The values of all variables.
pub(super) fn environment() -> Env {
    Env::prefixed(PREFIX)
        // `TILEMILL_CONFIG` names the file; the others are for `submit`.
        .filter(|key| !["config", "server", "token"].iter().any(|other| key == *other))
        .filter(|key| !key.starts_with("test_"))
        .split("__")
}

/// Reads the variables of secrets as text: figment would take `0123` for a number.
pub(super) struct Secrets(Env);

impl Secrets {
    /// `keys` are those of secrets.
    pub(super) fn new(keys: &[&str]) -> Self {
        Self(environment().only(keys))
    }
}

impl Provider for Secrets {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut data = Dict::new();
        for (key, text) in self.0.iter() {
            // Trimmed like all variables: a value that comes from a file may end with a line break.
            let text = text.trim();
            let value = match text.parse() {
                // Without its quotes, if it has some.
                Ok(quoted @ Value::String(..)) => quoted,
                _ => text.into(),
            };
            let section = nest(key.as_str(), value).into_dict();
            // No section has two secrets, so `extend` overwrites none.
            data.extend(section.unwrap_or_default());
        }
        Ok(Profile::Default.collect(data))
    }
}
