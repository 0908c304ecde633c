//! A server behind nginx, Caddy, Apache and `HAProxy`, below a prefix: for `submit`, for scripts, and for the page.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;

use libtest_mimic::{Arguments, Conclusion};
use serde_json::Value;
use tempfile::TempDir;

use crate::browser::{Browser, Driver};
use crate::front::{Front, Gate, Kind, PASSWORD, USER};
use crate::support::{Server, SharedTests, Suite, data, own_address, picture, tilemill};

/// The name under which clients know the server.
const NAME: &str = "tiles.example";

pub fn run(arguments: &Arguments) -> Conclusion {
    let mut tests: SharedTests<Driver> = Vec::new();
    for kind in Kind::ALL {
        let mut add = |what: &str, test: fn(Kind)| {
            let name = format!("{}_{what}", kind.program());
            tests.push((name, Box::new(move |_: &Driver| test(kind))));
        };
        add("passes_on_uploads_events_links_and_results", everything);
        add("asks_for_a_password_which_submit_sends_and_never_shows", password);
        add("refuses_what_is_too_large_and_submit_says_which_limit_it_is", too_large);
        add("is_told_from_the_server_that_is_away", away);
    }
    for kind in [Kind::Nginx, Kind::HaProxy] {
        let name = format!("the_page_works_behind_{}_and_says_what_is_wrong", kind.program());
        tests.push((name, Box::new(move |driver| page(kind, driver))));
    }
    let found = crate::front::find().and_then(|()| Driver::chromium());
    Suite { name: "proxies", threads: 2 }.run(arguments, found, tests)
}

/// A server, its files, and a proxy in front of it.
struct Site {
    kind: Kind,
    folder: TempDir,
    address: Ipv4Addr,
    server: Server,
    front: Front,
}

impl Site {
    fn start(kind: Kind, gate: Gate) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), own_address());
        let server = serve(kind, &folder, address);
        let front = Front::start(kind, gate, server.address());
        Self { kind, folder, address, server, front }
    }

    fn submit(&self, url: &str, line: &[&str]) -> Output {
        let mut command = tilemill(self.folder.path());
        command.args(["submit", "--server", url]).args(line).env("HOME", self.folder.path());
        command.output().unwrap()
    }
}

fn serve(kind: Kind, folder: &TempDir, address: Ipv4Addr) -> Server {
    let listen = format!("{address}:5001");
    let base = if kind.strips() { "" } else { "/tilemill" };
    let settings = [
        ("TILEMILL_SERVER__LISTEN", listen.as_str()),
        ("TILEMILL_SERVER__HOSTS", NAME),
        ("TILEMILL_SERVER__BASE_PATH", base),
    ];
    Server::start_again(folder, &settings)
}

/// An agent that takes any answer and follows nothing.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.max_redirects_will_error(false).build().new_agent()
}

