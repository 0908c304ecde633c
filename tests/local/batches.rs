//! Many images as one thing: one progress, one archive, one end; and what the server says of its limits and of an image
//! that it is still decoding.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, data, is_all_required, picture, tilemill};

const BATCH: &str = "0123456789abcdef0123456789abcdef";

/// Filters that a single thread does not end before a test does.
const SLOW: [(&str, &str); 2] = [("filters", "blur:90,blur:90"), ("tile_size", "64")];

fn path(what: &str) -> String {
    format!("/api/batches/{BATCH}{what}")
}

/// Submits an image to the batch.
fn submit(server: &Server, image: &Path, fields: &[(&str, &str)]) -> String {
    server.accepted(image, &[&[("batch", BATCH)], fields].concat())
}

/// A small picture under any name, in a directory of its own so that several may have the same.
fn named(directory: &Path, name: &str, width: u32) -> PathBuf {
    let own = directory.join(width.to_string());
    fs::create_dir(&own).unwrap();
    picture(&own, name, width, 30)
}

/// Whether a program that reads archives is there; where nothing may be missing, it has to be.
fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || !is_all_required(), "{program} is missing");
    if !there {
        eprintln!("skipped in part: {program} is missing");
    }
    there
}

/// The files of an archive as Python reads them by its directory: name, and whether it is flagged as UTF-8, with the bytes
/// in hexadecimal.
fn read_by_python(archive: &[u8], directory: &Path) -> BTreeMap<String, String> {
    const SCRIPT: &str = "
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
assert all(i.flag_bits & 0x800 and i.date_time[0] >= 2024 for i in z.infolist())
print(json.dumps({i.filename: z.read(i).hex() for i in z.infolist()}))
";
    let file = directory.join("python.zip");
    fs::write(&file, archive).unwrap();
    let ran = Command::new("python3").args(["-c", SCRIPT]).arg(&file).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The same by a program that gets it through a pipe, and so reads it front to back.
fn read_by_pipe(archive: &[u8], directory: &Path) -> BTreeMap<String, String> {
    let out = directory.join("extracted");
    fs::create_dir(&out).unwrap();
    let mut tar = Command::new("bsdtar")
        .args(["-xf", "-"])
        .env("LC_ALL", "C.UTF-8")
        .current_dir(&out)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(archive).unwrap();
    assert!(tar.wait().unwrap().success());
    let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), hex(&fs::read(file.path()).unwrap())))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_batch_is_counted_listed_fetched_and_removed_as_one() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let alone = server.accepted(&data("grey-8.png"), &[]);
    let names = ["a.png", "a.png", "A.png", "Zo\u{EB}.png", "\u{5199}\u{771F}.jpg", "a (2).png"];
    let expected_names = [
        "a_complete.png",
        "a_complete (2).png",
        "A_complete (3).png",
        "Zo\u{EB}_complete.png",
        "\u{5199}\u{771F}_complete.jpg",
        "a (2)_complete.png",
    ];
    let mut expected = BTreeMap::new();
    for ((name, width), result) in names.iter().zip(41..).zip(expected_names) {
        let job = submit(&server, &named(directory.path(), name, width), &[("tile_size", "20")]);
        expected.insert(result.to_owned(), hex(&server.result(&job)));
    }
    let (status, batch) = server.get(&path(""));
    assert_eq!(status, 200);
    let bytes: usize = expected.values().map(|bytes| bytes.len() / 2).sum();
    for (key, number) in [
        ("jobs", 6),
        ("complete", 6),
        ("queued", 0),
        ("failed", 0),
        ("tiles_total", 36),
        ("tiles_done", 36),
        ("bytes", bytes),
    ] {
        assert_eq!(batch[key], number, "{key} of {batch}");
    }
    assert!(batch["finished_at"].as_str() > batch["created_at"].as_str(), "{batch}");
    let links = json!({
        "self": path(""), "jobs": format!("/api/jobs?batch={BATCH}"), "results": path("/results"),
    });
    assert_eq!(batch["links"], links);

    let (_, page) = server.get(&format!("/api/jobs?batch={BATCH}&skip=1&count=2"));
    let listed = |index: usize| page["jobs"][index]["name"].as_str();
    assert_eq!([listed(0), listed(1), listed(2)], [Some(names[4]), Some(names[3]), None], "{page}");
    assert_eq!(page["total"], 6);
    assert_eq!(server.get("/api/jobs").1["total"], 7);
    assert_eq!(server.get(&format!("/api/jobs/{alone}")).1["batch"], Value::Null);

    let archive = server.bytes(&path("/results"));
    let head = ureq::head(server.url(&path("/results"))).call().unwrap();
    let header = |name| head.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-length"), archive.len().to_string());
    assert_eq!(header("content-type"), "application/zip");
    let disposition = header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"tilemill-20"), "{disposition}");
    if is_there("python3") {
        assert!(read_by_python(&archive, directory.path()) == expected);
    }
    if is_there("bsdtar") {
        assert!(read_by_pipe(&archive, directory.path()) == expected);
    }

    assert_eq!(server.delete(&path("")).0, 204);
    assert_eq!(server.get(&path("")).0, 404);
    assert_eq!(server.delete(&path("")).0, 204);
    let (_, left) = server.get("/api/jobs");
    assert_eq!((&left["total"], &left["jobs"][0]["id"]), (&1.into(), &alone.into()));
    server.stop();
    let left =
        |folder: &str| fs::read_dir(directory.path().join("data").join(folder)).unwrap().count();
    assert_eq!((left("uploads"), left("final")), (1, 1));
}

