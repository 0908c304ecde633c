//! The page in a real browser against the real program.
//!
//! Without Chromium, or Firefox, its tests are ignored, with the reason before their names; with
//! `TILEMILL_TEST_REQUIRE=all` they fail. `TILEMILL_TEST_SCREENSHOTS=folder` keeps pictures.
//! `TILEMILL_TEST_STATIC=folder` tests the files there instead of those in the program, which need a build.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    reason = "modules that test programs share have no crate to be public in"
)]

mod browser;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use image::{Rgb, RgbImage, Rgba, RgbaImage};
use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::line::Line;
use crate::browser::looks::{assert_usable, keep_screenshots};
use crate::browser::{BACKSPACE, Browser, DOWN, Driver, END, ENTER, HOME, RIGHT, SPACE, TAB};
use crate::support::{Server, raw, trials_on};

type Test = fn(&Page);

const TESTS: [(&str, Test); 50] = [
    ("a_chosen_file_is_uploaded_and_its_grey_result_is_shown", chosen_file),
    ("a_dropped_file_is_processed", dropped_file),
    ("a_pasted_image_is_chosen", pasted_image),
    ("the_sample_picture_is_processed", sample),
    ("several_files_are_one_batch", several_files),
    ("limits_are_told_and_what_is_beyond_them_is_not_sent", limits),
    ("the_size_of_an_image_is_read_from_its_header", header_sizes),
    ("a_part_is_seen_through_the_chain_before_it_is_sent", preview),
    ("the_result_and_what_starts_the_next_are_above_the_fold", above_the_fold),
    ("a_map_shows_where_a_part_is_and_leads_to_others", overview),
    ("a_filter_that_does_not_exist_is_told_in_the_words_of_the_api", unknown_filter),
    ("a_file_that_is_no_image_is_told_in_words", no_image),
    ("nothing_chosen_is_told_in_words", nothing_chosen),
    ("an_upload_tells_how_far_it_is_and_is_stopped", stopped_upload),
    ("what_is_chosen_during_an_upload_stays_chosen", chosen_meanwhile),
    ("an_image_that_a_full_mill_refuses_is_sent_again", full_mill),
    ("filters_that_do_not_come_are_asked_for_again", missing_filters),
    ("the_builder_and_the_text_write_the_same_chain", builder),
    ("every_filter_of_the_server_can_be_added_and_is_accepted", all_filters),
    ("the_whole_flow_works_by_keyboard_alone", keyboard),
    ("tiles_appear_in_their_finished_pixels_and_tell_who_made_them", mosaic),
    ("the_tiles_of_a_job_that_ends_at_once_are_all_there", quick_mosaic),
    ("a_tile_that_changes_hands_shows_both", other_hands),
    ("tiles_that_changed_hands_are_marked_for_those_who_come_later", marked_hands),
    ("a_legend_shows_the_tiles_of_one_worker", legend),
    ("a_legend_leaves_the_picture_of_small_tiles_to_be_seen", small_legend),
    ("a_reload_shows_the_same_job_while_it_runs_and_after", reload),
    ("phases_are_told_with_their_times", phases),
    ("phases_are_told_where_a_site_may_store_nothing", phases_unstored),
    ("before_and_after_are_parted_by_keyboard_and_zoomed_together", before_and_after),
    ("an_image_with_alpha_is_shown_as_clear_as_it_is", clear_image),
    ("a_view_that_does_not_come_is_asked_for_again", missing_view),
    ("a_part_of_a_large_image_is_seen_in_all_its_pixels", deep_zoom),
    ("copies_for_viewing_go_with_their_job", copies_go),
    ("a_running_job_is_cancelled_tried_again_and_deleted", cancel_retry_delete),
    ("jobs_are_stopped_and_deleted_in_the_list", job_list),
    ("the_focus_stays_in_the_list_of_jobs_when_one_goes", focus_in_list),
    ("older_jobs_are_shown_to_who_asks_and_stay", older_jobs),
    ("a_job_that_fails_tells_its_cause_and_what_to_do", failure),
    ("a_job_that_fails_at_a_tile_tells_where_and_whom_to_ask", tile_failure),
    ("a_tiff_is_shown_and_processed_again_as_another_format", tiff_then_png),
    ("workers_are_sorted_and_stay_where_they_are", workers),
    ("workers_are_filtered_as_long_as_somebody_types", filtered_workers),
    ("a_broken_connection_is_told_and_mended", broken_connection),
    ("a_stream_that_falls_silent_is_told_and_mended", silent_stream),
    ("a_mill_that_cannot_be_looked_at_is_told", trouble),
    ("questions_that_nobody_answers_are_told", questions),
    ("a_page_asks_where_no_stream_comes_through_and_is_silent_while_hidden", streams),
    ("the_page_fits_its_window_and_can_be_used_in_light_and_dark", widths_and_colours),
    ("the_files_of_a_folder_are_served_as_they_are_and_no_others", static_dir),
];

/// What is done once more in Firefox: all that a page does otherwise there, such as drawing, files, keys and events, and
/// that needs no developer tools.
const IN_FIREFOX: [&str; 14] = [
    "a_chosen_file_is_uploaded_and_its_grey_result_is_shown",
    "a_dropped_file_is_processed",
    "several_files_are_one_batch",
    "limits_are_told_and_what_is_beyond_them_is_not_sent",
    "the_size_of_an_image_is_read_from_its_header",
    "a_part_is_seen_through_the_chain_before_it_is_sent",
    "a_map_shows_where_a_part_is_and_leads_to_others",
    "the_whole_flow_works_by_keyboard_alone",
    "tiles_appear_in_their_finished_pixels_and_tell_who_made_them",
    "a_reload_shows_the_same_job_while_it_runs_and_after",
    "before_and_after_are_parted_by_keyboard_and_zoomed_together",
    "a_part_of_a_large_image_is_seen_in_all_its_pixels",
    "a_job_that_fails_tells_its_cause_and_what_to_do",
    "a_broken_connection_is_told_and_mended",
];

