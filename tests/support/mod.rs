//! The real binary, started as a user would start it, on a free port in a directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::unversioned::multipart::{Form, Part};

/// How long anything may take before a test gives up on it; nothing waits this long if all is well.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// How long a test may take that waits for many things.
const LONGEST: Duration = Duration::from_mins(20);

const BINARY: &str = env!("CARGO_BIN_EXE_tilemill");

/// The program with arguments, in `directory`, without the variables of whoever runs the tests.
pub fn tilemill(directory: &Path) -> Command {
    clean(Command::new(BINARY), directory)
}

/// The program in `directory` by a shell script that ends with `exec "$@"`.
pub fn in_shell(script: &str, directory: &Path) -> Command {
    let mut shell = clean(Command::new("sh"), directory);
    shell.args(["-c", script, "sh", BINARY]);
    shell
}

/// A command in `directory` without the variables of whoever runs the tests.
fn clean(mut command: Command, directory: &Path) -> Command {
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("TILEMILL_")) {
        command.env_remove(name);
    }
    command.current_dir(directory).env_remove("WORKER_ID").stdin(Stdio::null());
    command
}

/// Where the tests' own small images are.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A loopback address that no other test uses, so that no port need be chosen before it is bound,
/// and a service that starts again has the same one.
pub fn own_address() -> Ipv4Addr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    let [_, a, b, c] = ((std::process::id() << 10) | (number & 1023)).to_be_bytes();
    Ipv4Addr::new(127, a, b, c)
}

/// Whether nothing that the tests use may be missing.
pub fn is_all_required() -> bool {
    std::env::var("TILEMILL_TEST_REQUIRE").is_ok_and(|what| what == "all")
}

/// Tests by their names, each of which gets what they share.
pub type SharedTests<S> = Vec<(String, Box<dyn FnOnce(&S) + Send>)>;

/// A row of a table of tests: a name, and the test.
pub type Named<S> = (&'static str, fn(&S));

/// A row of a table of tests that get a seed.
pub type Seeded<S> = (&'static str, fn(&S, u64));

/// The tests of a table.
pub fn named<S: 'static>(tests: &[Named<S>]) -> SharedTests<S> {
    let mut all = SharedTests::new();
    for &(name, test) in tests {
        all.push((name.to_owned(), Box::new(test)));
    }
    all
}

/// The tests of a table whose tests get a seed, once with each of so many seeds.
pub fn seeded<S: 'static>(tests: &[Seeded<S>], seeds: u64) -> SharedTests<S> {
    let mut all = SharedTests::new();
    for seed in 0..seeds {
        for &(name, test) in tests {
            let test = Box::new(move |shared: &S| test(shared, seed));
            all.push((format!("{name}_seed_{seed}"), test));
        }
    }
    all
}

/// What tests share, started by the first of them that runs; or what is missing.
pub type Found<S> = Result<Box<dyn FnOnce() -> S + Send>, String>;

/// Tests that run together.
pub struct Suite {
    /// Stands before the name of each.
    pub name: &'static str,
    /// How many run at a time, unless the command line says it.
    pub threads: usize,
}

impl Suite {
    /// Runs tests on what they share. Where that is missing they are ignored, with the reason before their
    /// names, or fail where nothing may be missing.
    pub fn run<S: Send + Sync + 'static>(
        &self,
        arguments: &Arguments,
        found: Found<S>,
        tests: SharedTests<S>,
    ) -> Conclusion {
        self.run_trials(arguments, self.trials(found, tests))
    }

    pub fn run_trials(&self, arguments: &Arguments, trials: Vec<Trial>) -> Conclusion {
        let mut arguments = arguments.clone();
        arguments.test_threads = arguments.test_threads.or(Some(self.threads));
        libtest_mimic::run(&arguments, trials)
    }

    pub fn trials<S: Send + Sync + 'static>(
        &self,
        found: Found<S>,
        tests: SharedTests<S>,
    ) -> Vec<Trial> {
        let shared = found.map(|start| {
            let start = || started_for_good(start);
            Arc::new(LazyLock::<S, _>::new(start))
        });
        let trials = tests.into_iter().map(|(name, test)| {
            let name = format!("{}::{name}", self.name);
            match &shared {
                Ok(shared) => {
                    let shared = Arc::clone(shared);
                    Trial::test(name.clone(), move || {
                        let _watch = watch(name);
                        test(&shared);
                        Ok(())
                    })
                }
                Err(missing) => {
                    let reason = Failed::from(missing);
                    Trial::test(name, || Err(reason))
                        .with_kind(format!("skipped: {missing}"))
                        .with_ignored_flag(!is_all_required())
                }
            }
        });
        trials.collect()
    }
}

