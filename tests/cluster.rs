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

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::Arguments;
use tempfile::TempDir;

use crate::mill::{Mill, Services, leave_all, until_worker};
use crate::support::{SharedTests, data, picture, run_on, tilemill};

/// A test, which gets what all share.
type Test = fn(&Services);

const TESTS: [(&str, Test); 2] = [
    ("a_cluster_gives_the_same_bytes_as_a_run", same_bytes),
    ("what_is_missing_is_said_with_what_to_do", missing),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let services = match Services::find() {
        Ok(_) if arguments.list => Err("not started to list the tests".to_owned()),
        found => found.map(Services::start),
    };
    let mut all = SharedTests::new();
    for (name, test) in TESTS {
        all.push((name.to_owned(), Box::new(test)));
    }
    run_on(&arguments, services, all)
}

fn mill(services: &Services, name: &str) -> Mill {
    Mill::new(&services.kafka.address, &services.redis.address(), name)
}

/// What `tilemill run` makes of an image.
fn by_run(image: &Path, filters: &str, format: &str) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join(format!("out.{format}"));
    let mut command = tilemill(directory.path());
    command.arg("run").arg(image).args(["-f", filters, "--tile-size", "100", "-o"]).arg(&output);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    fs::read(output).unwrap()
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
