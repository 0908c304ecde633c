//! The binary as a user meets it: files in, files out; a server that is used, killed and started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::support::{Server, data, form_head, picture, raw, tilemill, until_tree, wait};

fn run(directory: &Path, line: &[&str]) -> Output {
    tilemill(directory).arg("run").args(line).output().unwrap()
}

/// Runs a command line that must succeed, and reads the file that it made.
fn made(directory: &Path, line: &[&str], output: &str) -> Vec<u8> {
    let ran = run(directory, &[line, &["-o", output, "--overwrite"]].concat());
    assert!(ran.status.success(), "{ran:?}");
    fs::read(directory.join(output)).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Chains, and the outputs that they are tried with.
const CHAINS: [(&str, &str); 4] =
    [("blur:3,grayscale", "a.png"), ("invert,blur:40", "a.jpg"), ("", "a.tif"), ("blur", "a.webp")];

#[test]
fn a_server_makes_the_bytes_of_a_run_for_every_tile_size_and_thread_count() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 233, 151);
    // The rows of a run go straight from the decoder to the encoder; a server always makes tiles.
    let expected = CHAINS.map(|(filters, output)| {
        let line = |threads| {
            made(directory.path(), &[text(&image), "-f", filters, "--threads", threads], output)
        };
        let alone = line("1");
        assert!(line("4") == alone, "{filters}");
        alone
    });
    for (tile, threads) in [("8192", "1"), ("7", "1"), ("7", "4"), ("64", "3"), ("150", "2")] {
        let data = TempDir::new().unwrap();
        let server = Server::start_with(&data, &[("TILEMILL_WORKER__THREADS", threads)]);
        for ((filters, output), expected) in CHAINS.iter().zip(&expected) {
            let format = &output[2..].replace("tif", "tiff").replace("jpg", "jpeg");
            let fields = [("filters", *filters), ("tile_size", tile), ("format", format)];
            let job = server.accepted(&image, &fields);
            let made = server.result(&job);
            assert!(made == *expected, "{filters} in tiles of {tile} on {threads}");
        }
        server.stop();
    }
}

#[test]
fn a_run_that_needs_tiles_makes_the_same_bytes_for_every_size_and_thread_count() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 233, 151);
    for (filters, output) in [
        ("autolevels,blur:3,grayscale", "a.png"),
        ("rotate,invert,blur:40", "a.jpg"),
        ("equalize", "a.tif"),
        ("crop:3:5,blur", "a.webp"),
    ] {
        let line = |tile, threads| {
            let line = [text(&image), "-f", filters, "--tile-size", tile, "--threads", threads];
            made(directory.path(), &line, output)
        };
        let expected = line("8192", "1");
        for (tile, threads) in [("7", "1"), ("7", "4"), ("64", "3"), ("150", "2"), ("1000", "4")] {
            assert!(line(tile, threads) == expected, "{filters} in tiles of {tile} on {threads}");
        }
    }
}

#[test]
fn tiles_of_one_pixel_make_the_same_image() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 19, 23);
    let line = [text(&image), "-f", "flip,blur:1,flip"];
    let small = made(directory.path(), &[&line[..], &["--tile-size", "1"]].concat(), "a.png");
    let large = made(directory.path(), &[text(&image), "-f", "blur:1"], "b.png");
    assert!(small == large);
}

#[test]
fn the_server_makes_the_same_bytes_as_a_run() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    for (name, output) in [
        ("baseline-420.jpg", "a.jpg"),
        ("rgba-16.png", "a.png"),
        ("rgb-lzw.tif", "a.tif"),
        ("turned.jpg", "b.jpg"),
    ] {
        let image = data(name);
        let expected = made(directory.path(), &[text(&image), "-f", "blur:2,invert"], output);
        let job = server.accepted(&image, &[("filters", "blur:2,invert"), ("tile_size", "13")]);
        assert!(server.result(&job) == expected, "{name}");
    }
    server.stop();
}