/// Starts what tests share in a thread that stays: the system kills processes such as a broker with the thread that
/// started them, and the threads of tests end before the suite does.
fn started_for_good<S: Send + 'static>(start: impl FnOnce() -> S + Send + 'static) -> S {
    let (give, started) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = give.send(start());
        loop {
            std::thread::park();
        }
    });
    started.recv().expect("what the tests share starts")
}

/// Runs suites one after another, all of them, each with as many threads as it can use.
pub fn run_suites(suites: &[fn(&Arguments) -> Conclusion]) -> ExitCode {
    let arguments = Arguments::from_args();
    let failed = suites.iter().map(|run| run(&arguments)).filter(Conclusion::has_failed).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// Ends everything if what this returns is not dropped in good time, and says which test it was: who
/// runs them would otherwise wait for ever, and not learn for what.
fn watch(name: String) -> mpsc::Sender<()> {
    let (running, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            eprintln!("test {name} hangs: it was not over after {LONGEST:?}");
            std::process::exit(101);
        }
    });
    running
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test with a deadline.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let limited = async { tokio::time::timeout(3 * PATIENCE, test).await };
    runtime().block_on(limited).expect("the test ends in time")
}

/// What a request led to.
pub type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// A running `tilemill`.
pub struct Process {
    child: Child,
    log: Arc<Log>,
}

/// A running `tilemill serve`.
pub struct Server {
    process: Process,
    address: String,
}

/// The lines a process has written to standard error.
#[derive(Default)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

/// Starts a process whose log is followed.
pub fn start(command: &mut Command) -> (Child, Arc<Log>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Arc::new(Log::default());
    let (written, from) = (Arc::clone(&log), child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            written.lines.lock().unwrap().push(line);
            written.changed.notify_all();
        }
    });
    (child, log)
}

