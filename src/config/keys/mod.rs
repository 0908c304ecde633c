//! All keys, by sections.
//!
//! - `server`: where the server is reached, what it logs, accepts and keeps
//! - `work`: jobs, and the work on them
//! - `cluster`: Kafka and its topics, Redis, and files of a server elsewhere
//! - `whole`: the keys outside sections, and all sections together

mod cluster;
mod server;
mod whole;
mod work;

pub use self::cluster::{ConsumerGroup, Kafka, Redis, Storage, TileCompression, Topics};
pub use self::server::{Limits, Log, LogFormat, Retention, Server};
pub use self::whole::Config;
pub use self::work::{Dispatch, Job, Jobs, Output, Tile, Worker};
