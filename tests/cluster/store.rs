//! A real Redis on a loopback address of its own, which ends with the test.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use fred::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tilemill::state::redis::RedisOptions;

use crate::support::{Log, own_address, start};

pub const PORT: u16 = 6379;

/// A Redis that the test may stop and start as it likes. It keeps nothing when it ends.
pub struct Redis {
    folder: TempDir,
    address: Ipv4Addr,
    settings: Vec<String>,
    running: Option<(Child, Arc<Log>)>,
}

impl Redis {
    /// Whether there is one to start.
    pub fn find() -> Result<(), String> {
        let found = Command::new("redis-server").arg("--version").output();
        found.map(drop).map_err(|error| format!("redis-server does not start: {error}"))
    }

    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further settings, such as `["--requirepass", "secret"]`.
    pub fn start_with(settings: &[&str]) -> Self {
        let settings = settings.iter().map(ToString::to_string).collect();
        let (folder, address) = (TempDir::new().unwrap(), own_address());
        let mut redis = Self { folder, address, settings, running: None };
        redis.resume();
        redis
    }

    pub fn address(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    /// How it is reached, with keys behind `prefix`.
    pub fn options(&self, prefix: &str) -> RedisOptions {
        RedisOptions {
            host: self.address.to_string(),
            port: PORT,
            username: None,
            password: None,
            database: 0,
            prefix: format!("{prefix}:"),
            timeout: Duration::from_secs(5),
        }
    }

    /// A Sentinel that watches this one, on another address.
    pub fn sentinel(&self) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), own_address());
        // A Sentinel keeps its state in its configuration, and does not start without that file.
        let watch = format!("sentinel monitor watched {} {PORT} 1\n", self.address);
        fs::write(folder.path().join("sentinel.conf"), watch).unwrap();
        let mut sentinel = Self { folder, address, settings: Vec::new(), running: None };
        sentinel.launch(&["sentinel.conf"], &["--sentinel"], "Sentinel ID is");
        sentinel
    }

    /// Starts it again, empty.
    pub fn resume(&mut self) {
        let settings = self.settings.clone();
        let mut line = vec!["--save", "", "--maxmemory", "256mb"];
        line.extend(settings.iter().map(String::as_str));
        self.launch(&[], &line, "Ready to accept connections");
    }

    /// The same with other settings.
    pub fn resume_with(&mut self, settings: &[&str]) {
        self.kill();
        self.settings = settings.iter().map(ToString::to_string).collect();
        self.resume();
    }

    fn launch(&mut self, file: &[&str], settings: &[&str], ready: &str) {
        // It must not outlive the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server"]);
        command.args(file).args(["--port", &PORT.to_string(), "--bind", &self.address.to_string()]);
        command.args(["--logfile", "/proc/self/fd/2"]).args(settings);
        let (child, log) = start(command.current_dir(self.folder.path()));
        log.wait_for(ready);
        self.running = Some((child, log));
    }

    /// Its working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it answers to a command as a person would type it.
    pub fn tell(&self, command: &str) -> String {
        let mut stream = TcpStream::connect((self.address, PORT)).unwrap();
        write!(stream, "{command}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The same for a command that it has to accept.
    pub fn obey(&self, command: &str) {
        let answer = self.tell(command);
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
    }

    /// The same for several.
    pub fn obey_all(&self, commands: &[&str]) {
        for command in commands {
            self.obey(command);
        }
    }

    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Deletes all keys, while everybody stays connected.
    pub async fn empty(&self) {
        let client = self.client().await;
        client.flushall::<()>(false).await.unwrap();
        client.quit().await.unwrap();
    }

    /// Another client than the one that is tested, of the same library.
    pub async fn client(&self) -> Client {
        let config = Config {
            server: ServerConfig::new_centralized(self.address.to_string(), PORT),
            ..Config::default()
        };
        let client = Builder::from_config(config).build().unwrap();
        client.init().await.unwrap();
        client
    }

    /// Lets this much of the time pass that the keys behind a prefix have left.
    pub async fn pass(&self, prefix: &str, time: Duration) {
        self.pass_for(&format!("{prefix}:*"), time).await;
    }

    /// The same for all keys that match a pattern. Those that never expire stay.
    pub async fn pass_for(&self, pattern: &str, time: Duration) {
        const PASS: &str = "
            for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
                local left = redis.call('PTTL', key)
                if left > tonumber(ARGV[2]) then
                    redis.call('PEXPIRE', key, left - ARGV[2])
                elseif left >= 0 then
                    redis.call('DEL', key)
                end
            end";
        let client = self.client().await;
        let millis = i64::try_from(time.as_millis()).unwrap();
        let values: Vec<Value> = vec![pattern.into(), millis.into()];
        let _: () = client.eval(PASS, Vec::<String>::new(), values).await.unwrap();
        client.quit().await.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
