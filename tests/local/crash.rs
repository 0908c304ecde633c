//! Crashes from outside: a server that is killed, an image that kills it, a disk that is full.
//!
//! The moments are told by files and by the log, never by time. `TILEMILL_TEST_LONG=1` runs them ten times.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{
    PATIENCE, Server, data, field, form_head, picture, tilemill, tree, until_tree,
};

const FIELDS: [(&str, &str); 3] = [("filters", "blur:6"), ("tile_size", "64"), ("format", "png")];
const WIDTH: u32 = 1000;
const HEIGHT: u32 = 800;
const CANVAS: u64 = WIDTH as u64 * HEIGHT as u64 * 3;

/// How much of the image is sent before the moment has come.
#[derive(Clone, Copy, PartialEq)]
enum Sent {
    Half,
    AllButTheEnd,
    Everything,
}

/// When to kill the server.
struct Moment {
    name: &'static str,
    sent: Sent,
    has_come: fn(&Scene<'_>) -> bool,
}

/// What can be seen of a server from outside.
struct Scene<'a> {
    data: PathBuf,
    server: &'a Server,
    image: u64,
    result: u64,
}

impl Scene<'_> {
    /// Bytes of the first file in a folder whose name fits.
    fn length(&self, folder: &str, fits: fn(&str) -> bool) -> Option<u64> {
        let mut entries = fs::read_dir(self.data.join(folder)).ok()?.flatten();
        let found = entries.find(|entry| entry.file_name().to_str().is_some_and(fits))?;
        Some(found.metadata().ok()?.len())
    }

    fn staged(&self, folder: &str) -> Option<u64> {
        self.length(folder, |name| name.starts_with(".staged-"))
    }

    fn canvas(&self) -> u64 {
        self.length("processed", |name| name.ends_with(".canvas")).unwrap_or(0)
    }

    /// Whether a job has a file of this name.
    fn has(&self, name: &str) -> bool {
        let jobs = fs::read_dir(self.data.join("uploads")).unwrap().flatten();
        jobs.into_iter().any(|job| job.path().join(name).exists())
    }

    /// Whether the log says this of a job that is there.
    fn logged(&self, text: &str) -> bool {
        let Ok(jobs) = fs::read_dir(self.data.join("uploads")) else { return false };
        let jobs: Vec<_> =
            jobs.flatten().filter_map(|job| job.file_name().into_string().ok()).collect();
        let is_of_one = |line: &String| jobs.iter().any(|job| line.contains(job));
        self.server.log().lines().iter().any(|line| line.contains(text) && is_of_one(line))
    }

    /// Waits until a moment has come, or may have been missed.
    fn until(&self, moment: &Moment) {
        let deadline = Instant::now() + PATIENCE;
        while !(moment.has_come)(self) && !self.has("outcome.json") {
            assert!(Instant::now() < deadline, "{} never comes", moment.name);
        }
    }
}

const fn moment(name: &'static str, has_come: fn(&Scene<'_>) -> bool) -> Moment {
    Moment { name, sent: Sent::Everything, has_come }
}

const MOMENTS: [Moment; 22] = [
    Moment {
        name: "the upload has begun",
        sent: Sent::Half,
        has_come: |scene| scene.staged("uploads").is_some(),
    },
    Moment {
        name: "half of the image is here",
        sent: Sent::Half,
        has_come: |scene| scene.staged("uploads") >= Some(scene.image / 2),
    },
    Moment {
        name: "the image is here, the form has not ended",
        sent: Sent::AllButTheEnd,
        has_come: |scene| scene.staged("uploads") >= Some(scene.image),
    },
    moment("the job has a directory", |scene| scene.has("")),
    moment("the original is in its place", |scene| scene.has("original")),
    moment("the outcome has its room", |scene| scene.has("outcome.room")),
    moment("the plan is there", |scene| scene.has("job.json")),
    moment("the job is accepted", |scene| scene.logged("accepted")),
    moment("the job is begun", |scene| scene.logged("begun")),
    moment("decoding is counted", |scene| scene.has("decode.starts")),
    moment("there is a canvas", |scene| scene.canvas() > 0),
    moment("the first tile is back", |scene| scene.canvas() > 4096),
    moment("a fifth of the tiles is back", |scene| scene.canvas() > CANVAS / 5),
    moment("half of the tiles is back", |scene| scene.canvas() > CANVAS / 2),
    moment("four fifths of the tiles are back", |scene| scene.canvas() > CANVAS / 5 * 4),
    moment("encoding is counted", |scene| scene.has("encode.starts")),
    moment("the final image is begun", |scene| scene.staged("final").is_some()),
    moment("the final image has its first bands", |scene| {
        scene.staged("final") > Some(scene.result / 4)
    }),
    moment("the final image is whole", |scene| scene.staged("final") >= Some(scene.result)),
    moment("the final image has its name", |scene| {
        scene.length("final", |name| name.contains("_complete.")).is_some()
    }),
    moment("the outcome is there", |scene| scene.has("outcome.json")),
    moment("the job has ended", |scene| scene.logged("ended")),
];

