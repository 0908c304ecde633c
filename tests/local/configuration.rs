//! The configuration as an operator meets it: a file, variables, and errors that help.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;
use tilemill::config::{Config, Search, document};

use crate::support::tilemill;

/// Starts a server that is expected not to start.
fn refused(directory: &Path, variables: &[(&str, &str)], line: &[&str]) -> String {
    let output: Output = tilemill(directory)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(line)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// With `TILEMILL_BLESS=1` the documents are written anew.
#[test]
fn the_documents_are_those_that_the_keys_give() {
    let bless = std::env::var_os("TILEMILL_BLESS").is_some_and(|value| value == "1");
    for (name, text) in
        [("config.toml", document::file()), ("docs/configuration.md", document::tables())]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if bless {
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(
            written == text,
            "{name} is not what src/config/keys gives; TILEMILL_BLESS=1 writes it"
        );
    }
}

#[test]
fn the_file_in_the_repository_says_what_the_program_does_without_it() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let (documented, _) = Config::load(Some(&file), Search::SystemOnly).unwrap();
    assert_eq!(documented, Config::default());
}

#[test]
fn the_file_in_the_repository_documents_every_key() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let documented: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (section, keys) in defaults.as_object().unwrap() {
        let found = documented.get(section);
        assert!(found.is_some(), "{section}");
        for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
            let found = found.and_then(|table| table.get(key));
            assert!(found.is_some(), "{section}.{key}");
        }
    }
}

#[test]
fn what_is_commented_out_in_the_file_can_be_used_as_it_stands() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = fs::read_to_string(file).unwrap();
    let is_toml = |line: &str| line.parse::<toml::Table>().is_ok();
    let uncommented = |line: &str| {
        line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line).to_owned() + "\n"
    };
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("all.toml");
    fs::write(&file, text.lines().map(uncommented).collect::<String>()).unwrap();
    let (config, _) = Config::load(Some(&file), Search::SystemOnly).unwrap();
    assert_eq!(config.redis.unwrap().password.unwrap().reveal(), "…");
    assert!(config.kafka.is_some() && config.storage.is_some());
    assert_eq!(config.scratch_dir.as_deref(), Some(Path::new("/srv/tilemill-scratch")));
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.toml"), "[tile]\nsise = 256\n").unwrap();
    let error = refused(directory.path(), &[], &[]);
    assert!(error.contains("sise") && error.contains("size"), "{error}");
    assert!(error.contains("config.toml") && error.contains("\"tile.sise\""), "{error}");
}

#[test]
fn an_unknown_variable_is_named() {
    let directory = TempDir::new().unwrap();
    let error = refused(directory.path(), &[("TILEMILL_TILE__SISE", "256")], &[]);
    assert!(error.to_lowercase().contains("sise"), "{error}");
}

#[test]
fn an_impossible_value_is_named_with_its_key_and_its_origin() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.toml"), "[tile]\nsize = 9000\n").unwrap();
    let error = refused(directory.path(), &[], &[]);
    for words in ["`tile.size` is 9000", "`limits.max_tile`", "config.toml"] {
        assert!(error.contains(words), "{error}");
    }
    let error = refused(directory.path(), &[("TILEMILL_TILE__SIZE", "0")], &[]);
    for words in ["`tile.size` is 0", "at least 1", "set it in TILEMILL_TILE__SIZE"] {
        assert!(error.contains(words), "{error}");
    }
    let variables = [("TILEMILL_TILE__SIZE", "8"), ("TILEMILL_LIMITS__MAX_UPLOAD", "lots")];
    let error = refused(directory.path(), &variables, &[]);
    assert!(error.contains("lots") && error.contains("4 GiB"), "{error}");
    let error = refused(
        directory.path(),
        &[("TILEMILL_TILE__SIZE", "8"), ("TILEMILL_LOG__LEVEL", "lou=d=")],
        &[],
    );
    assert!(error.contains("log.level"), "{error}");
}

