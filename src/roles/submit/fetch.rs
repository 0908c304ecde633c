//! Downloads a result to a file, whole or not at all, or to standard output.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::Submission;
use super::plan::{Destination, Errand};
use super::progress::Progress;
use crate::roles::client::{Client, Job, Result, Trouble};
use crate::storage::Staged;

impl Submission {
    /// Downloads a result to its destination.
    pub(super) async fn fetch(
        &self,
        errand: &Errand,
        job: &Job,
        progress: &Progress,
    ) -> Result<()> {
        match &errand.destination {
            Destination::Server => Ok(()),
            Destination::Stream => {
                let (job, progress) = (job.clone(), progress.clone());
                // No retry: what was written to a stream cannot be taken back.
                self.blocking(move |client| download(client, &job, &progress, io::stdout())).await
            }
            Destination::File(path) => {
                let staged = Staged::beside(path).map_err(|error| not_written(path, error))?;
                self.download_whole(&staged, job, progress).await?;
                let published = staged.persist(path, self.overwrite);
                published.map_err(|error| not_written(path, error))
            }
        }
    }

    async fn download_whole(&self, staged: &Staged, job: &Job, progress: &Progress) -> Result<()> {
        // The caller keeps the staged file, which is removed if this is interrupted.
        let file = staged.file();
        let fetch = || {
            let (file, job, progress) = (file.try_clone(), job.clone(), progress.clone());
            move |client: &Client| {
                let file = file.and_then(emptied).map_err(not_fetched)?;
                download(client, &job, &progress, file)
            }
        };
        let first = self.blocking(fetch()).await;
        if !matches!(first, Err(Trouble::Unreachable(_))) {
            return first;
        }
        let id = job.id;
        self.patiently(move |client| client.job(id)).await?;
        self.blocking(fetch()).await
    }
}

fn download(client: &Client, job: &Job, progress: &Progress, mut to: impl Write) -> Result<()> {
    let bytes = job.bytes.unwrap_or(0);
    let mut reader = progress.fetching(bytes, client.result(job.id)?);
    let mut buffer = vec![0; 64 * 1024];
    let mut fetched = 0;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| Trouble::Unreachable(error.into()))?;
        if read == 0 {
            break;
        }
        fetched += read as u64;
        to.write_all(&buffer[..read]).map_err(not_fetched)?;
    }
    to.flush().map_err(not_fetched)?;
    if job.bytes.is_some() && fetched != bytes {
        let what = format!("the result broke off after {fetched} of {bytes} bytes");
        return Err(Trouble::Unreachable(what.into()));
    }
    Ok(())
}

fn emptied(mut file: File) -> io::Result<File> {
    file.set_len(0)?;
    file.rewind()?;
    Ok(file)
}

fn not_fetched(error: io::Error) -> Trouble {
    Trouble::Here("write the result".into(), error)
}

fn not_written(path: &Path, error: io::Error) -> Trouble {
    Trouble::Here(format!("write {}", path.display()), error)
}