/// Sends the form, or a part of it. The server gives up what it has when the connection is dropped.
fn send(address: &str, image: &[u8], sent: Sent) -> std::io::Result<TcpStream> {
    let mut fields = String::new();
    for (name, value) in FIELDS {
        fields += &(field(name) + value + "\r\n");
    }
    let end = "\r\n--XX--\r\n";
    let before = fields + &field("image");
    let length = before.len() + image.len() + end.len();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(form_head(&format!("content-length: {length}\r\n")).as_bytes())?;
    let (first, second) = image.split_at(image.len() / 2 + 1);
    stream.write_all(&[before.as_bytes(), first].concat())?;
    if sent != Sent::Half {
        stream.write_all(second)?;
    }
    if sent == Sent::Everything {
        stream.write_all(end.as_bytes())?;
    }
    Ok(stream)
}

/// Kills a server at a moment. Returns whether it was before the outcome was there.
fn killed_at(moment: &Moment, directory: &TempDir, image: &[u8], result: u64) -> bool {
    let server = Server::start(directory);
    let address = server.address().to_owned();
    let data = directory.path().join("data");
    let image_length = image.len() as u64;
    let scene = Scene { data, server: &server, image: image_length, result };
    let (dead, is_dead) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Whatever becomes of the connection, it is not dropped before the server is dead.
            let connection = send(&address, image, moment.sent);
            let _ = is_dead.recv();
            drop(connection);
        });
        let deadline = Instant::now() + PATIENCE;
        let mut in_time = true;
        while !(moment.has_come)(&scene) {
            assert!(Instant::now() < deadline, "{} never comes", moment.name);
            // Some moments are so short that they may be over between two looks.
            if scene.logged("ended") {
                in_time = false;
                break;
            }
        }
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(server.pid().try_into().unwrap()).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        drop(dead);
        in_time
    })
}

/// Starts the server again: the job, if there is one, completes, and its files are all there is.
fn comes_back(moment: &str, directory: &TempDir, image: &Path, expected: &[u8]) {
    let server = Server::start(directory);
    let jobs = server.get("/api/jobs").1;
    assert!(jobs["total"].as_u64().unwrap() <= 1, "{moment}: {jobs}");
    let job = match jobs["jobs"][0]["id"].as_str() {
        Some(job) => job.to_owned(),
        None => server.accepted(image, &FIELDS),
    };
    assert!(server.result(&job) == expected, "{moment}: other bytes");
    server.until_idle();
    server.stop();
    let accounted = [
        format!("final/{job}_complete.png"),
        "lock".to_owned(),
        "storage-id".to_owned(),
        format!("uploads/{job}/job.json"),
        format!("uploads/{job}/original"),
        format!("uploads/{job}/outcome.json"),
        format!("uploads/{job}/thumbnail.png"),
    ];
    assert_eq!(tree(&directory.path().join("data")), accounted, "{moment}");
}

#[test]
fn a_server_killed_at_any_moment_completes_its_job_with_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let image = picture(directory.path(), "in.png", WIDTH, HEIGHT);
    let line = ["run", "in.png", "-o", "a.png", "-f", "blur:6"];
    assert!(tilemill(directory.path()).args(line).status().unwrap().success());
    let expected = fs::read(directory.path().join("a.png")).unwrap();
    let bytes = fs::read(&image).unwrap();
    let rounds = if std::env::var_os("TILEMILL_TEST_LONG").is_some() { 10 } else { 1 };
    let mut late = Vec::new();
    for moment in (0..rounds).flat_map(|_| &MOMENTS) {
        // What comes too late is tried again: the moment may just have been missed.
        let caught = (0..5).any(|_| {
            let directory = TempDir::new().unwrap();
            let caught = killed_at(moment, &directory, &bytes, expected.len() as u64);
            comes_back(moment.name, &directory, &image, &expected);
            caught
        });
        if !caught {
            late.push(moment.name);
        }
    }
    eprintln!("not caught: {late:?}");
    // The others are over in no time, and a machine that is busy may miss them.
    let lasting = MOMENTS.iter().filter(|moment| moment.sent != Sent::Everything);
    let missed: Vec<_> = lasting.filter(|moment| late.contains(&moment.name)).collect();
    assert!(missed.is_empty() && late.len() <= rounds * MOMENTS.len() / 2, "{late:?}");
}

