//! The mill on machines of its own, each with its own files, as docs/cluster.md sets them up: Redis and `serve`,
//! Kafka and `collect`, `work`, `work` and `monitor`, with one configuration file copied to all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use libtest_mimic::{Arguments, Conclusion};
use tempfile::TempDir;

use crate::broker::{Broker, Kafka};
use crate::browser::{Browser, Driver};
use crate::mill::{by_run, leave_all, until_worker};
use crate::network::Network;
use crate::store::Redis;
use crate::support::{
    Found, PATIENCE, Process, Server, Suite, data, is_all_required, picture, tilemill, until_tree,
};

type Test = fn(&Path);

const TESTS: [(&str, Test); 4] = [
    ("four_machines_give_the_bytes_of_one", same_bytes),
    ("the_page_shows_the_workers_of_other_machines", page),
    ("a_collector_without_the_files_hands_its_image_over_whoever_is_killed", killed),
    ("cables_are_pulled_and_put_in_again", cables),
];

/// The original four, and where the user is.
const SERVER: u32 = 1;
const COLLECTOR: u32 = 2;
const WORKER: u32 = 3;
const WORKER_AND_MONITOR: u32 = 4;

const FILTERS: &str = "blur:30,invert";
/// So many tiles that a job takes some seconds.
const FIELDS: [(&str, &str); 3] = [("filters", FILTERS), ("format", "png"), ("tile_size", "64")];

pub fn run(arguments: &Arguments) -> Conclusion {
    let tests = TESTS.map(|(name, test)| {
        let run: Box<dyn FnOnce(&PathBuf) + Send> = Box::new(move |jars| test(jars));
        (name.to_owned(), run)
    });
    // Each has four machines.
    Suite { name: "nodes", threads: 1 }.run(arguments, find(), tests.into())
}

fn find() -> Found<PathBuf> {
    Network::find()?;
    Redis::find()?;
    match Kafka::find()? {
        Kafka::Jars(jars) => Ok(Box::new(|| jars)),
        Kafka::Running(address) => Err(format!("the Kafka at {address} is on no machine of ours")),
    }
}

/// The four machines with what runs on them.
struct Nodes {
    network: Network,
    /// A directory for each.
    disks: Vec<TempDir>,
    redis: Redis,
    broker: Broker,
    server: Server,
    collector: Process,
    monitor: Process,
    workers: Vec<Process>,
}

impl Nodes {
    /// Sets them up, with a worker on each of two.
    fn start(jars: &Path) -> Self {
        let network = Network::start(4);
        let [one, two] = [SERVER, COLLECTOR].map(|node| network.address(node));
        let redis = Redis::start_with(&["--bind", &one, "--protected-mode", "no"]);
        let broker = network.on(COLLECTOR, || {
            Broker::start_with(jars, |own| {
                format!(
                    "listeners=PLAINTEXT://{two}:9092,CONTROLLER://{own}:9093\n\
                     advertised.listeners=PLAINTEXT://{two}:9092\n"
                )
            })
        });
        // One file, copied to all.
        let config = format!(
            "data_dir = \"data\"\n\
             [server]\nlisten = \"{one}:5001\"\n\
             [kafka]\nbrokers = [\"{two}:9092\"]\n\
             [redis]\naddress = \"{one}:6379\"\n\
             [storage]\nurl = \"http://{one}:5001\"\ntoken = \"a secret of these four\"\n\
             [topics]\ntasks_partitions = 8\nresults_partitions = 2\n\
             [worker]\nthreads = 1\n"
        );
        let disks: Vec<_> = (0..4).map(|_| TempDir::new().unwrap()).collect();
        for disk in &disks {
            fs::write(disk.path().join("config.toml"), &config).unwrap();
        }
        let disk = |node: u32| disks[node as usize - 1].path();
        let created = tilemill(disk(SERVER)).args(["topics", "create"]).output().unwrap();
        assert!(created.status.success(), "{created:?}");
        let server = Server::start_again(&disks[0], &[]);
        let collector =
            network.on(COLLECTOR, || start(disk(COLLECTOR), &["collect"], "collecting"));
        let monitor = network
            .on(WORKER_AND_MONITOR, || start(disk(WORKER_AND_MONITOR), &["monitor"], "monitoring"));
        let mut nodes =
            Self { network, disks, redis, broker, server, collector, monitor, workers: Vec::new() };
        nodes.add_worker(WORKER);
        nodes.add_worker(WORKER_AND_MONITOR);
        nodes
    }

