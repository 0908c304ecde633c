//! The life of a job and of its server's directory: admission, retention, deletion, leftovers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use jiff::{Span, Timestamp, ToSpan};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Server, data, field, form_head, picture, raw, tilemill, tree, until_tree, wait,
};

/// A chain that keeps one thread busy until the test is over.
const SLOW: [(&str, &str); 2] = [("filters", "blur:40,blur:40"), ("tile_size", "32")];
const ONE_THREAD: (&str, &str) = ("TILEMILL_WORKER__THREADS", "1");

fn files(directory: &TempDir) -> Vec<String> {
    tree(&directory.path().join("data"))
}

#[test]
fn a_directory_has_one_server_at_a_time_and_the_second_says_which() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let second = |setting: &str, value: &Path| {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let mut command = tilemill(directory.path());
        let mut child =
            command.args(serve).env(setting, value).stderr(Stdio::piped()).spawn().unwrap();
        let code = wait(&mut child).code();
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        (code, words)
    };
    let (code, words) = second("TILEMILL_DATA_DIR", &directory.path().join("data"));
    assert_eq!(code, Some(2), "{words}");
    let told = format!("in use by a server that runs as process {}", server.pid());
    assert!(words.contains(&told) && words.contains("`data_dir`"), "{words}");
    server.stop();
    let scratch = directory.path().join("scratch");
    let server =
        Server::start_with(&directory, &[("TILEMILL_SCRATCH_DIR", scratch.to_str().unwrap())]);
    let (code, words) = second("TILEMILL_SCRATCH_DIR", &scratch);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("`scratch_dir`"), "{words}");
    server.kill();
    Server::start(&directory).stop();
}

#[test]
fn a_start_removes_what_belongs_to_no_job_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    server.result(&job);
    server.until_idle();
    server.stop();
    let before = files(&directory);
    let stranger = "0198f0000000700080000000000000aa";
    for name in [
        ".staged-1".to_owned(),
        "uploads/.staged-2".to_owned(),
        "final/.staged-3".to_owned(),
        format!("uploads/{job}/.staged-4"),
        format!("uploads/{job}/decode.starts"),
        format!("uploads/{job}/outcome.room"),
        format!("uploads/{stranger}/original"),
        format!("final/{stranger}_complete.png"),
        format!("processed/{stranger}.0198f0000000700080000000000000bb.canvas"),
    ] {
        let path = directory.path().join("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "left over").unwrap();
    }
    let foreign = ["processed/mine.canvas", "uploads/notes.txt", "final/album.jpg"];
    for name in foreign {
        fs::write(directory.path().join("data").join(name), "somebody else's").unwrap();
    }
    let server = Server::start(&directory);
    server.log().wait_for("removed files that a killed server had left");
    server.result(&job);
    server.stop();
    let mut expected: Vec<_> = before.into_iter().chain(foreign.map(String::from)).collect();
    expected.sort();
    assert_eq!(files(&directory), expected);
}

#[test]
fn a_canvas_that_is_not_open_is_deleted_when_its_job_ends() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    server.result(&job);
    let processed = directory.path().join("data/processed");
    until_tree(&processed, <[String]>::is_empty);
    // As if its results had gone to another collector, and the job had ended there.
    let left = format!("{job}.0198f0000000700080000000000000bb.canvas");
    fs::write(processed.join(&left), "left over").unwrap();
    fs::write(processed.join("mine.canvas"), "somebody else's").unwrap();
    assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    until_tree(&processed, |names| names == ["mine.canvas"]);
    server.stop();
}

