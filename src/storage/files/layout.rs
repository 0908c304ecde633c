//! The paths of a job's files, and the operations on them. Everything here blocks on the disk.

use std::fs::{self, DirEntry, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Result, record};
use crate::model::job::{JobId, Outcome, Plan, Step};
use crate::raster::encode::OutputFormat;
use crate::storage::{Kept, StorageError, absent_is_fine};

/// The directories of a storage.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) uploads: PathBuf,
    pub(super) finals: PathBuf,
}

impl Layout {
    pub(super) fn make(directory: &Path) -> Result<Self> {
        let (uploads, finals) = (directory.join("uploads"), directory.join("final"));
        for made in [&uploads, &finals] {
            fs::create_dir_all(made).map_err(StorageError::io("make the directory", made))?;
        }
        Ok(Self { root: directory.to_owned(), uploads, finals })
    }

    pub(super) fn directory(&self, job: JobId) -> PathBuf {
        self.uploads.join(job.to_string())
    }

    pub(super) fn original(&self, job: JobId) -> PathBuf {
        self.directory(job).join("original")
    }

    pub(super) fn plan(&self, job: JobId) -> PathBuf {
        self.directory(job).join("job.json")
    }

    pub(super) fn outcome(&self, job: JobId) -> PathBuf {
        self.directory(job).join("outcome.json")
    }

    pub(super) fn thumbnail(&self, job: JobId) -> PathBuf {
        self.directory(job).join("thumbnail.png")
    }

    pub(super) fn final_image(&self, plan: &Plan) -> PathBuf {
        self.final_of(plan.id, plan.output.format)
    }

    fn final_of(&self, job: JobId, format: OutputFormat) -> PathBuf {
        self.finals.join(format!("{job}_complete.{}", format.extension()))
    }

    pub(super) fn make_directory(&self, job: JobId) -> Result<()> {
        let directory = self.directory(job);
        fs::create_dir_all(&directory)
            .map_err(StorageError::io("make the directory", &directory))?;
        record::sync_directory(&self.uploads)
    }