/// Filters slow enough to be seen at work, in tiles small enough to be stopped at once.
const SLOW: [(&str, &str); 2] = [("filters", "blur:30,blur:30"), ("tile_size", "32")];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has a browser and a server.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let runs = |test: Test| -> Box<dyn FnOnce(&Driver) + Send> {
        Box::new(move |driver| run(driver, test))
    };
    let in_chromium = TESTS.iter().map(|&(name, test)| (name.to_owned(), runs(test)));
    let in_firefox = TESTS
        .iter()
        .filter(|(name, _)| IN_FIREFOX.contains(name))
        .map(|&(name, test)| (format!("{name}_in_firefox"), runs(test)));
    let mut trials = trials_on(Driver::start(), in_chromium.collect());
    trials.extend(trials_on(Driver::firefox(), in_firefox.collect()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test gets the page, freshly opened; afterwards the console and the server's log must be clean.
fn run(driver: &Driver, test: Test) {
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
fn serving(files: &str) -> String {
    format!("exec \"$@\" --static-dir '{files}'")
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
    fn open(&self) {
        self.browser.go(&self.server.url("/"));
        self.run(READ, &json!([]));
        self.until_says("#connection", "Connected");
    }

    fn reload(&self) {
        self.browser.reload();
        self.run(READ, &json!([]));
    }

    /// A PNG of one colour.
    fn plain(&self, name: &str, side: u32, colour: [u8; 3]) -> PathBuf {
        let path = self.folder.path().join(name);
        RgbImage::from_pixel(side, side, Rgb(colour)).save(&path).unwrap();
        path
    }

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
        self.until_says("#job-status", "Complete in ");
    }

    /// Opens the list of workers, which is folded while one process plays all roles.
    fn open_fleet(&self) {
        self.until_says("#fleet-said", "One process plays all roles");
        self.click("#fleet-said");
    }

    /// Opens the options of the output, which may be below what is always in sight.
    fn open_output(&self) {
        self.run(
            "document.querySelector('#output').scrollIntoView({ block: 'center' })",
            &json!([]),
        );
        self.click("#output summary");
    }

    /// Shows the tiles of a complete job instead of its result.
    fn show_tiles(&self) {
        self.click("#show-tiles");
        self.until("document.querySelector('#mosaic').checkVisibility()");
    }

    /// Takes the line between before and after to this part of the width, in percent.
    fn divide_at(&self, percent: u32) {
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
    fn viewed(&self) -> Value {
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
    fn assert_shows_grey(&self, width: u32, height: u32) {
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
    fn tile_colour(&self, tile: u32, columns: u32, rows: u32) -> [i64; 4] {
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
    fn expect_refusal(&self, status: u16) {
        if matches!(self.browser, Browser::Firefox(_)) {
            return;
        }
        let console = self.console();
        let expected = format!("status of {status}");
        assert!(matches!(&*console, [one] if one.contains(&expected)), "{console:#?}");
    }

    /// Leaves the page, which may have asked for a job that was just deleted.
    fn leave_what_is_gone(&self) {
        self.go("about:blank");
        let console = self.console();
        let expected = |line: &String| line.contains("status of 404");
        assert!(console.iter().all(expected), "{console:#?}");
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

/// A copy of a canvas to read from: reading from the canvas itself would change how it is drawn.
const READ: &str = "
    window.read ??= (css) => {
      const { width, height } = document.querySelector(css);
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      if (width && height) context.drawImage(document.querySelector(css), 0, 0);
      return context;
    };";

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
    assert!(page.text("#phases").contains("Upload"));
    page.until("/Upload\\s+[0-9.]+ s/.test(document.querySelector('#phases').innerText)");
    page.open_fleet();
    page.until_says("#worker-rows", "● live");
    page.until_says("#job-list", "flower.png");
    page.until("document.querySelector('#waiting-count').innerText === '0'");
    for role in ["serve", "collect", "monitor"] {
        page.until_says("#processes", role);
    }
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
    page.click("#chosen button");
    page.until("!document.querySelector('#chosen').checkVisibility()");
    give(page, "again.png", "document.body.dispatchEvent(new ClipboardEvent('paste', how));");
    page.click("#process");
    page.until_says("#job-name", "again.png");
    page.until_complete();
    page.assert_shows_grey(64, 48);
}

fn sample(page: &Page) {
    page.click("#sample");
    page.until_says("#chosen", "sample.jpg, ");
    page.until("document.activeElement.id === 'process'");
    page.press(ENTER);
    page.until_complete();
    assert_eq!(page.text("#job-size"), "3,600 × 2,400 pixels");
    page.divide_at(0);
    page.until("document.querySelector('#zoom').innerText !== ''");
}

fn several_files(page: &Page) {
    let names = ["first.png", "second.png", "third.png"];
    let files = names.map(|name| page.picture(name, 40, 30));
    page.choose("#file", &files.each_ref().map(PathBuf::as_path));
    page.until_says("#process", "Process 3 Images");
    page.until_says("#chosen-said", "3 images, ");
    page.click("#process");
    page.until_says("#batch-status", "✓ Complete: 3 of 3 images done");
    page.until_says("#batch-heading", "3 images");
    for name in names {
        page.until_says("#sheet", name);
    }
    page.until("document.querySelectorAll('#sheet img').length === 3");
    page.until("[...document.querySelectorAll('#sheet img')].every(({ naturalWidth }) => naturalWidth > 0)");
    // One line in the list, and one archive.
    page.until("document.querySelectorAll('#job-list > li').length === 1");
    page.until_says("#job-list", "3 images: first.png …");
    page.until_says("#job-list", "3 of 3 images done");
    let path = page.value("new URL(document.querySelector('#batch-download').href).pathname");
    let zip = page.server.bytes(path.as_str().unwrap());
    assert!(zip.starts_with(b"PK"), "it is no archive");
    keep_screenshots(page, "batch");
    page.click("#sheet li:last-child a");
    page.until_says("#job-name", "third.png");
    page.until_complete();
    page.run("document.querySelector('#job-batch').focus()", &json!([]));
    page.press(ENTER);
    page.until_says("#batch-heading", "3 images");
    assert_eq!(page.active(), "batch-heading");
    page.click("#batch-delete");
    page.until_says("#confirm-text", "Delete 3 images, their originals and their results?");
    page.click("#confirm-delete");
    page.until_says("#job-status", "These images no longer exist");
    page.until_says("#jobs-said", "There are no jobs yet");
    assert_eq!(page.server.get("/api/jobs").1["total"], 0);
    page.leave_what_is_gone();
}

/// The first bytes of a PNG (ISO/IEC 15948, 11.2.2).
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend([width, height].iter().flat_map(|side| side.to_be_bytes()));
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn limits(page: &Page) {
    page.until_says("#takes", "up to 4 GiB, 1,100 megapixels, 65,535 pixels a side");
    let wide = page.folder.path().join("wide.png");
    std::fs::write(&wide, png_header(70_000, 10)).unwrap();
    page.choose("#file", &[&wide]);
    let refused = "wide.png: 70,000 × 10 pixels; a side of at most 65,535 (limits.max_side)";
    page.until_says("#chosen-wrong", refused);
    page.click("#process");
    page.until_says("#form-error", "The server would refuse what is chosen.");
    page.click("#chosen button");
    // The others are sent all the same, and this one stays to be looked at.
    let large = page.folder.path().join("large.png");
    std::fs::write(&large, png_header(60_000, 50_000)).unwrap();
    page.choose("#file", &[&large, &page.picture("flower.png", 30, 20)]);
    page.until_says("#chosen-wrong", "large.png: 3,000 megapixels; at most 1,100 megapixels");
    assert_eq!(page.text("#process"), "Process Image");
    page.click("#process");
    page.until_says("#job-name", "flower.png");
    page.until_says("#chosen", "large.png, 60,000 × 50,000 pixels");
    assert_eq!(page.server.get("/api/jobs").1["total"], 1);
}

/// One file of each kind of header, in both orders of bytes where there are two.
fn header_sizes(page: &Page) {
    let names = [
        "rgb-16.png",
        "baseline-420.jpg",
        "progressive.jpg",
        "still.gif",
        "rgb.bmp",
        "rgb-lzw.tif",
        "written-big.tif",
        "tiled-16.tif",
        "grey-16.tif",
        "lossy.webp",
        "lossless.webp",
    ];
    let files = names.map(support::data);
    page.choose("#file", &files.each_ref().map(PathBuf::as_path));
    page.until_says("#chosen-said", "11 images, ");
    for (file, name) in files.iter().zip(names) {
        let job = page.server.accepted(file, &[]);
        let (_, job) = page.server.get(&format!("/api/jobs/{job}"));
        let told = format!("{name}, {} × {} pixels, ", job["width"], job["height"]);
        page.until(&format!(
            "[...document.querySelectorAll('#chosen-list span')].some(({{ textContent }}) => textContent.startsWith({told:?}))"
        ));
    }
}

/// The colour in the middle of a canvas.
fn middle_of(css: &str) -> String {
    format!(
        "(() => {{
           const {{ canvas }} = read({css:?});
           const [x, y] = [canvas.width, canvas.height].map((side) => Math.floor(side / 2));
           return [...read({css:?}).getImageData(x, y, 1, 1).data].join();
         }})()"
    )
}

fn preview(page: &Page) {
    let shows = |colour: &str| {
        page.until(&format!("{} === {colour:?}", middle_of("#preview-picture")));
    };
    page.choose("#file", &[&page.plain("red.png", 900, [255, 0, 0])]);
    page.fill("#filters", "invert");
    page.click("#preview summary");
    shows("0,255,255,255");
    page.fill("#filters", "invert,grayscale");
    shows("179,179,179,255");
    page.click("#preview-before");
    shows("255,0,0,255");
    page.click("#preview-before");
    page.fill("#filters", "nothing");
    page.until_says("#preview-said", "there is no filter \"nothing\"");
    page.expect_refusal(422);
    page.fill("#filters", "invert");
    shows("0,255,255,255");
    // Another part of it, by keys.
    let told = page.text("#preview-said");
    assert!(told.starts_with("1:1 at x "), "{told}");
    page.run("document.querySelector('#preview-picture').focus()", &json!([]));
    page.press(RIGHT);
    page.until(&format!(
        "(({{ innerText }}) => innerText.startsWith('1:1 at x ') && innerText !== {told:?})(document.querySelector('#preview-said'))"
    ));
    // It is the image that is sent, and nothing was lost by looking at it.
    page.click("#process");
    page.until_complete();
    // The image of a job that the server has, too.
    page.click("#again");
    page.until("document.querySelector('#preview').open");
    shows("0,255,255,255");
    keep_screenshots(page, "preview");
}

fn above_the_fold(page: &Page) {
    show_complete(page, &page.picture("flower.png", 1200, 800), &[("filters", "blur:2")]);
    page.divide_at(50);
    for width in [1280, 390] {
        page.look_as(width, "light");
        page.until(&format!("innerWidth === {width}"));
        page.until_drawn();
        let seen = page.value(
            "['job-status', 'download', 'frame', 'process'].filter((id) => {
               const { top, bottom, height } = document.getElementById(id).getBoundingClientRect();
               return !(height > 0 && top >= 0 && bottom <= innerHeight);
             })",
        );
        assert_eq!(seen, json!([]), "out of sight at {width} × 800");
    }
}

fn overview(page: &Page) {
    show_complete(page, &page.picture("wide.png", 3000, 2000), &[("filters", "invert")]);
    page.divide_at(0);
    page.until("document.querySelector('#overview').hidden");
    page.click("#zoom-full");
    page.until("document.querySelector('#overview').checkVisibility()");
    page.until_says("#coordinates", "x 1,500, y 1,000");
    page.run("document.querySelector('#viewer').focus()", &json!([]));
    page.press(&RIGHT.repeat(4));
    page.until_says("#coordinates", "x 1,740, y 1,000");
    // A click on the middle of the map leads back to the middle of the image.
    page.click("#overview");
    page.until("/^x 1,[45][0-9]{2}, y (9|1,0)[0-9]{2}$/.test(document.querySelector('#coordinates').innerText)");
    // The pixel under the pointer, whatever is seen.
    page.click("#zoom-fit");
    page.run(
        "const viewer = document.querySelector('#viewer');
         const { left, top, width, height } = viewer.getBoundingClientRect();
         viewer.dispatchEvent(new PointerEvent('pointermove',
           { clientX: left + width / 2, clientY: top + height / 2 }));",
        &json!([]),
    );
    page.until_says("#coordinates", "x 1,500, y 1,000");
    page.until("document.querySelector('#overview').hidden");
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
    page.until_says("#batch-status", "✓ Complete: 1 of 1 image done");
    page.until_says("#sheet", "flower.png");
    // Only what was not accepted is still there.
    page.until_says("#process", "Process Image");
    assert_eq!(page.text("#chosen span"), "letter.png, 17 bytes");
    page.expect_refusal(415);
}

fn nothing_chosen(page: &Page) {
    page.click("#process");
    page.until_says("#form-error", "No image is chosen");
    assert_eq!(page.active(), "file");
}

/// Something to send that takes most of a minute at the speed that `upload` gives it.
fn upload_slowly(page: &Page) {
    page.choose("#file", &[&page.plain("large.bmp", 1800, [9, 99, 200])]);
    page.send_slowly(Some(200_000));
    page.click("#process");
    page.until("/^Uploading large.bmp: [1-9][0-9]? %/.test(document.querySelector('#upload-said').innerText)");
}

fn stopped_upload(page: &Page) {
    upload_slowly(page);
    page.until("document.querySelector('#upload-bar').position > 0.02");
    page.until("/^↑ [0-9]+ % · large.bmp · tilemill$/.test(document.title)");
    page.until("/iB\\/s, about .* left/.test(document.querySelector('#upload-said').innerText)");
    page.run("document.querySelector('#stop').focus()", &json!([]));
    page.press(ENTER);
    page.until_says("#form-error", "large.bmp: The upload was stopped.");
    page.until("!document.querySelector('#upload').checkVisibility()");
    assert_eq!(page.active(), "process");
    assert_eq!(page.value("document.title"), "tilemill");
    // It is still chosen.
    page.send_slowly(None);
    page.press(ENTER);
    page.until_says("#job-name", "large.bmp");
    page.until_complete();
}

fn chosen_meanwhile(page: &Page) {
    upload_slowly(page);
    give(page, "next.png", "document.body.dispatchEvent(new ClipboardEvent('paste', how));");
    page.send_slowly(None);
    page.until_says("#job-name", "large.bmp");
    page.until("!document.querySelector('#upload').checkVisibility()");
    page.until_says("#chosen", "next.png");
    page.click("#process");
    page.until_says("#job-name", "next.png");
    page.until("!document.querySelector('#chosen').checkVisibility()");
}

fn full_mill(page: &Page) {
    page.run(
        "let refusals = 1;
         window.XMLHttpRequest = class extends XMLHttpRequest {
           send(form) {
             this.refused = refusals-- > 0;
             if (this.refused) setTimeout(() => this.onload());
             else super.send(form);
           }
           get status() { return this.refused ? 429 : super.status; }
           get responseText() {
             return this.refused ? '{\"detail\": \"1000 jobs wait already\"}' : super.responseText;
           }
           getResponseHeader(name) {
             const told = { 'retry-after': '2', 'content-type': 'application/problem+json' };
             return this.refused ? told[name] ?? null : super.getResponseHeader(name);
           }
         };",
        &json!([]),
    );
    page.choose("#file", &[&page.picture("flower.png", 30, 20)]);
    page.click("#process");
    let said = "flower.png: 1000 jobs wait already. Trying again in 2 s.";
    page.until_says("#upload-said", said);
    page.until_complete();
    assert_eq!(page.text("#form-error"), "");
    assert_eq!(page.server.get("/api/jobs").1["total"], 1);
}

fn missing_filters(page: &Page) {
    page.block(&["*/api/filters"]);
    page.reload();
    page.until_says("#chain-said", "The list of filters is missing, trying again.");
    page.fill("#filters", "invert");
    page.block(&[]);
    page.until_says("#steps", "invert");
    page.until("document.querySelector('#add').disabled === false");
    assert_eq!(page.text("#chain-said"), "");
    let console = page.console();
    assert!(console.iter().all(|line| line.contains("net::ERR_")), "{console:#?}");
}

fn builder(page: &Page) {
    let chain = || page.value("document.querySelector('#filters').value");
    let type_chain = |text: &str| page.fill("#filters", text);
    page.until("document.querySelectorAll('#filter option').length > 1");
    page.until_says("#steps", "grayscale");
    page.run("document.querySelector('#filter').value = 'blur'", &json!([]));
    page.click("#add");
    assert_eq!(chain(), "grayscale,blur");
    page.fill("#steps li:nth-child(2) [type=number]", "2.5");
    assert_eq!(chain(), "grayscale,blur:2.5");
    page.fill("#steps li:nth-child(2) [type=number]", "1000");
    page.until("document.querySelector('#steps [aria-invalid=true]')");
    // The last that was allowed on the way to it.
    assert_eq!(chain(), "grayscale,blur:100");
    page.click("#process");
    page.until_says("#form-error", "sigma must be a number from 0.1 to 100.");
    // By the slider, whose ends are those of the range.
    page.run("document.querySelector('#steps [type=range]').focus()", &json!([]));
    page.press(END);
    assert_eq!(chain(), "grayscale,blur:100");
    page.press(HOME);
    assert_eq!(chain(), "grayscale,blur:0.1");
    page.until("!document.querySelector('#steps [aria-invalid=true]')");
    assert_eq!(page.text("#form-error"), "");
    page.click("[aria-label='Move blur up']");
    assert_eq!(chain(), "blur:0.1,grayscale");
    page.click("[aria-label='Remove grayscale']");
    assert_eq!(chain(), "blur:0.1");
    // What has to know the whole image stands first.
    page.run("document.querySelector('#filter').value = 'equalize'", &json!([]));
    page.click("#add");
    assert_eq!(chain(), "equalize,blur:0.1");
    page.click("[aria-label='Move equalize down']");
    page.until_says("#chain-said", "equalize looks at the whole image, so it must be the first");
    page.click("[aria-label='Move equalize up']");
    assert_eq!(page.text("#chain-said"), "");
    // What is typed is read.
    type_chain("invert,blur:sigma=7");
    page.until("document.querySelectorAll('#steps > li').length === 2");
    assert_eq!(page.value("document.querySelector('#steps [type=number]').value"), "7");
    type_chain("invert,blurr");
    page.until_says("#chain-said", "There is no filter “blurr”");
    type_chain("blur:1000");
    page.until_says("#chain-said", "sigma must be a number from 0.1 to 100 pixels");
    type_chain("blur");
    assert_eq!(page.text("#chain-said"), "");
    page.click("[aria-label='Remove blur']");
    assert_eq!(chain(), "");
    assert_eq!(page.text("#form-error"), "");
}

fn all_filters(page: &Page) {
    page.until("document.querySelectorAll('#filter option').length > 1");
    let image = page.picture("flower.png", 30, 20);
    let names =
        page.value("[...document.querySelectorAll('#filter option')].map(({ value }) => value)");
    for name in names.as_array().unwrap() {
        page.fill("#filters", "x");
        page.run(
            "const text = document.querySelector('#filters');
             text.value = 'grayscale';
             text.dispatchEvent(new Event('input'));
             document.querySelector('#filter').value = arguments[0];",
            &json!([name]),
        );
        page.click("#add");
        let chain = page.value("document.querySelector('#filters').value");
        let (status, answer) = page.server.submit(&image, &[("filters", chain.as_str().unwrap())]);
        assert_eq!(status, 201, "{name}: {answer}");
    }
}

fn keyboard(page: &Page) {
    page.tab_to("file");
    page.choose("#file", &[&page.picture("keys.png", 60, 40)]);
    page.until_says("#chosen", "keys.png");
    page.tab_to("filters");
    page.run("document.activeElement.select()", &json!([]));
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

/// A red picture, inverted: red becomes cyan, whatever else is done to it.
fn follow_red_job(page: &Page) -> u32 {
    let fields = [("filters", "blur:30,blur:30,invert"), ("tile_size", "32")];
    let job = page.server.accepted(&page.plain("red.png", 1600, [255, 0, 0]), &fields);
    page.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
    page.until_says("#job-name", "red.png");
    1600 / 32
}

fn mosaic(page: &Page) {
    page.open_fleet();
    let side = follow_red_job(page);
    let colour = || {
        page.until_drawn();
        page.tile_colour(0, side, side)
    };
    page.until("document.querySelector('#job-bar').value > 2");
    page.until_says("#legend", ": ");
    page.click("#coloured");
    let worker = page.text("#worker-rows td");
    page.run("document.querySelector('#mosaic').focus()", &json!([]));
    page.until_says("#tile-said", &format!("Tile 0 (row 1, column 1): {worker}, attempt 1, "));
    assert_eq!(colour(), [0, 255, 255, 255]);
    assert_eq!(page.tile_colour(side * side - 1, side, side)[3], 0, "the last tile is not back");
    page.press(&format!("{RIGHT}{DOWN}"));
    page.until_says("#tile-said", &format!("Tile {} (row 2, column 2)", side + 1));
    page.press(END);
    page.until_says("#tile-said", &format!("(row 2, column {side})"));
    // In the colour of its worker it is another.
    page.click("#coloured");
    page.until("document.querySelector('#coloured').checked");
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while colour() == [0, 255, 255, 255] {
        assert!(std::time::Instant::now() < deadline, "tiles are not told apart by worker");
    }
    page.click("#cancel");
    page.until_says("#job-status", "Cancelled");
    // What was seen stays to be looked at.
    assert_eq!(colour()[3], 255);
}

fn quick_mosaic(page: &Page) {
    page.fill("#filters", "invert");
    page.choose("#file", &[&page.plain("quick.png", 96, [255, 0, 0])]);
    page.open_output();
    page.fill("#tile-size", "32");
    page.click("#process");
    page.until_complete();
    // The job may have ended before the page followed it: then there is its result, and no mosaic.
    page.until("document.querySelector('#viewer').checkVisibility({ visibilityProperty: true })");
    if page.value("document.querySelector('#show-tiles').checkVisibility()") == false {
        return;
    }
    page.show_tiles();
    page.until_says("#legend", ": 9 tiles");
    page.click("#coloured");
    let cyan = "(() => {
        const context = read('#mosaic');
        const { width, height } = context.canvas;
        return [1, 3, 5].every((x) => [1, 3, 5].every((y) => {
          const at = [x, y].map((part, index) => Math.floor((part * [width, height][index]) / 6));
          return context.getImageData(...at, 1, 1).data.join() === '0,255,255,255';
        }));
      })()";
    page.until(cyan);
}

/// Tells the page of a job of so many rows and columns, as its stream would: of the tiles that failed, and
/// of those that are back in white, each with its worker and attempt. Below 14 pixels of the screen a tile is
/// small.
const TELL_TILES: &str = "
    const [columns, failed, back] = arguments;
    const { showMosaic, paintTiles } = await import('/mosaic/live.js');
    for (const id of ['job-body', 'stage', 'mosaic-frame', 'tiles-caption']) {
      document.getElementById(id).hidden = false;
    }
    document.querySelector('#frame').style.setProperty('--ratio', 1);
    const [job, side] = [`x${columns}`, 64 * columns];
    showMosaic({ id: job, width: side, height: side, tile_size: 64, status: 'processing', links: {} });
    const slot = Math.min(128, Math.floor(512 / columns));
    const length = 12 + 4 * slot * slot;
    const bytes = new Uint8Array(back.length * length).fill(255);
    const workers = back.map(({ worker }) => worker);
    back.forEach(({ tile, attempt }, index) => {
      const view = new DataView(bytes.buffer, index * length);
      view.setUint32(0, tile, true);
      view.setUint16(4, index + 1, true);
      view.setUint16(6, attempt, true);
      view.setUint32(8, 70, true);
    });
    const packed = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    paintTiles({ job, columns, rows: columns, slot, workers, failed, packed });";

fn tell_tiles(page: &Page, columns: u32, failed: &Value, back: &Value) {
    let script = format!("return (async (...arguments) => {{ {TELL_TILES} }})(...arguments);");
    page.run(&script, &json!([columns, failed, back]));
    page.until_drawn();
}

fn other_hands(page: &Page) {
    // The full colours in the first tile, beside white; where lines end there are others between them.
    let colours = "(() => {
        const context = read('#mosaic');
        const side = Math.floor(context.canvas.width / 2);
        const { data } = context.getImageData(0, 0, side, side);
        const seen = new Map();
        for (let at = 0; at < data.length; at += 4) {
          const colour = [...data.slice(at, at + 4)].join();
          seen.set(colour, (seen.get(colour) ?? 0) + 1);
        }
        return [...seen].filter(([colour, count]) => count > 200 && colour.endsWith(',255'))
          .map(([colour]) => colour).filter((colour) => colour !== '255,255,255,255').sort();
      })()";
    let failed = json!([{ "tile": 0, "worker": "first", "attempt": 1, "cause": "too hard" }]);
    tell_tiles(page, 2, &failed, &json!([]));
    let stripes = page.value(colours);
    assert_eq!(
        stripes.as_array().unwrap().len(),
        1,
        "stripes in the colour of who tried: {stripes}"
    );
    page.run("document.querySelector('#mosaic').focus()", &json!([]));
    page.until_says("#tile-said", "not back yet; attempt 1 failed on first: too hard");
    let back = json!([{ "tile": 0, "worker": "second", "attempt": 2 }]);
    tell_tiles(page, 2, &json!([]), &back);
    let both = page.value(colours);
    assert_eq!(both.as_array().unwrap().len(), 2, "an edge and a corner: {both}");
    assert!(both.as_array().unwrap().contains(&stripes[0]), "{both} has not {stripes}");
    page.until_says("#tile-said", "second, attempt 2, 70 milliseconds; attempt 1 failed on first");
}

