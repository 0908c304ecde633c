//! The connection to the server, and what the page says when it breaks.

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::line::Line;
use crate::browser::looks::keep_screenshots;

pub const TESTS: [(&str, Test); 5] = [
    ("a_broken_connection_is_told_and_mended", broken_connection),
    ("a_stream_that_falls_silent_is_told_and_mended", silent_stream),
    ("a_mill_that_cannot_be_looked_at_is_told", trouble),
    ("questions_that_nobody_answers_are_told", questions),
    ("a_page_asks_where_no_stream_comes_through_and_is_silent_while_hidden", streams),
];

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
const HEAR: &str = include_str!("probes/hear.js");

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
const MUTE: &str = include_str!("probes/mute.js");

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
pub const NOTE_STREAMS: &str = include_str!("probes/note_streams.js");

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
