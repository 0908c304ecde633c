//! The files that `tilemill run` reads and writes, with plans and outcomes in memory.
//!
//! The original is the input itself, the final image is the output, moved into place when it is
//! whole. Nothing is synced: a run that dies with its machine is run again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::{Kept, Overwrite, ResultStorage, Staged, Storage, StorageError, metadata_of};
use crate::locked::Locked;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};
use crate::raster::metadata::Metadata;

type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Inputs and outputs of one run.
#[derive(Debug)]
pub struct LocalStorage {
    id: StorageId,
    overwrite: Overwrite,
    jobs: Mutex<BTreeMap<JobId, Entry>>,
    /// Staged files that have names, since the file system has no unnamed files.
    written: Mutex<Vec<PathBuf>>,
}

#[derive(Debug)]
struct Entry {
    paths: Paths,
    plan: Option<Plan>,
    outcome: Option<Outcome>,
    thumbnail: Option<Vec<u8>>,
    starts: [u32; 2],
}

/// Where one job's image comes from and where its result goes.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The image.
    pub input: PathBuf,
    /// The result.
    pub output: PathBuf,
}

impl LocalStorage {
    /// A storage without jobs.
    #[must_use]
    pub fn new(overwrite: Overwrite) -> Self {
        let (jobs, written) = Default::default();
        Self { id: StorageId("local".into()), overwrite, jobs, written }
    }

    /// Removes staged files that have names, for a process that ends before their writers notice.
    pub fn abandon(&self) {
        let mut written = self.written.locked();
        for path in written.drain(..) {
            // It fails if the file has been finished and moved, or the disk is gone.
            let _ = fs::remove_file(path);
        }
    }

    fn stage(&self, output: &Path) -> Result<Staged> {
        let staged = Staged::beside(output).map_err(StorageError::io("write", output))?;
        self.remember(&staged);
        Ok(staged)
    }

    fn remember(&self, staged: &Staged) {
        let Some(path) = staged.path() else { return };
        let mut written = self.written.locked();
        written.retain(|path| path.exists());
        written.push(path.to_owned());
    }

    /// Sets where the files of a job are. Must precede every other call for the job.
    pub fn assign(&self, job: JobId, paths: Paths) {
        let entry = Entry { paths, plan: None, outcome: None, thumbnail: None, starts: [0; 2] };
        self.lock().insert(job, entry);
    }

    /// Stores the plan of a job whose original is its input.
    pub fn admit(&self, plan: Plan) -> Result<()> {
        let id = plan.id;
        self.with(id, "input", |entry| {
            if entry.plan.is_some() {
                return Err(StorageError::Conflict(id, "plan"));
            }
            entry.plan = Some(plan);
            Ok(())
        })?
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Entry>> {
        self.jobs.locked()
    }

    fn with<T>(
        &self,
        job: JobId,
        what: &'static str,
        act: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T> {
        self.lock().get_mut(&job).map(act).ok_or(StorageError::NotFound(job, what))
    }

    fn paths(&self, job: JobId) -> Result<Paths> {
        self.with(job, "input", |entry| entry.paths.clone())
    }
}

#[async_trait]
impl ResultStorage for LocalStorage {
    fn id(&self) -> &StorageId {
        &self.id
    }

    async fn plan(&self, job: JobId) -> Result<Plan> {
        let plan = self.with(job, "plan", |entry| entry.plan.clone())?;
        plan.ok_or(StorageError::NotFound(job, "plan"))
    }

    async fn metadata(&self, job: JobId) -> Result<Metadata> {
        let page = self.plan(job).await?.page;
        Ok(metadata_of(self.open_original(job).await?, page).await)
    }

    async fn stage_final(&self, plan: &Plan) -> Result<Staged> {
        self.stage(&self.paths(plan.id)?.output)
    }

    async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<()> {
        let output = self.paths(plan.id)?.output;
        let persisted = image.persist(&output, self.overwrite);
        persisted.map_err(StorageError::io("write", &output))
    }

    async fn remove_final(&self, _job: JobId) -> Result<()> {
        // A run cancels no job: a file at the output's path is the output.
        Ok(())
    }

    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<()> {
        self.with(job, "plan", |entry| entry.thumbnail = Some(png))
    }

    async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome> {
        self.with(job, "plan", |entry| entry.outcome.get_or_insert(outcome).clone())
    }

    async fn outcome(&self, job: JobId) -> Result<Option<Outcome>> {
        Ok(self.lock().get(&job).and_then(|entry| entry.outcome.clone()))
    }

    async fn count_start(&self, job: JobId, step: Step) -> Result<u32> {
        self.with(job, "plan", |entry| {
            let starts = &mut entry.starts[step as usize];
            *starts += 1;
            *starts
        })
    }

    async fn clear_starts(&self, job: JobId, step: Step) -> Result<()> {
        self.with(job, "plan", |entry| entry.starts[step as usize] = 0)
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn stage_original(&self, job: JobId) -> Result<Staged> {
        self.stage(&self.paths(job)?.output)
    }

    async fn create(&self, plan: &Plan, original: Staged) -> Result<()> {
        let input = self.paths(plan.id)?.input;
        let persisted = original.persist(&input, Overwrite::Allowed);
        persisted.map_err(StorageError::io("write", &input))?;
        self.admit(plan.clone())
    }

    async fn create_from(&self, plan: &Plan, source: JobId) -> Result<()> {
        let input = self.paths(source)?.input;
        self.with(plan.id, "input", |entry| entry.paths.input = input)?;
        self.admit(plan.clone())
    }

    async fn jobs(&self) -> Result<Vec<JobId>> {
        let jobs = self.lock();
        Ok(jobs.iter().filter(|(_, entry)| entry.plan.is_some()).map(|(id, _)| *id).collect())
    }

    async fn open_original(&self, job: JobId) -> Result<File> {
        let input = self.paths(job)?.input;
        File::open(&input).map_err(StorageError::io("open", &input))
    }

    async fn open_final(&self, plan: &Plan) -> Result<File> {
        let output = self.paths(plan.id)?.output;
        File::open(&output).map_err(StorageError::io("open", &output))
    }

    async fn thumbnail(&self, job: JobId) -> Result<Option<Vec<u8>>> {
        Ok(self.lock().get(&job).and_then(|entry| entry.thumbnail.clone()))
    }

    async fn kept(&self, plan: &Plan) -> Result<Kept> {
        let paths = self.paths(plan.id)?;
        let length = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
        Ok(Kept { original: length(&paths.input), result: length(&paths.output) })
    }

    async fn remove_original(&self, _job: JobId) -> Result<()> {
        // The input is the user's.
        Ok(())
    }

    async fn remove(&self, job: JobId) -> Result<()> {
        self.lock().remove(&job);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::LocalStorage;
    use crate::storage::{Overwrite, Staged};

    #[test]
    fn what_is_half_written_under_a_name_goes_and_what_is_whole_stays() {
        let directory = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(Overwrite::Refused);
        let stage = || {
            let staged = Staged::in_directory(directory.path()).unwrap();
            storage.remember(&staged);
            staged
        };
        stage().persist(&directory.path().join("whole"), Overwrite::Refused).unwrap();
        let _half = [stage(), stage()];
        storage.abandon();
        let left = fs::read_dir(directory.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["whole"]);
    }
}
