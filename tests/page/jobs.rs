//! The list of recent jobs.

use serde_json::json;

use super::harness::{Page, SLOW, Test, show_complete};
use crate::browser::ENTER;

pub const TESTS: [(&str, Test); 3] = [
    ("jobs_are_stopped_and_deleted_in_the_list", job_list),
    ("the_focus_stays_in_the_list_of_jobs_when_one_goes", focus_in_list),
    ("older_jobs_are_shown_to_who_asks_and_stay", older_jobs),
];

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
