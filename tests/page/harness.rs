//! A page in a browser, and its server: what each test gets.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::{Browser, Driver, TAB};
use crate::support::Server;

/// A test, which gets the page, freshly opened.
pub type Test = fn(&Page);

/// Filters slow enough to be seen at work, in tiles small enough to be stopped at once.
pub const SLOW: [(&str, &str); 2] = [("filters", "blur:30,blur:30"), ("tile_size", "32")];

/// A test gets the page, freshly opened; afterwards the console and the server's log must be clean.
pub fn run(driver: &Driver, test: Test) {
    let folder = TempDir::new().unwrap();
    let settings = [("TILEMILL_WORKER__THREADS", "1")];
    let server = match std::env::var("TILEMILL_TEST_STATIC") {
        Ok(files) => Server::start_in(&serving(&files), &folder, &settings),
        Err(_) => Server::start_with(&folder, &settings),
    };
    let page = Page { browser: Browser::open(driver), server, folder };
    page.calm();
    page.open();
    test(&page);
    assert_eq!(page.console(), Vec::<String>::new(), "the console is not clean");
    let Page { browser, server, .. } = page;
    drop(browser);
    server.stop();
}

/// A script that starts a server with its page from a folder.
pub fn serving(files: &str) -> String {
    format!("exec \"$@\" --static-dir '{files}'")
}

pub struct Page {
    pub browser: Browser,
    pub server: Server,
    pub folder: TempDir,
}

impl std::ops::Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

impl Page {
    pub fn open(&self) {
        self.browser.go(&self.server.url("/"));
        self.run(READ, &json!([]));
        self.until_says("#connection", "Connected");
    }

    pub fn reload(&self) {
        self.browser.reload();
        self.run(READ, &json!([]));
    }

    /// A PNG of one colour.
    pub fn plain(&self, name: &str, side: u32, colour: [u8; 3]) -> PathBuf {
        let path = self.folder.path().join(name);
        RgbImage::from_pixel(side, side, Rgb(colour)).save(&path).unwrap();
        path
    }

    /// A colourful PNG.
    pub fn picture(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        let [low, high] = [0x40_u8, 0xC0];
        let pixel = |x: u32, y: u32| {
            let part = |at: u32, side: u32| u8::try_from(255 * at / side).unwrap();
            Rgb([
                part(x, width),
                part(y, height),
                if (x + y).is_multiple_of(2) { low } else { high },
            ])
        };
        RgbImage::from_fn(width, height, pixel).save(&path).unwrap();
        path
    }

    /// A job that takes longer than any test looks at it, shown on the page.
    pub fn follow_slow_job(&self) -> String {
        let job = self.server.accepted(&self.picture("slow.png", 3000, 3000), &SLOW);
        self.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
        self.until_says("#job-name", "slow.png");
        job
    }

    pub fn until_complete(&self) {
        self.until_says("#job-status", "Complete in ");
    }

    /// Opens the list of workers, which is folded while one process plays all roles.
    pub fn open_fleet(&self) {
        self.until_says("#fleet-said", "One process plays all roles");
        self.click("#fleet-said");
    }

    /// Opens the options of the output, which may be below what is always in sight.
    pub fn open_output(&self) {
        self.run(
            "document.querySelector('#output').scrollIntoView({ block: 'center' })",
            &json!([]),
        );
        self.click("#output summary");
    }

    /// Shows the tiles of a complete job instead of its result.
    pub fn show_tiles(&self) {
        self.click("#show-tiles");
        self.until("document.querySelector('#mosaic').checkVisibility()");
    }

    /// Takes the line between before and after to this part of the width, in percent.
    pub fn divide_at(&self, percent: u32) {
        self.until(
            "document.querySelector('#viewer').checkVisibility({ visibilityProperty: true })",
        );
        self.until("document.querySelector('#viewer-making').hidden");
        self.until(
            "document.querySelector('#divider').checkVisibility({ visibilityProperty: true })",
        );
        self.run(
            "const divider = document.querySelector('#divider');
             divider.value = arguments[0];
             divider.dispatchEvent(new Event('input'));",
            &json!([percent]),
        );
    }

