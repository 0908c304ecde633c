//! The page as a whole: by keyboard, in narrow and wide windows, and its files.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::harness::{Page, Test, serving, show_complete};
use crate::browser::looks::assert_usable;
use crate::browser::{ENTER, SPACE};
use crate::support::{Server, raw};

pub const TESTS: [(&str, Test); 4] = [
    ("the_result_and_what_starts_the_next_are_above_the_fold", above_the_fold),
    ("the_whole_flow_works_by_keyboard_alone", keyboard),
    ("the_page_fits_its_window_and_can_be_used_in_light_and_dark", widths_and_colours),
    ("the_files_of_a_folder_are_served_as_they_are_and_no_others", static_dir),
];

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
