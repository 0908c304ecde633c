//! A job from its start to its end, whatever the end.

use serde_json::json;

use super::harness::{Page, Test};
use crate::browser::looks::keep_screenshots;

pub const TESTS: [(&str, Test); 6] = [
    ("a_reload_shows_the_same_job_while_it_runs_and_after", reload),
    ("phases_are_told_with_their_times", phases),
    ("phases_are_told_where_a_site_may_store_nothing", phases_unstored),
    ("a_running_job_is_cancelled_tried_again_and_deleted", cancel_retry_delete),
    ("a_job_that_fails_tells_its_cause_and_what_to_do", failure),
    ("a_job_that_fails_at_a_tile_tells_where_and_whom_to_ask", tile_failure),
];

fn reload(page: &Page) {
    let job = page.follow_slow_job();
    page.until_says("#job-status", "Processing");
    page.until("document.querySelector('#job-bar').value > 0");
    page.reload();
    page.until_says("#job-status", "Processing");
    page.until_says("#job-name", "slow.png");
    let done = page.value("document.querySelector('#job-bar').value");
    page.until(&format!("document.querySelector('#job-bar').value > {done}"));
    page.until(
        "/^[0-9]+ %: [0-9,]+ of 8,836 tiles done, 32 pixels a side$/.test(document.querySelector('#job-tiles').innerText)",
    );
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
