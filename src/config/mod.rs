//! The configuration: defaults, then a file, then `TILEMILL_*` variables; checked once, at start.
//!
//! `config.toml` beside the sources documents every key with its default.
//!
//! - `address`: a host and a port
//! - `kafka`: a cluster and its topics
//! - `network`: an address, or those of a network
//! - `path`: the path below which a server is reached
//! - `redis`: how Redis is reached
//! - `rule`: which values are possible
//! - `setting`: each value with its origin
//! - `storage`: the files of a server, for collectors elsewhere
//! - `unit`: values with a unit, such as `"4 GiB"`

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};

mod address;
mod kafka;
mod list;
mod network;
mod path;
mod redis;
mod rule;
mod setting;
mod storage;
mod unit;

pub use self::address::Address;
pub use self::kafka::{Brokers, ConsumerGroup, Kafka, TileCompression, Topics};
pub use self::network::Network;
pub use self::path::BasePath;
pub use self::redis::{Redis, Secret};
use self::rule::Rule;
pub use self::setting::Setting;
pub use self::storage::Storage;
pub use unit::{Bytes, Colour, Seconds};

use crate::raster::encode::{PngSpeed, Subsampling, TiffCompression};
use crate::raster::metadata::Policy;

/// Everything that can be configured. The keys are documented in `config.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents each key, and a test compares the two")]
pub struct Config {
    pub data_dir: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch_dir: Option<PathBuf>,
    pub startup_timeout: Seconds,
    pub shutdown_timeout: Seconds,
    pub server: Server,
    pub log: Log,
    pub tile: Tile,
    pub output: Output,
    pub job: Job,
    pub jobs: Jobs,
    pub limits: Limits,
    pub retention: Retention,
    pub worker: Worker,
    pub dispatch: Dispatch,
    pub topics: Topics,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Server {
    pub listen: SocketAddr,
    #[serde(deserialize_with = "list::words")]
    pub hosts: Vec<String>,
    pub base_path: BasePath,
    #[serde(deserialize_with = "list::parsed")]
    pub trusted_proxies: Vec<Network>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Tile {
    pub size: u32,
    pub timeout: Seconds,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Output {
    pub quality: u8,
    pub background: Colour,
    pub metadata: Policy,
    pub subsampling: Subsampling,
    pub png_speed: PngSpeed,
    pub tiff_compression: TiffCompression,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Job {
    pub max_attempts: u32,
    pub max_age: Seconds,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Jobs {
    pub active: u32,
    pub queued: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Limits {
    pub max_upload: Bytes,
    pub max_megapixels: u32,
    pub max_side: u32,
    pub decode_memory: Bytes,
    pub max_tile: u32,
    pub max_tiles: u32,
    pub preview: Bytes,
    pub uploads: u32,
    pub upload_idle: Seconds,
    pub min_free_space: Bytes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Retention {
    pub originals: Seconds,
    pub results: Seconds,
    pub records: Seconds,
    pub max_bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Worker {
    pub threads: usize,
    pub heartbeat: Seconds,
    pub dead_after: Seconds,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config.toml")]
pub struct Dispatch {
    pub max_tiles_in_flight: u32,
    pub max_bytes_in_flight: Bytes,
    pub image_memory: Bytes,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "./tilemill-data".into(),
            scratch_dir: None,
            startup_timeout: Seconds::new(60),
            shutdown_timeout: Seconds::new(30),
            server: Server::default(),
            log: Log { level: "info".into(), format: LogFormat::Text },
            tile: Tile { size: 512, timeout: Seconds::new(15 * 60) },
            output: Output {
                quality: 90,
                background: Colour([255; 3]),
                metadata: Policy::Safe,
                subsampling: Subsampling::Auto,
                png_speed: PngSpeed::Fast,
                tiff_compression: TiffCompression::None,
            },
            job: Job { max_attempts: 3, max_age: Seconds::days(7) },
            jobs: Jobs { active: 4, queued: 1000 },
            limits: Limits {
                max_upload: Bytes::gib(4),
                max_megapixels: 1100,
                max_side: 65_535,
                decode_memory: Bytes::gib(4),
                max_tile: 8192,
                max_tiles: 1_000_000,
                preview: Bytes::mib(64),
                uploads: 32,
                upload_idle: Seconds::new(60),
                min_free_space: Bytes::mib(256),
            },
            retention: Retention {
                originals: Seconds::days(7),
                results: Seconds::days(7),
                records: Seconds::days(30),
                max_bytes: Bytes::gib(100),
            },
            worker: Worker { threads: 0, heartbeat: Seconds::new(5), dead_after: Seconds::new(15) },
            dispatch: Dispatch {
                max_tiles_in_flight: 4096,
                max_bytes_in_flight: Bytes::mib(256),
                image_memory: Bytes::mib(128),
            },
            topics: Topics::default(),
            kafka: None,
            redis: None,
            storage: None,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        let on_this_machine = ["127.0.0.0/8", "::1"].map(str::parse);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5001)),
            hosts: Vec::new(),
            base_path: BasePath::default(),
            trusted_proxies: on_this_machine.into_iter().flatten().collect(),
        }
    }
}

/// Where the file part of a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// No file was found: the defaults.
    Defaults,
}

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

impl Config {
    /// Reads the configuration; `named` is what `--config` says.
    pub fn load(named: Option<&Path>, search: Search) -> Result<(Self, Origin), ConfigError> {
        let (config, origin, _) = Self::read(named, search)?;
        Ok((config, origin))
    }

    /// Checks that the file named by `--config` exists, for a command that does not read it.
    pub fn check_named(named: &Path) -> Result<(), ConfigError> {
        find_file(Some(named), Search::SystemOnly).map(drop)
    }

    /// As [`Self::load`], with every value and its origin, in the order of the keys.
    pub fn load_settings(
        named: Option<&Path>,
        search: Search,
    ) -> Result<(Self, Origin, Vec<Setting>), ConfigError> {
        let (config, origin, figment) = Self::read(named, search)?;
        let settings = setting::settings(&config, &figment);
        Ok((config, origin, settings))
    }

    fn read(named: Option<&Path>, search: Search) -> Result<(Self, Origin, Figment), ConfigError> {
        let origin = find_file(named, search)?;
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Origin::File(path) = &origin {
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment.merge(environment()).merge(Secrets(environment().only(&SECRETS)));
        let config: Self =
            figment.extract().map_err(|error| ConfigError::Unreadable(readable(&error)))?;
        config.validate(&figment)?;
        Ok((config, origin, figment))
    }

    /// Where scratch files go.
    #[must_use]
    pub fn scratch_dir(&self) -> PathBuf {
        self.scratch_dir.clone().unwrap_or_else(|| self.data_dir.join("processed"))
    }

    fn validate(&self, figment: &Figment) -> Result<(), ConfigError> {
        match rule::rules(self).into_iter().find(|rule| !rule.holds) {
            None => Ok(()),
            Some(Rule { key, value, text, .. }) => {
                let origin = setting::origin(key, figment);
                Err(ConfigError::Invalid { key, value, rule: text, origin })
            }
        }
    }
}

impl Worker {
    /// Filter threads: as configured, or one for each core of this machine.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(self.threads).unwrap_or_else(cores)
    }

    /// The silence after which a worker is late: it has missed two heartbeats.
    #[must_use]
    pub fn late_after(&self) -> Duration {
        2 * self.heartbeat.duration()
    }
}

const PREFIX: &str = "TILEMILL_";

/// `TILEMILL_LIMITS__MAX_UPLOAD` is `limits.max_upload`.
fn environment() -> Env {
    Env::prefixed(PREFIX)
        // `TILEMILL_CONFIG` names the file; the others are for `submit`.
        .filter(|key| !["config", "server", "token"].iter().any(|other| key == *other))
        .filter(|key| !key.starts_with("test_"))
        .split("__")
}

const SECRETS: [&str; 2] = ["redis.password", "storage.token"];

/// Reads the variables of secrets as text: figment would take `0123` for a number.
struct Secrets(Env);

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

/// An error as text without secrets: the line of a file is named but not quoted, and an environment variable is named
/// instead of the key.
fn readable(error: &figment::Error) -> String {
    let tell = |error: &figment::Error| {
        variable(error)
            .map_or_else(|| error.to_string(), |variable| format!("{variable}: {}", error.kind))
    };
    let told = error.clone().into_iter().map(|error| tell(&error)).collect::<Vec<_>>().join("\n");
    // Figment names its profile, `default`, as if it were part of the key, and quotes a list that has quotes.
    let text = told.replace("\"default.", "\"").replace("`one of `", "one of `").replace("``", "`");
    text.lines().filter(|line| !is_quoted(line)).collect::<Vec<_>>().join("\n")
}

/// The variable that an error is about, if it is about one.
fn variable(error: &figment::Error) -> Option<String> {
    let from = error.metadata.as_ref()?;
    let keys = error.path.iter().map(|key| key.to_uppercase()).collect::<Vec<_>>().join("__");
    (from.name == environment().metadata().name).then(|| format!("{PREFIX}{keys}"))
}

/// Whether this quotes the file, as in `2 | password = 0123`, or marks a place in a quoted line.
fn is_quoted(line: &str) -> bool {
    line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|')
}

fn find_file(named: Option<&Path>, search: Search) -> Result<Origin, ConfigError> {
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

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::{Config, readable};

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
    }
}