#[test]
fn a_job_shows_the_page_that_was_chosen() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    for (name, page) in [("moving.png", 0), ("moving.gif", 3), ("moving.webp", 4), ("pages.tif", 2)]
    {
        let (image, page) = (data(name), page.to_string());
        let line = [text(&image), "-f", "invert", "--page", &page];
        let expected = made(directory.path(), &line, "frame.png");
        let fields = [("filters", "invert"), ("page", page.as_str()), ("format", "png")];
        let job = server.accepted(&image, &fields);
        assert!(server.result(&job) == expected, "{name}");
        let (_, view) = server.get(&format!("/api/jobs/{job}"));
        assert_eq!(view["page"].to_string(), page, "{name}");
    }
    let job = server.accepted(&data("pages.tif"), &[]);
    let (_, view) = server.get(&format!("/api/jobs/{job}"));
    assert!(view["page"].is_null() && view.get("page").is_some(), "{view}");
    let (status, told) = server.submit(&data("moving.gif"), &[("page", "5")]);
    assert_eq!((status, told["code"].as_str()), (422, Some("invalid_option")), "{told}");
    server.stop();
}

#[test]
fn a_job_of_a_killed_server_completes_after_a_restart_with_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1200, 900);
    let line = [text(&image), "-f", "blur:30,blur:30"];
    let expected = made(directory.path(), &line, "a.png");

    let settings = [("TILEMILL_WORKER__THREADS", "1")];
    let server = Server::start_with(&directory, &settings);
    let fields = [("filters", "blur:30,blur:30"), ("tile_size", "64"), ("format", "png")];
    let job = server.accepted(&image, &fields);
    server.until(&job, |job| job["tiles_done"].as_u64() >= Some(20));
    server.kill();

    let server = Server::start_with(&directory, &settings);
    let adopted =
        server.until(&job, |job| job["status"] == "processing" || job["status"] == "complete");
    assert!(adopted["tiles_done"].as_u64() >= Some(20), "the canvas was adopted: {adopted}");
    assert!(server.result(&job) == expected);
    server.stop();
    assert_eq!(fs::read_dir(directory.path().join("data/processed")).unwrap().count(), 0);
}

#[test]
fn a_job_completes_after_a_restart_that_finds_no_canvas() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 900, 700);
    let expected = made(directory.path(), &[text(&image), "-f", "blur:40"], "a.png");
    let settings = [("TILEMILL_WORKER__THREADS", "1")];
    let server = Server::start_with(&directory, &settings);
    let job = server.accepted(&image, &[("filters", "blur:40"), ("tile_size", "50")]);
    server.until(&job, |job| job["tiles_done"].as_u64() >= Some(5));
    server.kill();
    fs::remove_dir_all(directory.path().join("data/processed")).unwrap();

    let server = Server::start_with(&directory, &settings);
    assert!(server.result(&job) == expected);
    server.stop();
}

#[test]
fn a_cancelled_job_stays_as_cancelled_and_leaves_no_scratch_file() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1200, 900);
    let server = Server::start_with(&directory, &[("TILEMILL_WORKER__THREADS", "1")]);
    let job = server.accepted(&image, &[("filters", "blur:90,blur:90"), ("tile_size", "64")]);
    server.until(&job, |job| job["tiles_done"].as_u64() >= Some(1));
    assert_eq!(server.post(&format!("/api/jobs/{job}/cancel")).0, 200);
    assert_eq!(server.ended(&job)["status"], "cancelled");
    let (status, problem) = server.get(&format!("/api/jobs/{job}/result"));
    assert_eq!((status, &problem["code"]), (409, &"wrong_status".into()));
    let (status, again) = server.post(&format!("/api/jobs/{job}/retry"));
    assert_eq!((status, &again["filters"]), (201, &"blur:90,blur:90".into()));
    let second = again["id"].as_str().unwrap();
    assert_eq!(server.delete(&format!("/api/jobs/{second}")).0, 204);
    assert_eq!(server.get(&format!("/api/jobs/{second}")).0, 404);
    server.until_idle();
    until_tree(&directory.path().join("data/processed"), <[String]>::is_empty);
    server.stop();
    let left =
        |folder: &str| fs::read_dir(directory.path().join("data").join(folder)).unwrap().count();
    assert_eq!((left("processed"), left("uploads"), left("final")), (0, 1, 0));
}

