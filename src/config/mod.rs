//! The configuration: defaults, then a file, then `TILEMILL_*` variables; checked once, at start.
//!
//! A key stands in one place: an entry in `keys`, with its name, type, default, rules, words and an example. The struct
//! that has its value, the range that is checked, its variable, `config.toml` and `docs/configuration.md` follow from it.
//!
//! # To add a key
//!
//! 1. Write its entry into the section that it belongs to, in `keys/server`, `keys/work` or `keys/cluster`. `key` says
//!    what an entry consists of. A key without a default is possible only where a section may be left out.
//! 2. Use the field of the same name where it matters.
//! 3. `TILEMILL_BLESS=1 cargo test --test local configuration` writes `config.toml` and `docs/configuration.md` anew;
//!    without the variable the test fails if they differ.
//!
//! A new type of value implements `kind::Kind`; a new section is listed in `keys/whole`, too.
//!
//! # Modules
//!
//! - `keys`: all keys, by sections
//! - `key`: what an entry consists of, and what is made of it
//! - `rule`: which values are accepted
//! - `kind`: the types of values, in words
//! - `load`: reads defaults, file and variables
//! - `file`: which file is read
//! - `environment`: the variables
//! - `error`: why a configuration cannot be used
//! - `setting`: each value with its origin
//! - [`document`]: the documents that list every key
//!
//! Types of values:
//!
//! - `address`: a host and a port
//! - `brokers`: addresses of brokers
//! - `list`: words with commas between them
//! - `network`: an address, or those of a network
//! - `path`: the path below which a server is reached
//! - `secret`: passwords and tokens
//! - `unit`: values with a unit, such as `"4 GiB"`

mod address;
mod brokers;
pub mod document;
mod environment;
mod error;
mod file;
mod key;
mod keys;
mod kind;
mod list;
mod load;
mod network;
mod path;
mod rule;
mod secret;
mod setting;
mod unit;

pub use self::address::Address;
pub use self::brokers::Brokers;
pub use self::error::ConfigError;
pub use self::file::{Origin, Search};
pub use self::keys::{
    Config, ConsumerGroup, Dispatch, Job, Jobs, Kafka, Limits, Log, LogFormat, Output, Redis,
    Retention, Server, Storage, Tile, TileCompression, Topics, Worker,
};
pub use self::network::Network;
pub use self::path::BasePath;
pub use self::secret::Secret;
pub use self::setting::Setting;
pub use self::unit::{Bytes, Colour, Seconds};
