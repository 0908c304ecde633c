//! Bad input, by the server and by `run`: a clear error with the right status or exit code, nothing
//! left behind, and no harm to others. What stands in the way of the program is here too.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Server, data, field, form_head, picture, raw, tilemill, tree};

/// An image that is refused, with the status and code of the server and the words of both.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    code: &'static str,
    words: &'static [&'static str],
}

fn read(name: &str) -> Vec<u8> {
    fs::read(data(name)).unwrap()
}

fn patched(name: &str, place: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = read(name);
    file[place..place + bytes.len()].copy_from_slice(bytes);
    file
}

fn bad_images() -> Vec<Bad> {
    let bad = |name, bytes, status, code, words| Bad { name, bytes, status, code, words };
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>".to_vec();
    let no_image: &[_] = &["this is not an image"];
    let drawing: &[_] = &["SVG cannot be processed", "export it as PNG"];
    let animation: &[_] = &["an animation of 2 frames", "`page` chooses one of them"];
    let gif = read("still.gif");
    let frame_of_gif = gif.windows(6).position(|bytes| bytes == b"\x2C\0\0\0\0\x3D").unwrap();
    let flat = patched("still.gif", frame_of_gif + 5, &[0, 0, 5, 0]);
    vec![
        bad("nothing.png", Vec::new(), 415, "invalid_image", no_image),
        bad("letter.jpg", b"Dear Sir or Madam".to_vec(), 415, "invalid_image", no_image),
        bad("drawing.svg", svg.clone(), 415, "unsupported_image", drawing),
        bad("drawing.png", svg, 415, "unsupported_image", drawing),
        bad("head.png", read("grey-8.png")[..20].to_vec(), 415, "invalid_image", &["incomplete"]),
        bad("flat.gif", flat, 415, "invalid_image", &["0 × 5"]),
        bad(
            "bomb.bmp",
            patched("rgb.bmp", 18, &[0xA0, 0xBB, 0x0D, 0, 0xA0, 0xBB, 0x0D, 0]),
            413,
            "too_large",
            &["810000.0 megapixels", "100000.0 megapixels", "limits.max_megapixels"],
        ),
        bad("moving.gif", read("animated.gif"), 415, "unsupported_image", animation),
        bad("moving.png", read("animated.png"), 415, "unsupported_image", animation),
        bad("moving.webp", read("animated.webp"), 415, "unsupported_image", animation),
    ]
}

fn says(text: &str, words: &[&str]) {
    let missing: Vec<_> = words.iter().filter(|words| !text.contains(**words)).collect();
    assert!(missing.is_empty(), "{text:?} does not say {missing:?}");
}

fn written(directory: &Path, bad: &Bad) -> PathBuf {
    let path = directory.join(bad.name);
    fs::write(&path, &bad.bytes).unwrap();
    path
}

#[test]
fn the_server_refuses_bad_images_and_keeps_nothing_of_them() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let good = server.accepted(&data("rgb-16.png"), &[("filters", "blur:9"), ("tile_size", "7")]);
    for bad in bad_images() {
        let (status, problem) = server.submit(&written(directory.path(), &bad), &[]);
        assert_eq!((status, &problem["code"]), (bad.status, &bad.code.into()), "{problem}");
        assert_eq!((&problem["status"], problem["title"].is_string()), (&status.into(), true));
        says(problem["detail"].as_str().unwrap(), bad.words);
    }
    server.result(&good);
    assert_eq!(server.get("/api/jobs").1["total"], 1);
    server.until_idle();
    server.stop();
    let of_good = |name: &String| name.contains(&good);
    let left = tree(&directory.path().join("data"));
    let others: Vec<_> = left.iter().filter(|name| !of_good(name)).collect();
    assert_eq!(others, ["lock", "storage-id"]);
}

#[test]
fn a_run_refuses_bad_images_and_makes_the_others() {
    let directory = TempDir::new().unwrap();
    let bad = bad_images();
    let inputs: Vec<_> = bad.iter().map(|bad| written(directory.path(), bad)).collect();
    for (bad, input) in bad.iter().zip(&inputs) {
        let (input, good) = (input.to_str().unwrap(), data("rgb.bmp"));
        let line = ["run", input, good.to_str().unwrap(), "-o", "out", "--overwrite"];
        let ran = tilemill(directory.path()).args(line).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        let errors = String::from_utf8(ran.stderr).unwrap();
        says(&errors, bad.words);
        assert!(errors.contains(bad.name) && !errors.contains("panicked"), "{errors}");
        assert_eq!(tree(&directory.path().join("out")), ["rgb.png"], "{}", bad.name);
    }
}

#[test]
fn an_image_under_a_wrong_name_is_known_by_its_content() {
    let directory = TempDir::new().unwrap();
    let wrong = directory.path().join("wrong.jpg");
    fs::copy(data("grey-8.png"), &wrong).unwrap();
    let server = Server::start(&directory);
    let (status, job) = server.submit(&wrong, &[]);
    assert_eq!((status, &job["format"]), (201, &"png".into()));
    let made = server.result(job["id"].as_str().unwrap());
    server.stop();
    let line = ["run", "wrong.jpg", "-o", "out.png"];
    assert!(tilemill(directory.path()).args(line).status().unwrap().success());
    assert!(fs::read(directory.path().join("out.png")).unwrap() == made);
}

