//! A real Firefox without a window, driven over its own protocol, Marionette: the commands are those of `WebDriver`,
//! and no driver stands between.
//!
//! A message is its length in ASCII, a colon, and JSON: `[0, id, command, parameters]`, answered by
//! `[1, id, error, result]`. Source: the Firefox documentation, "Marionette protocol", version 3.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LOOK_EVERY, find};
use crate::support::PATIENCE;

/// Any free port, nothing that moves, and nothing that talks to the network by itself.
const SETTINGS: &str = r#"
user_pref("marionette.port", 0);
user_pref("ui.prefersReducedMotion", 1);
user_pref("app.normandy.enabled", false);
user_pref("app.update.auto", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
"#;

/// What scripts of pages have failed at, and what they wrote to the console as a warning or an error.
const CONSOLE: &str = r#"
    const failed = Services.console.getMessageArray()
      .filter((one) => one instanceof Ci.nsIScriptError && one.sourceName.startsWith("http"))
      .map(({ message }) => message);
    const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
    const said = storage.getEvents()
      .filter(({ level, filename }) => ["warn", "error", "assert"].includes(level) && filename.startsWith("http"))
      .map(({ arguments: words }) => words.join(" "));
    Services.console.reset();
    storage.clearEvents();
    return [...failed, ...said];"#;

/// The Firefox that is installed, or what is missing.
pub fn installed() -> Result<PathBuf, String> {
    ["firefox-esr", "firefox"]
        .iter()
        .find_map(|name| find(name))
        .ok_or_else(|| "firefox is not installed".into())
}

/// One Firefox with an empty profile and one page.
pub struct Firefox {
    child: Child,
    line: Mutex<Line>,
    _profile: TempDir,
}

struct Line {
    stream: BufReader<TcpStream>,
    asked: u64,
}

impl Firefox {
    pub fn open(program: &Path) -> Self {
        let profile = TempDir::new().unwrap();
        fs::write(profile.path().join("user.js"), SETTINGS).unwrap();
        let child = Command::new(program)
            .args(["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"])
            .args(["--width", "1280", "--height", "900", "--profile"])
            .arg(profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = profile.path().join("MarionetteActivePort");
        let deadline = Instant::now() + PATIENCE;
        let port: u16 = loop {
            if let Some(port) = fs::read_to_string(&port).ok().and_then(|text| text.parse().ok()) {
                break port;
            }
            assert!(Instant::now() < deadline, "Firefox does not say its port");
            std::thread::sleep(LOOK_EVERY);
        };
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let line = Mutex::new(Line { stream: BufReader::new(stream), asked: 0 });
        let firefox = Self { child, line, _profile: profile };
        let greeting = firefox.line.lock().unwrap().receive();
        assert_eq!(greeting["marionetteProtocol"], 3, "{greeting}");
        firefox.call("WebDriver:NewSession", &json!({}));
        firefox
    }

    /// Carries out what `WebDriver` has under this path.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let mut body = body.clone();
        let mut parts = path.split('/');
        let command = match (parts.next(), parts.next(), parts.next()) {
            (Some("url"), ..) => "Navigate",
            (Some("refresh"), ..) => "Refresh",
            (Some("execute"), ..) => "ExecuteScript",
            (Some("actions"), ..) => "PerformActions",
            (Some("screenshot"), ..) => "TakeScreenshot",
            (Some("element"), None, _) => "FindElement",
            (Some("element"), Some(element), Some(action)) => {
                body["id"] = element.into();
                match action {
                    "click" => "ElementClick",
                    "clear" => "ElementClear",
                    "value" => "ElementSendKeys",
                    _ => panic!("{path} is not known here"),
                }
            }
            _ => panic!("{path} is not known here"),
        };
        self.call(&format!("WebDriver:{command}"), &body)
    }

    pub fn console(&self) -> Value {
        self.call("Marionette:SetContext", &json!({ "value": "chrome" }));
        let lines = self.call("WebDriver:ExecuteScript", &json!({ "script": CONSOLE, "args": [] }));
        self.call("Marionette:SetContext", &json!({ "value": "content" }));
        lines
    }

    fn call(&self, command: &str, parameters: &Value) -> Value {
        let mut line = self.line.lock().unwrap();
        line.asked += 1;
        let message = json!([0, line.asked, command, parameters]).to_string();
        write!(line.stream.get_mut(), "{}:{message}", message.len()).unwrap();
        let answer = line.receive();
        assert_eq!(answer[2], Value::Null, "{command} {parameters}");
        answer[3]["value"].clone()
    }
}

impl Line {
    fn receive(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).unwrap();
        let length = String::from_utf8(length).unwrap();
        let length = length.trim_end_matches(':').parse().expect("Firefox has ended");
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}

/// It has processes of its own, which end with it where it is asked to quit.
impl Drop for Firefox {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let quit =
            json!([0, line.asked + 1, "Marionette:Quit", { "flags": ["eForceQuit"] }]).to_string();
        let _ = write!(line.stream.get_mut(), "{}:{quit}", quit.len());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