    fn disk(&self, node: u32) -> &Path {
        self.disks[node as usize - 1].path()
    }

    /// Starts another worker on a machine, as its unit would.
    fn add_worker(&mut self, node: u32) {
        let id = format!("node{node}-{}", self.workers.len());
        let worker =
            self.network.on(node, || start(self.disk(node), &["work", "--id", &id], "working"));
        until_worker(&self.server, &id, "live");
        self.workers.push(worker);
    }

    /// What `tilemill` says on a machine.
    fn says(&self, node: u32, line: &[&str]) -> (Option<i32>, String) {
        let ran = self.network.on(node, || tilemill(self.disk(node)).args(line).output().unwrap());
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    }

    /// A job in work, of which so many tiles are done, and what it has to become.
    fn begin(&self, tiles: u64) -> (String, Vec<u8>) {
        let image = picture(self.disk(SERVER), "in.png", 1450, 1001);
        let expected = by_run(&image, FILTERS, "png");
        let job = self.server.accepted(&image, &FIELDS);
        self.server.until(&job, |job| job["tiles_done"].as_u64() >= Some(tiles));
        (job, expected)
    }

    /// Everything leaves in good order, and nothing is left of the work.
    fn end(self) {
        self.server.until_idle();
        until_tree(&self.disk(COLLECTOR).join("data/processed"), <[String]>::is_empty);
        until_tree(&self.disk(SERVER).join("data/processed"), <[String]>::is_empty);
        for group in ["image-processor-group", "master-results-group"] {
            let lags = self.lag(group);
            assert!(lags.iter().all(|lag| lag == "0"), "{group}: {lags:?}");
        }
        // Heartbeats go on.
        let began = Instant::now();
        while self.lag("monitoring-group") != ["0"] {
            assert!(began.elapsed() < PATIENCE, "the monitor does not hear what is sent");
        }
        let Self { server, collector, monitor, workers, broker, redis, network, .. } = self;
        leave_all(workers.into_iter().chain([collector, monitor]));
        server.stop();
        drop((broker, redis));
        drop(network);
    }

    /// The lag of each partition, as Kafka's own tool shows it.
    fn lag(&self, group: &str) -> Vec<String> {
        let two = format!("{}:9092", self.network.address(COLLECTOR));
        let ask = ["--bootstrap-server", &two, "--describe", "--group", group];
        let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let described = self.broker.tool(class, &ask);
        assert!(described.status.success(), "{described:?}");
        let text = String::from_utf8(described.stdout).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with(group)).collect();
        assert!(!rows.is_empty(), "{text}");
        let lags = rows.iter().map(|row| row.split_whitespace().nth(5).unwrap().to_owned());
        // Of a partition that never had a message there is none.
        lags.filter(|lag| lag != "-").collect()
    }
}

/// Starts a role on the disk of its machine.
fn start(disk: &Path, line: &[&str], ready: &str) -> Process {
    let process = Process::start(tilemill(disk).args(line));
    process.log().wait_for(ready);
    process
}

