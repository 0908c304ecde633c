//! The table of workers.

use serde_json::{Value, json};

use super::events::NOTE_STREAMS;
use super::harness::{Page, Test};
use crate::browser::BACKSPACE;

pub const TESTS: [(&str, Test); 2] = [
    ("workers_are_sorted_and_stay_where_they_are", workers),
    ("workers_are_filtered_as_long_as_somebody_types", filtered_workers),
];

/// Tells the page of workers as its stream would, with these rates, and then presses the head of the
/// column of rates. In one go: the stream tells of the real worker every second.
const TELL: &str = include_str!("probes/tell_workers.js");

fn workers(page: &Page) {
    page.open_fleet();
    let order = |rates: Value, press: bool| {
        let script =
            format!("const [rates, press] = arguments; return (async () => {{ {TELL} }})();");
        page.run(&script, &json!([rates, press]))
    };
    let first = json!({ "a": 1, "b": 3, "c": 2 });
    assert_eq!(order(first.clone(), true), "ac✕b");
    assert_eq!(order(first, true), "bc✕a");
    // Others are faster now, and one has come: nobody moves under the reader's hand.
    let later = json!({ "a": 9, "b": 1, "c": 2, "d": 5 });
    assert_eq!(order(later.clone(), false), "bc✕ad");
    assert_eq!(order(later, true), "bc✕da");
    page.until_says("#worker-rows", "● live");
}

fn filtered_workers(page: &Page) {
    page.before_each_page(NOTE_STREAMS);
    page.open();
    page.open_fleet();
    page.until_says("#worker-rows", "● live");
    // From now on the stream is closed, and tells of nobody.
    page.run("hide(true)", &json!([]));
    let tell = |ids: &str| {
        let script = "const [ids] = arguments;
            return (async () => {
              const { showWorkers } = await import('/fleet/workers.js');
              showWorkers([...ids].map((id) => ({
                id, rate: 1, host: `host-${id}`, threads: 2, in_flight: 0, done: 0, failed: 0, version: '1',
                state: 'live', last_seen: 1 })));
            })();";
        page.run(script, &json!([ids]));
    };
    let shown = || {
        page.value("[...document.querySelectorAll('#worker-rows tr')].map((row) => row.dataset.key).join('')")
    };
    let is_offered = || page.value("document.querySelector('#worker-filter').checkVisibility()");
    tell("abcde");
    assert_eq!(is_offered(), false, "so few need no filter");
    tell("abcdef");
    page.click("#worker-filter");
    page.press("host-c");
    assert_eq!(shown(), "c");
    page.press("!");
    page.until_says("#no-workers", "No worker matches “host-c!”");
    tell("abc");
    assert_eq!(is_offered(), true);
    page.press(&BACKSPACE.repeat(7));
    assert_eq!(shown(), "abc");
    tell("abc");
    assert_eq!((is_offered(), page.active()), (json!(true), "worker-filter".to_owned()));
    // With nobody left there is nothing to sort.
    page.run("document.querySelector('#worker-head button').focus()", &json!([]));
    tell("");
    assert_eq!((is_offered(), page.active()), (json!(false), "workers-heading".to_owned()));
}
