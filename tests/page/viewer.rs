//! Before and after, at any zoom.

use image::{Rgba, RgbaImage};
use serde_json::json;

use super::harness::{Page, Test, show_complete};
use crate::browser::looks::keep_screenshots;
use crate::browser::{END, HOME, RIGHT};

pub const TESTS: [(&str, Test); 8] = [
    ("a_map_shows_where_a_part_is_and_leads_to_others", overview),
    ("before_and_after_are_parted_by_keyboard_and_zoomed_together", before_and_after),
    ("an_image_with_alpha_is_shown_as_clear_as_it_is", clear_image),
    ("a_view_that_does_not_come_is_asked_for_again", missing_view),
    ("a_part_of_a_large_image_is_seen_in_all_its_pixels", deep_zoom),
    ("copies_for_viewing_go_with_their_job", copies_go),
    ("a_tiff_is_shown_and_processed_again_as_another_format", tiff_then_png),
    ("original_and_result_are_shown_one_at_a_time_where_pixels_moved", moved_pixels),
];

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

fn moved_pixels(page: &Page) {
    let path = page.folder.path().join("halves.png");
    // Red on the left, blue on the right.
    let halves = |x: u32, _| if x < 200 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 255, 255]) };
    RgbaImage::from_fn(400, 200, halves).save(&path).unwrap();
    let fields = [("filters", "crop:x=200,rotate,resize:100:400"), ("tile_size", "32")];
    show_complete(page, &path, &fields);
    page.until_says("#job-size", "400 × 200 pixels, result 100 × 400 pixels");
    let fills = |colour: &str, ratio: f64| {
        page.until(&format!(
            "(() => {{
               const context = read('#viewer');
               const {{ width, height }} = context.canvas;
               const {{ data }} = context.getImageData(0, 0, width, height);
               let [seen, others, left, right, top, bottom] = [0, 0, width, 0, height, 0];
               for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) {{
                 const at = 4 * (y * width + x);
                 if (data[at + 3] < 255) continue;
                 if (data.slice(at, at + 3).join() === '{colour}') seen += 1;
                 else others += 1;
                 [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
                 [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
               }}
               const ratio = (right - left) / (bottom - top);
               return seen > 1000 && others < seen / 50 && Math.abs(ratio / {ratio} - 1) < 0.05;
             }})()"
        ));
    };
    fills("0,0,255", 0.25);
    assert_eq!(page.value("document.querySelector('#divider').checkVisibility()"), false);
    page.click("#show-original");
    page.until("document.querySelector('#show-original').ariaPressed === 'true'");
    page.until(
        "(() => {
           const { canvas } = read('#viewer');
           const colour = (part) =>
             [...read('#viewer').getImageData(canvas.width * part, canvas.height / 2, 1, 1).data].join();
           return colour(0.45) === '255,0,0,255' && colour(0.55) === '0,0,255,255';
         })()",
    );
    page.click("#show-original");
    fills("0,0,255", 0.25);
    page.until_says("#result-facts", "PNG, 100 × 400 pixels, ");
    keep_screenshots(page, "moved");
    // The tiles are those of the result: 4 columns, 13 rows.
    page.show_tiles();
    page.run("document.querySelector('#mosaic').focus()", &json!([]));
    page.press(crate::browser::END);
    page.until_says("#tile-said", "Tile 3 (row 1, column 4)");
}

fn before_and_after(page: &Page) {
    show_complete(page, &page.picture("flower.png", 300, 200), &[]);
    page.divide_at(50);
    page.run("document.querySelector('#divider').focus()", &json!([]));
    page.press(END);
    page.until("document.querySelector('#divider').value === '100'");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
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
