//! A real Chromium without a window, driven over the `WebDriver` protocol by `chromedriver`.

use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::find;
use crate::support::PATIENCE;

/// What Chromium is called by those who package it.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// No window, no sandbox (which root cannot have), and nothing that talks to the network by itself.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=1280,900",
];

/// A running `chromedriver`; all browsers are its.
pub struct Chromedriver {
    child: Child,
    url: String,
    browser: PathBuf,
}

/// The programs that are installed.
pub struct Programs {
    driver: PathBuf,
    browser: PathBuf,
}

impl Programs {
    /// Finds them, or says what is missing.
    pub fn find() -> Result<Self, String> {
        let driver = find("chromedriver").ok_or("chromedriver is not installed")?;
        let browser = BROWSERS.iter().find_map(|name| find(name));
        Ok(Self { driver, browser: browser.ok_or("chromium is not installed")? })
    }
}

impl Chromedriver {
    pub fn start(Programs { driver, browser }: Programs) -> Self {
        let mut child = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| port(&line)).expect("chromedriver says its port");
        // It must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{port}");
        Self { child, url, browser }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From "`… was started successfully on port 34567.`"
fn port(line: &str) -> Option<u16> {
    let rest = line.split("successfully on port ").nth(1)?;
    rest.trim_end_matches('.').parse().ok()
}

/// One Chromium with an empty profile and one page.
pub struct Chromium {
    session: String,
    _profile: TempDir,
}

impl Chromium {
    pub fn open(driver: &Chromedriver) -> Self {
        let profile = TempDir::new().unwrap();
        let mut flags = FLAGS.map(String::from).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": driver.browser, "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let answer = call(&format!("{}/session", driver.url), &wanted);
        let session = answer["sessionId"].as_str().expect("a session has an id");
        let session = format!("{}/session/{session}", driver.url);
        Self { session, _profile: profile }
    }

    /// Carries out what `WebDriver` has under this path.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        call(&format!("{}/{path}", self.session), body)
    }

    pub fn console(&self) -> Value {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a log is a list");
        entries.iter().map(|entry| entry["message"].clone()).collect()
    }
}

/// Also after a failed test: a browser outlives its `chromedriver` otherwise.
impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
    }
}

fn call(url: &str, body: &Value) -> Value {
    let failed = |error: &dyn Display| -> ! { panic!("{url} {body}: {error}") };
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
    let answer = agent
        .post(url)
        .send_json(body)
        .and_then(|mut answer| answer.body_mut().read_json::<Value>());
    let answer = answer.unwrap_or_else(|error| failed(&error));
    match &answer["value"] {
        value if value["error"].is_string() => failed(&value["message"]),
        value => value.clone(),
    }
}