#[test]
fn refusals_name_the_value_the_limit_and_the_setting() {
    let directory = TempDir::new().unwrap();
    let settings =
        [("TILEMILL_LIMITS__MAX_UPLOAD", "100 KiB"), ("TILEMILL_LIMITS__MAX_SIDE", "500")];
    let server = Server::start_with(&directory, &settings);
    let text_file = directory.path().join("letter.jpg");
    fs::write(&text_file, "Dear Sir or Madam").unwrap();
    let large = picture(directory.path(), "large.png", 600, 10);
    let heavy = directory.path().join("heavy.png");
    fs::write(&heavy, vec![0; 200 * 1024]).unwrap();
    let small = data("grey-8.png");
    for (image, fields, status, code, words) in [
        (&text_file, vec![], 415, "invalid_image", "not an image"),
        (&large, vec![], 413, "too_large", "600 pixels a side, the limit is 500"),
        (&heavy, vec![], 413, "too_large", "`limits.max_upload`"),
        (&small, vec![("filters", "blurr")], 422, "invalid_filters", "did you mean blur"),
        (&small, vec![("filters", "blur:0")], 422, "invalid_filters", "from 0.1 to 100"),
        (&small, vec![("tile_size", "0")], 422, "invalid_option", "at least 1 pixel"),
        (&small, vec![("tile_size", "-5")], 422, "invalid_option", "tile_size"),
        (&small, vec![("tile_size", "8193")], 422, "invalid_option", "`limits.max_tile`"),
        (&small, vec![("format", "bmp")], 422, "invalid_option", "format"),
        (&small, vec![("quality", "101")], 422, "invalid_option", "from 1 to 100"),
        (&small, vec![("colour", "red")], 400, "malformed_request", "\"colour\""),
        (&data("animated.gif"), vec![], 415, "unsupported_image", "animation"),
    ] {
        let (got, problem) = server.submit(image, &fields);
        assert_eq!((got, &problem["code"]), (status, &code.into()), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail:?} does not say {words:?}");
    }
    assert_eq!(server.get("/api/jobs").1["total"], 0);
    assert_eq!(server.get("/api/jobs/no-such-job").0, 404);
    server.stop();
    assert_eq!(fs::read_dir(directory.path().join("data/uploads")).unwrap().count(), 0);
}