/// The pixels in the upper right corner of a tile of the first row, where its mark is.
fn corner(page: &Page, tile: u32, columns: u32) -> Value {
    page.run(
        "const [tile, columns] = arguments;
         const context = read('#mosaic');
         const right = Math.round(((tile + 1) * context.canvas.width) / columns);
         return [...context.getImageData(right - 4, 0, 4, 4).data].join();",
        &json!([tile, columns]),
    )
}

fn marked_hands(page: &Page) {
    // The highest bit of an attempt: it was taken over from a worker that died.
    let back = json!([
        { "tile": 0, "worker": "a", "attempt": 1 },
        { "tile": 1, "worker": "a", "attempt": 2 },
        { "tile": 2, "worker": "a", "attempt": 0x8001 },
    ]);
    // Tiles with an edge, and small ones.
    for columns in [4, 60] {
        tell_tiles(page, columns, &json!([]), &back);
        let [plain, again, taken] = [0, 1, 2].map(|tile| corner(page, tile, columns));
        assert_ne!(plain, again, "of {columns} columns, a tile of attempt 2 is not marked");
        assert_eq!(again, taken, "of {columns} columns, a tile that was taken over is not marked");
        page.until_says("#hands", "2 tiles needed more than one attempt or worker");
    }
    page.run("document.querySelector('#mosaic').focus()", &json!([]));
    page.press(&format!("{RIGHT}{RIGHT}"));
    page.until_says(
        "#tile-said",
        "a, attempt 1, 70 milliseconds, taken over from a worker that died",
    );
    // The same by questions, where no stream comes through.
    page.run(
        "return (async () => {
           const { showMosaic, paintMosaic } = await import('/mosaic/live.js');
           showMosaic({ id: 'asked', width: 64, height: 32, tile_size: 32, status: 'processing', links: {} });
           const told = (tile, more) => ({ tile, worker: 'a', attempt: 1, millis: 70, ...more });
           paintMosaic({ job: 'asked', tiles: [told(0, {}), told(1, { taken_over: true })], picture: new OffscreenCanvas(256, 128) });
         })()",
        &json!([]),
    );
    page.until_drawn();
    assert_ne!(corner(page, 0, 2), corner(page, 1, 2), "it is not marked");
    page.until_says("#hands", "1 tile needed more than one attempt or worker");
    tell_tiles(page, 60, &json!([]), &back);
    keep_screenshots(page, "hands");
}