fn header<'a>(answer: &'a ureq::http::Response<ureq::Body>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn json(mut answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Uploads an image as a client that knows the server by its name.
fn upload(site: &Site, image: &Path, fields: &[(&str, &str)]) -> (String, Value) {
    let bytes = fs::read(image).unwrap();
    let part = ureq::unversioned::multipart::Part::bytes(&bytes).file_name("in.png");
    let mut form = ureq::unversioned::multipart::Form::new().part("image", part);
    for (name, value) in fields {
        form = form.text(name, value);
    }
    let answer = agent()
        .post(site.front.url("/api/jobs"))
        .header("host", NAME)
        .header("origin", format!("http://{NAME}"))
        .header("x-forwarded-for", "192.0.2.7")
        .send(form)
        .unwrap();
    let location = header(&answer, "location").to_owned();
    let (status, job) = json(answer);
    assert_eq!(status, 201, "{job}");
    (location, job)
}

fn everything(kind: Kind) {
    let site = Site::start(kind, Gate::Open);
    let image = picture(site.folder.path(), "in.png", 2000, 1500);
    assert!(fs::metadata(&image).unwrap().len() > 2_000_000, "it is larger than usual limits");

    // An address without the slash at its end leads to the page.
    let answer = agent().get(site.front.url("")).call().unwrap();
    let leads_to = header(&answer, "location").rsplit("//").next().unwrap().to_owned();
    assert!((300..400).contains(&answer.status().as_u16()), "{answer:?}");
    assert!(leads_to.ends_with("tilemill/"), "{leads_to}");
    let mut answer = agent().get(site.front.url("/")).call().unwrap();
    assert!(answer.body_mut().read_to_string().unwrap().contains("src=\"main.js\""));

    let (location, job) = upload(&site, &image, &[("filters", "blur:30"), ("tile_size", "128")]);
    let id = job["id"].as_str().unwrap();
    assert_eq!(location, format!("/tilemill/api/jobs/{id}"));
    let path = |link: &Value| link.as_str().unwrap().strip_prefix("/tilemill").unwrap().to_owned();
    let events = site.front.url(&path(&job["links"]["events"]));
    let complete = follow(&events, id);
    assert!(complete["links"]["self"] == location.as_str(), "{complete}");

    let result = site.front.url(&path(&complete["links"]["result"]));
    let answer = agent().get(&result).header("range", "bytes=10-109").call().unwrap();
    let range = format!("bytes 10-109/{}", complete["bytes"]);
    assert_eq!((answer.status().as_u16(), header(&answer, "content-range")), (206, range.as_str()));
    let part = answer.into_body().read_to_vec().unwrap();
    let whole = agent().get(&result).call().unwrap().into_body().read_to_vec().unwrap();
    assert!(whole[10..110] == part && complete["bytes"] == whole.len());

    // Caddy believes no client that speaks of others.
    let client = if kind == Kind::Caddy { "client=127.0.0.1" } else { "client=192.0.2.7" };
    let accepted = site.server.log().wait_for("accepted");
    assert!(accepted.contains(client), "{accepted}");
    assert_strangers_are_refused(&site, id);

    let ran = site.submit(&site.front.url(""), &["in.png", "-o", "out.png", "-f", "blur:30"]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(fs::read(site.folder.path().join("out.png")).unwrap() == whole);
    site.server.stop();
}

/// Follows a job's events, which come while it is in work, not when all is over.
fn follow(events: &str, id: &str) -> Value {
    let stream = agent().get(events).call().unwrap().into_body().into_reader();
    let mut seen_in_work = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let event: Value =
            serde_json::from_str(line.strip_prefix("data: ").unwrap_or("null")).unwrap();
        if event["id"] != id {
            continue;
        }
        seen_in_work |= event["status"] == "processing";
        if event["status"] == "complete" {
            assert!(seen_in_work, "nothing came before the end");
            return event;
        }
    }
    panic!("the events ended before the job");
}

/// A page of another site is refused, as is one whose name resolves to the proxy.
fn assert_strangers_are_refused(site: &Site, id: &str) {
    let cancel = site.front.url(&format!("/api/jobs/{id}/cancel"));
    for (host, origin) in [(NAME, "http://evil.example"), ("evil.example", "http://evil.example")] {
        let request = agent().post(&cancel).header("host", host).header("origin", origin);
        let (status, problem) = json(request.send_empty().unwrap());
        assert_eq!((status, &problem["code"]), (403, &"foreign_site".into()), "{problem}");
    }
}

/// Everything that a process has printed.
fn said(ran: &Output) -> String {
    String::from_utf8_lossy(&[&ran.stdout[..], &ran.stderr].concat()).into_owned()
}

fn password(kind: Kind) {
    let site = Site::start(kind, Gate::Locked);
    let image = data("grey-8.png");
    let image = image.to_str().unwrap();
    let url = site.front.url("");
    for (more, words) in [
        (&[][..], "give them with --user, --netrc or TILEMILL_TOKEN"),
        (&["--user", "me:wrong-5e1"], "does not accept the name and password"),
    ] {
        let ran = site.submit(&url, &[&[image][..], more].concat());
        assert_eq!(ran.status.code(), Some(3), "{ran:?}");
        assert!(said(&ran).contains(words) && !said(&ran).contains("wrong-5e1"), "{ran:?}");
    }
    let netrc = format!("machine {} login {USER} password {PASSWORD}\n", site.front.host());
    fs::write(site.folder.path().join(".netrc"), netrc).unwrap();
    let with_login = url.replace("//", &format!("//{USER}:{PASSWORD}@"));
    let user = format!("{USER}:{PASSWORD}");
    for (url, more) in
        [(&url, vec!["--user", &user]), (&with_login, vec![]), (&url, vec!["--netrc"])]
    {
        let ran = site.submit(url, &[&[image][..], &more].concat());
        assert!(ran.status.success(), "{more:?}: {ran:?}");
        assert!(!said(&ran).contains(PASSWORD), "{ran:?}");
        // What is printed leads to the result, for clients that log in.
        let result =
            said(&ran).split(" -> ").nth(1).unwrap().split(": ").next().unwrap().to_owned();
        assert!(result.starts_with(&format!("{}/api/jobs/", site.front.url(""))), "{result}");
    }
    site.server.stop();
}

fn too_large(kind: Kind) {
    let site = Site::start(kind, Gate::Narrow);
    picture(site.folder.path(), "large.png", 1500, 1000);
    fs::copy(data("grey-8.png"), site.folder.path().join("small.png")).unwrap();
    let ran = site.submit(&site.front.url(""), &["large.png", "small.png", "-o", "out"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let limit = match kind {
        Kind::Nginx => "(nginx) refuses an upload of this size: raise client_max_body_size there",
        // It says 502, as if the server were away.
        Kind::Caddy => "the upload broke off 3 times while other requests were answered",
        Kind::Apache => "(Apache) refuses an upload of this size: raise SecRequestBodyLimit",
        Kind::HaProxy => "server refuses an upload of this size: raise its limit for the size",
    };
    assert!(said(&ran).contains(limit), "{ran:?}");
    assert!(site.folder.path().join("out/small.png").is_file(), "the other image is done");
    site.server.stop();
}

fn away(kind: Kind) {
    let Site { folder, address, server, front, .. } = Site::start(kind, Gate::Open);
    server.stop();
    let away = tilemill(folder.path())
        .args(["submit", "--server", &front.url(""), data("grey-8.png").to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(3), "{away:?}");
    assert!(said(&away).contains("cannot reach it (status 50"), "{away:?}");
    let server = serve(kind, &folder, address);
    let site = Site { kind, folder, address, server, front };
    let ran = site.submit(&site.front.url(""), &[data("grey-8.png").to_str().unwrap()]);
    assert!(ran.status.success(), "{ran:?}");
    site.server.stop();
}

/// A page in a browser that was given a name and a password in its address, as people save them.
fn page(kind: Kind, driver: &Driver) {
    let gate = if kind == Kind::Nginx { Gate::Locked } else { Gate::Narrow };
    let site = Site::start(kind, gate);
    let page = Browser::open(driver);
    let login = if gate == Gate::Locked { format!("{USER}:{PASSWORD}@") } else { String::new() };
    page.go(&site.front.url("/").replace("//", &format!("//{login}")));
    page.until("document.querySelector('#connection').innerText === '✓ Connected'");
    page.choose("#file", &[&small_picture(&site)]);
    page.click("#process");
    page.until_says("#job-status", "Complete");
    page.until("document.querySelector('#viewer').checkVisibility()");
    page.until("document.querySelector('#viewer-making').hidden");
    let result = page.value("document.querySelector('#download').href");
    let result = result.as_str().unwrap();
    assert!(result.starts_with(&site.front.url("/api/jobs/")), "{result}");
    page.reload();
    page.until_says("#job-status", "Complete");
    assert_eq!(page.console(), Vec::<String>::new(), "the console is not clean");
    if gate == Gate::Narrow {
        page.choose("#file", &[&picture(site.folder.path(), "large.png", 1500, 1000)]);
        page.click("#process");
        page.until_says(
            "#form-error",
            "large.png: The proxy in front of the server refuses an upload",
        );
        page.until("document.querySelector('#connection').innerText === '✓ Connected'");
    }
    let Site { folder, address, server, front, .. } = site;
    server.stop();
    page.until_says("#connection", "cannot reach it");
    let said = page.text("#connection");
    assert!(said.starts_with("✕ Not connected"), "{said}");
    let server = serve(kind, &folder, address);
    page.until("document.querySelector('#connection').innerText === '✓ Connected'");
    let console = page.console();
    let is_expected = |line: &String| {
        line.contains("status of 50")
            || line.contains("status of 413")
            || line.contains("net::ERR_")
    };
    assert!(console.iter().all(is_expected), "{console:#?}");
    drop((page, front));
    server.stop();
}

fn small_picture(site: &Site) -> PathBuf {
    picture(site.folder.path(), "small.png", 300, 200)
}
