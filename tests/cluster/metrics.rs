//! The numbers for operators, as a real Prometheus gets them, and the example rules, as promtool judges them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use libtest_mimic::{Arguments, Conclusion};
use serde_json::Value;
use tempfile::TempDir;

use crate::prometheus::{Programs, Prometheus};
use crate::support::{Server, Suite, named, picture};

type Test = fn(&Programs);

const TESTS: [(&str, Test); 3] = [
    ("promtool_finds_nothing_to_complain_of", lint),
    ("the_example_rules_are_valid_and_fire_when_they_should", rules),
    ("a_prometheus_gets_the_right_numbers_and_they_never_fall", numbers),
];

pub fn run(arguments: &Arguments) -> Conclusion {
    Suite { name: "metrics", threads: 2 }.run(arguments, Programs::find(), named(&TESTS))
}

fn alerts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts.yml")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

fn lint(programs: &Programs) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = picture(directory.path(), "in.png", 300, 20);
    server.ended(&server.accepted(&image, &[]));
    let checked = programs.promtool(&["check", "metrics"], &server.bytes("/metrics"));
    assert!(checked.status.success() && said(&checked).is_empty(), "{}", said(&checked));
    let wrong = programs.promtool(&["check", "metrics"], b"# TYPE jobs counter\njobs 1\n");
    assert!(said(&wrong).contains("_total"), "it complains of nothing: {}", said(&wrong));
    server.stop();
}

fn rules(programs: &Programs) {
    let checked = programs.promtool(&["check", "rules", alerts().to_str().unwrap()], b"");
    assert!(checked.status.success() && said(&checked).contains("5 rules"), "{}", said(&checked));
    let cases =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/prometheus/alerts.test.yml");
    let tested = programs.promtool(&["test", "rules", cases.to_str().unwrap()], b"");
    assert!(tested.status.success(), "{}", said(&tested));
    let (text, documented) = (fs::read_to_string(alerts()).unwrap(), crate::told::documented());
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let is_metric = word.starts_with("tilemill_");
        let word = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(!is_metric || documented.contains_key(word), "{word} is not documented");
    }
}

/// A server, and a Prometheus that has scraped it.
struct Watched {
    directory: TempDir,
    server: Server,
    prometheus: Prometheus,
}

fn numbers(programs: &Programs) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let prometheus = Prometheus::start(programs, server.address(), &alerts());
    prometheus.until("up", 1.0);
    // What has not happened yet is there, so that its first increase is seen.
    prometheus.until("sum(tilemill_jobs_ended_total)", 0.0);
    let watched = Watched { directory, server, prometheus };
    let complete = jobs_that_complete(&watched);
    jobs_that_do_not(&watched, &complete);
    refusals(&watched);
    streams(&watched, &complete);
    the_process(&watched);
    the_rules_are_used(&watched.prometheus);
    after_a_restart(watched);
}

