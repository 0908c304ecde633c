//! The page in real browsers against the real program, and the program behind real proxies.
//!
//! Where one of these is missing, the tests that need it are ignored, with the reason before their names; with
//! `TILEMILL_TEST_REQUIRE=all` they fail. `TILEMILL_TEST_SCREENSHOTS=folder` keeps pictures.
//! `TILEMILL_TEST_STATIC=folder` tests the files there instead of those in the program, which need a build.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "what test programs share has no crate to be public in, and each uses its part"
)]

mod batch;
mod chain;
mod events;
mod fleet;
mod front;
mod harness;
mod jobs;
mod layout;
mod mosaic;
mod preview;
mod progress;
mod proxies;
mod select;
mod upload;
mod viewer;

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion};

use crate::browser::Driver;
use crate::harness::Test;
use crate::support::{SharedTests, Suite};

/// By the part of the page that they test: `static/` has files or folders of these names.
const PARTS: [(&str, &[(&str, Test)]); 12] = [
    ("select", &select::TESTS),
    ("preview", &preview::TESTS),
    ("upload", &upload::TESTS),
    ("batch", &batch::TESTS),
    ("chain", &chain::TESTS),
    ("mosaic", &mosaic::TESTS),
    ("progress", &progress::TESTS),
    ("viewer", &viewer::TESTS),
    ("jobs", &jobs::TESTS),
    ("fleet", &fleet::TESTS),
    ("events", &events::TESTS),
    ("layout", &layout::TESTS),
];

/// What is done once more in Firefox: all that a page does otherwise there, such as drawing, files, keys and events, and
/// that needs no developer tools.
const IN_FIREFOX: [&str; 14] = [
    "a_chosen_file_is_uploaded_and_its_grey_result_is_shown",
    "a_dropped_file_is_processed",
    "several_files_are_one_batch",
    "limits_are_told_and_what_is_beyond_them_is_not_sent",
    "the_size_of_an_image_is_read_from_its_header",
    "a_part_is_seen_through_the_chain_before_it_is_sent",
    "a_map_shows_where_a_part_is_and_leads_to_others",
    "the_whole_flow_works_by_keyboard_alone",
    "tiles_appear_in_their_finished_pixels_and_tell_who_made_them",
    "a_reload_shows_the_same_job_while_it_runs_and_after",
    "before_and_after_are_parted_by_keyboard_and_zoomed_together",
    "a_part_of_a_large_image_is_seen_in_all_its_pixels",
    "a_job_that_fails_tells_its_cause_and_what_to_do",
    "a_broken_connection_is_told_and_mended",
];

fn main() -> ExitCode {
    support::run_suites(&[page, proxies::run])
}

fn page(arguments: &Arguments) -> Conclusion {
    let (mut in_chromium, mut in_firefox) = (SharedTests::new(), SharedTests::new());
    for (part, tests) in PARTS {
        for &(name, test) in tests {
            let run = move |driver: &Driver| harness::run(driver, test);
            in_chromium.push((format!("{part}::{name}"), Box::new(run)));
            if IN_FIREFOX.contains(&name) {
                in_firefox.push((format!("{part}::{name}_in_firefox"), Box::new(run)));
            }
        }
    }
    assert_eq!(in_firefox.len(), IN_FIREFOX.len(), "a name in IN_FIREFOX is that of no test");
    // Each has a browser and a server.
    let suite = Suite { name: "page", threads: 2 };
    let mut trials = suite.trials(Driver::chromium(), in_chromium);
    trials.extend(suite.trials(Driver::firefox(), in_firefox));
    suite.run_trials(arguments, trials)
}
