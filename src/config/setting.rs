//! Each value of a configuration with its origin, for finding mistakes.

use figment::{Figment, Source};
use serde::Serialize;
use serde_json::Value;

use super::environment::variable;
use super::keys::Config;

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its key, such as `limits.max_upload`.
    pub key: String,
    /// The value.
    pub value: Value,
    /// `default`, a file, or a variable.
    pub origin: String,
}

pub(super) fn settings(config: &Config, figment: &Figment) -> Vec<Setting> {
    let mut values = serde_json::to_value(config).expect("a configuration is plain data");
    // Shown even if it is left out, with its derived value.
    values["scratch_dir"] = config.scratch_dir().display().to_string().into();
    let mut settings = Vec::new();
    flatten(String::new(), values, &mut |key, value| {
        let origin = origin(&key, figment);
        settings.push(Setting { key, value, origin });
    });
    settings
}

fn flatten(key: String, value: Value, leaf: &mut impl FnMut(String, Value)) {
    let Value::Object(children) = value else {
        return leaf(key, value);
    };
    for (name, child) in children {
        let dot = if key.is_empty() { "" } else { "." };
        flatten(format!("{key}{dot}{name}"), child, leaf);
    }
}

/// Where a value was set.
pub(super) fn origin(key: &str, figment: &Figment) -> String {
    let metadata = figment.find_metadata(key);
    match metadata.map(|metadata| &metadata.source) {
        None | Some(Some(Source::Code(_))) => "default".into(),
        Some(Some(Source::File(path))) => path.display().to_string(),
        Some(_) => variable(key),
    }
}
