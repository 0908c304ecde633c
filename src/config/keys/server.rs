//! Keys of a server: where it is reached, what it logs, what it accepts and what it keeps.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::key::section;
use crate::config::kind::{Kind, choices};
use crate::config::list;
use crate::config::network::Network;
use crate::config::path::BasePath;
use crate::config::rule::{at_least, many, that, within};
use crate::config::unit::{Bytes, Seconds};

section! {
    /// The page and the API: where they are, and which names and proxies are believed.
    pub struct Server in "server" {
        /// Address and port of the page and the API. 0.0.0.0:5001 opens them to the network: there is no password.
        #[example("0.0.0.0:5001")]
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5001)),

        /// Names by which clients reach the server, beside localhost and addresses: `["tiles.example.com"]`, or one
        /// string with commas between them. While the server listens on this machine only, or when names are listed
        /// here, requests to other names are refused: list the one in `storage.url`, too, and the one by which metrics
        /// are fetched.
        #[serde(deserialize_with = "list::words")]
        #[example(["tiles.example.com"])]
        hosts: Vec<String> = Vec::new(),

        /// The path below which a proxy offers the server, such as "/tilemill". The server then answers requests with
        /// and without this prefix, so the proxy may remove it or not, and puts it before the links that it gives.
        #[accepts(that(
            |path: &BasePath| !OWN_PATHS.contains(&path.first()),
            "it must not begin with /api, /files, /healthz, /readyz or /metrics, which are below it",
        ))]
        #[example("/tilemill")]
        base_path: BasePath = BasePath::default(),

        /// Addresses and networks of proxies whose X-Forwarded-For, -Proto, -Host and -Prefix are believed; from
        /// elsewhere these headers are ignored. A name in X-Forwarded-Host must be one of `hosts`, like the one in Host.
        #[serde(deserialize_with = "list::parsed")]
        #[example(["10.0.0.0/8", "::1"])]
        trusted_proxies: Vec<Network> = this_machine(),
    }
}

/// The first names of the server's own paths. `server.base_path` must not begin with one of them, since a proxy may
/// leave it in the path of a request.
const OWN_PATHS: [&str; 5] = ["api", "files", "healthz", "readyz", "metrics"];

fn this_machine() -> Vec<Network> {
    ["127.0.0.0/8", "::1"].map(str::parse).into_iter().flatten().collect()
}

section! {
    /// The log, which is written to standard error.
    pub struct Log in "log" {
        /// error, warn, info, debug, trace, or per module: `"info,tilemill::service=debug"`
        #[example("info,tilemill::service=debug")]
        level: String = "info".into(),

        /// text or json
        #[example("json")]
        format: LogFormat = LogFormat::Text,
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Kind for LogFormat {
    fn name() -> String {
        choices::<Self>()
    }
}

section! {
    /// What is accepted, and how much room it may take.
    pub struct Limits in "limits" {
        /// The largest file that may be uploaded.
        #[accepts(at_least(Bytes::new(1)))]
        #[example("8 GiB")]
        max_upload: Bytes = Bytes::gib(4),

        /// The largest image, checked in its header before anything is allocated. What an image takes is bounded by
        /// `decode_memory`, by the free space of `scratch_dir` and by `max_tiles`: slides have some gigapixels.
        #[accepts(at_least(1))]
        #[example(400)]
        max_megapixels: u32 = 100_000,

        /// The longest side of an image, in pixels.
        #[accepts(at_least(1))]
        #[example(32_768)]
        max_side: u32 = 1_000_000,

        /// The most memory that decoding may take: for one image, and for all that are being decoded together. WebP,
        /// BMP, GIF, JPEG 2000, interlaced PNG, JPEG in several scans, and TIFF in one compressed strip need room for the
        /// whole image; other PNG for some rows, other TIFF for some rows, a strip or a row of tiles, and other JPEG for
        /// its file, some rows, and up to 128 MiB of luma. The viewer may take this amount again.
        #[accepts(at_least(Bytes::new(1)))]
        #[example("1 GiB")]
        decode_memory: Bytes = Bytes::gib(4),

        /// The largest tile size that may be asked for.
        #[accepts(at_least(1))]
        #[example(2048)]
        max_tile: u32 = 8192,

        /// The most tiles that an image may be cut into.
        #[accepts(at_least(1))]
        #[example(100_000)]
        max_tiles: u32 = 1_000_000,

        /// The largest file that may be uploaded for previews. The last 8 are kept in `scratch_dir`, each for 10
        /// minutes after its last use. Two previews are made at a time; they may take `decode_memory` once more, and
        /// remember up to 160 MiB of what they read.
        #[accepts(at_least(Bytes::new(1)))]
        #[example("256 MiB")]
        preview: Bytes = Bytes::mib(64),

        /// The most uploads at a time; beyond it, new ones are refused for now (status 503).
        #[accepts(within(1, many()))]
        #[example(8)]
        uploads: u32 = 32,

        /// An upload that sends nothing for this long is given up.
        #[accepts(at_least(Seconds::new(1)))]
        #[example("5m")]
        upload_idle: Seconds = Seconds::new(60),

        /// Disk space that stays free: uploads and jobs that would use it are refused (status 507). Collectors on other
        /// machines have canvases on their own disks, which the server cannot see: a full one fails the job.
        #[example("10 GiB")]
        min_free_space: Bytes = Bytes::mib(256),
    }
}

section! {
    /// What is kept of jobs that have ended.
    pub struct Retention in "retention" {
        /// How long originals are kept after their job has ended. Then they answer with status 410.
        #[example("1d")]
        originals: Seconds = Seconds::days(7),

        /// How long results are kept after their job has ended. Then they answer with status 410.
        #[example("14d")]
        results: Seconds = Seconds::days(7),

        /// How long a job is remembered after it has ended.
        #[fits(that(
            |kept: &Self| kept.records >= kept.originals.max(kept.results),
            "it must be at least `retention.originals` and `retention.results`: the files of a job \
             that is forgotten cannot be fetched",
        ))]
        #[example("90d")]
        records: Seconds = Seconds::days(30),

        /// The most bytes of originals and results of ended jobs, and of the copies made for viewing them. Beyond it,
        /// the oldest are deleted: first those copies, which can be made again, then originals and results.
        #[example("1 TiB")]
        max_bytes: Bytes = Bytes::gib(100),
    }
}