/// Of a job whose outcome cannot be read nobody knows whether it has ended.
#[test]
fn a_job_whose_outcome_is_damaged_holds_up_no_other() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[ONE_THREAD]);
    let image = picture(directory.path(), "in.png", 900, 900);
    let damaged = server.accepted(&image, &SLOW);
    server.until(&damaged, |job| job["tiles_done"].as_u64() > Some(0));
    let outcome = directory.path().join(format!("data/uploads/{damaged}/outcome.json"));
    fs::write(outcome, "{").unwrap();
    server.log().wait_for("a job gives trouble");
    // Results of a job that is gone make the collector look at all of them.
    let cancelled = server.accepted(&image, &SLOW);
    server.until(&cancelled, |job| job["tiles_done"].as_u64() > Some(0));
    assert_eq!(server.post(&format!("/api/jobs/{cancelled}/cancel")).0, 200);
    let good = server.accepted(&data("grey-8.png"), &[]);
    server.result(&good);
    server.kill();
}

#[test]
fn beyond_the_queue_jobs_are_refused_before_their_image_is_sent() {
    let directory = TempDir::new().unwrap();
    let settings = [("TILEMILL_JOBS__ACTIVE", "1"), ("TILEMILL_JOBS__QUEUED", "1"), ONE_THREAD];
    let server = Server::start_with(&directory, &settings);
    let image = picture(directory.path(), "in.png", 900, 900);
    let running = server.accepted(&image, &SLOW);
    let waiting = server.accepted(&image, &SLOW);
    let request = form_head("content-length: 1000000\r\n") + &field("image");
    let (status, head, problem) = raw(server.address(), request.as_bytes());
    assert_eq!((status, &problem["code"]), (429, &"too_many_jobs".into()), "{problem}");
    assert_eq!((&problem["value"], &problem["limit"]), (&"1 jobs".into(), &"1 jobs".into()));
    assert_eq!(problem["setting"], "jobs.queued");
    assert!(head.contains("retry-after: "), "{head}");
    assert_eq!(server.post(&format!("/api/jobs/{waiting}/cancel")).0, 200);
    let (status, again) = server.post(&format!("/api/jobs/{waiting}/retry"));
    assert_eq!(status, 201, "a place is free again: {again}");
    assert_eq!(server.post(&format!("/api/jobs/{waiting}/retry")).0, 429);
    for job in [&running, &waiting, again["id"].as_str().unwrap()] {
        assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    }
    server.until_idle();
    until_tree(&directory.path().join("data/processed"), <[String]>::is_empty);
    server.stop();
    assert_eq!(files(&directory), ["lock", "storage-id"]);
}

#[test]
fn an_upload_that_stands_still_is_given_up_and_gives_its_place_to_the_next() {
    let directory = TempDir::new().unwrap();
    let begun = form_head("content-length: 1000000\r\n") + &field("image") + "some bytes";
    let server = Server::start_with(&directory, &[("TILEMILL_LIMITS__UPLOADS", "1")]);
    let mut stalled = TcpStream::connect(server.address()).unwrap();
    stalled.write_all(begun.as_bytes()).unwrap();
    until_tree(&directory.path().join("data"), |names| {
        names.iter().any(|name| name.contains(".staged-"))
    });
    let (status, head, problem) = raw(server.address(), begun.as_bytes());
    assert_eq!((status, &problem["code"]), (503, &"too_many_uploads".into()), "{problem}");
    assert!(head.contains("retry-after: ") && problem["setting"] == "limits.uploads");
    drop(stalled);
    until_tree(&directory.path().join("data"), |names| names == ["lock", "storage-id"]);
    server.stop();

    let settings = [("TILEMILL_LIMITS__UPLOADS", "1"), ("TILEMILL_LIMITS__UPLOAD_IDLE", "1s")];
    let server = Server::start_with(&directory, &settings);
    let (status, _, problem) = raw(server.address(), begun.as_bytes());
    assert_eq!((status, &problem["code"]), (408, &"stalled".into()), "{problem}");
    assert_eq!(problem["setting"], "limits.upload_idle");
    assert_eq!(files(&directory), ["lock", "storage-id"]);
    server.result(&server.accepted(&data("grey-8.png"), &[]));
    server.stop();
}

