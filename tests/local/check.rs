//! `tilemill check` as an operator meets it: what is configured, what is wrong, and how to mend it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use clap::CommandFactory;
use serde_json::Value;
use tempfile::TempDir;
use tilemill::cli::Cli;

use crate::support::{Server, tilemill};

/// Runs `check --json`. Returns its exit code and what it says.
fn check(directory: &Path, variables: &[(&str, &str)]) -> (i32, Value) {
    let mut command = tilemill(directory);
    let ran = command.args(["check", "--json"]).envs(variables.iter().copied()).output().unwrap();
    let findings = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    (ran.status.code().unwrap(), findings)
}

/// A port that nobody uses is not to be had for sure; this one is free when it is chosen.
const FREE: (&str, &str) = ("TILEMILL_SERVER__LISTEN", "127.0.0.1:0");

fn find<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|entry| entry[key] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn every_value_is_told_with_its_origin() {
    let directory = TempDir::new().unwrap();
    let file = "[tile]\nsize = 256\n[server]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(directory.path().join("config.toml"), file).unwrap();
    // The second is what `submit` goes by, and no key of the configuration.
    let variables = [
        ("TILEMILL_LIMITS__MAX_UPLOAD", "1 MiB"),
        ("TILEMILL_SERVER", "http://host"),
        ("TILEMILL_STORAGE__TOKEN", "0123456789012345"),
    ];
    let (code, findings) = check(directory.path(), &variables);
    assert_eq!((code, &findings["ok"]), (0, &true.into()), "{findings}");
    for (key, value, origin) in [
        ("tile.size", Value::from(256), "config.toml"),
        ("limits.max_upload", "1 MiB".into(), "TILEMILL_LIMITS__MAX_UPLOAD"),
        ("storage.token", "(secret)".into(), "TILEMILL_STORAGE__TOKEN"),
        ("output.quality", 90.into(), "default"),
        ("scratch_dir", "./tilemill-data/processed".into(), "default"),
    ] {
        let setting = find(&findings["settings"], "key", key);
        assert_eq!(setting["value"], value, "{setting}");
        assert!(setting["origin"].as_str().unwrap().ends_with(origin), "{setting}");
    }
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a check leaves nothing: {left:?}");
}

#[test]
fn the_text_says_the_same_as_the_json() {
    let directory = TempDir::new().unwrap();
    let ran = tilemill(directory.path()).arg("check").envs([FREE]).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    for words in ["no file found", "limits.max_upload", "4 GiB", "can be made", "not configured"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_remedy() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = somebody.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in somebody.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
        }
    });
    for (variable, value, name, remedy) in [
        ("TILEMILL_DATA_DIR", "file/data", "data_dir", "`data_dir`"),
        ("TILEMILL_SCRATCH_DIR", "/proc/scratch", "scratch_dir", "`scratch_dir`"),
        ("TILEMILL_LOG__LEVEL", "loud", "log", "`log.level`"),
        ("TILEMILL_SERVER__LISTEN", &address, "listen", "--listen"),
        ("TILEMILL_SERVER__LISTEN", "192.0.2.1:5001", "listen", "`server.listen`"),
        ("TILEMILL_TILE__SIZE", "0", "configuration", "correct it"),
    ] {
        let (code, findings) = check(directory.path(), &[FREE, (variable, value)]);
        assert_eq!((code, &findings["ok"]), (2, &false.into()), "{variable}: {findings}");
        let check = find(&findings["checks"], "name", name);
        assert_eq!(check["result"], "failed", "{check}");
        assert!(check["remedy"].as_str().unwrap().contains(remedy), "{check}");
    }
}

#[test]
fn a_server_that_runs_is_known_by_its_address() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let address = server.url("").replace("http://", "");
    let (code, findings) =
        check(directory.path(), &[("TILEMILL_SERVER__LISTEN", address.as_str())]);
    assert_eq!(code, 0, "{findings}");
    let text = find(&findings["checks"], "name", "listen")["text"].as_str().unwrap().to_owned();
    assert!(text.contains("a tilemill server is running"), "{text}");
    // The directory of that server is no other's.
    let data = directory.path().join("data");
    let data = ("TILEMILL_DATA_DIR", data.to_str().unwrap());
    let listen = ("TILEMILL_SERVER__LISTEN", address.as_str());
    let (code, findings) = check(directory.path(), &[listen, data]);
    assert_eq!(code, 0, "{findings}");
    let (code, findings) = check(directory.path(), &[FREE, data]);
    assert_eq!(code, 2, "{findings}");
    let text = find(&findings["checks"], "name", "data_dir")["text"].as_str().unwrap().to_owned();
    assert!(text.contains("in use by a server that runs as process"), "{text}");
    server.stop();
}

#[test]
fn little_free_space_is_a_warning_and_no_failure() {
    let directory = TempDir::new().unwrap();
    let (code, findings) =
        check(directory.path(), &[FREE, ("TILEMILL_LIMITS__MAX_UPLOAD", "1000000 TiB")]);
    assert_eq!(code, 0, "{findings}");
    let check = find(&findings["checks"], "name", "data_dir");
    assert_eq!(check["result"], "warning", "{check}");
    assert!(check["remedy"].as_str().unwrap().contains("`limits.max_upload`"), "{check}");
}

#[test]
fn every_shell_gets_its_completions() {
    let directory = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = tilemill(directory.path()).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success() && script.contains("overwrite"), "{shell}: {script}");
    }
}

#[test]
fn every_command_has_its_manual_page() {
    let directory = TempDir::new().unwrap();
    let ran = tilemill(directory.path()).args(["man", "share/man1"]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let page = |name: &str| {
        let path = directory.path().join("share/man1").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for command in Cli::command().get_subcommands() {
        let text = page(&format!("tilemill-{}.1", command.get_name()));
        assert!(text.contains(&command.get_about().unwrap().to_string()), "{text}");
    }
    assert!(page("tilemill-topics-scale.1").contains("partitions"));
    assert!(page("tilemill.1").contains(".SH \"EXIT STATUS\""));
    let ran = tilemill(directory.path()).args(["man", "share/man1/tilemill.1"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
}
