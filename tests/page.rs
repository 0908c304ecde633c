//! The page in a real browser against the real program.
//!
//! Without Chromium the tests are ignored, with the reason before their names; with
//! `TILEMILL_TEST_REQUIRE=all` they fail. `TILEMILL_TEST_SCREENSHOTS=folder` keeps pictures.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    reason = "modules that test programs share have no crate to be public in"
)]

mod browser;
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::{Rgb, RgbImage};
use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::line::Line;
use crate::browser::{Browser, Driver, ENTER, SPACE, TAB};
use crate::support::{Server, run_on};

type Test = fn(&Page);

const TESTS: [(&str, Test); 14] = [
    ("a_chosen_file_is_uploaded_and_its_grey_result_is_shown", chosen_file),
    ("a_dropped_file_is_processed", dropped_file),
    ("a_pasted_image_is_chosen", pasted_image),
    ("several_files_become_one_job_each", several_files),
    ("a_filter_that_does_not_exist_is_told_in_the_words_of_the_api", unknown_filter),
    ("a_file_that_is_no_image_is_told_in_words", no_image),
    ("nothing_chosen_is_told_in_words", nothing_chosen),
    ("the_builder_writes_the_chain", builder),
    ("the_whole_flow_works_by_keyboard_alone", keyboard),
    ("a_reload_shows_the_same_job_while_it_runs_and_after", reload),
    ("a_running_job_is_cancelled_tried_again_and_deleted", cancel_retry_delete),
    ("a_tiff_is_offered_for_download_and_processed_again_as_another_format", tiff_then_png),
    ("a_broken_connection_is_told_and_mended", broken_connection),
    ("the_page_fits_its_window_and_can_be_read_in_light_and_dark", widths_and_colours),
];

/// Filters slow enough to be seen at work, in tiles small enough to be stopped at once.
const SLOW: [(&str, &str); 2] = [("filters", "blur:30,blur:30"), ("tile_size", "32")];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has a browser and a server.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let tests = TESTS.map(|(name, test)| {
        let run: Box<dyn FnOnce(&Driver) + Send> = Box::new(move |driver| run(driver, test));
        (name.to_owned(), run)
    });
    run_on(&arguments, Driver::start(), tests.into())
}

/// A test gets the page, freshly opened; afterwards the console and the server's log must be clean.
fn run(driver: &Driver, test: Test) {
    let folder = TempDir::new().unwrap();
    let server = Server::start_with(&folder, &[("TILEMILL_WORKER__THREADS", "1")]);
    let page = Page { browser: Browser::open(driver), server, folder };
    page.browser.go(&page.server.url("/"));
    page.until_says("#connection", "Connected");
    test(&page);
    assert_eq!(page.console(), Vec::<String>::new(), "the console is not clean");
    let Page { browser, server, .. } = page;
    drop(browser);
    server.stop();
}

struct Page {
    browser: Browser,
    server: Server,
    folder: TempDir,
}

impl std::ops::Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

