//! What a process that was killed left behind: files that were never whole, or that belong to no job.

use std::fs::DirEntry;
use std::path::Path;

use tracing::warn;

use super::Result;
use super::layout::{Layout, exists, list, remove, remove_directory};
use crate::model::job::{JobId, Outcome, Step};
use crate::storage::{Staged, StorageError};

/// Removes it all. Returns how many files and directories that were. Where it cannot be told what
/// belongs to a job, nothing is removed.
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

/// One job whose files fail keeps no server from starting with the others.
fn or_leave(job: JobId, swept: Result<u32>) -> u32 {
    swept.unwrap_or_else(|error| {
        warn!(
            %job,
            error = &error as &dyn std::error::Error,
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

/// Whether a final image belongs to a job: one that is complete, or is just being completed. An
/// outcome that cannot be read may be that of a complete job.
fn may_have_result(layout: &Layout, job: JobId) -> Result<bool> {
    let outcome = layout.read_outcome(job);
    let may = matches!(outcome, Err(_) | Ok(None | Some(Outcome::Complete { .. })));
    Ok(exists(&layout.plan(job))? && may)
}

/// The job whose id the name is, up to `end`.
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
        // A link to itself: looking at it is an error, as on a disk that fails.
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