    pub(super) fn create_plan(&self, plan: &Plan) -> Result<()> {
        let path = self.plan(plan.id);
        let room = self.room(plan.id);
        record::reserve(&room).map_err(StorageError::io("write", &room))?;
        record::create(&path, plan).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StorageError::Conflict(plan.id, "plan"),
            _ => StorageError::io("write", &path)(error),
        })
    }

    /// A file that reserves room for the outcome, which has to be written even when the disk is full.
    pub(super) fn room(&self, job: JobId) -> PathBuf {
        self.directory(job).join("outcome.room")
    }

    /// Gives `job` the original of `source`.
    pub(super) fn share_original(&self, source: JobId, job: JobId) -> Result<()> {
        let (from, to) = (self.original(source), self.original(job));
        // A hard link costs nothing, and keeps the bytes when the first job is removed.
        match fs::hard_link(&from, &to) {
            Ok(()) => record::sync_directory(&self.directory(job)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(StorageError::NotFound(source, "original"))
            }
            // Not every file system has hard links, and each limits their number.
            Err(_) => record::copy(&from, &to),
        }
    }

    pub(super) fn read_outcome(&self, job: JobId) -> Result<Option<Outcome>> {
        record::read(job, "outcome", &self.outcome(job))
    }

    pub(super) fn conclude(&self, job: JobId, outcome: &Outcome) -> Result<Outcome> {
        if !exists(&self.plan(job))? {
            return Err(StorageError::NotFound(job, "plan"));
        }
        if let Some(stands) = self.read_outcome(job)? {
            return Ok(stands);
        }
        match record::create_in(&self.room(job), &self.outcome(job), outcome) {
            Ok(()) => {
                self.forget_starts(job);
                Ok(outcome.clone())
            }
            Err(error) => self.stands_instead(job, error),
        }
    }

    /// The outcome that stands when one could not be written, or why there is none.
    fn stands_instead(&self, job: JobId, error: io::Error) -> Result<Outcome> {
        // Another process may have been faster, and taken the room, or the job may have been removed.
        if let Some(stands) = self.read_outcome(job)? {
            return Ok(stands);
        }
        // Only the plan decides: when a job is reported as gone, its image is deleted.
        if exists(&self.plan(job))? {
            return Err(StorageError::io("write", &self.outcome(job))(error));
        }
        Err(StorageError::NotFound(job, "plan"))
    }

    /// Removes the starts of a job that has ended: a step may still run, or may have died with its process.
    fn forget_starts(&self, job: JobId) {
        for step in [Step::Decode, Step::Encode] {
            // If this fails, the file is swept at the next start.
            let _ = fs::remove_file(self.starts(job, step));
        }
    }

    /// The sizes of a job's images. The size of a file with several hard links is divided among them.
    pub(super) fn kept(&self, plan: &Plan) -> Result<Kept> {
        let original = share(&self.original(plan.id))?;
        let result = share(&self.final_image(plan))?;
        Ok(Kept { original, result })
    }

    pub(super) fn starts(&self, job: JobId, step: Step) -> PathBuf {
        self.directory(job).join(format!("{}.starts", step.as_str()))
    }

    pub(super) fn count_start(&self, job: JobId, step: Step) -> Result<u32> {
        let path = self.starts(job, step);
        let count = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(b".")?;
            file.sync_all()?;
            Ok(u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX))
        };
        count().map_err(StorageError::io("write", &path))
    }

    pub(super) fn jobs(&self) -> Result<Vec<JobId>> {
        let entries = list(&self.uploads)?.into_iter();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ids = names.filter_map(|name| name.parse().ok());
        // A job whose plan cannot be looked at is listed: reading it then returns the error.
        let may_exist = |job: &JobId| exists(&self.plan(*job)).unwrap_or(true);
        let mut jobs: Vec<JobId> = ids.filter(may_exist).collect();
        jobs.sort_unstable();
        Ok(jobs)
    }

    pub(super) fn remove(&self, job: JobId) -> Result<()> {
        // The plan goes first: from then on the job is gone, even if the rest fails.
        remove(&self.plan(job))?;
        self.remove_final(job)?;
        remove_directory(&self.directory(job))
    }

    /// Removes the final image, in whatever format: the plan that names it may be gone.
    pub(super) fn remove_final(&self, job: JobId) -> Result<()> {
        let finals = OutputFormat::ALL.map(|format| self.final_of(job, format));
        finals.iter().try_for_each(|path| remove(path))?;
        remove(&self.thumbnail(job))
    }
}

/// Bytes of a file, divided by the number of its hard links; `None` if it is not there.
fn share(path: &Path) -> Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len() / names(&found))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("look at", path)(error)),
    }
}

#[cfg(unix)]
fn names(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file).max(1)
}

#[cfg(not(unix))]
fn names(_file: &fs::Metadata) -> u64 {
    1
}

/// Whether there is such a file. An error tells neither, so it is no reason to delete anything.
pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(StorageError::io("look at", path))
}

/// The entries of a directory.
pub(super) fn list(directory: &Path) -> Result<Vec<DirEntry>> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect);
    entries.map_err(StorageError::io("list", directory))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    absent_is_fine(fs::remove_file(path)).map_err(StorageError::io("remove", path))
}

/// Removes a directory, if it is there. Retries, since other processes may still be writing to it for a moment.
pub(super) fn remove_directory(path: &Path) -> Result<()> {
    const TRIES: u32 = 10;
    let mut removed = fs::remove_dir_all(path);
    for _ in 1..TRIES {
        match &removed {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                removed = fs::remove_dir_all(path);
            }
            _ => break,
        }
    }
    absent_is_fine(removed).map_err(StorageError::io("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_gone_only_if_its_plan_is() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::make(directory.path()).unwrap();
        let job = JobId::generate();
        layout.make_directory(job).unwrap();
        fs::write(layout.plan(job), "{}").unwrap();
        // As if the staged outcome had been removed.
        let failed = layout.stands_instead(job, ErrorKind::NotFound.into()).unwrap_err();
        assert!(matches!(failed, StorageError::Io { .. }), "{failed:?}");
        fs::remove_file(layout.plan(job)).unwrap();
        let gone = layout.stands_instead(job, ErrorKind::NotFound.into()).unwrap_err();
        assert!(matches!(gone, StorageError::NotFound(..)), "{gone:?}");
    }
}
