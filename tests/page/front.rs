//! Real proxies in front of a server, each on a loopback address of its own, with the lines that the documentation
//! gives. They end with the test.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{PATIENCE, Process, own_address};

/// A proxy, by the program that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
    Apache,
    HaProxy,
}

/// What else a proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Nothing.
    Open,
    /// It asks who a client is, and lets [`USER`] with [`PASSWORD`] pass.
    Locked,
    /// It refuses requests of more than a million bytes.
    Narrow,
}

pub const USER: &str = "me";
pub const PASSWORD: &str = "sesame-9f2";
/// The same as nginx and Apache keep it: SHA-1 in base64.
const SHA: &str = "me:{SHA}kPvnm0OP+1tMTUJAjnE/0QVmrcs=\n";
/// The same as Caddy does: bcrypt, at its lowest cost.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu0hXb.C779Isc/kts.ygl2k3nIQQu2i6";

/// Where the documentation has the server, and `HAProxy` itself.
const SERVER: &str = "127.0.0.1:5001";
const HAPROXY: &str = ":80";

pub const PORT: u16 = 8080;

/// A running proxy.
pub struct Front {
    address: Ipv4Addr,
    process: Process,
    folder: TempDir,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Caddy, Self::Apache, Self::HaProxy];

    /// What its executable is called.
    pub fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Apache => "apache2",
            Self::HaProxy => "haproxy",
        }
    }

    /// Whether the lines of the documentation remove the prefix; else `server.base_path` has to say it.
    pub fn strips(self) -> bool {
        self != Self::HaProxy
    }

    fn find(self) -> Result<PathBuf, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Where others than root do not look.
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        let found = folders.map(|folder| folder.join(self.program())).find(|file| file.is_file());
        found.ok_or_else(|| format!("{} is not installed", self.program()))
    }

    /// The lines that the documentation gives.
    fn documented(self) -> String {
        let file = match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
            Self::Apache => "apache.conf",
            Self::HaProxy => "haproxy.cfg",
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxy");
        fs::read_to_string(folder.join(file)).unwrap()
    }
}

/// Whether all of them are there.
pub fn find() -> Result<(), String> {
    Kind::ALL.into_iter().try_for_each(|kind| kind.find().map(drop))
}

/// Replaces what has to be there.
fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no {from:?} in {text}");
    text.replace(from, to)
}

impl Front {
    /// Starts a proxy in front of the server at this address.
    pub fn start(kind: Kind, gate: Gate, server: &str) -> Self {
        let (address, folder) = (own_address(), TempDir::new().unwrap());
        // Apache reads the users' file as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("users"), SHA).unwrap();
        let lines = swap(&kind.documented(), SERVER, server);
        let place = Place { address, folder: folder.path(), gate };
        let config = match kind {
            Kind::Nginx => place.nginx(&lines),
            Kind::Caddy => place.caddy(&lines),
            Kind::Apache => place.apache(&lines),
            Kind::HaProxy => place.haproxy(&lines),
        };
        let file = folder.path().join("config");
        fs::write(&file, config).unwrap();
        let process = Process::start(&mut command(kind, &file, folder.path()));
        let mut front = Self { address, process, folder };
        front.wait_until_it_listens();
        front
    }

    /// What it is reached by, below the prefix.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/tilemill{path}", self.authority())
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn authority(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((self.address, PORT)).is_err() {
            let said =
                || (self.process.log().lines(), fs::read_to_string(self.folder.path().join("log")));
            assert!(Instant::now() < deadline, "it does not listen: {:?}", said());
            let ended = self.process.ended();
            assert!(ended.is_none(), "it ended with {ended:?}: {:?}", self.process.log().lines());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the proxy said is needed where a test fails.
impl Drop for Front {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            let lines = self.process.log().lines();
            eprintln!(
                "the proxy has ended: {:?}; it said {lines:#?}, {log:?}",
                self.process.ended()
            );
        }
    }
}

/// The command that runs a proxy as one process, which does not outlive the test.
fn command(kind: Kind, file: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(kind.find().unwrap()).current_dir(folder);
    match kind {
        Kind::Nginx => command.arg("-p").arg(folder).arg("-c").arg(file),
        Kind::Caddy => command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file)
            .env("HOME", folder)
            .env("XDG_DATA_HOME", folder)
            .env("XDG_CONFIG_HOME", folder),
        Kind::Apache => command.arg("-X").arg("-d").arg(folder).arg("-f").arg(file),
        Kind::HaProxy => command.arg("-db").arg("-f").arg(file),
    };
    command
}

