//! A part of the image, seen through the chain before anything is sent.

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::RIGHT;
use crate::browser::looks::keep_screenshots;

pub const TESTS: [(&str, Test); 2] = [
    ("a_part_is_seen_through_the_chain_before_it_is_sent", preview),
    ("the_preview_of_a_chain_that_moves_pixels_is_a_part_of_its_result", moved_preview),
];

/// The colour in the middle of a canvas.
pub fn middle_of(css: &str) -> String {
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

fn moved_preview(page: &Page) {
    let path = page.folder.path().join("corner.png");
    // Green in a corner of 100 pixels, red elsewhere.
    let corner = |x: u32, y: u32| {
        if x >= 2900 && y >= 2900 { image::Rgb([0, 255, 0]) } else { image::Rgb([255, 0, 0]) }
    };
    image::RgbImage::from_fn(3000, 3000, corner).save(&path).unwrap();
    let shows = |colour: &str| {
        page.until(&format!("{} === {colour:?}", middle_of("#preview-picture")));
    };
    page.choose("#file", &[&path]);
    page.fill("#filters", "crop:2900:2900:40:30");
    page.click("#preview summary");
    shows("0,255,0,255");
    // The whole of the result, which is smaller than the preview may be.
    page.until_says("#preview-said", "1:1 at x 0, y 0");
    let shown = "(() => {
        const { width, height } = read('#preview-picture').canvas;
        const { data } = read('#preview-picture').getImageData(0, 0, width, height);
        return data.filter((alpha, at) => at % 4 === 3 && alpha === 255).length;
      })()";
    page.until(&format!("{shown} === 40 * 30"));
    page.fill("#filters", "crop:2900:2900:40:30,invert");
    shows("255,0,255,255");
    page.fill("#filters", "invert");
    shows("0,255,255,255");
}
