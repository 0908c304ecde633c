//! The documents that list every key: `config.toml` and `docs/configuration.md`, made from the keys themselves.

use serde_json::Value;

use super::environment::variable;
use super::key::{KeySpec, SectionSpec};
use super::keys::Config;

/// How `config.toml` begins.
const ABOUT_FILE: &str = r#"# tilemill: every key with its default. This file, unmodified, has the effect of no file at all.
#
# Looked for in: --config FILE, TILEMILL_CONFIG, ./config.toml (not by `run`), /etc/tilemill/config.toml. `submit` reads none.
# A variable overrides the file: TILEMILL_LIMITS__MAX_UPLOAD="8 GiB" is limits.max_upload.
# Sizes: 1048576, "64 MiB", "4 GiB". Times: 15, "500ms", "5s", "7d".
"#;

/// How `docs/configuration.md` begins.
const ABOUT_TABLES: &str = "\
# Configuration

Every key, by sections. [`config.toml`](../config.toml) has the same as a file to start from; [the
README](../README.md#configuration) says where the file is looked for. Both documents are made from the sources
(`src/config/keys`).

- A variable overrides the file.
- A *size* is a number of bytes, or one with `KiB`, `MiB`, `GiB` or `TiB`: `1048576`, `\"4 GiB\"`.
- A *time* is a number of seconds, or one with `ms`, `s`, `m`, `h` or `d`: `15`, `\"500ms\"`, `\"7d\"`.
- A *list* in a variable may be one text with commas between its parts.
- A *colour* is sRGB, written `\"#rrggbb\"`.
";

/// The text of `config.toml`: each key with its words and its default.
#[must_use]
pub fn file() -> String {
    let sections = Config::sections().iter().map(file_section).collect::<String>();
    format!("{ABOUT_FILE}{sections}")
}

fn file_section(section: &SectionSpec) -> String {
    // Without a header, what belongs together is told apart by empty lines.
    if section.name.is_empty() {
        let keys = section.keys.iter().map(|key| format!("\n{}", file_key(key, false)));
        return keys.collect();
    }
    let mark = if section.optional { "# " } else { "" };
    let keys = section.keys.iter().map(|key| file_key(key, section.optional)).collect::<String>();
    format!("\n{}{mark}[{}]\n{keys}", comment(section.words), section.name)
}

fn file_key(key: &KeySpec, optional: bool) -> String {
    let mark = if optional || key.default.is_none() { "# " } else { "" };
    let value = key.default.as_ref().unwrap_or(&key.example);
    format!("{}{mark}{}\n", comment(key.words), assignment(key, value))
}

/// A key with a value, as in a file.
fn assignment(key: &KeySpec, value: &Value) -> String {
    format!("{} = {}", name(key), literal(value))
}

/// A key without its section.
fn name(key: &KeySpec) -> &str {
    key.path.rsplit('.').next().unwrap_or(key.path)
}

fn literal(value: &Value) -> String {
    match value.as_array() {
        Some(values) => format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
        // Plain values are the same in JSON and in TOML.
        None => value.to_string(),
    }
}

fn comment(words: &[&str]) -> String {
    wrapped("# ", words)
}

/// Lines of at most 120 characters, each with a mark before it.
fn wrapped(mark: &str, words: &[&str]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words.iter().flat_map(|line| line.split_whitespace()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 120 => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(format!("{mark}{word}")),
        }
    }
    lines.join("\n") + "\n"
}

/// The text of `docs/configuration.md`: a table for each section.
#[must_use]
pub fn tables() -> String {
    let sections = Config::sections().iter().map(table).collect::<String>();
    format!("{ABOUT_TABLES}{sections}")
}

fn table(section: &SectionSpec) -> String {
    let head = match section.name {
        "" => "Outside sections\n".to_owned(),
        name => format!("`[{name}]`\n\n{}", wrapped("", section.words)),
    };
    let rows = section.keys.iter().map(row).collect::<String>();
    format!(
        "\n## {head}\n\
         | key | variable | type | default | range | what it is | example |\n\
         |---|---|---|---|---|---|---|\n{rows}"
    )
}

fn row(key: &KeySpec) -> String {
    let default = match &key.default {
        Some(value) => format!("`{}`", literal(value)),
        None if key.optional => "none".to_owned(),
        None => "to be given".to_owned(),
    };
    let cells = [
        format!("`{}`", name(key)),
        format!("`{}`", variable(key.path)),
        key.kind.clone(),
        default,
        key.rules.iter().map(|rule| range(rule)).collect::<Vec<_>>().join("; "),
        key.words.concat().trim().to_owned(),
        format!("`{}`", literal(&key.example)),
    ];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// A rule without the words that make it a sentence.
fn range(rule: &str) -> &str {
    rule.trim_start_matches("it ").trim_start_matches("must be ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use figment::Figment;
    use figment::providers::{Format, Serialized, Toml};
    use serde_json::Value;

    use super::{Config, assignment};

    /// The examples of all keys, as a file.
    fn examples() -> String {
        let sections = Config::sections().into_iter().map(|section| {
            let head = match section.name {
                "" => String::new(),
                name => format!("[{name}]\n"),
            };
            let lines = section.keys.iter().map(|key| assignment(key, &key.example) + "\n");
            head + &lines.collect::<String>()
        });
        sections.collect()
    }

    fn keys_of(value: &Value) -> BTreeSet<String> {
        let nested = |name: &String, value: &Value| match value.as_object() {
            Some(keys) => keys.keys().map(|key| format!("{name}.{key}")).collect(),
            None => vec![name.clone()],
        };
        value.as_object().unwrap().iter().flat_map(|(name, value)| nested(name, value)).collect()
    }

    #[test]
    fn every_field_has_one_entry_and_every_example_can_be_used() {
        let figment = Figment::from(Serialized::defaults(Config::default()));
        let config: Config = figment.merge(Toml::string(&examples())).extract().unwrap();
        assert!(config.violation().is_none(), "{:?}", config.violation());
        let sections = Config::sections();
        let paths: Vec<_> =
            sections.iter().flat_map(|section| &section.keys).map(|key| key.path).collect();
        let fields = keys_of(&serde_json::to_value(&config).unwrap());
        assert_eq!(paths.len(), fields.len());
        assert_eq!(paths.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), fields);
    }
}