/// Where a proxy is, and what else it does.
struct Place<'a> {
    address: Ipv4Addr,
    folder: &'a Path,
    gate: Gate,
}

impl Place<'_> {
    fn locked<'a>(&self, text: &'a str) -> &'a str {
        if self.gate == Gate::Locked { text } else { "" }
    }

    fn nginx(&self, lines: &str) -> String {
        let Self { address, folder, .. } = self;
        let lines = match self.gate {
            // Its own limit, of one MB.
            Gate::Narrow => swap(lines, "client_max_body_size 0;", ""),
            _ => lines.to_owned(),
        };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|what| format!("{what}_temp_path {what};")).concat();
        let lock = self.locked("auth_basic tiles; auth_basic_user_file users;");
        let root = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let log = folder.join("log");
        format!(
            "daemon off; master_process off; pid pid; {root} error_log {log};
             events {{}}
             http {{
               access_log off; {temporary}
               server {{ listen {address}:{PORT}; {lock}
               {lines}
               }}
             }}",
            log = log.display()
        )
    }

    fn caddy(&self, lines: &str) -> String {
        let address = self.address;
        let lock = self.locked("basicauth {\n me HASH\n }").replace("HASH", BCRYPT);
        let narrow = match self.gate {
            Gate::Narrow => "request_body {\n max_size 1MB\n }",
            _ => "",
        };
        format!(
            "{{\n admin off\n auto_https off\n }}
             http://:{PORT} {{\n bind {address}\n {lock}\n {narrow}\n {lines}\n }}\n"
        )
    }

    fn apache(&self, lines: &str) -> String {
        const MODULES: [&str; 13] = [
            "mpm_event",
            "authz_core",
            "authz_user",
            "authn_core",
            "authn_file",
            "auth_basic",
            "alias",
            "headers",
            "proxy",
            "proxy_http",
            "reqtimeout",
            "deflate",
            "rewrite",
        ];
        let Self { address, folder, .. } = self;
        // LimitRequestBody does not count for what is passed on; this is how mod_security refuses.
        let narrow = match self.gate {
            Gate::Narrow => {
                "RewriteEngine on\nRewriteCond expr \"%{HTTP:Content-Length} -gt 1000000\"\nRewriteRule ^ - [R=413]"
            }
            _ => "",
        };
        let load =
            |name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
        let modules = MODULES.map(load).concat();
        let lock = self.locked(
            "<Location />\n AuthType Basic\n AuthName tiles\n AuthUserFile users\n Require valid-user\n </Location>",
        );
        // It does not answer as root.
        let is_root = rustix::process::getuid().is_root();
        let user = if is_root { "User nobody\nGroup nogroup\n" } else { "" };
        format!(
            "{modules}{user}DefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\n\
             ServerName localhost\nListen {address}:{PORT}\n{lock}\n{narrow}\n{lines}",
            folder = folder.display()
        )
    }

    fn haproxy(&self, lines: &str) -> String {
        let lines = swap(lines, HAPROXY, &format!("{}:{PORT}", self.address));
        let more = match self.gate {
            Gate::Open => "",
            Gate::Locked => "    http-request auth realm tiles unless { http_auth(users) }\n",
            Gate::Narrow => {
                "    http-request deny deny_status 413 if { req.body_size gt 1000000 }\n"
            }
        };
        let lines = swap(&lines, "    use_backend", &format!("{more}    use_backend"));
        format!("userlist users\n    user {USER} insecure-password {PASSWORD}\n\n{lines}")
    }
}