fn small_legend(page: &Page) {
    const COLUMNS: u32 = 60;
    let back = |tiles: [u32; 2]| {
        let [first, second] = tiles;
        json!([
            { "tile": first, "worker": "a", "attempt": 1 },
            { "tile": second, "worker": "b", "attempt": 1 },
        ])
    };
    // White seen through a tint is light, and has its colour; the grey over tiles of others has none.
    let is_seen = |tile| {
        let [r, g, b, _] = page.tile_colour(tile, COLUMNS, COLUMNS);
        r.min(g).min(b) > 170 && r.max(g).max(b) - r.min(g).min(b) > 20
    };
    let is_dimmed = |tile| {
        let [r, g, b, _] = page.tile_colour(tile, COLUMNS, COLUMNS);
        r < 170 && r.max(g).max(b) - r.min(g).min(b) < 5
    };
    tell_tiles(page, COLUMNS, &json!([]), &back([0, 1]));
    page.until_says("#legend", "b: 1 tile");
    assert!(is_seen(0) && is_seen(1));
    page.click("#legend li:first-child button");
    page.until_drawn();
    assert!(is_seen(0), "the tiles that are looked for are painted over");
    assert!(is_dimmed(1), "the tiles of others are not dimmed");
    tell_tiles(page, COLUMNS, &json!([]), &back([2, 3]));
    assert!(is_seen(2) && is_dimmed(3));
    page.click("#legend li:first-child button");
    page.until_drawn();
    page.run("dispatchEvent(new Event('resize'))", &json!([]));
    assert!((0..4).all(is_seen), "what came meanwhile is not as the others are");
    // A tall picture is seen whole.
    page.run(
        "return (async () => {
           const { showMosaic } = await import('/mosaic/live.js');
           document.querySelector('#frame').style.setProperty('--ratio', 1080 / 20000);
           showMosaic({ id: 'tall', width: 1080, height: 20000, tile_size: 512, status: 'processing', links: {} });
         })()",
        &json!([]),
    );
    page.until_drawn();
    page.until("document.querySelector('#mosaic').clientHeight > innerHeight / 3");
    page.until("document.querySelector('#mosaic').clientHeight < innerHeight");
}