#[test]
fn a_batch_is_cancelled_as_one_and_has_no_archive_without_a_result() {
    let directory = TempDir::new().unwrap();
    let settings = [("TILEMILL_WORKER__THREADS", "1"), ("TILEMILL_JOBS__ACTIVE", "2")];
    let server = Server::start_with(&directory, &settings);
    let image = picture(directory.path(), "in.png", 600, 400);
    let jobs: Vec<_> = (0..12).map(|_| submit(&server, &image, &SLOW)).collect();
    let begun = |batch: &Value| batch["tiles_done"].as_u64() > Some(0) && batch["processing"] == 2;
    let batch = server.get_until(&path(""), begun);
    assert_eq!(batch["queued"], 10, "{batch}");
    assert_eq!((&batch["finished_at"], &batch["links"]["results"]), (&Value::Null, &Value::Null));
    let (status, problem) = server.get(&path("/results"));
    assert_eq!((status, &problem["code"]), (409, &"wrong_status".into()), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("is complete; its results can be fetched once"), "{detail}");

    // One of them vanishes meanwhile.
    assert_eq!(server.delete(&format!("/api/jobs/{}", jobs[5])).0, 204);
    for _ in 0..2 {
        let (status, batch) = server.post(&path("/cancel"));
        assert_eq!(
            (status, &batch["jobs"], &batch["cancelled"]),
            (200, &11.into(), &11.into()),
            "{batch}"
        );
        assert!(batch["finished_at"].is_string(), "{batch}");
    }
    let (status, again) = server.post(&format!("/api/jobs/{}/retry", jobs[0]));
    assert_eq!((status, &again["batch"]), (201, &BATCH.into()), "{again}");
    assert_eq!(server.delete(&path("")).0, 204);
    assert_eq!(server.get("/api/jobs").1["total"], 0);
    assert_eq!(server.post(&path("/cancel")).0, 404);
    server.until_idle();
    server.stop();
    assert_eq!(fs::read_dir(directory.path().join("data/uploads")).unwrap().count(), 0);
}

#[test]
fn what_names_no_batch_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    for wrong in ["", "1234", &BATCH.to_uppercase(), "01234567-89ab-cdef-0123-456789abcdef"] {
        let (status, problem) = server.submit(&data("grey-8.png"), &[("batch", wrong)]);
        assert_eq!((status, &problem["code"]), (400, &"malformed_request".into()), "{wrong}");
        assert!(problem["detail"].as_str().unwrap().contains("`batch`"), "{problem}");
        let (status, problem) = server.get(&format!("/api/jobs?batch={wrong}"));
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
    for what in ["", "/results"] {
        assert_eq!(server.get(&path(what)).0, 404);
        assert_eq!(server.get(&format!("/api/batches/1234{what}")).0, 404);
    }
    assert_eq!(server.delete("/api/batches/1234").0, 404);
    assert_eq!(server.get(&format!("/api/jobs?batch={BATCH}")).1["total"], 0);
    server.stop();
}

#[test]
fn a_batch_survives_a_restart_and_plans_from_before_there_were_batches_read_on() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let [with, without] = [(); 2].map(|()| submit(&server, &data("grey-8.png"), &[]));
    let result = server.result(&with);
    server.result(&without);
    server.stop();
    let plan = directory.path().join("data/uploads").join(&without).join("job.json");
    let mut older: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    assert_eq!(older.as_object_mut().unwrap().remove("batch"), Some(BATCH.into()));
    fs::write(&plan, serde_json::to_vec(&older).unwrap()).unwrap();

    let server = Server::start(&directory);
    assert_eq!(server.get(&path("")).1["jobs"], 1);
    assert_eq!(server.get(&format!("/api/jobs/{without}")).1["batch"], Value::Null);
    assert!(server.result(&without) == result);
    server.stop();
}

#[test]
fn an_archive_breaks_off_rather_than_to_lack_a_file_or_to_hold_a_wrong_one() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = picture(directory.path(), "in.png", 700, 500);
    let jobs = [(); 2].map(|()| submit(&server, &image, &[]));
    let whole = jobs.each_ref().map(|job| server.result(job).len()).iter().sum::<usize>();
    let last = directory.path().join(format!("data/final/{}_complete.png", jobs[1]));
    let shorter = fs::read(&last).unwrap();
    fs::write(&last, &shorter[..shorter.len() - 1]).unwrap();
    for _ in ["too short", "not there"] {
        let mut response = ureq::get(server.url(&path("/results"))).call().unwrap();
        let told = response.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        assert!(told > whole);
        assert!(response.body_mut().read_to_vec().is_err(), "the archive looks whole");
        server.log().wait_for("an archive broke off");
        let _ = fs::remove_file(&last);
    }
    // The web framework calls it an error of its own: the log is not clean.
    server.kill();
}

