//! `tilemill submit` as a user meets it: against a real server, and against one that misbehaves.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use crate::support::{Server, data, tilemill, wait};

fn submit(directory: &Path, server: &str, line: &[&str]) -> Command {
    let mut command = tilemill(directory);
    command.args(["submit", "--server", server]).args(line);
    command
}

fn submitted(directory: &Path, server: &Server, line: &[&str]) -> Output {
    submit(directory, &server.url(""), line).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What `run` makes of the same.
fn expected(directory: &Path, line: &[&str], output: &str) -> Vec<u8> {
    let ran = tilemill(directory).arg("run").args(line).args(["-o", output]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    fs::read(directory.join(output)).unwrap()
}

#[test]
fn several_images_come_back_into_a_directory_as_a_run_would_make_them() {
    let directory = TempDir::new().unwrap();
    for name in ["rgb-16.png", "rgba-16.png", "turned.jpg"] {
        fs::copy(data(name), directory.path().join(name)).unwrap();
    }
    let server = Server::start(&directory);
    let line = ["*.png", "turned.jpg", "-o", "out/", "-f", "blur:2,invert", "--tile-size", "13"];
    let ran = submitted(directory.path(), &server, &line);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(text(&ran.stdout).lines().count(), 3, "{ran:?}");
    for name in ["rgb-16.png", "rgba-16.png", "turned.jpg"] {
        let made = fs::read(directory.path().join("out").join(name)).unwrap();
        let line = [name, "-f", "blur:2,invert"];
        assert!(made == expected(directory.path(), &line, &format!("run/{name}")), "{name}");
    }
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 3);
    server.stop();
}

#[test]
fn a_batch_goes_on_where_it_was_left_and_says_what_became_of_each_image() {
    let directory = TempDir::new().unwrap();
    for name in ["rgb-16.png", "rgba-16.png", "turned.jpg"] {
        fs::copy(data(name), directory.path().join(name)).unwrap();
    }
    fs::write(directory.path().join("no.png"), "no image").unwrap();
    fs::create_dir(directory.path().join("out")).unwrap();
    fs::write(directory.path().join("out/rgb-16.png"), "mine").unwrap();
    let server = Server::start(&directory);
    let line = ["*.png", "*.jpg", "-o", "out", "--skip-existing", "--report", "report.jsonl"];
    let ran = submitted(directory.path(), &server, &line);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let summary = "tilemill: 2 done, 1 skipped (their results exist), 1 failed:\n  no.png\n";
    assert!(text(&ran.stderr).ends_with(summary), "{ran:?}");
    assert_eq!(fs::read(directory.path().join("out/rgb-16.png")).unwrap(), b"mine");
    let report = fs::read_to_string(directory.path().join("report.jsonl")).unwrap();
    assert_eq!(report.matches(r#""status":"done""#).count(), 2, "{report}");
    assert_eq!(report.lines().count(), 4, "{report}");
    let ran = submitted(directory.path(), &server, &["a.png", "--skip-existing"]);
    assert_eq!(ran.status.code(), Some(2), "there is nothing to skip: {ran:?}");
    server.stop();
}

#[test]
fn standard_input_goes_to_standard_output_and_nothing_else_does() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = data("grey-16.tif");
    let ran = submit(directory.path(), &server.url(""), &["-", "-o", "-", "-f", "invert"])
        .stdin(File::open(&image).unwrap())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let line = [image.to_str().unwrap(), "-f", "invert"];
    assert!(ran.stdout == expected(directory.path(), &line, "run.tif"));
    let ran = submit(directory.path(), &server.url(""), &["-", "-o", "a.webp"])
        .stdin(File::open(&image).unwrap())
        .output()
        .unwrap();
    assert!(ran.status.success() && text(&ran.stdout).contains("rounded"), "{ran:?}");
    assert!(fs::read(directory.path().join("a.webp")).unwrap().starts_with(b"RIFF"));
    server.stop();
}

#[test]
fn without_an_output_the_address_of_the_result_is_told() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let image = data("grey-8.png");
    // The server named by the variable, which is no configuration key, and without a scheme.
    let ran = tilemill(directory.path())
        .args(["submit", image.to_str().unwrap()])
        .env("TILEMILL_SERVER", server.url("").replace("http://", ""))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let line = text(&ran.stdout);
    let url = line.split_once(" -> ").unwrap().1.split_once(": ").unwrap().0;
    assert_eq!(ureq::get(url).call().unwrap().status(), 200);
    server.stop();
}

#[test]
fn one_refused_image_does_not_keep_the_others_from_being_done() {
    let directory = TempDir::new().unwrap();
    let server = Server::start_with(&directory, &[("TILEMILL_LIMITS__MAX_UPLOAD", "100 KiB")]);
    fs::write(directory.path().join("letter.png"), "Dear Sir or Madam").unwrap();
    fs::write(directory.path().join("heavy.png"), vec![0; 30 << 20]).unwrap();
    let whole = fs::read(data("interlaced.png")).unwrap();
    fs::write(directory.path().join("broken.png"), &whole[..whole.len() / 2]).unwrap();
    let good = data("rgb.bmp");
    let names = ["letter.png", "heavy.png", "broken.png", "missing.png", good.to_str().unwrap()];
    let ran = submitted(directory.path(), &server, &[&names[..], &["-o", "out"]].concat());
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let errors = text(&ran.stderr);
    for words in [
        "letter.png: this is not an image",
        "heavy.png: the upload is too large",
        "`limits.max_upload`",
        "broken.png: the PNG file is damaged or incomplete",
        "missing.png: cannot open it",
    ] {
        assert!(errors.contains(words), "{words:?} is not in {errors}");
    }
    let left: Vec<_> = fs::read_dir(directory.path().join("out")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(image::open(directory.path().join("out/rgb.png")).is_ok());
    server.stop();
}

/// Where nobody listens: the port is reserved, and needs rights to be opened.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn wrong_use_is_told_before_a_server_is_asked() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("there.png"), "mine").unwrap();
    for (line, words) in [
        (vec!["a.png", "-o", "there.png"], "--overwrite"),
        (vec!["a.png", "x/a.png", "-o", "out"], "both be written"),
        (vec!["a.png", "-o", "a.xyz"], ".jpg, .png, .tif or .webp"),
        (vec!["no*.png", "-o", "out/"], "no file matches the pattern: no*.png"),
        (vec!["-"], "--output"),
        (vec!["-", "-o", "out/"], "name a file"),
        (vec!["a.png", "b.png", "-o", "-"], "need a directory"),
        (vec!["a.png", "--server", "ftp://host"], "http or https only: ftp://host"),
        (vec!["a.png", "--quality", "lots"], "lots"),
    ] {
        let server = if line.contains(&"--server") { &[][..] } else { &["--server", NOBODY] };
        let ran = tilemill(directory.path()).arg("submit").args(server).args(&line).output();
        let ran = ran.unwrap();
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(text(&ran.stderr).contains(words), "{ran:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(directory.path().join("there.png")).unwrap(), "mine");
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_remedy() {
    let directory = TempDir::new().unwrap();
    let ran = submit(directory.path(), NOBODY, &["a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    for words in [NOBODY, "tilemill serve", "--server", "TILEMILL_SERVER"] {
        assert!(text(&ran.stderr).contains(words), "{ran:?}");
    }
    let another = Fake::start(|_, _| ok("text/html", "<h1>Welcome</h1>"));
    let ran = submit(directory.path(), &another.url(), &["a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    assert!(text(&ran.stderr).contains("not a tilemill server"), "{ran:?}");
}

/// A server that answers as it is told: with these bytes, and then the connection ends.
struct Fake {
    address: String,
}

impl Fake {
    /// `answer` gets method and path, and how many requests of that kind came before.
    fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut seen: Vec<String> = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&mut stream);
                let before = seen.iter().filter(|other| **other == request).count();
                let _ = stream.write_all(&answer(&request, before));
                seen.push(request);
            }
        });
        Self { address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads a whole request. Returns method and path, and the credentials or what it expects if there is such a header.
fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let length: u64 = length.map_or(0, |length| length.parse().unwrap());
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
    let value = |name| head.iter().find_map(|line| line.strip_prefix(name));
    let more = value("authorization:").or_else(|| value("expect:"));
    let line = head.first().map_or(String::new(), |line| line.replace(" http/1.1", ""));
    line + more.unwrap_or_default()
}

fn ok(kind: &str, body: &str) -> Vec<u8> {
    answer("200 OK", kind, "", body)
}

fn answer(status: &str, kind: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n{more}\r\n{body}"
    )
    .into_bytes()
}

const ID: &str = "0123456789abcdef0123456789abcdef";

fn job(status: &str) -> String {
    format!(
        r#"{{"id":"{ID}","status":"{status}","width":3,"height":2,"tiles_total":1,"tiles_done":1,
        "created_at":"2026-01-01T00:00:00Z","finished_at":null,"error":null,"notes":[],
        "bytes":6}}"#
    )
}

fn json(body: &str) -> Vec<u8> {
    ok("application/json", body)
}

#[test]
fn a_busy_server_restarts_a_broken_stream_and_half_a_result_are_overcome() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let fake = Fake::start(|request, before| {
        let problem = r#"{"detail":"too many jobs are waiting"}"#;
        let busy = || {
            let (status, kind) = ("503 Service Unavailable", "application/problem+json");
            answer(status, kind, "retry-after: 1\r\n", problem)
        };
        let own = format!("/api/jobs/{ID}");
        match (request.strip_suffix(&own).map_or(request, |_| "the job"), before) {
            ("get /healthz", _) => ok("text/plain", "ok\n"),
            ("post /api/jobs", 0) | ("the job", 1) => busy(),
            // Nobody answers, as during a restart, or a proxy does.
            ("post /api/jobs", 1) | ("the job", 0) => Vec::new(),
            ("post /api/jobs 100-continue", _) => answer("502 Bad Gateway", "text/html", "", "<p>"),
            ("post /api/jobs", _) => answer("201 Created", "application/json", "", &job("queued")),
            ("the job", _) => json(&job("complete")),
            (other, before) if other.ends_with("/result") => {
                let whole = ok("image/png", "pixels");
                whole[..whole.len() - if before == 0 { 3 } else { 0 }].to_vec()
            }
            // There is no stream of events.
            _ => Vec::new(),
        }
    });
    let ran = submit(directory.path(), &fake.url(), &["a.png", "-o", "out.png"]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(
        text(&ran.stderr).contains("too many jobs are waiting; trying again in 1 s"),
        "{ran:?}"
    );
    assert_eq!(text(&ran.stderr).matches("the server went away").count(), 1, "{ran:?}");
    assert_eq!(fs::read_to_string(directory.path().join("out.png")).unwrap(), "pixels");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn what_a_proxy_refuses_is_not_sent_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let fake = Fake::start(|request, before| match (request, before) {
        ("get /healthz", _) => ok("text/plain", "ok\n"),
        ("post /api/jobs", 0) => answer("413 Content Too Large", "text/html", "", "<p>"),
        ("post /api/jobs", _) => answer("201 Created", "application/json", "", &job("complete")),
        _ => Vec::new(),
    });
    let ran = submit(directory.path(), &fake.url(), &["a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let words = "a.png: the proxy in front of the server refuses an upload of this size";
    assert!(text(&ran.stderr).contains(words), "{ran:?}");
}

#[test]
fn an_upload_that_broke_off_asks_whether_it_may_come() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let fake = Fake::start(|request, _| match request {
        "get /healthz" => ok("text/plain", "ok\n"),
        "post /api/jobs 100-continue" => {
            answer("413 Content Too Large", "text/html", "server: nginx/1.22.1\r\n", "<p>")
        }
        _ => Vec::new(),
    });
    let ran = submit(directory.path(), &fake.url(), &["a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(text(&ran.stderr).contains("(nginx) refuses an upload of this size"), "{ran:?}");
}

#[test]
fn an_upload_that_breaks_off_alone_is_given_up() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let fake = Fake::start(|request, _| match request {
        "get /healthz" => ok("text/plain", "ok\n"),
        _ => Vec::new(),
    });
    let ran = submit(directory.path(), &fake.url(), &["a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let words = "a.png: the upload broke off 3 times while other requests were answered";
    assert!(text(&ran.stderr).contains(words), "{ran:?}");
}

const PASSWORD: &str = "Sesame-9f2";
/// `me:Sesame-9f2` in base64, as [`Fake`] gives it.
const LOGIN: &str = "basic bwu6u2vzyw1lltlmmg==";

/// A server that completes jobs for clients with these credentials, and refuses others as a proxy does.
fn guarded(credentials: &'static str) -> Fake {
    Fake::start(move |request, _| match request.strip_suffix(credentials).map(str::trim_end) {
        Some("get /healthz") => ok("text/plain", "ok\n"),
        Some("post /api/jobs") => answer("201 Created", "application/json", "", &job("complete")),
        _ => answer("401 Unauthorized", "text/html", "server: nginx\r\n", "<p>"),
    })
}

#[test]
fn a_token_is_sent_to_this_server_only_and_never_shown() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let (asked, was_asked) = mpsc::channel();
    let elsewhere = Fake::start(move |request, _| {
        asked.send(request.to_owned()).unwrap();
        Vec::new()
    });
    let location = format!("location: {}/healthz\r\n", elsewhere.url());
    let moved =
        Fake::start(move |_, _| answer("302 Found", "text/plain", &location, "it is elsewhere"));
    let token = "token-5d8e";
    for (fake, code) in [(guarded("bearer token-5d8e"), 0), (moved, 3), (guarded("other"), 3)] {
        let ran = submit(directory.path(), &fake.url(), &["a.png"])
            .env("TILEMILL_TOKEN", format!("{token}\n"))
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        assert!(!text(&[ran.stdout, ran.stderr].concat()).contains(token));
    }
    assert!(was_asked.try_recv().is_err(), "no redirect is followed");
}

#[test]
fn a_password_is_asked_for_at_a_terminal_that_does_not_show_it() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let fake = guarded(LOGIN);
    let line = format!("\"$0\" submit --server http://me@{} a.png", fake.address);
    let mut child =
        crate::support::in_shell("exec script -qec \"$LINE\" /dev/null", directory.path())
            .env("LINE", line.replace("$0", env!("CARGO_BIN_EXE_tilemill")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    let mut shown = Vec::new();
    let mut terminal = child.stdout.take().unwrap();
    // What is typed before it is asked for is thrown away, and shown by the terminal.
    while !shown.ends_with(b": ") {
        let mut byte = [0];
        terminal.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    let asked = format!("Password of me at {}: ", fake.url());
    assert!(text(&shown).ends_with(&asked), "{shown:?}");
    let mut typed = child.stdin.take().unwrap();
    writeln!(typed, "{PASSWORD}").unwrap();
    terminal.read_to_end(&mut shown).unwrap();
    assert!(wait(&mut child).success(), "{}", text(&shown));
    assert!(text(&shown).contains("/result"), "{}", text(&shown));
    assert!(!text(&shown).contains(PASSWORD), "{}", text(&shown));
}

#[test]
fn where_there_is_no_terminal_the_other_ways_are_named() {
    let directory = TempDir::new().unwrap();
    let mut alone = crate::support::in_shell("exec setsid --wait \"$@\"", directory.path());
    let ran = alone.args(["submit", "--user", "me", "a.png"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(text(&ran.stderr).contains("--user me:PASSWORD or --netrc"), "{ran:?}");
    for (line, words) in [
        (["--user", ":secret-1c"], "--user needs a name"),
        (
            ["--server", "http://me:secret-1c/x@host"],
            "needs %2F, %3F and %23 for /, ? and #: …@host",
        ),
        (["--netrc", "-fblur"], ".netrc"),
    ] {
        let home = directory.path();
        let mut command = tilemill(home);
        let ran = command.args(["submit", "a.png"]).args(line).env("HOME", home).output();
        let ran = ran.unwrap();
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(text(&ran.stderr).contains(words), "{ran:?}");
        assert!(!text(&ran.stderr).contains("secret-1c"), "{ran:?}");
    }
}

#[test]
fn secrets_in_variables_are_not_shown_and_hinder_no_other_command() {
    let directory = TempDir::new().unwrap();
    for line in [&["submit", "--help"][..], &["check"]] {
        let ran = tilemill(directory.path())
            .args(line)
            .env("TILEMILL_SERVER", "http://me:secret-1c@host")
            .env("TILEMILL_TOKEN", "secret-1c")
            .output()
            .unwrap();
        let said = text(&[ran.stdout, ran.stderr].concat());
        assert!(!said.contains("secret-1c") && !said.contains("unknown field"), "{said}");
        assert!(!line.contains(&"submit") || said.contains("TILEMILL_TOKEN"), "{said}");
    }
}

#[test]
fn an_interrupted_download_exits_with_130_and_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.png"), "an image").unwrap();
    let (asked, was_asked) = mpsc::channel();
    let (_hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let fake = Fake::start(move |request, _| match request {
        "get /healthz" => ok("text/plain", "ok\n"),
        "post /api/jobs" => answer("201 Created", "application/json", "", &job("complete")),
        _ => {
            asked.send(()).unwrap();
            // No answer, until the test is over.
            let _ = held.lock().unwrap().recv();
            Vec::new()
        }
    });
    let mut child = submit(directory.path(), &fake.url(), &["a.png", "-o", "out/b.png"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    was_asked.recv_timeout(crate::support::PATIENCE).unwrap();
    let held = crate::support::open_below(child.id(), &directory.path().join("out"));
    assert!(held > 0, "it is staged");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    assert_eq!(fs::read_dir(directory.path().join("out")).unwrap().count(), 0);
}