fn legend(page: &Page) {
    page.open_fleet();
    follow_red_job(page);
    page.until_says("#legend", "tile");
    let worker = page.text("#worker-rows td");
    page.until_says("#legend", &worker);
    page.click("#legend button");
    page.until("document.querySelector('#legend [aria-pressed=true]')");
    page.click("#legend button");
    page.until("document.querySelector('#legend [aria-pressed=false]')");
    page.click("#cancel");
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

fn phases(page: &Page) {
    page.follow_slow_job();
    page.until("document.querySelector('#phases [aria-current]').innerText.startsWith('Filter')");
    page.until("/[0-9.]+ tiles\\/s, about .* until the tiles are done/.test(document.querySelector('#job-pace').innerText)");
    page.until("/Split\\s+[0-9.]+ s/.test(document.querySelector('#phases').innerText)");
    page.reload();
    page.until("/Split\\s+[0-9.]+ s\\s+Filter\\s+[0-9.]+ s/.test(document.querySelector('#phases').innerText)");
    page.click("#cancel");
    page.until_says("#job-status", "Cancelled");
}

fn phases_unstored(page: &Page) {
    page.before_each_page(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } });",
    );
    page.open();
    page.choose("#file", &[&page.picture("flower.png", 300, 200)]);
    page.click("#process");
    page.until_complete();
    page.until("/Upload\\s+[0-9.]+ s\\s+Split\\s+[0-9.]+ s/.test(document.querySelector('#phases').innerText)");
    // A job that waits is in none.
    let waiting = page.run(
        "return (async () => {
           const { showPhases } = await import('/phases.js');
           showPhases({ id: 'x', status: 'queued', created_at: new Date().toISOString() });
           const phases = document.querySelector('#phases');
           return [phases.querySelectorAll('[aria-current]').length, phases.innerText];
         })()",
        &json!([]),
    );
    assert_eq!(waiting[0], 0, "{waiting}");
    assert!(waiting[1].as_str().unwrap().contains("waiting"), "{waiting}");
}

