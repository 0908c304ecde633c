//! The files of canvases in a directory: `<job>.<opening>.canvas`, each locked as long as a process has it open.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::job::JobId;
use crate::service::scratch;
use crate::storage::absent_is_fine;

const EXTENSION: &str = "canvas";

/// Creates the file of a canvas, and locks it.
pub(super) fn create(directory: &Path, job: JobId) -> io::Result<(File, PathBuf)> {
    loop {
        // Unique for each opening, so that no two processes ever write to one file.
        let name = format!("{job}.{}.{EXTENSION}", Uuid::new_v4().simple());
        let path = directory.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| scratch::failed(directory, &error))?;
        if lock_new(&file, &path)? {
            return Ok((file, path));
        }
    }
}

/// The jobs that have canvases in a directory.
pub fn jobs(directory: &Path) -> io::Result<BTreeSet<JobId>> {
    // Files with other names do not belong to tilemill.
    Ok(canvases(directory, None)?.iter().filter_map(|path| job_of(path)).collect())
}

/// The bytes of disk that the canvases in a directory take. Their files have holes, so that is less than their lengths.
pub fn bytes(directory: &Path) -> io::Result<u64> {
    let canvases = canvases(directory, None)?.into_iter();
    // A canvas that was deleted meanwhile takes no room.
    let sizes = canvases.filter_map(|path| Some(room_of(&fs::metadata(path).ok()?)));
    Ok(sizes.sum())
}

#[cfg(unix)]
fn room_of(file: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // In units of 512 bytes, whatever the block size of the file system: stat(2).
    file.blocks() * 512
}

#[cfg(not(unix))]
fn room_of(file: &fs::Metadata) -> u64 {
    file.len()
}

/// Deletes the canvases of a job that no process holds open.
pub fn sweep(directory: &Path, job: JobId) -> io::Result<()> {
    for path in canvases(directory, Some(job))? {
        if lock(&path)?.is_some() {
            absent_is_fine(fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// The canvases in a directory, of one job or of all.
pub(super) fn canvases(directory: &Path, job: Option<JobId>) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    let ours =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    Ok(ours.filter(|path| job.is_none() || job_of(path) == job).collect())
}

/// The job of a canvas, if the name is that of one: `<job>.<uuid>.canvas`.
fn job_of(path: &Path) -> Option<JobId> {
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let (job, opening) = name.split_once('.')?;
    Uuid::try_parse(opening).ok().filter(|uuid| uuid.simple().to_string() == opening)?;
    job.parse().ok()
}

/// Opens and locks a file; `None` if another process holds it or it is gone.
pub(super) fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Locks a file that was just created; false if another process locked it first: that process finds it
/// empty and deletes it.
pub(super) fn lock_new(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => path.try_exists(),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_that_another_has_locked_first_is_left_to_that_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let file = File::create_new(&path).unwrap();
        let other = lock(&path).unwrap();
        assert!(other.is_some() && !lock_new(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        drop(other);
        assert!(!lock_new(&file, &path).unwrap());
        let again = File::create_new(&path).unwrap();
        assert!(lock_new(&again, &path).unwrap());
        assert!(lock(&path).unwrap().is_none());
    }
}