#[test]
fn an_image_that_breaks_off_fails_its_job_in_words() {
    let directory = TempDir::new().unwrap();
    let whole = fs::read(data("interlaced.png")).unwrap();
    let broken = directory.path().join("broken.png");
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let ran = run(directory.path(), &["broken.png", "-o", "out.png"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(errors(&ran).contains("damaged or incomplete"), "{ran:?}");
    let server = Server::start(&directory);
    let job = server.accepted(&broken, &[]);
    let ended = server.ended(&job);
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"]["text"].as_str().unwrap().contains("damaged or incomplete"));
    server.stop();
}

#[test]
fn one_bad_image_does_not_keep_the_others_from_being_done() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("bad.png"), "no image").unwrap();
    let good = data("rgb.bmp");
    let ran = run(directory.path(), &["bad.png", text(&good), "missing.png", "-o", "out"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(errors(&ran).contains("bad.png: this is not an image"), "{ran:?}");
    assert!(errors(&ran).contains("missing.png: cannot open it"), "{ran:?}");
    let left: Vec<_> = fs::read_dir(directory.path().join("out")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(image::open(directory.path().join("out/rgb.png")).is_ok());
}

#[test]
fn wrong_use_is_told_before_anything_is_done() {
    let directory = TempDir::new().unwrap();
    let image = data("grey-8.png");
    fs::write(directory.path().join("there.png"), "mine").unwrap();
    for (line, words) in [
        (vec![text(&image), "-o", "there.png"], "--overwrite"),
        (vec![text(&image), "-o", "a.xyz"], ".jpg, .png, .tif or .webp"),
        (vec![text(&image), "-o", "a.png", "-f", "blurr"], "did you mean blur"),
        (vec!["a.png", "x/a.png", "-o", "out"], "both be written"),
        (vec!["--config", "none.toml", text(&image), "-o", "a.png"], "none.toml"),
    ] {
        let ran = run(directory.path(), &line);
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(errors(&ran).contains(words), "{ran:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(directory.path().join("there.png")).unwrap(), "mine");
}

#[test]
fn an_interrupted_run_exits_with_130_and_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1500, 1500);
    let mut child = tilemill(directory.path())
        .args([
            "run",
            text(&image),
            "-o",
            "out/a.png",
            "-f",
            "blur:100,blur:100,blur:100",
            "-t",
            "1",
        ])
        .spawn()
        .unwrap();
    // The directory is made when the run has begun.
    while !directory.path().join("out").exists() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 0);
}

#[test]
fn filters_are_told_by_the_program_in_its_help_and_to_shells() {
    let directory = TempDir::new().unwrap();
    let told = |line: &[&str]| {
        let ran = tilemill(directory.path()).args(line).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let described = told(&["filters", "blur"]);
    assert!(described.starts_with("blur[:sigma]\n"), "{described}");
    assert!(described.contains("a number from 0.1 to 100 pixels; 2 if"), "{described}");
    for line in [&["filters"][..], &["run", "--help"], &["completions", "bash"]] {
        let told = told(line);
        for filter in tilemill::raster::filter::filters() {
            assert!(told.contains(filter.name), "{}: {told}", filter.name);
        }
    }
    let unknown = tilemill(directory.path()).args(["filters", "gray"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(errors(&unknown).contains("did you mean grayscale?"), "{unknown:?}");
}

/// A killed process removes nothing itself.
#[test]
fn a_killed_run_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 4000, 4000);
    let mut child = tilemill(directory.path())
        .args(["run", text(&image), "-o", "out/a.png", "-f", "invert"])
        .env("TILEMILL_SCRATCH_DIR", directory.path().join("scratch"))
        .spawn()
        .unwrap();
    while crate::support::open_below(child.id(), &directory.path().join("out")) == 0 {
        assert_eq!(child.try_wait().unwrap(), None, "its result was never begun");
    }
    child.kill().unwrap();
    wait(&mut child);
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 0);
}

#[test]
fn a_batch_goes_on_where_it_was_left_and_says_what_became_of_each_image() {
    let directory = TempDir::new().unwrap();
    for name in ["a.png", "b.png", "c.jpg"] {
        picture(directory.path(), name, 60, 40);
    }
    fs::write(directory.path().join("no.png"), "no image").unwrap();
    let all = ["*.png", "*.jpg", "-o", "out"];
    let batch = |more: &[&str]| run(directory.path(), &[&all, more].concat());
    let first = run(directory.path(), &["a.png", "c.jpg", "-o", "out"]);
    assert!(first.status.success() && errors(&first) == "tilemill: 2 done\n", "{first:?}");
    let before = fs::read(directory.path().join("out/a.png")).unwrap();
    let refused = batch(&[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(errors(&refused).contains("--skip-existing"), "{refused:?}");
    let rest = batch(&["--skip-existing", "-f", "invert", "--report", "report.jsonl"]);
    assert_eq!(rest.status.code(), Some(1), "{rest:?}");
    let summary = "tilemill: 1 done, 2 skipped (their results exist), 1 failed:\n  no.png\n";
    assert!(errors(&rest).ends_with(summary), "{rest:?}");
    assert!(fs::read(directory.path().join("out/a.png")).unwrap() == before);
    let report = fs::read_to_string(directory.path().join("report.jsonl")).unwrap();
    let mut entries: Vec<serde_json::Value> =
        report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    entries.sort_by_key(|entry| entry["input"].to_string());
    let statuses: Vec<_> = entries.iter().map(|entry| entry["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["skipped", "done", "skipped", "failed"], "{report}");
    let done = &entries[1];
    assert_eq!(
        (&done["output"], &done["width"], &done["tiles"]),
        (&"out/b.png".into(), &60.into(), &1.into())
    );
    assert!(entries[3]["error"].as_str().unwrap().contains("image"), "{report}");
    let again = run(directory.path(), &["a.png", "-o", "out", "--skip-existing"]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(errors(&again), "tilemill: 0 done, 1 skipped (their results exist)\n");
    let both = batch(&["--skip-existing", "--overwrite"]);
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    let image = batch(&["--overwrite", "--report", "a.png"]);
    assert_eq!(image.status.code(), Some(2), "{image:?}");
    assert!(errors(&image).contains("is no report"), "{image:?}");
    assert!(batch(&["--overwrite", "--report", "report.jsonl"]).status.code() == Some(1));
    let full = batch(&["--overwrite", "--report", "/dev/full"]);
    assert!(errors(&full).contains("--report: cannot write"), "{full:?}");
}

#[test]
fn an_interrupted_batch_says_how_to_go_on() {
    let directory = TempDir::new().unwrap();
    picture(directory.path(), "a.png", 60, 40);
    picture(directory.path(), "b.png", 1500, 1500);
    let slow = ["-f", "blur:100,blur:100,blur:100", "-t", "1"];
    let mut child = tilemill(directory.path())
        .args(["run", "a.png", "b.png", "-o", "out"])
        .args(slow)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut lines).unwrap();
    assert!(lines.starts_with("a.png -> out/a.png: "), "{lines}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(130), "{ran:?}");
    let words = "1 done, 1 left (--skip-existing goes on with them)";
    assert!(errors(&ran).contains(words), "{ran:?}");
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 1);
}

#[test]
fn a_second_server_on_the_same_port_says_how_to_choose_another() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let address = server.url("").replace("http://", "");
    let second = tilemill(directory.path()).args(["serve", "--listen", &address]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(errors(&second).contains("--listen or `server.listen`"), "{second:?}");
    server.stop();
}

#[test]
fn a_job_in_work_shows_its_tiles_and_keeps_a_thumbnail_when_it_is_complete() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1200, 900);
    let server = Server::start_with(&directory, &[("TILEMILL_WORKER__THREADS", "1")]);
    let job = server.accepted(&image, &[("filters", "blur:20,blur:20"), ("tile_size", "100")]);
    let path = |what: &str| format!("/api/jobs/{job}/{what}");
    let shown =
        |value: &serde_json::Value| value["tiles"].as_array().is_some_and(|t| !t.is_empty());
    let tiles = server.get_until(&path("tiles"), shown);
    assert_eq!((&tiles["columns"], &tiles["rows"]), (&12.into(), &9.into()));
    assert!(
        tiles["tiles"][0]["worker"].is_string() && tiles["tiles"][0]["attempt"] == 1,
        "{tiles}"
    );
    let mosaic = image::load_from_memory(&server.bytes(&path("mosaic"))).unwrap();
    assert_eq!((mosaic.width(), mosaic.height()), (12 * 42, 9 * 42));
    let clear = |image: &image::DynamicImage| image.to_rgba8().pixels().any(|p| p.0[3] == 0);
    let early = image::load_from_memory(&server.bytes(&path("thumbnail"))).unwrap();
    assert!(clear(&early) && early.width() == 256);
    server.result(&job);
    let thumbnail = image::load_from_memory(&server.bytes(&path("thumbnail"))).unwrap();
    assert!(!clear(&thumbnail));
    assert_eq!((thumbnail.width(), thumbnail.height()), (256, 192));
    assert_eq!(server.get(&path("mosaic")).0, 409);
    server.stop();
}

#[test]
fn a_result_can_be_fetched_in_parts_and_has_a_name() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[("format", "jpeg")]);
    let whole = server.result(&job);
    let url = server.url(&format!("/api/jobs/{job}/result"));
    let mut part = ureq::get(&url).header("range", "bytes=2-5").call().unwrap();
    assert_eq!(part.status(), 206);
    let name = part.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.contains("grey-8_complete.jpg"), "{name}");
    assert_eq!(part.body_mut().read_to_vec().unwrap(), whole[2..6]);
    let tag = part.headers()["etag"].clone();
    let same = ureq::get(&url).header("if-none-match", tag).call().unwrap();
    assert_eq!(same.status(), 304);
    server.stop();
}

#[test]
fn workers_queue_filters_and_health_are_told() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("WORKER_ID", "worker-1")]);
    let workers = server.get_until("/api/workers", |workers| !workers[0].is_null());
    assert_eq!((&workers[0]["id"], &workers[0]["state"]), (&"worker-1".into(), &"live".into()));
    assert_eq!(server.get("/api/queue").1["tiles_in_flight"], 0);
    let names: Vec<_> = server
        .get("/api/filters")
        .1
        .as_array()
        .unwrap()
        .iter()
        .map(|filter| filter["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.is_sorted() && names.iter().any(|name| name == "blur"), "{names:?}");
    assert_eq!((server.get("/healthz").0, server.get("/readyz").0), (200, 200));
    server.stop();
}

#[test]
fn metrics_tell_of_jobs_and_workers() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 600, 20);
    let server = Server::start_with(&directory, &[("WORKER_ID", "the \"fast\" one")]);
    server.ended(&server.accepted(&image, &[]));
    server.get_until("/api/workers", |workers| workers[0]["done"] == 2);
    let text = String::from_utf8(server.bytes("/metrics")).unwrap();
    for line in [
        "tilemill_ready 1",
        "tilemill_jobs_active 0",
        "tilemill_jobs_ended_total{outcome=\"complete\"} 1",
        "tilemill_jobs_ended_total{outcome=\"failed\"} 0",
        "tilemill_processes{role=\"serve\"} 1",
        "tilemill_workers{state=\"live\"} 1",
        "tilemill_missing 0",
        "# TYPE tilemill_worker_tiles_total counter",
    ] {
        assert!(text.lines().any(|told| told == line), "no {line} in {text}");
    }
    let worker = "tilemill_worker_tiles_total{worker=\"the \\\"fast\\\" one\",host=\"";
    let mut counts = text.lines().filter(|line| line.starts_with(worker));
    assert!(counts.any(|line| line.ends_with("\",outcome=\"done\"} 2")), "{text}");
    server.stop();
}