#[test]
fn wishes_that_come_first_are_refused_before_the_image_is_sent() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    for (name, value, words) in [
        ("filters", "blurr", "did you mean blur"),
        ("tile_size", "0", "1 pixel"),
        ("quality", "0", "1 to 100"),
    ] {
        let request = form_head("content-length: 1000000\r\n")
            + &field(name)
            + value
            + "\r\n"
            + &field("image");
        let (status, _, problem) = raw(server.address(), request.as_bytes());
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    server.stop();
    assert_eq!(files(&directory), ["lock", "storage-id"]);
}

#[test]
fn what_would_take_the_last_of_the_disk_is_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_LIMITS__MIN_FREE_SPACE", "4096 TiB")]);
    let (status, problem) = server.submit(&data("grey-8.png"), &[]);
    assert_eq!((status, &problem["code"]), (507, &"no_space".into()), "{problem}");
    assert_eq!(problem["setting"], "limits.min_free_space");
    assert!(problem["value"].as_str().unwrap().contains("MiB free"), "{problem}");
    server.stop();
}

#[test]
fn what_is_kept_no_longer_is_gone_and_says_by_which_setting() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[ONE_THREAD]);
    let image = picture(directory.path(), "in.png", 900, 900);
    let unfinished = server.accepted(&image, &SLOW);
    let job = server.accepted(&data("grey-8.png"), &[]);
    let path = format!("/api/jobs/{job}");
    let done = server.until(&job, |job| job["status"] == "complete");
    let links = &done["links"];
    assert!(links["original"].is_string() && links["result"].is_string(), "{links}");
    server.stop();

    let settings = [
        ("TILEMILL_RETENTION__ORIGINALS", "1s"),
        ("TILEMILL_RETENTION__RESULTS", "1s"),
        ("TILEMILL_RETENTION__RECORDS", "1h"),
        ONE_THREAD,
    ];
    let server = Server::start_with(&directory, &settings);
    let without = server.until(&job, |job| job["links"]["result"].is_null());
    assert_eq!(
        (&without["links"]["original"], &without["status"]),
        (&None::<()>.into(), &"complete".into())
    );
    for (answer, setting) in [
        (server.get(&format!("{path}/result")), "retention.results"),
        (server.get(&format!("{path}/original")), "retention.originals"),
        (server.post(&format!("{path}/retry")), "retention.originals"),
    ] {
        let (status, problem) = answer;
        assert_eq!((status, &problem["code"]), (410, &"gone".into()), "{problem}");
        assert_eq!((&problem["setting"], &problem["limit"]), (&setting.into(), &"1 s".into()));
    }
    assert!(without["links"]["thumbnail"].is_null());
    assert_eq!(server.get(&format!("{path}/thumbnail")).0, 404);
    assert_eq!(server.get(&format!("/api/jobs/{unfinished}/original")).0, 200);
    server.stop();
    let left = files(&directory);
    let of_job: Vec<_> = left.iter().filter(|name| name.contains(&job)).collect();
    assert_eq!(
        of_job,
        [&format!("uploads/{job}/job.json"), &format!("uploads/{job}/outcome.json")]
    );
    assert!(left.contains(&format!("uploads/{unfinished}/original")));

    let settings = [
        ("TILEMILL_RETENTION__ORIGINALS", "1s"),
        ("TILEMILL_RETENTION__RESULTS", "1s"),
        ("TILEMILL_RETENTION__RECORDS", "1s"),
    ];
    let server = Server::start_with(&directory, &settings);
    server.get_until(&path, |job| job["code"] == "not_found");
    server.stop();
    assert!(!files(&directory).iter().any(|name| name.contains(&job)));
}

#[test]
fn beyond_the_quota_the_oldest_ended_jobs_lose_their_files() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let jobs = [(); 3].map(|()| {
        let job = server.accepted(&data("rgb-16.png"), &[("format", "tiff")]);
        (server.result(&job).len(), job)
    });
    server.stop();
    let original = fs::metadata(data("rgb-16.png")).unwrap().len();
    let quota = (2 * (original + jobs[0].0 as u64)).to_string();
    let server = Server::start_with(&directory, &[("TILEMILL_RETENTION__MAX_BYTES", &quota)]);
    let path = |job: &str| format!("/api/jobs/{job}/result");
    let gone = server.get_until(&path(&jobs[0].1), |answer| answer["code"] == "gone");
    assert_eq!(gone["setting"], "retention.max_bytes");
    for (_, job) in &jobs[1..] {
        assert_eq!(server.get(&path(job)).0, 200);
    }
    server.stop();
}