fn same_bytes(jars: &Path) {
    let mut nodes = Nodes::start(jars);
    for node in 1..=4 {
        let (code, said) = nodes.says(node, &["check"]);
        assert_eq!(code, Some(0), "on machine {node}: {said}");
    }
    let photograph = photograph(nodes.disk(SERVER));
    let images = [
        (photograph.as_path(), "grayscale", "jpeg", "512"),
        (&*picture(nodes.disk(SERVER), "odd.png", 701, 433), "blur:3,grayscale", "png", "64"),
        (&*picture(nodes.disk(SERVER), "thin.png", 1, 500), "invert", "tiff", "64"),
        (&*data("wide-16.png"), "autolevels,sharpen", "png", "7"),
    ];
    let expected = images.map(|(image, filters, format, _)| by_run(image, filters, format));
    for workers in [1, 2, 4] {
        if workers == 1 {
            nodes.workers.pop().unwrap().leaves();
        }
        while nodes.workers.len() < workers {
            nodes.add_worker([WORKER_AND_MONITOR, WORKER][nodes.workers.len() % 2]);
        }
        for ((image, filters, format, tile), expected) in images.iter().zip(&expected) {
            let fields = [("filters", *filters), ("format", *format), ("tile_size", *tile)];
            let began = Instant::now();
            let job = nodes.server.accepted(image, &fields);
            assert!(
                nodes.server.result(&job) == *expected,
                "{} by {workers} workers",
                image.display()
            );
            let time = began.elapsed().as_secs_f64();
            eprintln!("{} by {workers} workers: {time:.1} s", image.display());
        }
    }
    // No file of a job is anywhere but on the machine of the server.
    for node in [COLLECTOR, WORKER, WORKER_AND_MONITOR] {
        until_tree(nodes.disk(node), |files| files == ["config.toml"]);
    }
    nodes.end();
}

/// The photograph that `TILEMILL_TEST_PHOTOGRAPH` names, or a picture of 24 megapixels.
fn photograph(directory: &Path) -> PathBuf {
    match std::env::var_os("TILEMILL_TEST_PHOTOGRAPH") {
        Some(path) => path.into(),
        None => picture(directory, "photograph.jpg", 6000, 4000),
    }
}

fn page(jars: &Path) {
    let nodes = Nodes::start(jars);
    let driver = match Driver::chromium().map(|start| start()) {
        Ok(driver) => driver,
        Err(missing) if !is_all_required() => return eprintln!("skipped: {missing}"),
        Err(missing) => panic!("{missing}"),
    };
    let browser = Browser::open(&driver);
    browser.go(&nodes.server.url("/"));
    for worker in ["node3-0", "node4-1"] {
        browser.until(&format!("document.body.innerText.includes('{worker}')"));
    }
    drop((browser, driver));
    nodes.end();
}

fn killed(jars: &Path) {
    let mut nodes = Nodes::start(jars);
    let (job, expected) = nodes.begin(40);
    // The canvas is on the disk of the collector's machine, and the next one adopts it.
    nodes.collector.kill();
    nodes.collector =
        nodes.network.on(COLLECTOR, || start(nodes.disks[1].path(), &["collect"], "collecting"));
    nodes.server.until(&job, |job| job["tiles_done"].as_u64() >= Some(120));
    nodes.server.kill();
    nodes.server = Server::start_again(&nodes.disks[0], &[]);
    assert!(nodes.server.result(&job) == expected, "the result has other bytes");
    nodes.end();
}

fn cables(jars: &Path) {
    let nodes = Nodes::start(jars);
    let (job, expected) = nodes.begin(20);
    nodes.network.pull(WORKER);
    // Its tiles are done elsewhere, before it is called dead.
    until_worker(&nodes.server, "node3-0", "dead");
    nodes.network.plug(WORKER);
    until_worker(&nodes.server, "node3-0", "live");
    nodes.network.pull(COLLECTOR);
    nodes.server.get_until("/api/queue", |queue| {
        let says =
            |what: &serde_json::Value| what.as_str().is_some_and(|what| what.contains("queue"));
        let told = queue["missing"].as_array().is_some_and(|missing| missing.iter().any(says));
        told && queue["tiles_in_flight"].is_null()
    });
    nodes.network.plug(COLLECTOR);
    assert!(nodes.server.result(&job) == expected, "the result has other bytes");
    nodes.end();
}