#[test]
fn requests_below_a_path_are_counted_by_the_same_routes() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_SERVER__BASE_PATH", "/mill")]);
    for path in ["/mill/api/queue", "/api/queue", "/mill/api/jobs/none", "/mill/made-up"] {
        server.get(path);
    }
    let text = String::from_utf8(server.bytes("/metrics")).unwrap();
    for line in [
        "tilemill_http_requests_total{method=\"GET\",route=\"/api/queue\",status=\"200\"} 2",
        "tilemill_http_requests_total{method=\"GET\",route=\"/api/jobs/{id}\",status=\"404\"} 1",
        "tilemill_http_requests_total{method=\"GET\",route=\"unknown\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "no {line} in {text}");
    }
    server.stop();
}

#[test]
fn a_server_that_is_stopped_again_and_again_loses_no_job() {
    let directory = TempDir::new().unwrap();
    // Decoding takes a while, so that the server is stopped in the middle of it.
    let image = picture(directory.path(), "in.png", 3000, 2000);
    let expected = made(directory.path(), &[text(&image)], "a.png");
    let server = Server::start(&directory);
    let job = server.accepted(&image, &[]);
    server.stop();
    for _ in 0..5 {
        Server::start(&directory).stop();
    }
    let server = Server::start(&directory);
    assert!(server.result(&job) == expected);
    server.stop();
}

