//! The tiles of a job, while they come back and afterwards.

use serde_json::{Value, json};

use super::harness::{Page, Test};
use crate::browser::looks::keep_screenshots;
use crate::browser::{DOWN, END, RIGHT};

pub const TESTS: [(&str, Test); 6] = [
    ("tiles_appear_in_their_finished_pixels_and_tell_who_made_them", mosaic),
    ("the_tiles_of_a_job_that_ends_at_once_are_all_there", quick_mosaic),
    ("a_tile_that_changes_hands_shows_both", other_hands),
    ("tiles_that_changed_hands_are_marked_for_those_who_come_later", marked_hands),
    ("a_legend_shows_the_tiles_of_one_worker", legend),
    ("a_legend_leaves_the_picture_of_small_tiles_to_be_seen", small_legend),
];

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
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
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
const TELL_TILES: &str = include_str!("probes/tell_tiles.js");

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
           showMosaic({ id: 'asked', result_width: 64, result_height: 32, tile_size: 32, status: 'processing', links: {} });
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
           showMosaic({ id: 'tall', result_width: 1080, result_height: 20000, tile_size: 512, status: 'processing', links: {} });
         })()",
        &json!([]),
    );
    page.until_drawn();
    // The room that `css/stage.css` leaves for it.
    page.until(
        "document.querySelector('#mosaic').clientHeight >= Math.max(256, innerHeight - 360) - 1",
    );
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