#[test]
fn a_level_that_does_not_exist_is_refused_instead_of_silencing_the_log() {
    let directory = TempDir::new().unwrap();
    let error = refused(directory.path(), &[("TILEMILL_LOG__LEVEL", "loud")], &[]);
    assert!(error.contains("`log.level` is \"loud\"") && error.contains("debug"), "{error}");
}

#[test]
fn a_missing_file_is_refused_with_the_option_that_named_it() {
    let directory = TempDir::new().unwrap();
    let error = refused(directory.path(), &[], &["--config", "none.toml"]);
    assert!(error.contains("none.toml named by --config does not exist"), "{error}");
    let error = refused(directory.path(), &[("TILEMILL_CONFIG", "gone.toml")], &[]);
    assert!(error.contains("gone.toml named by TILEMILL_CONFIG does not exist"), "{error}");
}

#[test]
fn a_command_that_reads_no_file_misses_a_named_one_all_the_same() {
    let directory = TempDir::new().unwrap();
    let line = ["submit", "a.png", "--config", "none.toml", "--server", "http://127.0.0.1:9"];
    let ran = tilemill(directory.path()).args(line).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    let error = String::from_utf8(ran.stderr).unwrap();
    assert!(error.contains("none.toml named by --config does not exist"), "{error}");
}

#[test]
fn names_of_hosts_come_from_a_variable_with_commas_and_from_a_list() {
    let directory = TempDir::new().unwrap();
    let told = |name: &str, value: &str| {
        let ran = tilemill(directory.path()).arg("check").env(name, value).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with("server.hosts"));
        line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let name = "TILEMILL_SERVER__HOSTS";
    let both = format!("server.hosts [\"a.example\",\"b.example\"] {name}");
    assert_eq!(told(name, "a.example, b.example"), both);
    assert_eq!(told(name, r#"["a.example", "b.example"]"#), both);
    assert_eq!(told(name, "a.example"), format!("server.hosts [\"a.example\"] {name}"));
    assert_eq!(told(name, ""), format!("server.hosts [] {name}"));
}

#[test]
fn proxies_are_networks_and_the_base_path_is_a_path() {
    let directory = TempDir::new().unwrap();
    for (name, value, words) in [
        ("TRUSTED_PROXIES", "10.0.0.0/8, localhost", "\"localhost\" is neither an address"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "such as \"10.0.0.0/8\""),
        ("BASE_PATH", "tilemill", "\"tilemill\" is not a path: expected one such as \"/tilemill\""),
        ("BASE_PATH", "/api/v1", "`server.base_path` is /api/v1, but it must not begin with /api"),
    ] {
        let error = refused(directory.path(), &[(&format!("TILEMILL_SERVER__{name}"), value)], &[]);
        assert!(error.contains(words), "{error}");
    }
    fs::write(directory.path().join("config.toml"), "[server]\ntrusted_proxies = [\"::1\", 7]")
        .unwrap();
    assert!(refused(directory.path(), &[], &[]).contains("trusted_proxies"));
}

#[test]
fn the_readme_has_the_lines_for_proxies_that_are_tested() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(sources.join("README.md")).unwrap();
    for (kind, file) in [("nginx", "nginx.conf"), ("caddy", "Caddyfile"), ("apache", "apache.conf")]
    {
        let lines = fs::read_to_string(sources.join("docs/proxy").join(file)).unwrap();
        assert!(
            readme.contains(&format!("```{kind}\n{lines}```\n")),
            "{file} is not in the README"
        );
    }
}

#[test]
fn a_run_does_not_read_the_file_in_the_working_directory() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.toml"), "another = \"program's\"\n").unwrap();
    let image = crate::support::data("grey-8.png");
    let ran = tilemill(directory.path())
        .args(["run", image.to_str().unwrap(), "-o", "out.png"])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}