#[test]
fn a_damaged_record_costs_its_own_job_and_no_other() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let damaged = server.accepted(&data("grey-8.png"), &[]);
    let whole = server.accepted(&data("grey-8.png"), &[]);
    server.result(&damaged);
    let expected = server.result(&whole);
    server.stop();
    let record = directory.path().join("data/uploads").join(&damaged).join("outcome.json");
    fs::write(record, "{\"status\":\"compl").unwrap();

    let server = Server::start(&directory);
    server.log().wait_for("left out a job");
    assert!(server.result(&whole) == expected);
    let job = server.accepted(&data("grey-8.png"), &[]);
    assert!(server.result(&job) == expected);
    server.stop();
}

#[test]
fn an_original_that_was_exchanged_fails_its_job_and_no_other() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", 1200, 900);
    let settings = [("TILEMILL_WORKER__THREADS", "1")];
    let server = Server::start_with(&directory, &settings);
    let job = server.accepted(&image, &[("filters", "blur:60"), ("tile_size", "64")]);
    server.until(&job, |job| job["tiles_done"].as_u64() >= Some(1));
    server.kill();
    let original = directory.path().join("data/uploads").join(&job).join("original");
    fs::copy(data("grey-8.png"), original).unwrap();

    let server = Server::start_with(&directory, &settings);
    let failed = server.ended(&job);
    assert_eq!(failed["error"]["text"], "the original is not the image that was accepted");
    server.result(&server.accepted(&data("grey-8.png"), &[]));
    server.stop();
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_run() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (data("grey-8.png"), data("rgb.bmp"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = tilemill(directory.path())
        .args(["run", text(&first), text(&second), "-o", "out"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!((ran.status.code(), errors(&ran).as_str()), (Some(0), "tilemill: 2 done\n"));
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 2);
}

#[test]
fn methods_and_names_are_answered_as_http_wants_it() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let job = server.accepted(&data("grey-8.png"), &[]);
    let length = server.result(&job).len().to_string();
    let head = ureq::head(server.url(&format!("/api/jobs/{job}/result"))).call().unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), length);
    let (status, problem) = server.delete("/api/workers");
    assert_eq!((status, &problem["code"]), (405, &"wrong_method".into()));
    assert_eq!(problem["detail"], "this answers to GET, HEAD only");
    assert_eq!(server.get("/api/nothing").0, 404);
    server.stop();
}

