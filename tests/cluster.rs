//! A mill of several processes over a real Kafka and a real Redis: the same bytes as on one machine,
//! whoever is killed.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules that test programs share have no crate to be public in"
)]

mod broker;
mod mill;
mod store;
mod support;

use std::process::ExitCode;

use tempfile::TempDir;

use crate::mill::{Mill, Services, Test, by_run, leave_all, until_worker};
use crate::support::{data, picture};

const TESTS: [(&str, Test); 3] = [
    ("a_cluster_gives_the_same_bytes_as_a_run", same_bytes),
    ("tiles_that_do_not_fit_into_a_message_are_cut_smaller", cut_smaller),
    ("what_is_missing_is_said_with_what_to_do", missing),
];

fn main() -> ExitCode {
    mill::run(&TESTS)
}

fn mill(services: &Services, name: &str) -> Mill {
    Mill::new(&services.kafka.address, &services.redis.address(), name)
}

fn same_bytes(services: &Services) {
    let mill = mill(services, "same");
    let (server, collector, monitor) = (mill.serve(), mill.collect(), mill.monitor());
    let directory = TempDir::new().unwrap();
    let images = [
        (picture(directory.path(), "in.png", 701, 433), "blur:3,grayscale", "png"),
        (picture(directory.path(), "thin.png", 1, 500), "invert", "tiff"),
        (data("grey-16.tif"), "blur:2", "png"),
        (data("baseline-420.jpg"), "grayscale", "jpeg"),
    ];
    let mut workers = Vec::new();
    for count in [1, 2, 4] {
        while workers.len() < count {
            let id = format!("w{}", workers.len());
            workers.push(mill.work(&id));
            until_worker(&server, &id, "live");
        }
        for (image, filters, format) in &images {
            let expected = by_run(image, filters, format);
            let fields = [("filters", *filters), ("format", format), ("tile_size", "64")];
            let job = server.accepted(image, &fields);
            assert!(server.result(&job) == expected, "{} by {count} workers", image.display());
        }
    }
    server.until_idle();
    leave_all(workers);
    server.get_until("/api/workers", |workers| workers == &serde_json::json!([]));
    leave_all([collector, monitor]);
    server.stop();
}

fn cut_smaller(services: &Services) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let mill = Mill::with(kafka, &redis, "cut", &[("TOPICS__MAX_MESSAGE", "1 MiB")]);
    let (server, collector, worker) = (mill.serve(), mill.collect(), mill.work("w"));
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 900, 700);
    let job = server.accepted(&image, &[("filters", "blur:40"), ("format", "png")]);
    assert!(server.result(&job) == by_run(&image, "blur:40", "png"));
    let (_, ended) = server.get(&format!("/api/jobs/{job}"));
    assert_eq!(ended["tile_size"], 256);
    let note = ended["notes"][0].as_str().unwrap();
    assert!(note.contains("256 pixels a side, not 512") && note.contains("topics.max_message"));
    let (status, refused) = server.submit(&image, &[("filters", "blur:100,blur:100")]);
    assert_eq!((status, &refused["setting"]), (413, &"topics.max_message".into()), "{refused}");
    leave_all([worker, collector]);
    server.stop();
}

fn missing(services: &Services) {
    let mill = mill(services, "missing");
    let server = mill.serve();
    let is_missing = |text: &str| {
        server.get_until("/api/queue", |queue| {
            queue["missing"].as_array().is_some_and(|all| all.iter().any(|one| one == text))
        });
    };
    is_missing("no monitor is running: start `tilemill monitor`");
    is_missing("no collector is running: start `tilemill collect`");
    let monitor = mill.monitor();
    is_missing("no worker is running: start `tilemill work`");
    let collector = mill.collect();
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 50, 50);
    let job = server.accepted(&image, &[]);
    server.until(&job, |job| job["obstacle"] == "no worker is running: start `tilemill work`");
    let worker = mill.work("late");
    server.result(&job);
    server.get_until("/api/queue", |queue| queue["missing"] == serde_json::json!([]));
    leave_all([worker, collector, monitor]);
    server.stop();
}