#[test]
fn a_job_cancelled_or_deleted_at_any_moment_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let image = fs::read(picture(directory.path(), "in.png", WIDTH, HEIGHT)).unwrap();
    let server = Server::start(&directory);
    let data = directory.path().join("data");
    for moment in MOMENTS.iter().filter(|moment| moment.sent == Sent::Everything) {
        let scene = Scene { data: data.clone(), server: &server, image: 0, result: 1 << 20 };
        let connection = send(server.address(), &image, moment.sent).unwrap();
        scene.until(moment);
        let listed = server.get_until("/api/jobs", |jobs| jobs["total"] == 1);
        let job = listed["jobs"][0]["id"].as_str().unwrap();
        let (status, cancelled) = server.post(&format!("/api/jobs/{job}/cancel"));
        assert!(status == 200 || cancelled["code"] == "wrong_status", "{cancelled}");
        if status == 200 {
            let left = ["job.json", "original", "outcome.json"];
            settles(&data, &left.map(|name| format!("uploads/{job}/{name}")), moment.name);
        }
        assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
        settles(&data, &[], moment.name);
        drop(connection);

        let connection = send(server.address(), &image, moment.sent).unwrap();
        scene.until(moment);
        let listed = server.get_until("/api/jobs", |jobs| jobs["total"] == 1);
        let job = listed["jobs"][0]["id"].as_str().unwrap();
        assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
        settles(&data, &[], moment.name);
        drop(connection);
    }
    server.until_idle();
    server.stop();
}

/// What is in the directory of a server that has no jobs.
const OF_A_SERVER: [&str; 2] = ["lock", "storage-id"];

/// Waits until the directory holds these files of jobs and no others.
fn settles(data: &Path, files: &[String], moment: &str) {
    eprintln!("{moment}: until there is {files:?}");
    until_tree(data, |found| {
        let of_jobs = found.iter().filter(|name| !OF_A_SERVER.contains(&name.as_str()));
        of_jobs.eq(files)
    });
}

#[test]
fn an_image_that_kills_its_decoder_three_times_ends_its_job_and_not_the_server() {
    let directory = TempDir::new().unwrap();
    let bomb = directory.path().join("bomb.webp");
    image::RgbImage::new(9000, 9000).save(&bomb).unwrap();
    // Else each thread that allocates may reserve 64 MiB of addresses.
    let frugal = "export MALLOC_ARENA_MAX=1; ";
    let server = Server::start_in(&format!("{frugal}exec \"$@\""), &directory, &[]);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    server.stop();
    // Enough for the server and a small image, and not for this one.
    let limited = format!("{frugal}ulimit -v {}; exec \"$@\"", size + 150_000);
    let server = Server::start_in(&limited, &directory, &[]);
    // It may die before it has answered.
    let _ = server.send(&bomb, &[]);
    assert!(!server.died().success());
    let uploads = fs::read_dir(directory.path().join("data/uploads")).unwrap();
    let jobs: Vec<_> = uploads.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let job = jobs[0].to_str().unwrap();
    for _ in 0..2 {
        assert!(!Server::start_in(&limited, &directory, &[]).died().success());
    }
    let server = Server::start_in(&limited, &directory, &[]);
    let failed = server.ended(job);
    assert_eq!(failed["error"]["text"], "decoding this image ended the process 3 times");
    server.result(&server.accepted(&data("grey-8.png"), &[]));
    server.until_idle();
    server.stop();
}

/// A script that runs the program with a disk of 16 MiB at `place`, or why there can be none.
fn small_disk(place: &Path) -> Result<String, String> {
    fs::create_dir_all(place).unwrap();
    let mount = format!("mount -t tmpfs -o size=16m tmpfs '{}'", place.display());
    let user = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let tried = std::process::Command::new("unshare").args([user, "sh", "-c", &mount]).output();
    match tried {
        Ok(output) if output.status.success() => {
            let inner = format!("{mount} && exec \"$@\"").replace('\'', "'\\''");
            Ok(format!("exec unshare {user} sh -c '{inner}' sh \"$@\""))
        }
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The same, or nothing where it may be missing.
fn small_disk_or_skip(place: &Path) -> Option<String> {
    match small_disk(place) {
        Ok(script) => Some(script),
        Err(cause) if crate::support::is_all_required() => {
            panic!("no disk can be mounted: {cause}")
        }
        Err(cause) => {
            eprintln!("skipped: no disk can be mounted here: {cause}");
            None
        }
    }
}

/// A directory as the server sees it, whose mounts are its own.
fn seen_by(server: &Server, directory: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.pid()));
    root.join(directory.strip_prefix("/").unwrap())
}

/// No more free space than the file system needs for itself.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    path
}

const NO_FLOOR: (&str, &str) = ("TILEMILL_LIMITS__MIN_FREE_SPACE", "0");
/// One tile that is in work for seconds, so that nothing is written meanwhile.
const SLOW: [(&str, &str); 2] = [("filters", "denoise"), ("tile_size", "1024")];

