//! Redis: how it is reached.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{Address, Seconds};

/// Where the roles of a cluster tell each other what may be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Redis {
    pub address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    #[serde(default)]
    pub database: u8,
    #[serde(default = "default_prefix")]
    pub prefix: String,
    #[serde(default = "default_timeout")]
    pub timeout: Seconds,
}

fn default_prefix() -> String {
    "tilemill:".into()
}

fn default_timeout() -> Seconds {
    Seconds::new(5)
}

/// What is not shown to anybody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(secret)")
    }
}