impl Page {
    /// A colourful PNG.
    fn picture(&self, name: &str, width: u32, height: u32) -> PathBuf {
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
    fn follow_slow_job(&self) -> String {
        let job = self.server.accepted(&self.picture("slow.png", 3000, 3000), &SLOW);
        self.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
        self.until_says("#job-name", "slow.png");
        job
    }

    fn until_complete(&self) {
        self.until_says("#job-status", "Complete");
        self.until("document.querySelector('#job-bar').position === 1");
        self.until_says("#job-tiles", "100 %");
    }

    /// Waits for the result and returns its width, its height, whether each of its pixels is grey,
    /// and the difference between its darkest and its brightest.
    fn shown(&self) -> (Value, Value, Value, u64) {
        self.until("document.querySelector('#result-image').checkVisibility()");
        let seen = self.run(
            "const image = document.querySelector('#result-image');
             const { naturalWidth: width, naturalHeight: height } = image;
             const canvas = Object.assign(document.createElement('canvas'), { width, height });
             const context = canvas.getContext('2d');
             context.drawImage(image, 0, 0);
             const { data } = context.getImageData(0, 0, width, height);
             let [grey, least, most] = [true, 255, 0];
             for (let at = 0; at < data.length; at += 4) {
               grey &&= data[at] === data[at + 1] && data[at] === data[at + 2];
               least = Math.min(least, data[at]);
               most = Math.max(most, data[at]);
             }
             return { width, height, grey, range: most - least };",
            &json!([]),
        );
        let [width, height, grey] = ["width", "height", "grey"].map(|key| seen[key].clone());
        (width, height, grey, seen["range"].as_u64().unwrap())
    }

    fn assert_shows_grey(&self, width: u32, height: u32) {
        let (w, h, grey, range) = self.shown();
        assert_eq!((w, h, grey), (width.into(), height.into(), true.into()));
        assert!(range > 100, "the result is nearly of one colour");
    }

    /// Takes this one message off the console, where the browser writes each refused request.
    fn expect_refusal(&self, status: u16) {
        let console = self.console();
        let expected = format!("status of {status}");
        assert!(matches!(&*console, [one] if one.contains(&expected)), "{console:#?}");
    }

    fn active(&self) -> String {
        self.value("document.activeElement.id").as_str().unwrap().to_owned()
    }

    /// Presses Tab until the focus is on this element, as those do who have no mouse.
    fn tab_to(&self, id: &str) {
        for _ in 0..40 {
            if self.active() == id {
                return;
            }
            self.press(TAB);
        }
        panic!("Tab does not lead to #{id}");
    }
}

fn chosen_file(page: &Page) {
    page.choose("#file", &[&page.picture("flower.png", 300, 200)]);
    page.until_says("#chosen", "flower.png, ");
    page.click("#process");
    page.until_complete();
    page.assert_shows_grey(300, 200);
    assert_eq!(page.text("#job-size"), "300 × 200 pixels");
    assert_eq!(page.text("#job-filters"), "grayscale");
    assert!(page.text("#result-facts").starts_with("PNG, 300 × 200 pixels, "));
    assert_eq!(page.value("document.title"), "✓ Complete · flower.png · tilemill");
    page.until_says("#worker-rows", "● live");
    page.until_says("#job-list", "flower.png");
    page.until_says("#queue", "0 tiles waiting");
}

/// Gives the page a file by an event, as the system does when one is dropped or pasted.
fn give(page: &Page, name: &str, event: &str) {
    let bytes = std::fs::read(page.picture(name, 64, 48)).unwrap();
    let script = "const [bytes, name] = arguments;
         const transfer = new DataTransfer();
         transfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
         const how = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer };";
    page.run(&format!("{script} {event}"), &json!([bytes, name]));
    page.until_says("#chosen", name);
}

fn dropped_file(page: &Page) {
    give(
        page,
        "dropped.png",
        "for (const type of ['dragenter', 'dragover', 'drop'])
           document.querySelector('#drop').dispatchEvent(new DragEvent(type, how));",
    );
    page.click("#process");
    page.until_complete();
    page.assert_shows_grey(64, 48);
}

fn pasted_image(page: &Page) {
    give(page, "pasted.png", "document.body.dispatchEvent(new ClipboardEvent('paste', how));");
    page.click("#unchoose");
    page.until("!document.querySelector('#choice').checkVisibility()");
}

fn several_files(page: &Page) {
    let names = ["first.png", "second.png", "third.png"];
    let files = names.map(|name| page.picture(name, 40, 30));
    page.choose("#file", &files.each_ref().map(PathBuf::as_path));
    page.until_says("#process", "Process 3 Images");
    page.click("#process");
    for name in names {
        page.until_says("#job-list", name);
    }
    page.until_complete();
    assert_eq!(page.text("#job-name"), "first.png");
    page.click("#job-list li:first-child a");
    page.until_says("#job-name", "third.png");
    page.until_complete();
}

