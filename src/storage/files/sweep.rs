//! Removes what killed processes left behind: files that were never whole, or that belong to no job.

use std::fs::DirEntry;
use std::path::Path;

use tracing::warn;

use super::Result;
use super::layout::{Layout, exists, list, remove, remove_directory};
use crate::causes;
use crate::model::job::{JobId, Outcome, Step};
use crate::storage::{Staged, StorageError};

/// Removes all leftovers. Returns the number of files and directories. When it cannot be told whether
/// something belongs to a job, it stays.
pub(super) fn sweep(layout: &Layout) -> Result<u32> {
    let mut removed = 0;
    for directory in [&layout.root, &layout.uploads, &layout.finals] {
        removed += sweep_staged(directory)?;
    }
    for entry in list(&layout.uploads)? {
        if let Some(job) = job_named(&entry, "") {
            removed += or_leave(job, sweep_job(layout, job));
        }
    }
    for entry in list(&layout.finals)? {
        if let Some(job) = job_named(&entry, "_complete.") {
            removed += or_leave(job, sweep_final(layout, job, &entry.path()));
        }
    }
    Ok(removed)
}

/// Logs an error: a job whose files fail must not keep a server from starting with the others.
fn or_leave(job: JobId, swept: Result<u32>) -> u32 {
    swept.unwrap_or_else(|error| {
        warn!(
            %job,
            error = causes::field(&error),
            "left the files of a job as they are"
        );
        0
    })
}

fn sweep_job(layout: &Layout, job: JobId) -> Result<u32> {
    let directory = layout.directory(job);
    if !exists(&layout.plan(job))? {
        remove_directory(&directory)?;
        return Ok(1);
    }
    let mut removed = sweep_staged(&directory)?;
    if exists(&layout.outcome(job))? {
        let starts = [Step::Decode, Step::Encode].map(|step| layout.starts(job, step));
        for path in starts.iter().chain([&layout.room(job)]) {
            if exists(path)? {
                remove(path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn sweep_final(layout: &Layout, job: JobId, path: &Path) -> Result<u32> {
    if may_have_result(layout, job)? {
        return Ok(0);
    }
    remove(path)?;
    Ok(1)
}

fn sweep_staged(directory: &Path) -> Result<u32> {
    Staged::sweep(directory).map_err(StorageError::io("sweep", directory))
}

/// Whether a job may have a final image: it is complete, or has no outcome yet and may be about to
/// complete. An outcome that cannot be read may be that of a complete job.
fn may_have_result(layout: &Layout, job: JobId) -> Result<bool> {
    let outcome = layout.read_outcome(job);
    let may = matches!(outcome, Err(_) | Ok(None | Some(Outcome::Complete { .. })));
    Ok(exists(&layout.plan(job))? && may)
}

/// The job whose id is the name up to `end`.
fn job_named(entry: &DirEntry, end: &str) -> Option<JobId> {
    let name = entry.file_name().into_string().ok()?;
    let id = if end.is_empty() { name.as_str() } else { name.split_once(end)?.0 };
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_job_that_cannot_be_looked_at_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::make(directory.path()).unwrap();
        let job = JobId::generate();
        layout.make_directory(job).unwrap();
        fs::write(layout.original(job), "image").unwrap();
        let image = layout.finals.join(format!("{job}_complete.png"));
        fs::write(&image, "result").unwrap();
        // A link to itself: looking at it fails, as on a broken disk.
        symlink("job.json", layout.plan(job)).unwrap();
        assert_eq!(sweep(&layout).unwrap(), 0);
        assert!(layout.original(job).exists() && image.exists());
        assert_eq!(layout.jobs().unwrap(), [job]);
        let ended = layout.conclude(job, &Outcome::cancelled());
        assert!(matches!(ended, Err(StorageError::Io { .. })), "{ended:?}");
        fs::remove_file(layout.plan(job)).unwrap();
        assert_eq!(sweep(&layout).unwrap(), 2);
        assert!(!layout.directory(job).exists() && !image.exists());
    }
}