#[test]
fn results_that_are_not_kept_any_more_are_gone() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_RETENTION__RESULTS", "1s")]);
    submit(&server, &data("grey-8.png"), &[]);
    let gone = |batch: &Value| batch["complete"] == 1 && batch["links"]["results"].is_null();
    let batch = server.get_until(&path(""), gone);
    assert_eq!(batch["bytes"], 0);
    let (status, problem) = server.get(&path("/results"));
    assert_eq!((status, &problem["setting"]), (410, &"retention.results".into()), "{problem}");
    server.stop();
}

#[test]
fn limits_are_those_of_the_configuration() {
    let directory = TempDir::new().unwrap();
    let settings = [
        ("TILEMILL_LIMITS__MAX_UPLOAD", "100 KiB"),
        ("TILEMILL_LIMITS__MAX_MEGAPIXELS", "7"),
        ("TILEMILL_LIMITS__MAX_SIDE", "500"),
        ("TILEMILL_LIMITS__MAX_TILE", "300"),
        ("TILEMILL_TILE__SIZE", "200"),
        ("TILEMILL_OUTPUT__QUALITY", "77"),
        ("TILEMILL_JOBS__QUEUED", "12"),
    ];
    let server = Server::start_with(&directory, &settings);
    let (_, limits) = server.get("/api/limits");
    for (key, expected) in [
        ("upload_bytes", json!(102_400)),
        ("pixels", json!(7_000_000)),
        ("side", json!(500)),
        ("tile_size", json!({ "min": 1, "max": 300, "default": 200 })),
        ("quality", json!({ "min": 1, "max": 100, "default": 77 })),
        ("jobs_queued", json!(12)),
    ] {
        assert_eq!(limits[key], expected, "{key}");
    }
    let formats = &limits["formats"];
    assert_eq!(formats["input"], json!(["jpeg", "png", "tiff", "webp", "bmp", "gif", "jpeg2000"]));
    assert_eq!(formats["output"], json!(["jpeg", "png", "tiff", "webp"]));
    assert_eq!(
        (&formats["default"]["gif"], &formats["default"]["jpeg"]),
        (&"png".into(), &"jpeg".into())
    );
    server.stop();
}

#[test]
fn the_images_of_one_submission_are_one_batch_and_one_alone_is_none() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = |name: &str| data(name).to_str().unwrap().to_owned();
    let submit = |images: &[&str]| {
        let images: Vec<_> = images.iter().map(|name| image(name)).collect();
        let server = server.url("");
        let ran = tilemill(directory.path())
            .arg("submit")
            .args(images)
            .args(["--server", &server])
            .output();
        assert!(ran.as_ref().unwrap().status.success(), "{ran:?}");
    };
    submit(&["grey-8.png"]);
    submit(&["grey-8.png", "rgb.bmp", "baseline-420.jpg"]);
    let (_, page) = server.get("/api/jobs");
    let batch = |index: usize| page["jobs"][index]["batch"].as_str();
    assert!(batch(0).is_some() && batch(0) == batch(1) && batch(0) == batch(2), "{page}");
    assert_eq!(batch(3), None);
    server.stop();
}

/// A picture whose colours have to be converted row by row, which takes a while.
fn tall_picture(directory: &Path, width: u32, height: u32) -> PathBuf {
    let path = directory.join("tall.png");
    let file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_source_gamma(png::ScaledFloat::new(1.0));
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut rows = writer.stream_writer().unwrap();
    let row: Vec<u8> = (0..width * 3).map(|x| ((x * x) >> 7).to_le_bytes()[0]).collect();
    for _ in 0..height {
        rows.write_all(&row).unwrap();
    }
    rows.finish().unwrap();
    path
}

#[test]
fn the_splitting_of_a_large_image_is_seen_to_move() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_OUTPUT__METADATA", "none")]);
    let image = tall_picture(directory.path(), 4000, 10_000);
    // A chain that looks at the whole image first: no tile comes back that could tell that something happens.
    let job = server.accepted(&image, &[("filters", "equalize")]);
    let url = server.url(&format!("/api/events?job={job}"));
    let stream = ureq::get(url).call().unwrap().into_body().into_reader();
    let mut told: Vec<f64> = Vec::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let event: Value =
            serde_json::from_str(line.strip_prefix("data: ").unwrap_or("null")).unwrap();
        if event["id"] == job {
            told.extend(event["split"].as_f64());
            assert_ne!(event["status"], "failed", "{event}");
        }
        if told.last() == Some(&1.0) {
            break;
        }
    }
    assert!(told.is_sorted(), "{told:?}");
    assert!(told.iter().filter(|part| (0.001..1.0).contains(*part)).count() >= 2, "{told:?}");
    let (_, cancelled) = server.post(&format!("/api/jobs/{job}/cancel"));
    assert_eq!(cancelled["split"], Value::Null, "{cancelled}");
    server.stop();
}
