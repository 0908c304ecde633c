//! Reads the configuration: defaults, then a file, then variables.

use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};

use super::environment::{Secrets, environment};
use super::error::{ConfigError, readable};
use super::file::{Origin, Search, find_file};
use super::keys::Config;
use super::rule::Violation;
use super::setting::{self, Setting};

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
        let sections = Self::sections();
        let keys = sections.iter().flat_map(|section| &section.keys);
        let secrets: Vec<&str> = keys.filter(|key| key.secret).map(|key| key.path).collect();
        let figment = figment.merge(environment()).merge(Secrets::new(&secrets));
        let config: Self =
            figment.extract().map_err(|error| ConfigError::Unreadable(readable(&error)))?;
        config.validate(&figment)?;
        Ok((config, origin, figment))
    }

    fn validate(&self, figment: &Figment) -> Result<(), ConfigError> {
        match self.violation() {
            None => Ok(()),
            Some(Violation { key, value, text }) => {
                let origin = setting::origin(key, figment);
                Err(ConfigError::Invalid { key, value, rule: text, origin })
            }
        }
    }
}