#[test]
fn options_beyond_their_limits_are_refused_by_both() {
    let directory = TempDir::new().unwrap();
    let settings = [("TILEMILL_LIMITS__MAX_TILES", "1000")];
    let server = Server::start_with(&directory, &settings);
    let image = data("grey-8.png");
    for (option, name, value, status, code, words) in [
        (
            "--tile-size",
            "tile_size",
            "1",
            413,
            1,
            &["2623 tiles", "1000 tiles", "`limits.max_tiles`"][..],
        ),
        ("--tile-size", "tile_size", "0", 422, 2, &["at least 1 pixel"]),
        ("--tile-size", "tile_size", "-1", 422, 2, &["-1"]),
        (
            "--tile-size",
            "tile_size",
            "8193",
            422,
            2,
            &["8193 pixels", "8192 pixels", "`limits.max_tile`"],
        ),
        ("--tile-size", "tile_size", "99999999999", 422, 2, &["99999999999"]),
        ("--filters", "filters", "sharpness", 422, 2, &["sharpness"]),
        ("--filters", "filters", "blur:101", 422, 2, &["101", "0.1 to 100"]),
        ("--filters", "filters", "blur:nan", 422, 2, &["nan"]),
        ("--filters", "filters", "blur:1:2", 422, 2, &["blur"]),
        ("--quality", "quality", "0", 422, 2, &["1"]),
        ("--format", "format", "bmp", 422, 2, &["bmp"]),
    ] {
        let (got, problem) = server.submit(&image, &[(name, value)]);
        assert_eq!(got, status, "{problem}");
        says(problem["detail"].as_str().unwrap(), words);
        let argument = format!("{option}={value}");
        let line = ["run", image.to_str().unwrap(), "-o", "out.png", &argument];
        let ran = tilemill(directory.path()).args(line).envs(settings).output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        says(&String::from_utf8(ran.stderr).unwrap(), words);
    }
    server.stop();
    assert_eq!(tree(directory.path()), ["data/lock", "data/storage-id"]);
}

#[test]
fn an_upload_above_the_limit_is_refused_with_and_without_its_length() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_LIMITS__MAX_UPLOAD", "100 KiB")]);
    let told = form_head("content-length: 5000000\r\n");
    let (status, _, problem) = raw(server.address(), told.as_bytes());
    assert_eq!((status, &problem["setting"]), (413, &"limits.max_upload".into()), "{problem}");
    let mut untold = (form_head("transfer-encoding: chunked\r\n")).into_bytes();
    for part in [field("image").into_bytes(), vec![b'x'; 150 * 1024]] {
        untold.extend(format!("{:x}\r\n", part.len()).into_bytes());
        untold.extend(part);
        untold.extend(b"\r\n");
    }
    let (status, _, problem) = raw(server.address(), &untold);
    assert_eq!((status, &problem["code"]), (413, &"too_large".into()), "{problem}");
    assert_eq!(problem["limit"], "100 KiB");
    server.stop();
    assert_eq!(tree(&directory.path().join("data")), ["lock", "storage-id"]);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = read("grey-8.png");
    let begun = form_head("content-length: 1000000\r\n") + &field("image");
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut stream, &[begun.as_bytes(), &image].concat()).unwrap();
    let staged = || tree(&directory.path().join("data")).len() > 2;
    while !staged() {
        std::thread::yield_now();
    }
    drop(stream);
    while staged() {
        std::thread::yield_now();
    }
    server.result(&server.accepted(&data("grey-8.png"), &[]));
    server.stop();
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "in the way").unwrap();
    fs::create_dir(directory.path().join("folder.png")).unwrap();
    let image = picture(directory.path(), "in.png", 30, 20);
    for (output, code, words) in [
        ("file/a.png", 2, "file"),
        ("folder.png", 0, ""),
        ("/proc/a.png", 1, "No such file or directory"),
    ] {
        let line = ["run", image.to_str().unwrap(), "-o", output];
        let ran = tilemill(directory.path()).args(line).output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert!(errors.contains(words) && !errors.contains("panicked"), "{errors}");
    }
    assert_eq!(tree(directory.path()), ["file", "folder.png/in.png", "in.png"]);
}

#[test]
fn a_data_directory_that_cannot_be_used_stops_the_start_in_words() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "in the way").unwrap();
    for (setting, name) in
        [("TILEMILL_DATA_DIR", "data_dir"), ("TILEMILL_SCRATCH_DIR", "scratch_dir")]
    {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let ran =
            tilemill(directory.path()).args(serve).env(setting, "file/data").output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        says(&String::from_utf8(ran.stderr).unwrap(), &[name, "file/data"]);
    }
}