/// A job that is complete, shown on the page.
fn show_complete(page: &Page, image: &Path, fields: &[(&str, &str)]) -> String {
    let job = page.server.accepted(image, fields);
    page.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
    page.until_complete();
    job
}

fn before_and_after(page: &Page) {
    show_complete(page, &page.picture("flower.png", 300, 200), &[]);
    page.divide_at(50);
    page.run("document.querySelector('#divider').focus()", &json!([]));
    page.press(END);
    page.until("document.querySelector('#divider').value === '100'");
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while page.viewed()["grey"] == true {
        assert!(std::time::Instant::now() < deadline, "the original is never seen");
    }
    page.press(HOME);
    page.assert_shows_grey(300, 200);
    page.press(RIGHT);
    page.until("document.querySelector('#divider').value === '1'");
    page.run("document.querySelector('#viewer').focus()", &json!([]));
    page.press("+++");
    page.until("parseFloat(document.querySelector('#zoom').innerText) > 300");
    page.press("0");
    page.until_says("#zoom", "100 %");
    page.click("#zoom-in");
    page.until_says("#zoom", "150 %");
    page.click("#zoom-fit");
    page.until_says("#zoom", "100 %");
}

fn clear_image(page: &Page) {
    let path = page.folder.path().join("clear.png");
    RgbaImage::from_pixel(1200, 600, Rgba([255, 0, 0, 128])).save(&path).unwrap();
    show_complete(page, &path, &[("filters", "")]);
    page.divide_at(0);
    // Its finest tiles are there.
    page.until("performance.getEntriesByType('resource').filter(({ name }) => /result.0.[0-9]+.[0-9]+$/.test(name)).length === 6");
    let alpha = "(() => {
        const context = read('#viewer');
        const { width, height } = context.canvas;
        const { data } = context.getImageData(width / 4, height / 4, width / 2, height / 2);
        const all = new Set(data.filter((_, at) => at % 4 === 3));
        return [...all].join();
      })()";
    page.until(&format!("{alpha} === '128'"));
    page.until_drawn();
    let shot = image::load_from_memory(&page.screenshot()).unwrap().to_rgb8();
    let place = page.value(
        "(() => {
           const { left, top, width, height } = document.querySelector('#viewer').getBoundingClientRect();
           const ground = getComputedStyle(document.querySelector('#frame')).backgroundColor;
           return [left + scrollX + width / 2, top + scrollY + height / 2, ...ground.match(/[0-9]+/g).map(Number)];
         })()",
    );
    let [x, y, ground @ ..]: [f64; 5] = std::array::from_fn(|part| place[part].as_f64().unwrap());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place on the page"
    )]
    let shown = shot.get_pixel(x as u32, y as u32).0.map(f64::from);
    for ((shown, over), ground) in shown.into_iter().zip([255.0, 0.0, 0.0]).zip(ground) {
        let expected = (over * 128.0 + ground * 127.0) / 255.0;
        assert!((shown - expected).abs() < 2.5, "{shown} instead of {expected}");
    }
}

fn missing_view(page: &Page) {
    let is_parted =
        "document.querySelector('#divider').checkVisibility({ visibilityProperty: true })";
    page.block(&["*/pyramid/original", "*/pyramid/result/*"]);
    show_complete(page, &page.picture("flower.png", 300, 200), &[]);
    page.until_says(
        "#making-said",
        "Preparing the view: 50 %. Still to come: the original. Trying again: ",
    );
    assert_eq!(page.value(is_parted), false, "there is no original yet");
    keep_screenshots(page, "preparing");
    page.until("performance.getEntriesByType('resource').some(({ name }) => name.includes('/pyramid/result/'))");
    page.block(&[]);
    page.until(is_parted);
    // Without it the small picture of the result would be seen.
    page.until(
        "performance.getEntriesByType('resource').some(({ name, responseStatus }) =>
           name.includes('/pyramid/result/') && responseStatus === 200)",
    );
    let console = page.console();
    assert!(console.iter().all(|line| line.contains("net::ERR_")), "{console:#?}");
}

fn deep_zoom(page: &Page) {
    // More than a first view has: its finer copies come later.
    show_complete(page, &page.picture("wide.png", 6000, 2000), &[("filters", "invert")]);
    page.divide_at(50);
    let fetched = |path: &str| {
        format!(
            "performance.getEntriesByType('resource').some(({{ name }}) => name.includes('/pyramid/{path}'))"
        )
    };
    page.until(&fetched("result/3/0/0"));
    assert_eq!(page.value(&fetched("result/0/")), false, "no more is fetched than is seen");
    page.click("#zoom-full");
    page.until_says("#zoom", "100 %");
    page.until(&fetched("result/0/"));
    page.until(&fetched("original/0/"));
    assert_eq!(page.value(&fetched("result/0/0/0")), false, "what is out of sight is not fetched");
}

fn copies_go(page: &Page) {
    let job = show_complete(page, &page.picture("flower.png", 300, 200), &[]);
    page.divide_at(0);
    let folder = page.folder.path().join("data/pyramids");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    assert_eq!(page.server.delete(&format!("/api/jobs/{job}")).0, 204);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    page.until_says("#job-status", "no longer exists");
    page.leave_what_is_gone();
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
    page.until("document.querySelector('#job-list [aria-current]')");
    assert_eq!(page.server.delete(&format!("/api/jobs/{job}")).0, 204);
    page.until_says("#job-status", "no longer exists");
    page.leave_what_is_gone();
}

fn job_list(page: &Page) {
    page.server.accepted(&page.picture("slow.png", 3000, 3000), &SLOW);
    page.until_says("#job-list", "Processing");
    page.click("[aria-label='Cancel slow.png']");
    page.until_says("#job-list", "Cancelled");
    page.click("[aria-label='Delete slow.png']");
    page.until_says("#confirm-text", "Delete slow.png");
    page.click("#confirm [value=keep]");
    page.until_says("#job-list", "Cancelled");
    page.click("[aria-label='Retry slow.png']");
    page.until("document.querySelectorAll('#job-list > li').length === 2");
    for left in [1, 0] {
        page.click("[aria-label='Delete slow.png']");
        page.click("#confirm-delete");
        page.until(&format!("document.querySelectorAll('#job-list > li').length === {left}"));
    }
    page.until_says("#jobs-said", "There are no jobs yet");
    page.leave_what_is_gone();
    page.open();
    show_complete(page, &page.picture("flower.png", 300, 200), &[]);
    page.until("document.querySelector('#job-list img').naturalWidth === 256");
    assert_eq!(
        page.value("document.querySelector('[aria-label=\"Retry flower.png\"]').checkVisibility()"),
        false,
        "a retry would make the same again"
    );
}