fn unknown_filter(page: &Page) {
    page.choose("#file", &[&page.picture("flower.png", 30, 20)]);
    page.fill("#filters", "grayscal");
    page.click("#process");
    page.until_says("#form-error", "there is no filter \"grayscal\", did you mean grayscale?");
    page.until_says("#form-error", "flower.png: ");
    page.expect_refusal(422);
    // What was chosen is still there, to be tried with another filter.
    page.fill("#filters", "grayscale");
    page.click("#process");
    page.until_complete();
    assert_eq!(page.text("#form-error"), "");
}

fn no_image(page: &Page) {
    let letter = page.folder.path().join("letter.png");
    std::fs::write(&letter, "Dear Sir or Madam").unwrap();
    let (_, refusal) = page.server.submit(&letter, &[]);
    page.choose("#file", &[&letter, &page.picture("flower.png", 30, 20)]);
    page.click("#process");
    page.until_says("#form-error", refusal["detail"].as_str().unwrap());
    page.until_complete();
    assert_eq!(page.text("#job-name"), "flower.png");
    // Only what was not accepted is still there.
    page.until_says("#process", "Process Image");
    assert_eq!(page.text("#chosen"), "letter.png, 17 bytes");
    page.expect_refusal(415);
}

fn nothing_chosen(page: &Page) {
    page.click("#process");
    page.until_says("#form-error", "No image is chosen");
}

fn builder(page: &Page) {
    let chain = || page.value("document.querySelector('#filters').value");
    page.until("document.querySelectorAll('#filter option').length > 1");
    page.fill("#parameter-sigma", "1000");
    page.click("#add");
    page.until_says("#builder-said", "sigma must be a number from 0.1 to 100 pixels");
    page.fill("#parameter-sigma", "2.5");
    page.click("#add");
    assert_eq!(chain(), "grayscale,blur:2.5");
    page.click("#remove-last");
    assert_eq!(chain(), "grayscale");
    page.click("#clear");
    assert_eq!(chain(), "");
    page.fill("#parameter-sigma", "2");
    page.press(ENTER);
    assert_eq!(chain(), "blur");
    assert_eq!(page.text("#form-error"), "");
}

fn keyboard(page: &Page) {
    page.tab_to("file");
    page.choose("#file", &[&page.picture("keys.png", 60, 40)]);
    page.until_says("#chosen", "keys.png");
    page.tab_to("filters");
    page.press("grayscale,invert");
    page.tab_to("process");
    page.press(SPACE);
    page.until_complete();
    assert_eq!(page.text("#job-filters"), "grayscale,invert");
    page.assert_shows_grey(60, 40);
    page.tab_to("again");
    page.press(ENTER);
    assert_eq!(page.active(), "filters");
    page.press(&format!("invert{ENTER}"));
    page.until_says("#job-filters", "invert");
    page.until("document.querySelector('#job-filters').innerText === 'invert'");
    page.until_complete();
    page.tab_to("delete");
    page.press(ENTER);
    page.until("document.querySelector('#confirm').open");
    page.tab_to("confirm-delete");
    page.press(ENTER);
    page.until_says("#job-status", "No job is chosen");
    assert_eq!(page.active(), "job-heading");
}

fn reload(page: &Page) {
    let job = page.follow_slow_job();
    page.until_says("#job-status", "Processing");
    page.until("document.querySelector('#job-bar').value > 0");
    page.reload();
    page.until_says("#job-status", "Processing");
    page.until_says("#job-name", "slow.png");
    let done = page.value("document.querySelector('#job-bar').value");
    page.until(&format!("document.querySelector('#job-bar').value > {done}"));
    page.until("/^[0-9]+ % · slow.png · tilemill$/.test(document.title)");
    page.server.post(&format!("/api/jobs/{job}/cancel"));
    page.until_says("#job-status", "Cancelled");
    page.reload();
    page.until_says("#job-status", "Cancelled");
    page.until("document.querySelector('#job-list [aria-current]')");
}