impl Log {
    /// Waits for a line that contains `text` and returns it.
    pub fn wait_for(&self, text: &str) -> String {
        let lines = self.lines.lock().unwrap();
        let lacking = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let (lines, waited) = self.changed.wait_timeout_while(lines, PATIENCE, lacking).unwrap();
        assert!(!waited.timed_out(), "no line with {text:?} in {lines:#?}");
        lines.iter().find(|line| line.contains(text)).unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let (child, log) = start(command);
        Self { child, log }
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM; it must end well, and its log must be clean.
    pub fn leaves(mut self) {
        self.signal(Signal::TERM);
        let status = wait(&mut self.child);
        let lines = self.log.lines();
        assert!(status.success(), "ended with {status}: {lines:#?}");
        let bad = |line: &&String| line.contains("ERROR") || line.contains("panicked");
        assert_eq!(lines.iter().find(bad), None, "the log is not clean: {lines:#?}");
    }

    /// SIGKILL, as the out-of-memory killer would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same, and then another takes its place.
    pub fn kill_and_start(&mut self, start: impl FnOnce() -> Self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = start();
    }

    /// A signal such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended by itself.
    pub fn died(mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not there any more after `kill` and `leaves`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a server on a free port that keeps its files in `data`.
    pub fn start(data: &TempDir) -> Self {
        Self::start_with(data, &[])
    }

    /// The same, with settings such as `("TILEMILL_WORKER__THREADS", "1")`.
    pub fn start_with(data: &TempDir, settings: &[(&str, &str)]) -> Self {
        let serve = tilemill(data.path());
        Self::start_by(serve, data, settings)
    }

    /// The same by a shell script that ends with `exec "$@"`.
    pub fn start_in(script: &str, data: &TempDir, settings: &[(&str, &str)]) -> Self {
        Self::start_by(in_shell(script, data.path()), data, settings)
    }

    /// The same where the settings say on which address, such as that of a server that was there before.
    pub fn start_again(data: &TempDir, settings: &[(&str, &str)]) -> Self {
        let mut serve = tilemill(data.path());
        serve.arg("serve");
        Self::start_as(serve, data, settings)
    }

    fn start_by(mut command: Command, data: &TempDir, settings: &[(&str, &str)]) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start_as(command, data, settings)
    }

    fn start_as(mut command: Command, data: &TempDir, settings: &[(&str, &str)]) -> Self {
        command.env("TILEMILL_DATA_DIR", data.path().join("data")).envs(settings.iter().copied());
        let process = Process::start(&mut command);
        let line = process.log.wait_for("listening on http://");
        let address = line.split("http://").nth(1).unwrap().trim().to_owned();
        Self { process, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn log(&self) -> &Log {
        self.process.log()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.process.kill();
    }

    /// A signal such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the process has ended by itself.
    pub fn died(self) -> ExitStatus {
        self.process.died()
    }

    /// SIGTERM; the server must end well, and its log must be clean.
    pub fn stop(self) {
        self.process.leaves();
    }

    /// Uploads a file with the other fields of the form. Returns status and JSON of the answer.
    pub fn submit(&self, image: &Path, fields: &[(&str, &str)]) -> (u16, Value) {
        answer(self.send(image, fields))
    }

    /// The same to a server that may end before it has answered.
    pub fn send(&self, image: &Path, fields: &[(&str, &str)]) -> Answer {
        self.send_to("/api/jobs", image, fields)
    }

    /// Uploads a file for previews. Returns status and JSON of the answer.
    pub fn submit_for_previews(&self, image: &Path) -> (u16, Value) {
        answer(self.send_to("/api/previews", image, &[]))
    }

    fn send_to(&self, path: &str, image: &Path, fields: &[(&str, &str)]) -> Answer {
        let bytes = std::fs::read(image).unwrap();
        let name = image.file_name().unwrap().to_str().unwrap();
        let image = Part::bytes(&bytes).file_name(name).mime_str("image/*").unwrap();
        let mut form = Form::new().part("image", image);
        for (name, value) in fields {
            form = form.text(name, value);
        }
        agent().post(self.url(path)).send(form)
    }

    /// Uploads a file that must be accepted. Returns the id of the job.
    pub fn accepted(&self, image: &Path, fields: &[(&str, &str)]) -> String {
        let (status, job) = self.submit(image, fields);
        assert_eq!(status, 201, "{job}");
        job["id"].as_str().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        answer(agent().get(self.url(path)).call())
    }

    /// Asks again until the answer is as wanted.
    pub fn get_until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, value) = self.get(path);
            if wanted(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "waited for {path} in vain: {value}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until no job is in work and no tile on its way.
    pub fn until_idle(&self) {
        self.get_until("/api/queue", |queue| {
            ["tiles_in_flight", "jobs_active", "jobs_queued"].iter().all(|key| queue[*key] == 0)
        });
    }

    pub fn post(&self, path: &str) -> (u16, Value) {
        answer(agent().post(self.url(path)).send_empty())
    }

    pub fn delete(&self, path: &str) -> (u16, Value) {
        answer(agent().delete(self.url(path)).call())
    }

    /// Follows the job's events until it has ended, and returns it.
    pub fn ended(&self, job: &str) -> Value {
        let ended = ["complete", "failed", "cancelled"].map(Value::from);
        self.until(job, |job| ended.contains(&job["status"]))
    }

    /// Follows the job's events until it is as wanted, and returns it.
    pub fn until(&self, job: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let url = self.url(&format!("/api/events?job={job}"));
        let stream = agent().get(url).call().unwrap().into_body().into_reader();
        let deadline = Instant::now() + PATIENCE;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let data = line.strip_prefix("data: ").unwrap_or("null");
            let event: Value = serde_json::from_str(data).unwrap();
            if event["id"] == job && wanted(&event) {
                return event;
            }
            assert!(
                Instant::now() < deadline,
                "waited for {job} in vain: {:#?}",
                self.log().lines()
            );
        }
        panic!("the events of job {job} ended: {:#?}", self.log().lines());
    }

    /// The final image of a job that must complete.
    pub fn result(&self, job: &str) -> Vec<u8> {
        let ended = self.ended(job);
        assert_eq!(ended["status"], "complete", "{ended}");
        self.bytes(&format!("/api/jobs/{job}/result"))
    }

    /// The body of an answer.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let mut response = agent().get(self.url(path)).call().unwrap();
        response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE));
    config.build().new_agent()
}

