//! What is chosen: files from a dialog, dropped or pasted, and what the server would refuse.

use std::path::PathBuf;

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::ENTER;

pub const TESTS: [(&str, Test); 7] = [
    ("a_chosen_file_is_uploaded_and_its_grey_result_is_shown", chosen_file),
    ("a_dropped_file_is_processed", dropped_file),
    ("a_pasted_image_is_chosen", pasted_image),
    ("the_sample_picture_is_processed", sample),
    ("limits_are_told_and_what_is_beyond_them_is_not_sent", limits),
    ("the_size_of_an_image_is_read_from_its_header", header_sizes),
    ("nothing_chosen_is_told_in_words", nothing_chosen),
];

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
pub fn give(page: &Page, name: &str, event: &str) {
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

/// The first bytes of a PNG (ISO/IEC 15948, 11.2.2).
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend([width, height].iter().flat_map(|side| side.to_be_bytes()));
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn limits(page: &Page) {
    page.until_says("#takes", "up to 4 GiB, 100,000 megapixels, 1,000,000 pixels a side");
    let wide = page.folder.path().join("wide.png");
    std::fs::write(&wide, png_header(1_200_000, 10)).unwrap();
    page.choose("#file", &[&wide]);
    let refused = "wide.png: 1,200,000 × 10 pixels; a side of at most 1,000,000 (limits.max_side)";
    page.until_says("#chosen-wrong", refused);
    page.click("#process");
    page.until_says("#form-error", "The server would refuse what is chosen.");
    page.click("#chosen button");
    // The others are sent all the same, and this one stays to be looked at.
    let large = page.folder.path().join("large.png");
    std::fs::write(&large, png_header(600_000, 500_000)).unwrap();
    page.choose("#file", &[&large, &page.picture("flower.png", 30, 20)]);
    page.until_says("#chosen-wrong", "large.png: 300,000 megapixels; at most 100,000 megapixels");
    assert_eq!(page.text("#process"), "Process Image");
    page.click("#process");
    page.until_says("#job-name", "flower.png");
    page.until_says("#chosen", "large.png, 600,000 × 500,000 pixels");
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
    let files = names.map(crate::support::data);
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

fn nothing_chosen(page: &Page) {
    page.click("#process");
    page.until_says("#form-error", "No image is chosen");
    assert_eq!(page.active(), "file");
}
