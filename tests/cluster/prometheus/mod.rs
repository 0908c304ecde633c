//! A real Prometheus on a loopback address of its own, which ends with the test; and promtool.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Found, Log, PATIENCE, own_address, start};

const PORT: u16 = 9090;

/// Where its programs are.
pub struct Programs(PathBuf);

impl Programs {
    /// Those that `fetch.sh` has fetched.
    pub fn find() -> Found<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target/");
        let folder = target.join("prometheus");
        let there = folder.join("promtool").is_file();
        if !there {
            return Err("no Prometheus: bash tests/cluster/prometheus/fetch.sh fetches it".into());
        }
        Ok(Box::new(|| Self(folder)))
    }

    fn command(&self, program: &str) -> Command {
        // It must not outlive the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(self.0.join(program));
        command
    }

    /// What promtool says to these arguments and this input.
    pub fn promtool(&self, arguments: &[&str], input: &[u8]) -> Output {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("input");
        fs::write(&file, input).unwrap();
        let stdin = Stdio::from(fs::File::open(file).unwrap());
        self.command("promtool").args(arguments).stdin(stdin).output().unwrap()
    }
}

/// A Prometheus that scrapes one server.
pub struct Prometheus {
    child: Child,
    _log: Arc<Log>,
    _folder: TempDir,
    address: Ipv4Addr,
}

impl Prometheus {
    /// Starts one that scrapes the server at `target` often, and evaluates `rules`.
    pub fn start(programs: &Programs, target: &str, rules: &Path) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), own_address());
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}}\n\
             rule_files: [{:?}]\n\
             scrape_configs:\n\
             - job_name: tilemill\n  \
               static_configs: [{{targets: [{target:?}]}}]\n",
            rules.display().to_string(),
        );
        fs::write(&config, text).unwrap();
        let mut command = programs.command("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}:{PORT}"));
        let (child, log) = start(&mut command);
        log.wait_for("Server is ready to receive web requests.");
        Self { child, _log: log, _folder: folder, address }
    }

    /// What its HTTP API answers.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("http://{}:{PORT}/api/v1/{path}", self.address);
        let request = ureq::get(url).query_pairs(parameters.iter().copied());
        let mut answer = request.call().unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].clone()
    }

    /// What an expression that gives one number gives now.
    pub fn query(&self, expression: &str) -> Option<f64> {
        let data = self.get("query", &[("query", expression)]);
        let results = data["result"].as_array().unwrap();
        assert!(results.len() <= 1, "{expression} gives more than one number: {data}");
        let number = results.first()?["value"][1].as_str().unwrap();
        Some(number.parse().unwrap())
    }

    /// Waits until an expression gives this number: what is asked for may not be scraped yet.
    pub fn until(&self, expression: &str, wanted: f64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.query(expression);
            if found.is_some_and(|found| (found - wanted).abs() < 1e-9) {
                return;
            }
            let told = || format!("{expression} is {found:?}, not {wanted}");
            assert!(Instant::now() < deadline, "{}", told());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
