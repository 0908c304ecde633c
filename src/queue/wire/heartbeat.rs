//! Heartbeats as records: the header has all but the report, which follows it. Heartbeats of older workers have no
//! report.

use serde::{Deserialize, Serialize};

use super::{Compression, Message, Prefix, VERSION, WireError, frame, open, unreadable};
use crate::model::job::JobId;
use crate::model::report::Report;
use crate::model::worker::{Heartbeat, Phase, WorkerId};

/// The most bytes of a report that are read.
const MAX_REPORT: usize = 1 << 16;

/// A heartbeat without its report, in the order of the header.
#[derive(Serialize, Deserialize)]
struct Header {
    id: WorkerId,
    host: String,
    threads: u32,
    in_flight: u32,
    done: u64,
    failed: u64,
    rate: f64,
    version: String,
    phase: Phase,
}

impl Message for Heartbeat {
    fn encode(&self, _: Compression) -> Vec<u8> {
        let (job, [tile, attempt, results_partition]) = (JobId::from_bytes([0; 16]), [0; 3]);
        let prefix = Prefix { version: VERSION, job, tile, attempt, results_partition };
        let Self { id, host, threads, in_flight, done, failed, rate, version, phase, report } =
            self.clone();
        let header = Header { id, host, threads, in_flight, done, failed, rate, version, phase };
        let mut record = frame(&prefix, &header);
        bincode::serde::encode_into_std_write(&report, &mut record, bincode::config::standard())
            .expect("a report is plain data, and a Vec takes all of it");
        record
    }

    fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (_, header, rest) = open(record)?;
        let Header { id, host, threads, in_flight, done, failed, rate, version, phase } = header;
        let report = if rest.is_empty() { Report::default() } else { read_report(rest)? };
        Ok(Self { id, host, threads, in_flight, done, failed, rate, version, phase, report })
    }
}

fn read_report(bytes: &[u8]) -> Result<Report, WireError> {
    let limited = bincode::config::standard().with_limit::<MAX_REPORT>();
    let (report, read) = bincode::serde::decode_from_slice(bytes, limited)
        .map_err(|error| unreadable(format!("its report: {error}")))?;
    if read == bytes.len() { Ok(report) } else { Err(unreadable("bytes follow its report")) }
}