#[test]
fn a_follower_of_a_job_is_told_that_it_was_deleted() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    let url = server.url(&format!("/api/events?job={job}"));
    let stream = ureq::get(&url).call().unwrap().into_body().into_reader();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "event: job"));
    assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    assert!(lines.any(|line| line == "event: gone"));
    assert_eq!(lines.next(), Some(format!("data: {{\"id\":\"{job}\"}}")));
    server.stop();
}

#[test]
fn a_job_in_work_ends_when_it_is_too_old() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_JOB__MAX_AGE", "1s"), ONE_THREAD]);
    let job = server.accepted(&picture(directory.path(), "in.png", 900, 900), &SLOW);
    let text = server.ended(&job)["error"]["text"].clone();
    assert_eq!(text, "not finished within 1 s (`job.max_age`)");
    server.stop();
}

#[test]
fn a_job_that_still_waits_ends_when_it_is_too_old() {
    let directory = TempDir::new().unwrap();
    let settings = [("TILEMILL_JOBS__ACTIVE", "1"), ("TILEMILL_JOB__MAX_AGE", "1h"), ONE_THREAD];
    let server = Server::start_with(&directory, &settings);
    let image = picture(directory.path(), "in.png", 900, 900);
    let running = server.accepted(&image, &SLOW);
    let waiting = server.accepted(&image, &SLOW);
    server.kill();
    made_older(&directory, &waiting, 2.hours());
    let server = Server::start_with(&directory, &settings);
    let text = server.ended(&waiting)["error"]["text"].clone();
    assert_eq!(text, "not finished within 1 h (`job.max_age`)");
    server.until(&running, |job| job["tiles_done"].as_u64() > Some(0));
    let begun: Vec<_> =
        server.log().lines().into_iter().filter(|line| line.contains("begun")).collect();
    assert!(begun.len() == 1 && begun[0].contains(&running), "{begun:?}");
    server.stop();
}

/// As if a job had been submitted so much earlier.
fn made_older(directory: &TempDir, job: &str, by: Span) {
    let path = directory.path().join(format!("data/uploads/{job}/job.json"));
    let mut plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let created: Timestamp = plan["created_at"].as_str().unwrap().parse().unwrap();
    plan["created_at"] = (created - by).to_string().into();
    fs::write(&path, plan.to_string()).unwrap();
}

/// As if the first try had failed in the middle.
#[test]
fn a_job_of_which_only_a_part_was_deleted_can_be_deleted_again() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    server.result(&job);
    let files = directory.path().join(format!("data/uploads/{job}"));
    fs::remove_file(files.join("job.json")).unwrap();
    assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    assert!(!files.exists());
    assert_eq!(server.get(&format!("/api/jobs/{job}")).0, 404);
    server.stop();
}

#[test]
fn a_page_of_another_site_cannot_start_or_delete_a_job() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    let evil = "origin: http://evil.example\r\ncontent-length: 1000000\r\n";
    let (status, head, problem) = raw(server.address(), form_head(evil).as_bytes());
    assert_eq!((status, &problem["code"]), (403, &"foreign_site".into()), "{problem}");
    assert!(head.contains("content-security-policy"), "{head}");
    let delete = format!(
        "DELETE /api/jobs/{job} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\n\r\n"
    );
    assert_eq!(raw(server.address(), delete.as_bytes()).0, 403);
    let rebound = "GET /api/jobs HTTP/1.1\r\nhost: evil.example\r\n\r\n";
    let (status, _, problem) = raw(server.address(), rebound.as_bytes());
    assert_eq!((status, &problem["setting"]), (403, &"server.hosts".into()));
    server.result(&job);
    server.stop();
}