#[test]
fn a_disk_that_is_full_fails_the_job_that_needs_it_and_no_other() {
    let directory = TempDir::new().unwrap();
    let disk = directory.path().join("data");
    let Some(script) = small_disk_or_skip(&disk) else { return };
    // Large when decoded and as a result, small as a file.
    let large = directory.path().join("large.png");
    image::RgbImage::new(4000, 3000).save(&large).unwrap();
    let scratch = directory.path().join("scratch");
    for (scratch, words) in
        [(None, "no space left on the disk of "), (scratch.to_str(), "cannot write the result")]
    {
        let scratch = scratch.map(|scratch| ("TILEMILL_SCRATCH_DIR", scratch));
        let settings: Vec<_> = [NO_FLOOR].into_iter().chain(scratch).collect();
        let server = Server::start_in(&script, &directory, &settings);
        let job = server.accepted(&large, &[("format", "tiff"), ("filters", "blur:2")]);
        let small = server.accepted(&data("rgb-16.png"), &[]);
        let failed = server.ended(&job);
        assert_eq!(failed["status"], "failed", "{failed}");
        let text = failed["error"]["text"].as_str().unwrap();
        assert!(text.contains(words) && text.to_lowercase().contains("no space left"), "{text}");
        server.result(&small);
        server.result(&server.accepted(&data("rgb-16.png"), &[]));
        server.until_idle();
        let odd = ["staged", "canvas", "starts", &format!("{job}_complete")];
        let is_odd = |name: &String| odd.iter().any(|part| name.contains(part));
        until_tree(&seen_by(&server, &disk), |left| !left.iter().any(is_odd));
        server.stop();
    }
}

#[test]
fn on_a_full_disk_uploads_are_refused_and_jobs_can_be_cancelled_and_deleted() {
    let directory = TempDir::new().unwrap();
    let disk = directory.path().join("data");
    let Some(script) = small_disk_or_skip(&disk) else { return };
    let noise = directory.path().join("noise.bin");
    fs::write(&noise, vec![7; 20 << 20]).unwrap();
    let image = picture(directory.path(), "in.png", 900, 900);
    let settings = [NO_FLOOR, ("TILEMILL_WORKER__THREADS", "1")];
    let server = Server::start_in(&script, &directory, &settings);
    let disk = seen_by(&server, &disk);
    let (status, problem) = server.submit(&noise, &[]);
    assert_eq!((status, &problem["code"]), (507, &"no_space".into()), "{problem}");
    assert_eq!(tree(&disk), OF_A_SERVER);

    let [cancelled, deleted] = [(); 2].map(|()| server.accepted(&image, &SLOW));
    for job in [&cancelled, &deleted] {
        server.until(job, |job| job["status"] == "processing");
        // Its canvas is there: one that cannot be begun fails its job.
        server.get_until(&format!("/api/jobs/{job}/tiles"), |mosaic| mosaic["columns"] == 1);
    }
    let filler = fill(&disk);
    let (status, job) = server.post(&format!("/api/jobs/{cancelled}/cancel"));
    assert_eq!((status, &job["status"]), (200, &"cancelled".into()), "{job}");
    let (status, problem) = server.submit(&image, &[]);
    assert_eq!((status, &problem["code"]), (507, &"no_space".into()), "{problem}");
    for job in [&deleted, &cancelled] {
        assert_eq!(server.delete(&format!("/api/jobs/{job}")).0, 204);
    }
    server.until_idle();
    fs::remove_file(filler).unwrap();
    settles(&disk, &[], "the disk was full");
    server.result(&server.accepted(&data("grey-8.png"), &[]));
    server.stop();
}

#[test]
fn a_run_on_a_full_disk_says_so_and_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let disk = directory.path().join("out");
    let Some(script) = small_disk_or_skip(&disk) else { return };
    let large = directory.path().join("large.png");
    image::RgbImage::new(4000, 3000).save(&large).unwrap();
    // Not in one run: an image that ends while the large one fills the disk fails as well.
    let then = r#"
        "$@" large.png; code=$?
        echo "left: $(ls -A out)" >&2
        "$@" "$SMALL" || exit 3
        echo "then: $(ls -A out)" >&2
        exit $code"#;
    let ran = std::process::Command::new("sh")
        .current_dir(directory.path())
        .env("SMALL", data("grey-8.png"))
        .args(["-c", &script.replace("exec \"$@\"", then), "sh", env!("CARGO_BIN_EXE_tilemill")])
        .args(["run", "-o", "out", "-f", "blur:2", "--format", "tiff"])
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("large.png") && told.contains("no space left"), "{told}");
    assert!(told.contains("\nleft: \n"), "{told}");
    assert!(told.contains("\nthen: grey-8.tif\n"), "{told}");
}