fn cancel_retry_delete(page: &Page) {
    let job = page.follow_slow_job();
    page.click("#cancel");
    page.until_says("#job-status", "Cancelled");
    assert_eq!(page.server.get(&format!("/api/jobs/{job}")).1["status"], "cancelled");
    page.until_says("#result-said", "the job was cancelled");
    page.click("#retry");
    page.until(&format!("!location.hash.includes({job:?})"));
    page.until_says("#job-status", "Processing");
    page.click("#cancel");
    page.until_says("#job-status", "Cancelled");
    page.click("#delete");
    page.until_says("#confirm-text", "Delete slow.png");
    page.click("#confirm-delete");
    page.until_says("#job-status", "No job is chosen");
    page.until("document.querySelectorAll('#job-list li').length === 1");
    // Deleted by somebody else while it is shown.
    page.click("#job-list a");
    page.until_says("#job-status", "Cancelled");
    assert_eq!(page.server.delete(&format!("/api/jobs/{job}")).0, 204);
    page.until_says("#job-status", "not there any more");
    page.expect_refusal(404);
}

fn tiff_then_png(page: &Page) {
    page.choose("#file", &[&page.picture("flower.png", 50, 40)]);
    page.click("summary");
    page.run("document.querySelector('#format').value = 'tiff'", &json!([]));
    page.click("#process");
    page.until_says("#result-said", "Browsers cannot show TIFF");
    page.until_says("#result-facts", "TIFF, 50 × 40 pixels");
    let link = page.value("document.querySelector('#download').pathname");
    assert!(link.as_str().unwrap().ends_with("/result"), "{link}");
    page.click("#again");
    page.until_says("#chosen", "flower.png, the image of an earlier job");
    page.fill("#filters", "grayscale,blur:1");
    page.run("document.querySelector('#format').value = 'png'", &json!([]));
    page.click("#process");
    page.until_says("#job-filters", "grayscale,blur:1");
    page.until_complete();
    page.assert_shows_grey(50, 40);
}

fn broken_connection(page: &Page) {
    let line = Line::to(page.server.url("").trim_start_matches("http://"));
    page.go(&line.url());
    let job = page.follow_slow_job();
    page.until_says("#job-status", "Processing");
    line.cut();
    page.until_says("#connection", "Connection lost, trying again");
    page.server.post(&format!("/api/jobs/{job}/cancel"));
    line.mend();
    page.until_says("#connection", "Connected");
    page.until_says("#job-status", "Cancelled");
    // The browser reports each try; nothing else may have been written.
    let console = page.console();
    assert!(console.iter().all(|line| line.contains("net::ERR_")), "{console:#?}");
}

fn widths_and_colours(page: &Page) {
    page.choose(
        "#file",
        &[&page.picture("a photograph with a rather long name, from the summer.png", 1200, 800)],
    );
    page.click("#process");
    page.until_complete();
    page.shown();
    page.choose("#file", &[&page.picture("another.png", 30, 20)]);
    page.run("document.querySelector('#form-error').textContent = 'so and so'", &json!([]));
    page.click("summary");
    for (width, scheme) in
        [(360, "light"), (360, "dark"), (768, "light"), (1280, "light"), (1280, "dark")]
    {
        page.look_as(width, scheme);
        page.until(&format!("innerWidth === {width}"));
        let wide = page.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= width.into(), "{wide} pixels wide at {width}");
        assert_eq!(page.run(HARD_TO_READ, &json!([])), json!([]), "{width} {scheme}");
        keep_screenshot(page, &format!("{width}-{scheme}.png"));
    }
}

/// Texts whose contrast is below the 4.5 to 1 of WCAG 2.2, success criterion 1.4.3.
const HARD_TO_READ: &str = "
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(element).backgroundColor);
      return alpha === 0 ? ground(element.parentElement) : [r, g, b];
    };
    const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const contrast = (element) => {
      const both = [parts(getComputedStyle(element).color), ground(element)].map(luminance);
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll('*')]
      .filter((element) => hasText(element) && element.checkVisibility() && contrast(element) < 4.5)
      .map((element) => `${element.textContent.trim()}: ${contrast(element)}`);";

fn keep_screenshot(page: &Page, name: &str) {
    let Some(folder) = std::env::var_os("TILEMILL_TEST_SCREENSHOTS") else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    let path = Path::new(&folder).join(name);
    std::fs::write(&path, page.screenshot()).unwrap();
    eprintln!("screenshot: {}", path.display());
}
