//! Settings of the access to a server's files, for collectors on other machines.

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::agent::url::ServerUrl;

/// How collectors that do not see a server's `data_dir` reach its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Storage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<ServerUrl>,
    pub token: Secret,
}
