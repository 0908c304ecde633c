//! What is sent, and what the server says to it.

use serde_json::json;

use super::harness::{Page, Test};
use super::select::give;
use crate::browser::ENTER;

pub const TESTS: [(&str, Test); 5] = [
    ("a_filter_that_does_not_exist_is_told_in_the_words_of_the_api", unknown_filter),
    ("a_file_that_is_no_image_is_told_in_words", no_image),
    ("an_upload_tells_how_far_it_is_and_is_stopped", stopped_upload),
    ("what_is_chosen_during_an_upload_stays_chosen", chosen_meanwhile),
    ("an_image_that_a_full_mill_refuses_is_sent_again", full_mill),
];

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
