//! Which file is read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// Where the file part of a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// No file was found: the defaults.
    Defaults,
}

/// Where a file is looked for if none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// `./config.toml`, then `/etc/tilemill/config.toml`.
    WorkingDirectory,
    /// `/etc/tilemill/config.toml` only: a `config.toml` in the working directory may be another program's. A system
    /// file that this user may not see is ignored.
    SystemOnly,
}

const SYSTEM_FILE: &str = "/etc/tilemill/config.toml";

pub(super) fn find_file(named: Option<&Path>, search: Search) -> Result<Origin, ConfigError> {
    if let Some(path) = named {
        return exact_file(path, "--config");
    }
    if let Some(path) = std::env::var_os("TILEMILL_CONFIG").filter(|path| !path.is_empty()) {
        return exact_file(Path::new(&path), "TILEMILL_CONFIG");
    }
    let candidates: &[&str] = match search {
        Search::WorkingDirectory => &["config.toml", SYSTEM_FILE],
        Search::SystemOnly => &[SYSTEM_FILE],
    };
    let found = candidates.iter().map(Path::new).find(|path| path.is_file());
    if found.is_none() && search == Search::WorkingDirectory && is_hidden(Path::new(SYSTEM_FILE)) {
        return Err(ConfigError::Hidden(SYSTEM_FILE.into()));
    }
    Ok(found.map_or(Origin::Defaults, |path| Origin::File(path.to_owned())))
}

/// Whether this user may not look whether the file exists.
fn is_hidden(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn exact_file(path: &Path, named_by: &'static str) -> Result<Origin, ConfigError> {
    let path = path.to_owned();
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(ConfigError::Directory { path, named_by }),
        Ok(_) => Ok(Origin::File(path)),
        Err(_) => Err(ConfigError::Missing { path, named_by }),
    }
}
