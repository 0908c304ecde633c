//! Sends the results of several jobs as one archive, which is made while it is sent and stored nowhere.
//!
//! * `name`: the names of its files.
//! * `zip`: the format.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::vec;

use actix_web::body::SizedStream;
use bytes::Bytes;
use flate2::Crc;
use futures_util::{Stream, stream};
use tracing::warn;

use self::name::Names;
use self::zip::{Archive, Member};
use crate::blocking;
use crate::causes;
use crate::model::job::{JobId, Outcome, Plan};
use crate::service::ledger::LedgerEntry;
use crate::storage::{Storage, StorageError};

mod name;
mod zip;

/// The media type of an archive.
pub(super) const MIME: &str = "application/zip";

/// Bytes of a result that are read at a time, a multiple of a block.
const PART: usize = 4 * zip::BLOCK;

/// An archive could not be written to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// A result cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A result cannot be read.
    #[error("cannot read the result of job {0}")]
    Read(JobId, #[source] io::Error),
}

/// An archive of the results of complete jobs. It has the announced length, or breaks off.
pub(super) fn of(
    storage: Arc<dyn Storage>,
    jobs: &[LedgerEntry],
) -> SizedStream<impl Stream<Item = Result<Bytes, Broken>> + use<>> {
    let mut names = Names::default();
    let members: Vec<_> = jobs.iter().filter_map(|entry| member(entry, &mut names)).collect();
    let length = Archive::length_of(members.iter().map(|(_, member)| member));
    let members = members.into_iter();
    let writer = Writer { storage, members, archive: Some(Archive::default()), open: None };
    SizedStream::new(length, stream::try_unfold(writer, Writer::step))
}

fn member(entry: &LedgerEntry, names: &mut Names) -> Option<(Arc<Plan>, Member)> {
    let Some(Outcome::Complete { bytes, finished_at, .. }) = entry.outcome else { return None };
    let name = names.give(&entry.plan);
    Some((Arc::clone(&entry.plan), Member { name, bytes, modified: finished_at }))
}

struct Writer {
    storage: Arc<dyn Storage>,
    /// The members that have not begun.
    members: vec::IntoIter<(Arc<Plan>, Member)>,
    /// `None` once the archive is finished.
    archive: Option<Archive>,
    open: Option<Open>,
}

/// A result that is being read.
struct Open {
    job: JobId,
    member: Member,
    file: File,
    left: u64,
    checksum: Crc,
}

impl Writer {
    /// The next bytes, and the writer for those after them.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        let next = self.next().await.inspect_err(|error| {
            warn!(error = causes::field(error), "an archive broke off");
        })?;
        Ok(next.map(|bytes| (bytes.into(), self)))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let Some(mut archive) = self.archive.take() else { return Ok(None) };
        let bytes = if let Some(open) = self.open.take() {
            self.read(open, &mut archive).await?
        } else if let Some((plan, member)) = self.members.next() {
            let header = archive.begin(&member);
            self.open = Some(self.open(&plan, member).await?);
            header
        } else {
            return Ok(Some(archive.finish()));
        };
        self.archive = Some(archive);
        Ok(Some(bytes))
    }

    async fn open(&self, plan: &Plan, member: Member) -> Result<Open, Broken> {
        let file = self.storage.open_final(plan).await?;
        let (job, left) = (plan.id, member.bytes);
        let same_length = move || (file.metadata().map(|found| found.len()), file);
        let (length, file) = blocking::run(same_length).await;
        if length.map_err(|error| Broken::Read(job, error))? != left {
            let what = format!("it does not have the {left} bytes that were written");
            return Err(Broken::Read(job, io::Error::new(ErrorKind::InvalidData, what)));
        }
        Ok(Open { job, member, file, left, checksum: Crc::new() })
    }

    /// The next part of a result; after the last part also the bytes that end the member.
    async fn read(&mut self, open: Open, archive: &mut Archive) -> Result<Vec<u8>, Broken> {
        let job = open.job;
        let read = blocking::run(move || open.read()).await;
        let (mut bytes, open) = read.map_err(|error| Broken::Read(job, error))?;
        if open.left == 0 {
            bytes.extend(archive.end(&open.member, open.checksum.sum()));
        } else {
            self.open = Some(open);
        }
        Ok(bytes)
    }
}

impl Open {
    fn read(mut self) -> io::Result<(Vec<u8>, Self)> {
        let mut part = vec![0; usize::try_from(self.left).unwrap_or(PART).min(PART)];
        self.file.read_exact(&mut part)?;
        self.checksum.update(&part);
        self.left -= part.len() as u64;
        Ok((zip::pack(&part, self.left == 0), self))
    }
}