fn answer(result: Answer) -> (u16, Value) {
    let mut response = result.unwrap();
    let bytes = response.body_mut().read_to_vec().unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (response.status().as_u16(), value)
}

/// The answer to a request that is sent as it stands; the connection stays open while it is awaited.
pub fn raw(address: &str, request: &[u8]) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "no answer: {head:?}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, serde_json::from_slice(&body).unwrap_or_default())
}

/// How many files with such names a process has open.
pub fn open_files(process: u32, is_meant: impl Fn(&str) -> bool) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let names = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    names.filter(|name| is_meant(&name.to_string_lossy())).count()
}

/// How many files below a directory a process has open. What it inherited, such as the log that it writes to, may be a
/// file of any name.
pub fn open_below(process: u32, directory: &Path) -> usize {
    open_files(process, |name| Path::new(name).starts_with(directory))
}

/// All files below a directory, sorted.
pub fn tree(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = tree(&entry.path());
            found.extend(below.iter().map(|path| format!("{name}/{path}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Waits until the files below a directory are as wanted: what a job leaves is removed after it has ended.
pub fn until_tree(directory: &Path, wanted: impl Fn(&[String]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = tree(directory);
        if wanted(&found) {
            return;
        }
        assert!(Instant::now() < deadline, "{} has in vain {found:?}", directory.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a picture with detail everywhere, so that a misplaced tile shows.
pub fn picture(directory: &Path, name: &str, width: u32, height: u32) -> PathBuf {
    let noise = |x: u32, y: u32, k: u32| {
        let hash = (x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ k)
            .wrapping_mul(2_246_822_519);
        u8::try_from((x / 3 + y / 5 + k + (hash >> 27)) % 256).unwrap()
    };
    let path = directory.join(name);
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([0, 80, 160].map(|k| noise(x, y, k)))
    });
    if path.extension().is_some_and(|extension| extension == "jpg") {
        let sides = [width, height].map(|side| u16::try_from(side).unwrap());
        let encoder = jpeg_encoder::Encoder::new_file(&path, 90).unwrap();
        encoder.encode(&picture, sides[0], sides[1], jpeg_encoder::ColorType::Rgb).unwrap();
    } else {
        picture.save(&path).unwrap();
    }
    path
}

/// The head of a multipart form whose fields are made with [`field`].
pub fn form_head(headers: &str) -> String {
    format!(
        "POST /api/jobs HTTP/1.1\r\nhost: localhost\r\n{headers}\
         content-type: multipart/form-data; boundary=XX\r\n\r\n"
    )
}

/// A field of a form up to its value, which is followed by a line break.
pub fn field(name: &str) -> String {
    let file = if name == "image" { "; filename=\"a.png\"" } else { "" };
    format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
}

/// Waits for a process that is about to end by itself.
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("the process does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