    /// What is seen of the images: how many pixels, whether each of them is grey, and the difference
    /// between the darkest and the brightest.
    pub fn viewed(&self) -> Value {
        self.value(
            "(() => {
               const { canvas } = read('#viewer');
               const { data } = read('#viewer').getImageData(0, 0, canvas.width, canvas.height);
               let [seen, grey, least, most] = [0, true, 255, 0];
               for (let at = 0; at < data.length; at += 4) {
                 if (data[at + 3] < 255) continue;
                 seen += 1;
                 grey &&= data[at] === data[at + 1] && data[at] === data[at + 2];
                 least = Math.min(least, data[at]);
                 most = Math.max(most, data[at]);
               }
               return { seen, grey, range: most - least };
             })()",
        )
    }

    /// Waits for the result, as large as it is, and looks at nothing else.
    pub fn assert_shows_grey(&self, width: u32, height: u32) {
        self.divide_at(0);
        let whole = width * height;
        self.until(&format!(
            "(() => {{
               const {{ canvas }} = read('#viewer');
               const {{ data }} = read('#viewer').getImageData(0, 0, canvas.width, canvas.height);
               let [seen, grey] = [0, true];
               const {{ width, height }} = canvas;
               const line = 16 * devicePixelRatio;
               for (let y = 0; y < height; y += 1) for (let x = line; x < width; x += 1) {{
                 const at = 4 * (y * width + x);
                 if (data[at + 3] < 255) continue;
                 seen += 1;
                 grey &&= data[at] === data[at + 1] && data[at] === data[at + 2];
               }}
               return grey && seen >= {whole} * 0.9;
             }})()"
        ));
        assert!(self.viewed()["range"].as_u64().unwrap() > 100, "it is nearly of one colour");
        let size = format!("{width} × {height} pixels");
        self.until_says("#result-facts", &size);
    }

    /// The colour in the middle of a tile of the mosaic.
    pub fn tile_colour(&self, tile: u32, columns: u32, rows: u32) -> [i64; 4] {
        let place = [tile % columns, tile / columns, columns, rows];
        let colour = self.run(
            "const [column, row, columns, rows] = arguments;
             const { canvas } = read('#mosaic');
             const x = Math.floor(((column + 0.5) * canvas.width) / columns);
             const y = Math.floor(((row + 0.5) * canvas.height) / rows);
             return [...read('#mosaic').getImageData(x, y, 1, 1).data];",
            &json!(place),
        );
        std::array::from_fn(|part| colour[part].as_i64().unwrap())
    }

    /// Takes this one message off the console, where Chromium writes each refused request.
    pub fn expect_refusal(&self, status: u16) {
        if matches!(self.browser, Browser::Firefox(_)) {
            return;
        }
        let console = self.console();
        let expected = format!("status of {status}");
        assert!(matches!(&*console, [one] if one.contains(&expected)), "{console:#?}");
    }

    /// Leaves the page, which may have asked for a job that was just deleted.
    pub fn leave_what_is_gone(&self) {
        self.go("about:blank");
        let console = self.console();
        let expected = |line: &String| line.contains("status of 404");
        assert!(console.iter().all(expected), "{console:#?}");
    }

    pub fn active(&self) -> String {
        self.value("document.activeElement.id").as_str().unwrap().to_owned()
    }

    /// Presses Tab until the focus is on this element, as those do who have no mouse.
    pub fn tab_to(&self, id: &str) {
        for _ in 0..40 {
            if self.active() == id {
                return;
            }
            self.press(TAB);
            // Past the last element, Firefox leaves the page for its own controls, and a test cannot press keys there.
            self.run(
                "if (document.hasFocus()) return;
                 window.focus();
                 getSelection().collapse(document.body, 0);",
                &json!([]),
            );
        }
        panic!("Tab does not lead to #{id}");
    }
}

/// A job that is complete, shown on the page.
pub fn show_complete(page: &Page, image: &Path, fields: &[(&str, &str)]) -> String {
    let job = page.server.accepted(image, fields);
    page.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
    page.until_complete();
    job
}

/// A copy of a canvas to read from: reading from the canvas itself would change how it is drawn.
const READ: &str = include_str!("probes/read.js");
