//! axe-core, by Deque: finds what keeps people from using a page.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::browser::Browser;

/// What is bad enough to fail for.
const SERIOUS: [&str; 2] = ["serious", "critical"];

/// The script, where `fetch.sh` puts it.
pub fn find() -> Result<PathBuf, String> {
    let version = include_str!("axe-version.txt").trim();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target/");
    let script = target.join("axe").join(format!("axe-{version}.js"));
    if script.is_file() {
        return Ok(script);
    }
    Err(format!("no axe-core {version}: bash tests/browser/fetch.sh fetches it"))
}

/// What is seriously wrong with the page as it is now, in words.
pub fn violations(browser: &Browser, script: &Path) -> Vec<String> {
    if browser.value("typeof axe") == "undefined" {
        let script = std::fs::read_to_string(script).unwrap();
        // Given as text, so that the page's own policy for scripts stays as it is.
        browser.tools("Runtime.evaluate", &json!({ "expression": script }));
    }
    browser.run("window.violations = null; axe.run().then((found) => (window.violations = found.violations))", &json!([]));
    browser.until("window.violations");
    let found = browser.value("window.violations");
    let serious =
        |violation: &&Value| SERIOUS.iter().any(|serious| violation["impact"] == *serious);
    let words =
        |violation: &Value| format!("{}: {}", violation["help"], violation["nodes"][0]["html"]);
    found.as_array().unwrap().iter().filter(serious).map(words).collect()
}