fn older_jobs(page: &Page) {
    let image = page.picture("flower.png", 30, 20);
    let accepted = |_| page.server.accepted(&image, &[]);
    let jobs: Vec<_> = (0..52).map(accepted).collect();
    let are_shown = |count: usize| {
        page.until(&format!("document.querySelectorAll('#job-list > li').length === {count}"));
    };
    page.until_says("#jobs-said", "The newest 50 of 52 jobs");
    page.click("#older");
    are_shown(52);
    page.until("document.querySelector('#older').hidden");
    // The newest pushes one out of those that the server tells of.
    accepted(52);
    are_shown(53);
    for job in &jobs {
        page.server.result(job);
    }
    let complete = "document.querySelectorAll('#job-list > [data-status=complete]').length === 53";
    page.until(complete);
    page.click("#job-list li:last-child button:last-of-type");
    page.click("#confirm-delete");
    are_shown(52);
    assert_eq!(page.server.get("/api/jobs").1["total"], 52);
    let path =
        "new URL(document.querySelector('#job-list li:first-child [download]').href).pathname";
    let path = page.value(path);
    assert!(!page.server.bytes(path.as_str().unwrap()).is_empty());
}

fn focus_in_list(page: &Page) {
    let [first, second, third] = ["first.png", "second.png", "third.png"]
        .map(|name| page.server.accepted(&page.picture(name, 40, 30), &[]));
    for job in [&first, &second, &third] {
        page.server.ended(job);
    }
    let listed = |jobs: usize| {
        page.until(&format!(
            "document.querySelectorAll('#job-list [data-status=complete]').length === {jobs}"
        ));
    };
    listed(3);
    // In one that stays where it is while the one before it goes.
    page.run("document.querySelectorAll('#job-list a')[1].focus()", &json!([]));
    assert_eq!(page.server.delete(&format!("/api/jobs/{third}")).0, 204);
    listed(2);
    page.until("document.activeElement.innerText === 'second.png'");
    // In the one that goes.
    page.run("document.querySelector('[aria-label=\"Delete second.png\"]').focus()", &json!([]));
    page.press(ENTER);
    page.until("document.querySelector('#confirm').open");
    page.tab_to("confirm-delete");
    page.press(ENTER);
    listed(1);
    page.until("document.activeElement.innerText === 'first.png'");
    assert_eq!(page.server.delete(&format!("/api/jobs/{first}")).0, 204);
    listed(0);
    page.until("document.activeElement.id === 'jobs-heading'");
}

fn failure(page: &Page) {
    let broken = page.folder.path().join("broken.png");
    let whole = std::fs::read(page.picture("whole.png", 300, 200)).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let job = page.server.accepted(&broken, &[]);
    page.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
    page.until_says("#job-status", "Failed");
    let (_, told) = page.server.get(&format!("/api/jobs/{job}"));
    page.until_says("#job-error", told["error"]["text"].as_str().unwrap());
    page.until_says("#job-error", "Repair the file, or choose another one.");
    page.until("document.querySelector('#retry').hidden");
    page.until_says("#result-said", "the job failed");
    keep_screenshots(page, "failed");
}

/// No filter fails at a tile by itself, so the page is told of one as its stream would.
fn tile_failure(page: &Page) {
    page.run(
        "return (async () => {
           const { showJob } = await import('/progress.js');
           const at = new Date().toISOString();
           showJob({ id: 'x', name: 'x.png', status: 'failed', width: 1000, height: 700, filters: '', links: {},
             tile_size: 256, tiles_total: 12, tiles_done: 5, attempts: 3, created_at: at, finished_at: at,
             error: { text: 'tile 6 failed 3 times, at last on press-2: out of paper', tile: 6, worker: 'press-2' } });
         })()",
        &json!([]),
    );
    page.until_says("#job-status", "Failed");
    page.until_says("#job-error", "Cause: tile 6 failed 3 times, at last on press-2: out of paper");
    page.until_says("#job-error", "Tile 6 is in row 2, column 3 of the image. Retry the job");
    page.until_says("#job-error", "look into the log of press-2.");
}

fn tiff_then_png(page: &Page) {
    page.choose("#file", &[&page.picture("flower.png", 50, 40)]);
    page.open_output();
    page.run("document.querySelector('#format').value = 'tiff'", &json!([]));
    page.click("#process");
    page.until_says("#result-facts", "TIFF, 50 × 40 pixels");
    page.assert_shows_grey(50, 40);
    let link = page.value("document.querySelector('#download').pathname");
    assert!(link.as_str().unwrap().ends_with("/result"), "{link}");
    page.click("#again");
    page.until_says("#chosen", "flower.png, 50 × 40 pixels, the image of an earlier job");
    page.fill("#filters", "grayscale,blur:1");
    page.run("document.querySelector('#format').value = 'png'", &json!([]));
    page.click("#process");
    page.until_says("#job-filters", "grayscale,blur:1");
    page.until_complete();
    page.assert_shows_grey(50, 40);
}

/// Tells the page of workers as its stream would, with these rates, and then presses the head of the
/// column of rates. In one go: the stream tells of the real worker every second.
const TELL: &str = "
    const { showWorkers } = await import('/fleet/workers.js');
    showWorkers(Object.entries(rates).map(([id, rate]) => ({
      id, rate, host: 'h', threads: 2, in_flight: 0, done: 0, failed: 0, version: '1',
      state: id === 'c' ? 'dead' : 'live', last_seen: 1 })));
    if (press) document.querySelector('#worker-head th:nth-child(9) button').click();
    const rows = [...document.querySelectorAll('#worker-rows tr')];
    return rows.map((row) => row.dataset.key + (row.className === 'dead' ? '✕' : '')).join('');";

fn workers(page: &Page) {
    page.open_fleet();
    let order = |rates: Value, press: bool| {
        let script =
            format!("const [rates, press] = arguments; return (async () => {{ {TELL} }})();");
        page.run(&script, &json!([rates, press]))
    };
    let first = json!({ "a": 1, "b": 3, "c": 2 });
    assert_eq!(order(first.clone(), true), "ac✕b");
    assert_eq!(order(first, true), "bc✕a");
    // Others are faster now, and one has come: nobody moves under the reader's hand.
    let later = json!({ "a": 9, "b": 1, "c": 2, "d": 5 });
    assert_eq!(order(later.clone(), false), "bc✕ad");
    assert_eq!(order(later, true), "bc✕da");
    page.until_says("#worker-rows", "● live");
}

