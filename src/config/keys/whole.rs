//! The whole configuration: the keys outside sections, and all sections in the order of the documents.

use std::path::PathBuf;

use super::cluster::{Kafka, Redis, Storage, Topics};
use super::server::{Limits, Log, Retention, Server};
use super::work::{Dispatch, Job, Jobs, Output, Tile, Worker};
use crate::config::key::{Keyed, SectionSpec, section};
use crate::config::rule::{Rule, Violation, that};
use crate::config::unit::Seconds;

/// Makes the configuration of its keys, its sections, and those that may be left out.
macro_rules! whole {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {$(
            $(#[doc = $words:literal])+
            $(#[serde($($serde:tt)+)])?
            $(#[accepts($accepts:expr)])*
            #[example($example:expr)]
            $key:ident: $type:ty = $default:expr,
        )+}
        sections { $($section:ident: $part:ident,)+ }
        optional { $($optional:ident: $option:ident,)+ }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $words])+
                $(#[serde($($serde)+)])?
                pub $key: $type,
            )+
            $(#[doc = concat!("The section `", stringify!($section), "`.")] pub $section: $part,)+
            $(
                #[doc = concat!("The section `", stringify!($optional), "`.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$option>,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)+
                    $($section: $part::default(),)+
                    $($optional: None,)+
                }
            }
        }

        section!(@keyed [$($about)+] $name "", "", {$(
            $(#[doc = $words])+
            $(#[accepts($accepts)])*
            #[example($example)]
            $key: $type = $default,
        )+});

        impl $name {
            /// Each section by itself.
            fn specs() -> Vec<SectionSpec> {
                vec![
                    Self::spec(false),
                    $($part::spec(false),)+
                    $($option::spec(true),)+
                ]
            }

            /// The values that are not accepted, whatever others are; then those that do not fit others.
            fn violations(&self) -> Vec<Violation> {
                let mut found = self.wrong_values();
                $(found.extend(self.$section.wrong_values());)+
                $(found.extend(self.$optional.iter().flat_map(Keyed::wrong_values));)+
                found.extend(self.misfits());
                $(found.extend(self.$section.misfits());)+
                $(found.extend(self.$optional.iter().flat_map(Keyed::misfits));)+
                found
            }
        }
    };
}

whole! {
    /// Everything that can be configured.
    pub struct Config {
        /// Uploads, plans, outcomes and final images of `serve`.
        #[accepts(that(
            |path: &PathBuf| !path.as_os_str().is_empty(),
            "it must name a directory",
        ))]
        #[example("/var/lib/tilemill")]
        data_dir: PathBuf = "./tilemill-data".into(),

        /// Canvases of unfinished jobs; always a local disk. Default: `processed` in `data_dir`; for `run` the
        /// directory of its output. The systemd units can write only below /var/lib/tilemill, unless `systemctl edit`
        /// adds `ReadWritePaths=`. Their /tmp and /var/tmp are private, and vanish when they stop.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[example("/srv/tilemill-scratch")]
        scratch_dir: Option<PathBuf> = None,

        /// How long a starting process waits for all services of a cluster together.
        #[example("5m")]
        startup_timeout: Seconds = Seconds::new(60),

        /// How long a stopping process may take to finish what it has in hand.
        #[example("2m")]
        shutdown_timeout: Seconds = Seconds::new(30),
    }
    sections {
        server: Server,
        log: Log,
        tile: Tile,
        output: Output,
        job: Job,
        jobs: Jobs,
        limits: Limits,
        retention: Retention,
        worker: Worker,
        dispatch: Dispatch,
        topics: Topics,
    }
    optional {
        kafka: Kafka,
        redis: Redis,
        storage: Storage,
    }
}

/// The one rule between values of different sections is about this key.
const TILE_SIZE: &str = "tile.size";

fn tile_may_be_asked_for() -> Rule<Config> {
    that(
        |config: &Config| config.tile.size <= config.limits.max_tile,
        "it must not exceed `limits.max_tile`",
    )
}

impl Config {
    /// Where scratch files go.
    #[must_use]
    pub fn scratch_dir(&self) -> PathBuf {
        self.scratch_dir.clone().unwrap_or_else(|| self.data_dir.join("processed"))
    }

    /// What is known of each key, by sections; first come the keys outside sections.
    pub(in crate::config) fn sections() -> Vec<SectionSpec> {
        let mut sections = Self::specs();
        let mut keys = sections.iter_mut().flat_map(|section| &mut section.keys);
        if let Some(key) = keys.find(|key| key.path == TILE_SIZE) {
            key.rules.push(tile_may_be_asked_for().words());
        }
        sections
    }

    /// A value that is not accepted, if there is one.
    pub(in crate::config) fn violation(&self) -> Option<Violation> {
        let across = tile_may_be_asked_for().check(self, TILE_SIZE, &self.tile.size);
        self.violations().into_iter().chain(across).next()
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Serialized, Toml};

    use super::Config;

    #[test]
    fn a_section_that_is_left_out_has_no_rules_and_one_that_is_given_has_its_defaults() {
        assert!(Config::default().kafka.is_none() && Config::default().violation().is_none());
        let figment = Figment::from(Serialized::defaults(Config::default()));
        let read = |file: &str| {
            figment.clone().merge(Toml::string(file)).extract::<Config>().map_err(Box::new)
        };
        let kafka = read("[kafka]\nbrokers = \"a:1\"\n").unwrap().kafka.unwrap();
        assert_eq!(
            (kafka.timeout.to_string(), kafka.session_timeout.to_string()),
            ("10 s".into(), "6 s".into())
        );
        let error = read("[kafka]\ntimeout = \"1s\"\n").unwrap_err().to_string();
        assert!(error.contains("missing field `brokers`"), "{error}");
        let error = read("[kafka]\nbroker = \"a:1\"\n").unwrap_err().to_string();
        assert!(error.contains("one of `brokers`, `compression`, `timeout`"), "{error}");
    }

    #[test]
    fn a_value_that_is_wrong_by_itself_is_told_before_one_that_does_not_fit() {
        let mut config = Config::default();
        config.limits.max_tile = 0;
        let violation = config.violation().unwrap();
        assert_eq!((violation.key, violation.value.as_str()), ("limits.max_tile", "0"));
        assert_eq!(violation.text, "it must be at least 1");
        config.limits.max_tile = 511;
        assert_eq!(config.violation().unwrap().key, "tile.size");
    }
}
