//! A real browser without a window, as a test uses it: Chromium, or Firefox for what needs no developer tools.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Found, PATIENCE};

use self::chromium::{Chromedriver, Chromium};
use self::firefox::Firefox;

pub mod axe;
mod chromium;
mod firefox;
pub mod line;
pub mod looks;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The key under which `WebDriver` names an element (W3C `WebDriver`, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys as `WebDriver` writes them.
pub const BACKSPACE: &str = "\u{E003}";
pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";
pub const SPACE: &str = " ";
pub const HOME: &str = "\u{E011}";
pub const END: &str = "\u{E010}";
pub const RIGHT: &str = "\u{E014}";
pub const DOWN: &str = "\u{E015}";

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// What opens browsers.
pub enum Driver {
    Chromium(Chromedriver),
    /// The program: each browser is driven by itself.
    Firefox(PathBuf),
}

impl Driver {
    /// That of Chromium, or what is missing.
    pub fn chromium() -> Found<Self> {
        let programs = chromium::Programs::find()?;
        Ok(Box::new(|| Self::Chromium(Chromedriver::start(programs))))
    }

    /// That of Firefox, or what is missing.
    pub fn firefox() -> Found<Self> {
        let program = firefox::installed()?;
        Ok(Box::new(|| Self::Firefox(program)))
    }
}

/// One browser with an empty profile and one page.
pub enum Browser {
    Chromium(Chromium),
    Firefox(Firefox),
}

impl Browser {
    pub fn open(driver: &Driver) -> Self {
        match driver {
            Driver::Chromium(driver) => Self::Chromium(Chromium::open(driver)),
            Driver::Firefox(program) => Self::Firefox(Firefox::open(program)),
        }
    }

    pub fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    pub fn reload(&self) {
        self.post("refresh", &json!({}));
    }

    /// What the body of a JavaScript function returns; `arguments` are the elements of `given`.
    pub fn run(&self, body: &str, given: &Value) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": given }))
    }

    /// The value of a JavaScript expression.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), &json!([]))
    }

    /// Waits until a JavaScript expression is true.
    pub fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")) != true {
            let page = || self.value("document.body.innerText");
            assert!(Instant::now() < deadline, "never: {expression}; the page says {}", page());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the text of an element contains this.
    pub fn until_says(&self, css: &str, text: &str) {
        self.until(&format!("document.querySelector({css:?})?.innerText.includes({text:?})"));
    }

    /// The text of an element as it is seen.
    pub fn text(&self, css: &str) -> String {
        self.value(&format!("document.querySelector({css:?}).innerText")).as_str().unwrap().into()
    }

    /// Clicks an element as soon as it is seen.
    pub fn click(&self, css: &str) {
        self.until(&format!("document.querySelector({css:?})?.checkVisibility()"));
        self.post(&format!("element/{}/click", self.element(css)), &json!({}));
    }

    /// Replaces the text of a field.
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.post(&format!("element/{element}/clear"), &json!({}));
        self.post(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Chooses files, as the system's dialog would.
    pub fn choose(&self, css: &str, files: &[&Path]) {
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        let element = self.element(css);
        self.post(&format!("element/{element}/value"), &json!({ "text": files.join("\n") }));
    }

    /// Presses keys, one after another, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let stroke =
            |key: char| ["keyDown", "keyUp"].map(|what| json!({ "type": what, "value": key }));
        let strokes: Vec<_> = keys.chars().flat_map(stroke).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// A command of the developer tools, which only Chromium has.
    pub fn tools(&self, command: &str, given: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": given }))
    }

    /// Lets no request to addresses like these through; asterisks stand for anything.
    pub fn block(&self, urls: &[&str]) {
        self.tools("Network.enable", &json!({}));
        self.tools("Network.setBlockedURLs", &json!({ "urls": urls }));
    }

    /// Lets so many bytes a second be sent; as many as there are without a number.
    pub fn send_slowly(&self, bytes: Option<u32>) {
        let speed = bytes.map_or(-1.0, f64::from);
        let network = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed });
        self.tools("Network.enable", &json!({}));
        self.tools("Network.emulateNetworkConditions", &network);
    }

    /// Lays the page out for this width, in this colour scheme, with nothing that moves.
    pub fn look_as(&self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tools("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
    }

    /// Lets the page believe that its reader wants nothing to move. Firefox has it among its settings.
    pub fn calm(&self) {
        if matches!(self, Self::Firefox(_)) {
            return;
        }
        let calm = json!([{ "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.tools("Emulation.setEmulatedMedia", &json!({ "features": calm }));
    }

    /// Runs a script before those of each page that is opened from now on.
    pub fn before_each_page(&self, script: &str) {
        self.tools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// The whole page as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let image = match self {
            Self::Chromium(_) => {
                let whole = json!({ "captureBeyondViewport": true });
                self.tools("Page.captureScreenshot", &whole)["data"].take()
            }
            Self::Firefox(firefox) => firefox.post("screenshot", &json!({ "full": true })),
        };
        from_base64(image.as_str().expect("an image is text"))
    }

    /// Waits until what has changed is drawn.
    pub fn until_drawn(&self) {
        self.run(
            "return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
            &json!([]),
        );
    }

    /// What was written to the console since it was asked last: by scripts, and by Chromium of each refused request.
    pub fn console(&self) -> Vec<String> {
        let lines = match self {
            Self::Chromium(chromium) => chromium.console(),
            Self::Firefox(firefox) => firefox.console(),
        };
        serde_json::from_value(lines).expect("the console is a list of lines")
    }

    fn element(&self, css: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": css }));
        found[ELEMENT].as_str().expect("an element has an id").into()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        match self {
            Self::Chromium(chromium) => chromium.post(path, body),
            Self::Firefox(firefox) => firefox.post(path, body),
        }
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |c| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<_> = text.trim_end_matches('=').bytes().map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