/// Two jobs of 88 tiles each; returns the second.
fn jobs_that_complete(watched: &Watched) -> String {
    let Watched { directory, server, prometheus } = watched;
    let image = picture(directory.path(), "in.png", 700, 500);
    let first = server.accepted(&image, &[("filters", "blur:3"), ("tile_size", "64")]);
    server.ended(&first);
    let second =
        server.post(&format!("/api/jobs/{first}/retry")).1["id"].as_str().unwrap().to_owned();
    let result = server.result(&second).len();
    prometheus.until(r#"tilemill_jobs_ended_total{outcome="complete"}"#, 2.0);
    prometheus.until("tilemill_jobs_accepted_total", 2.0);
    prometheus.until("tilemill_tiles_sent_total", 176.0);
    prometheus.until("sum(tilemill_tile_retries_total)", 0.0);
    prometheus.until("tilemill_tile_filter_seconds_count", 176.0);
    prometheus.until(r#"max(tilemill_tile_filter_seconds_bucket{le=~"600(.0)?"})"#, 176.0);
    prometheus.until("tilemill_job_wait_seconds_count", 2.0);
    prometheus.until("tilemill_job_duration_seconds_count", 2.0);
    prometheus.until(r#"tilemill_job_phase_seconds_count{phase="stitch"}"#, 2.0);
    let phases = "sum(tilemill_job_phase_seconds_sum)";
    prometheus
        .until(&format!("abs({phases} - sum(tilemill_job_duration_seconds_sum)) < bool 1e-6"), 1.0);
    prometheus.until(&format!("{phases} > bool 0"), 1.0);
    let bytes = |size: usize| f64::from(u32::try_from(size).unwrap());
    let original = fs::metadata(&image).unwrap().len();
    let original = bytes(original.try_into().unwrap());
    prometheus.until(r#"tilemill_stored_bytes{what="originals"}"#, 2.0 * original);
    prometheus.until(r#"tilemill_stored_bytes{what="results"}"#, 2.0 * bytes(result));
    prometheus.until(r#"tilemill_stored_bytes{what="canvases",directory="scratch"}"#, 0.0);
    prometheus
        .until(r#"tilemill_http_sent_bytes_total{route="/api/jobs/{id}/result"}"#, bytes(result));
    let received = r#"tilemill_http_received_bytes_total{route="/api/jobs"}"#;
    // The form has heads around the file.
    let whole =
        format!("({received} > bool {original}) * ({received} < bool {})", original + 1000.0);
    prometheus.until(&whole, 1.0);
    second
}

fn jobs_that_do_not(watched: &Watched, complete: &str) {
    let Watched { directory, server, prometheus } = watched;
    let broken = directory.path().join("broken.png");
    let image = fs::read(directory.path().join("in.png")).unwrap();
    fs::write(&broken, &image[..image.len() / 2]).unwrap();
    let failed = server.accepted(&broken, &[]);
    assert_eq!(server.ended(&failed)["status"], "failed");
    let slow = [("filters", "denoise:8:21:8"), ("tile_size", "64")];
    let cancelled = server.accepted(&directory.path().join("in.png"), &slow);
    assert_eq!(server.post(&format!("/api/jobs/{cancelled}/cancel")).0, 200);
    // One that is deleted before its end is cancelled by that; one that has ended is not counted again, nor forgotten.
    let deleted = server.accepted(&directory.path().join("in.png"), &slow);
    for job in [&deleted, complete, &failed] {
        assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    }
    for (outcome, jobs) in [("complete", 2.0), ("failed", 1.0), ("cancelled", 2.0)] {
        prometheus.until(&format!("tilemill_jobs_ended_total{{outcome={outcome:?}}}"), jobs);
    }
    prometheus.until("tilemill_job_duration_seconds_count", 2.0);
    prometheus.until("tilemill_jobs_active + tilemill_jobs_queued", 0.0);
    prometheus.until("sum(tilemill_topic_lag) - sum(tilemill_tiles_in_flight)", 0.0);
}

fn refusals(watched: &Watched) {
    let Watched { directory, server, prometheus } = watched;
    let text = directory.path().join("no-image.png");
    fs::write(&text, "words").unwrap();
    assert_eq!(server.submit(&text, &[]).0, 415);
    for path in ["/api/made/up", "/made-up/1", "/made-up/2"] {
        assert_eq!(server.get(path).0, 404);
    }
    assert_eq!(server.get("/").0, 200);
    prometheus.until(r#"tilemill_refusals_total{code="invalid_image"}"#, 1.0);
    prometheus.until(r#"tilemill_refusals_total{code="not_found"}"#, 1.0);
    prometheus.until(r#"tilemill_refusals_total{code="no_space"}"#, 0.0);
    let requests = |labels: &str| format!("tilemill_http_requests_total{{{labels}}}");
    prometheus.until(&requests(r#"method="POST",route="/api/jobs",status="415""#), 1.0);
    prometheus.until(&requests(r#"method="DELETE",route="/api/jobs/{id}",status="204""#), 3.0);
    prometheus.until(&requests(r#"route="unknown",status="404""#), 3.0);
    prometheus.until(&requests(r#"route="page",status="200""#), 1.0);
    let deletes = r#"tilemill_http_request_duration_seconds_count{method="DELETE"}"#;
    prometheus.until(deletes, 3.0);
    assert_eq!(prometheus.query(&format!("count({})", requests(r#"route=~".*made.*""#))), None);
}

/// A stream is a request, and is not one that takes as long as a page is open.
fn streams(watched: &Watched, job: &str) {
    let Watched { server, prometheus, .. } = watched;
    prometheus.until("tilemill_event_streams", 0.0);
    let open = ureq::get(server.url("/api/events")).call().unwrap();
    prometheus.until("tilemill_event_streams", 1.0);
    drop(open);
    prometheus.until("tilemill_event_streams", 0.0);
    let streams = r#"tilemill_http_requests_total{route="/api/events",status="200"} > bool 0"#;
    prometheus.until(streams, 1.0);
    assert_eq!(server.get(&format!("/api/events?job={job}")).0, 404);
    let times = r#"tilemill_http_request_duration_seconds_count{route="/api/events"}"#;
    prometheus.until(times, 1.0);
}

fn the_process(Watched { prometheus, .. }: &Watched) {
    for is_so in [
        "process_cpu_seconds_total > bool 0",
        "process_start_time_seconds < bool time()",
        "process_start_time_seconds > bool (time() - 3600)",
        "process_virtual_memory_bytes > bool process_resident_memory_bytes",
        "process_resident_memory_bytes > bool 1e6",
        "process_max_fds > bool process_open_fds",
        "process_open_fds > bool 5",
        "process_threads > bool 2",
        r#"tilemill_disk_free_bytes{directory="data"} > bool 0"#,
        r#"tilemill_disk_free_bytes{directory="scratch"} > bool 0"#,
        "tilemill_disk_reserve_bytes > bool 0",
        "tilemill_build_info",
        "tilemill_ready",
    ] {
        prometheus.until(is_so, 1.0);
    }
}

fn the_rules_are_used(prometheus: &Prometheus) {
    let groups = prometheus.get("rules", &[]);
    let rules = groups["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 5);
    let bad = |rule: &&Value| rule["state"] == "firing" || rule["health"] == "err";
    assert_eq!(rules.iter().find(bad), None);
}

/// Counters begin anew, and jobs that had ended before are not counted again.
fn after_a_restart(Watched { directory, server, prometheus }: Watched) {
    let address = server.address().to_owned();
    server.stop();
    let server = Server::start_again(&directory, &[("TILEMILL_SERVER__LISTEN", &address)]);
    prometheus.until("sum(tilemill_jobs_ended_total)", 0.0);
    server.ended(&server.accepted(&directory.path().join("in.png"), &[]));
    prometheus.until(r#"tilemill_jobs_ended_total{outcome="complete"}"#, 1.0);
    prometheus.until(r#"resets(tilemill_jobs_ended_total{outcome="complete"}[10m])"#, 1.0);
    server.stop();
}
