//! What a process that was killed left behind: files that were never whole, or that belong to no job.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::Result;
use super::layout::{Layout, remove, remove_directory};
use crate::model::job::{JobId, Outcome, Step};
use crate::storage::{Staged, StorageError};

/// Removes it all. Returns how many files and directories that were.
pub(super) fn sweep(layout: &Layout) -> Result<u32> {
    let mut removed = 0;
    for directory in [&layout.root, &layout.uploads, &layout.finals] {
        removed += sweep_staged(directory)?;
    }
    for entry in list(&layout.uploads)? {
        if let Some(job) = job_named(&entry, "") {
            removed += sweep_job(layout, job)?;
        }
    }
    for entry in list(&layout.finals)? {
        if job_named(&entry, "_complete.").is_some_and(|job| !may_have_result(layout, job)) {
            remove(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn sweep_job(layout: &Layout, job: JobId) -> Result<u32> {
    let directory = layout.directory(job);
    if !layout.plan(job).exists() {
        remove_directory(&directory)?;
        return Ok(1);
    }
    let mut removed = sweep_staged(&directory)?;
    if layout.outcome(job).exists() {
        let starts = [Step::Decode, Step::Encode].map(|step| layout.starts(job, step));
        for path in starts.iter().chain([&layout.room(job)]).filter(|path| path.exists()) {
            remove(path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn sweep_staged(directory: &Path) -> Result<u32> {
    Staged::sweep(directory).map_err(StorageError::io("sweep", directory))
}

/// Whether a final image belongs to a job: one that is complete, or is just being completed. An
/// outcome that cannot be read may be that of a complete job.
fn may_have_result(layout: &Layout, job: JobId) -> bool {
    let outcome = layout.read_outcome(job);
    layout.plan(job).exists()
        && matches!(outcome, Err(_) | Ok(None | Some(Outcome::Complete { .. })))
}

/// The job whose id the name is, up to `end`.
fn job_named(entry: &DirEntry, end: &str) -> Option<JobId> {
    let name = entry.file_name().into_string().ok()?;
    let id = if end.is_empty() { name.as_str() } else { name.split_once(end)?.0 };
    id.parse().ok()
}

fn list(directory: &Path) -> Result<Vec<DirEntry>> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect);
    entries.map_err(StorageError::io("list", directory))
}
