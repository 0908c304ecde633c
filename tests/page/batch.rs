//! Several images as one thing.

use std::path::PathBuf;

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::ENTER;
use crate::browser::looks::keep_screenshots;

pub const TESTS: [(&str, Test); 1] = [("several_files_are_one_batch", several_files)];

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
