//! A message as bytes, the content of a record: a prefix that no version changes, a header, and then pixels or a report.
//!
//! ```text
//! bytes  0..2   "tm"
//!        2..4   version of what follows the prefix
//!        4..20  job             ┐
//!       20..24  tile            │ zero in a heartbeat
//!       24..28  attempt         │
//!       28..32  results partition ┘
//! version 2:
//!       32..36  length of the header
//!       36..    header (bincode), then pixels or a report to the end
//! ```
//!
//! Numbers outside the header are big-endian. Since the prefix never changes, any version can answer a tile of any
//! other.
//!
//! * `heartbeat`: heartbeats of workers.
//! * `pixels`: samples, plain or as an LZ4 block.
//! * `tile`: tasks and results.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::job::JobId;

mod heartbeat;
mod pixels;
#[cfg(test)]
mod tests;
mod tile;

/// The version that is written, and the only one that is read.
pub const VERSION: u16 = 2;

const MAGIC: [u8; 2] = *b"tm";
const PREFIX: usize = 32;
/// The most bytes of a header: far more than a chain of filters or the cause of a failure needs.
const MAX_HEADER: usize = 1 << 20;

/// How pixels are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As LZ4 blocks, if that makes them smaller.
    Lz4,
    /// Not at all.
    None,
}

/// The fields that every version has in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The version of what follows.
    pub version: u16,
    /// The job.
    pub job: JobId,
    /// The tile's index in the job's grid.
    pub tile: u32,
    /// The attempt.
    pub attempt: u32,
    /// The partition of the results topic that the answer goes to.
    pub results_partition: u32,
}

/// Why a record cannot be read as a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Another version wrote it: it can be answered, not read.
    #[error("the message has version {}, and only {VERSION} is read here", .0.version)]
    OtherVersion(Prefix),
    /// It is not a message.
    #[error("the record is not a message: {0}")]
    Unreadable(String),
}

fn unreadable(reason: impl Into<String>) -> WireError {
    WireError::Unreadable(reason.into())
}

/// A message that can be sent in a record.
pub trait Message: Sized + Send + Sync + 'static {
    /// The record of a message.
    fn encode(&self, compression: Compression) -> Vec<u8>;

    /// The message in a record, which may hold anything.
    fn decode(record: &[u8]) -> Result<Self, WireError>;
}

impl Prefix {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&MAGIC);
        to.extend_from_slice(&self.version.to_be_bytes());
        to.extend_from_slice(&self.job.to_bytes());
        for number in [self.tile, self.attempt, self.results_partition] {
            to.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// The prefix, and what follows it.
    pub(super) fn read(record: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = record.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (job, rest) = rest.split_first_chunk()?;
        let (tile, rest) = rest.split_first_chunk()?;
        let (attempt, rest) = rest.split_first_chunk()?;
        let (results_partition, rest) = rest.split_first_chunk()?;
        let prefix = Self {
            version: u16::from_be_bytes(*version),
            job: JobId::from_bytes(*job),
            tile: u32::from_be_bytes(*tile),
            attempt: u32::from_be_bytes(*attempt),
            results_partition: u32::from_be_bytes(*results_partition),
        };
        (*magic == MAGIC).then_some((prefix, rest))
    }
}

/// A record without its pixels or report.
fn frame(prefix: &Prefix, header: &impl Serialize) -> Vec<u8> {
    let mut record = Vec::with_capacity(256);
    prefix.write(&mut record);
    record.extend_from_slice(&[0; 4]);
    let begin = record.len();
    bincode::serde::encode_into_std_write(header, &mut record, bincode::config::standard())
        .expect("a header is plain data, and a Vec takes all of it");
    let length = u32::try_from(record.len() - begin).expect("a header is short");
    record[PREFIX..begin].copy_from_slice(&length.to_be_bytes());
    record
}

/// The prefix, the header and what follows it.
fn open<H: DeserializeOwned>(record: &[u8]) -> Result<(Prefix, H, &[u8]), WireError> {
    let (prefix, rest) =
        Prefix::read(record).ok_or_else(|| unreadable("it does not begin like one"))?;
    if prefix.version != VERSION {
        return Err(WireError::OtherVersion(prefix));
    }
    let (length, rest) =
        rest.split_first_chunk().ok_or_else(|| unreadable("it ends before its header"))?;
    let length = u32::from_be_bytes(*length) as usize;
    let (header, rest) =
        rest.split_at_checked(length).ok_or_else(|| unreadable("it ends in its header"))?;
    let limited = bincode::config::standard().with_limit::<MAX_HEADER>();
    let (header, read) = bincode::serde::decode_from_slice(header, limited)
        .map_err(|error| unreadable(format!("its header: {error}")))?;
    if read != length {
        return Err(unreadable("bytes follow its header"));
    }
    Ok((prefix, header, rest))
}
