//! The page of a cluster: two workers, of which one is killed in the middle of a job.

use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use serde_json::json;

use crate::browser::{Browser, Driver};
use crate::mill::{Mill, Services, leave_all};
use crate::support::{Found, SharedTests, Suite, picture};

/// So many tiles that a job takes some seconds.
const FIELDS: [(&str, &str); 3] =
    [("filters", "blur:30,blur:30"), ("format", "png"), ("tile_size", "64")];

/// What the tests share.
struct Shared {
    services: Services,
    driver: Driver,
}

pub fn run(arguments: &Arguments) -> Conclusion {
    let tests: SharedTests<Shared> =
        vec![("a_page_shows_who_dies_and_who_takes_over".into(), Box::new(worker_killed))];
    Suite { name: "watched", threads: 1 }.run(arguments, find(), tests)
}

fn find() -> Found<Shared> {
    let (services, driver) = (Services::find()?, Driver::chromium()?);
    Ok(Box::new(|| Shared { services: services(), driver: driver() }))
}

fn worker_killed(Shared { services, driver }: &Shared) {
    let (kafka, redis) = (&services.kafka.address, services.redis.address());
    let mill = Mill::new(kafka, &redis, "page");
    let server = mill.serve();
    let page = Browser::open(driver);
    page.calm();
    page.go(&server.url("/"));
    page.until_says("#missing", "no monitor is running: start tilemill monitor");
    page.until_says("#missing", "no collector is running: start tilemill collect");
    let (monitor, collector) = (mill.monitor(), mill.collect());
    page.until_says("#missing", "no worker is running: start tilemill work");
    let image = picture(mill.data.path(), "in.png", 1450, 1001);
    let job = server.accepted(&image, &FIELDS);
    page.run("location.hash = arguments[0]", &json!([format!("job={job}")]));
    page.until_says("#job-error", "Waiting: no worker is running: start tilemill work");
    let dying = mill.work("dying");
    page.until_says("#legend", "dying");
    dying.signal(Signal::STOP);
    assert!(page.value("document.querySelector('#job-bar').position < 1") == true);
    let staying = mill.work("staying");
    page.until_says("#legend", "staying");
    for role in ["serve", "collect", "monitor"] {
        page.until_says("#processes", role);
    }
    dying.kill();
    page.until_says("#job-status", "Complete");
    page.click("#show-tiles");
    page.until("document.querySelector('tr[data-key=dying].dead')");
    page.until_says("#legend", "dead");
    // What the dead one left is the other's, and its tiles are marked.
    page.until_says("#hands", "needed more than one attempt or worker");
    // Every tile of the mosaic is back.
    page.run("document.querySelector('#mosaic').focus()", &json!([]));
    page.until("/Tile 0 .*: (dying|staying), attempt 1, /.test(document.querySelector('#tile-said').innerText)");
    server.until_idle();
    leave_all([staying]);
    page.until("!document.querySelector('tr[data-key=staying]')");
    assert_eq!(page.console(), Vec::<String>::new());
    drop(page);
    leave_all([monitor, collector]);
    server.stop();
}