#[test]
fn a_name_may_be_latin_1_or_as_long_as_names_are() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = fs::read(data("grey-8.png")).unwrap();
    let long = "n".repeat(251) + ".png";
    let names: [(&[u8], &str, &str); 3] = [
        (b"Zo\xEB.png", "Zo\u{EB}.png", "Zo%C3%AB_complete.png"),
        ("Zo\u{EB}.png".as_bytes(), "Zo\u{EB}.png", "Zo%C3%AB_complete.png"),
        (long.as_bytes(), &long, &("n".repeat(242) + "_complete.png")),
    ];
    for (sent, name, of_result) in names {
        let head = b"--XX\r\ncontent-disposition: form-data; name=\"image\"; filename=\"";
        let body = [&head[..], sent, b"\"\r\n\r\n", &image, b"\r\n--XX--\r\n"].concat();
        let request = form_head(&format!("content-length: {}\r\n", body.len())).into_bytes();
        let (status, _, job) = raw(server.address(), &[request, body].concat());
        assert_eq!((status, &job["name"]), (201, &name.into()), "{job}");
        let id = job["id"].as_str().unwrap();
        server.result(id);
        let url = server.url(&format!("/api/jobs/{id}/result"));
        let told = ureq::get(&url).call().unwrap().headers()["content-disposition"].clone();
        assert!(told.to_str().unwrap().contains(of_result), "{told:?}");
    }
    server.stop();
}