fn filtered_workers(page: &Page) {
    page.before_each_page(NOTE_STREAMS);
    page.open();
    page.open_fleet();
    page.until_says("#worker-rows", "● live");
    // From now on the stream is closed, and tells of nobody.
    page.run("hide(true)", &json!([]));
    let tell = |ids: &str| {
        let script = "const [ids] = arguments;
            return (async () => {
              const { showWorkers } = await import('/fleet/workers.js');
              showWorkers([...ids].map((id) => ({
                id, rate: 1, host: `host-${id}`, threads: 2, in_flight: 0, done: 0, failed: 0, version: '1',
                state: 'live', last_seen: 1 })));
            })();";
        page.run(script, &json!([ids]));
    };
    let shown = || {
        page.value("[...document.querySelectorAll('#worker-rows tr')].map((row) => row.dataset.key).join('')")
    };
    let is_offered = || page.value("document.querySelector('#worker-filter').checkVisibility()");
    tell("abcde");
    assert_eq!(is_offered(), false, "so few need no filter");
    tell("abcdef");
    page.click("#worker-filter");
    page.press("host-c");
    assert_eq!(shown(), "c");
    page.press("!");
    page.until_says("#no-workers", "No worker matches “host-c!”");
    tell("abc");
    assert_eq!(is_offered(), true);
    page.press(&BACKSPACE.repeat(7));
    assert_eq!(shown(), "abc");
    tell("abc");
    assert_eq!((is_offered(), page.active()), (json!(true), "worker-filter".to_owned()));
    // With nobody left there is nothing to sort.
    page.run("document.querySelector('#worker-head button').focus()", &json!([]));
    tell("");
    assert_eq!((is_offered(), page.active()), (json!(false), "workers-heading".to_owned()));
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

fn silent_stream(page: &Page) {
    let line = Line::to(page.server.url("").trim_start_matches("http://"));
    // The server tells of its worker each second, so that three of silence are enough to try it.
    page.before_each_page(
        "const wait = setTimeout;
         window.setTimeout = (act, after, ...given) => wait(act, after === 25_000 ? 3000 : after, ...given);",
    );
    page.go(&line.url());
    page.until_says("#connection", "Connected");
    line.hold();
    page.until_says("#connection", "Connection lost, trying again");
    line.mend();
    page.until_says("#connection", "Connected");
}

/// Lets the stream of the page tell something, and gives what the page says of its connection and of the mill.
const HEAR: &str = "
    const [name, data] = arguments;
    streams.at(-1).dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
    return ['#connection', '#missing'].map((css) => document.querySelector(css).innerText).join(' | ');";

fn trouble(page: &Page) {
    page.before_each_page(NOTE_STREAMS);
    page.open();
    // All at once: the server itself tells something each second.
    let told = page.run(
        &format!("const hear = (...arguments) => {{ {HEAR} }}; return [...arguments].map((event) => hear(...event));"),
        &json!([
            ["trouble", { "error": "redis at node1:6379 does not answer" }],
            ["alive", {}],
            ["processes", []],
            ["trouble", { "error": "redis at node1:6379 does not answer" }],
        ]),
    );
    let away = "✕ Connected, but the state of the mill cannot be read: \
                redis at node1:6379 does not answer | \
                The state of the mill cannot be read: redis at node1:6379 does not answer";
    assert_eq!(told, json!([away, away, "✓ Connected | ", away]));
    page.until("document.querySelector('#connection').innerText === '✓ Connected'");
    assert_eq!(page.text("#missing"), "");
}

/// Streams that are open and never say anything, as behind a proxy that waits for their end, and a page that
/// knows it at once.
const MUTE: &str = "
    window.EventSource = class extends EventTarget { close() {} };
    const wait = setTimeout;
    window.setTimeout = (act, after, ...given) => wait(act, after === 6000 ? 10 : after, ...given);";

fn questions(page: &Page) {
    page.before_each_page(MUTE);
    page.reload();
    page.until_says("#connection", "polling every two seconds");
    page.block(&["*/api/*"]);
    page.until_says("#connection", "Connection lost");
    page.block(&[]);
    page.until_says("#connection", "polling every two seconds");
    // The server answers that it has lost the mill.
    page.run(
        "window.ask = window.fetch;
         const away = JSON.stringify({ status: 503, detail: 'redis at node1:6379 does not answer' });
         const headers = { 'content-type': 'application/problem+json' };
         window.fetch = async () => new Response(away, { status: 503, headers });",
        &json!([]),
    );
    let cause = "the state of the mill cannot be read: redis at node1:6379 does not answer";
    page.until_says("#connection", cause);
    assert_eq!(page.text("#missing").to_lowercase(), cause);
    keep_screenshots(page, "trouble");
    page.run("window.fetch = window.ask", &json!([]));
    page.until_says("#connection", "polling every two seconds");
    assert_eq!(page.text("#missing"), "");
    let console = page.console();
    assert!(console.iter().all(|line| line.contains("net::ERR_")), "{console:#?}");
}

/// Notes each stream that a page opens.
const NOTE_STREAMS: &str = "
    window.streams = [];
    window.EventSource = class extends EventSource {
      constructor(...given) {
        super(...given);
        window.streams.push(this);
      }
    };
    window.hide = (hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    };";

fn streams(page: &Page) {
    let open = "streams.filter(({ readyState }) => readyState < 2).length";
    page.before_each_page(NOTE_STREAMS);
    page.open();
    let job = page.follow_slow_job();
    page.until(&format!("{open} === 1"));
    page.run("hide(true)", &json!([]));
    page.until(&format!("{open} === 0"));
    page.run("hide(false)", &json!([]));
    page.until(&format!("{open} === 1"));
    // From now on no stream comes through.
    page.block(&["*/api/events*"]);
    page.reload();
    page.until_says("#connection", "polling every two seconds");
    page.until_says("#job-status", "Processing");
    page.until_says("#legend", "tile");
    page.until("document.querySelector('#mosaic').checkVisibility()");
    page.server.post(&format!("/api/jobs/{job}/cancel"));
    page.until_says("#job-status", "Cancelled");
    // It tries again and again to have a stream.
    page.go("about:blank");
    let console = page.console();
    let expected = |line: &String| line.contains("net::ERR_") || line.contains("status of 409");
    assert!(console.iter().all(expected), "{console:#?}");
}

fn widths_and_colours(page: &Page) {
    assert_usable(page, "empty");
    page.follow_slow_job();
    page.until("document.querySelector('#job-bar').value > 50");
    page.until_says("#legend", "tile");
    assert_usable(page, "running");
    page.click("#cancel");
    page.until_says("#job-status", "Cancelled");
    assert_usable(page, "cancelled");
    let name = "a photograph with a rather long name, from the summer.png";
    page.choose("#file", &[&page.picture(name, 1200, 800)]);
    page.fill("#filters", "blur:3,grayscale");
    page.click("#process");
    page.until_says("#job-name", name);
    page.until_complete();
    page.divide_at(50);
    page.choose("#file", &[&page.picture("another.png", 30, 20)]);
    page.run("document.querySelector('#form-error').textContent = 'so and so'", &json!([]));
    page.open_output();
    assert_usable(page, "complete");
    page.click("#delete");
    page.until("document.querySelector('#confirm').open");
    assert_usable(page, "confirming");
}

/// All files of the page, in a folder where they may be changed.
fn copy_of_page(page: &Page) -> PathBuf {
    let (from, to) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("static"), page.folder.path().join("page"));
    let copied = Command::new("cp").arg("-r").args([&from, &to]).status().unwrap();
    assert!(copied.success());
    to
}

fn static_dir(page: &Page) {
    let files = copy_of_page(page);
    std::fs::write(page.folder.path().join("secret.txt"), "not for everybody").unwrap();
    let data = TempDir::new().unwrap();
    let server = Server::start_in(&serving(files.to_str().unwrap()), &data, &[]);
    page.go(&server.url("/"));
    page.until_says("#connection", "Connected");
    let index = std::fs::read_to_string(files.join("index.html")).unwrap();
    std::fs::write(files.join("index.html"), index.replace("Recent Jobs", "Jobs of Late")).unwrap();
    page.reload();
    page.until_says("#jobs-heading", "Jobs of Late");
    page.until_says("#connection", "Connected");
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/css/../../secret.txt",
        "//etc/hostname",
        "/..%2fsecret.txt",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
        let (status, head, _) = raw(server.address(), request.as_bytes());
        assert_eq!(status, 404, "{path}: {head}");
    }
    // Nothing is left open to a server that ends.
    page.go("about:blank");
    server.stop();
}
