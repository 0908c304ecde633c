//! Jobs as files in a directory.
//!
//! ```text
//! uploads/<job>/original        the image as it was uploaded
//! uploads/<job>/job.json        the plan
//! uploads/<job>/outcome.json    how it ended
//! uploads/<job>/thumbnail.png   a small picture of the result
//! uploads/<job>/<step>.starts   one byte for each start of a step that can kill its process
//! final/<job>_complete.<ext>    the final image
//! storage-id                    the name of this storage
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{STAGED_PREFIX, Staged, Storage, StorageError};
use crate::blocking;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};

type Result<T, E = StorageError> = std::result::Result<T, E>;

/// A directory that holds jobs.
#[derive(Debug)]
pub struct FileStorage {
    id: StorageId,
    layout: Arc<Layout>,
}

#[derive(Debug)]
struct Layout {
    uploads: PathBuf,
    finals: PathBuf,
}

impl FileStorage {
    /// Opens the storage in `directory`, and makes it if it is not there.
    pub fn open(directory: &Path) -> Result<Self> {
        let layout = Layout { uploads: directory.join("uploads"), finals: directory.join("final") };
        for made in [&layout.uploads, &layout.finals] {
            fs::create_dir_all(made).map_err(StorageError::io("make the directory", made))?;
        }
        let id = read_or_create_id(&directory.join("storage-id"))?;
        Ok(Self { id, layout: Arc::new(layout) })
    }

    /// Runs `work` where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layout = Arc::clone(&self.layout);
        blocking::run(move || work(&layout)).await
    }
}

fn read_or_create_id(path: &Path) -> Result<StorageId> {
    if let Some(id) = read_id(path)? {
        return Ok(id);
    }
    let fresh = Uuid::new_v4().simple().to_string();
    match create_new(path, fresh.as_bytes()) {
        // Another process may have been faster; what is in the file counts.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StorageError::io("write", path)(error))
        }
        _ => Ok(read_id(path)?.unwrap_or(StorageId(fresh))),
    }
}

fn read_id(path: &Path) -> Result<Option<StorageId>> {
    match fs::read_to_string(path) {
        Ok(id) => Ok(Some(StorageId(id.trim().to_owned()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

impl Layout {
    fn directory(&self, job: JobId) -> PathBuf {
        self.uploads.join(job.to_string())
    }

    fn original(&self, job: JobId) -> PathBuf {
        self.directory(job).join("original")
    }

    fn plan(&self, job: JobId) -> PathBuf {
        self.directory(job).join("job.json")
    }

    fn outcome(&self, job: JobId) -> PathBuf {
        self.directory(job).join("outcome.json")
    }

    fn thumbnail(&self, job: JobId) -> PathBuf {
        self.directory(job).join("thumbnail.png")
    }

    fn final_image(&self, plan: &Plan) -> PathBuf {
        self.finals.join(format!("{}_complete.{}", plan.id, plan.output.format.extension()))
    }

    fn make_directory(&self, job: JobId) -> Result<PathBuf> {
        let directory = self.directory(job);
        fs::create_dir_all(&directory)
            .map_err(StorageError::io("make the directory", &directory))?;
        sync_directory(&self.uploads)?;
        Ok(directory)
    }

    fn create_plan(&self, plan: &Plan) -> Result<()> {
        create_record(&self.plan(plan.id), plan).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StorageError::Conflict(plan.id, "plan"),
            _ => StorageError::io("write", &self.plan(plan.id))(error),
        })
    }

    fn read_outcome(&self, job: JobId) -> Result<Option<Outcome>> {
        read_record(job, "outcome", &self.outcome(job))
    }

    fn conclude(&self, job: JobId, outcome: &Outcome) -> Result<Outcome> {
        if !self.plan(job).exists() {
            return Err(StorageError::NotFound(job, "plan"));
        }
        let path = self.outcome(job);
        match create_record(&path, outcome) {
            Ok(()) => Ok(outcome.clone()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.read_outcome(job)?.ok_or(StorageError::NotFound(job, "outcome"))
            }
            Err(error) => Err(StorageError::io("write", &path)(error)),
        }
    }

    fn starts(&self, job: JobId, step: Step) -> PathBuf {
        self.directory(job).join(format!("{}.starts", step.as_str()))
    }

    fn count_start(&self, job: JobId, step: Step) -> Result<u32> {
        let path = self.starts(job, step);
        let count = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(b".")?;
            file.sync_all()?;
            Ok(u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX))
        };
        count().map_err(StorageError::io("write", &path))
    }

    fn jobs(&self) -> Result<Vec<JobId>> {
        let entries = fs::read_dir(&self.uploads);
        let entries = entries.map_err(StorageError::io("list", &self.uploads))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let ids = names.filter_map(|name| name.parse().ok());
        let mut jobs: Vec<JobId> = ids.filter(|job| self.plan(*job).exists()).collect();
        jobs.sort_unstable();
        Ok(jobs)
    }

    fn remove(&self, job: JobId) -> Result<()> {
        let prefix = format!("{job}_complete.");
        for entry in fs::read_dir(&self.finals).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                absent_is_fine(fs::remove_file(entry.path()))
                    .map_err(StorageError::io("remove", &entry.path()))?;
            }
        }
        // The plan goes first, so that a crash half-way leaves no job without its original.
        absent_is_fine(fs::remove_file(self.plan(job)))
            .and_then(|()| absent_is_fine(remove_directory(&self.directory(job))))
            .map_err(StorageError::io("remove", &self.directory(job)))
    }
}

/// Removes a directory that others may still be writing to for a moment.
fn remove_directory(path: &Path) -> io::Result<()> {
    const TRIES: u32 = 10;
    for _ in 1..TRIES {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            other => return other,
        }
    }
    fs::remove_dir_all(path)
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the names in `directory` as durable as the files they name.
fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(StorageError::io("sync the directory", directory))
}

/// Creates `path` with `bytes`, whole or not at all, unless it exists; durable on return.
fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut staged = tempfile::Builder::new().prefix(STAGED_PREFIX).tempfile_in(directory)?;
    staged.write_all(bytes)?;
    staged.as_file().sync_all()?;
    staged.persist_noclobber(path)?;
    File::open(directory)?.sync_all()
}

fn create_record<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    create_new(path, &serde_json::to_vec_pretty(record)?)
}

fn read_record<T: DeserializeOwned>(
    job: JobId,
    what: &'static str,
    path: &Path,
) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StorageError::Damaged(job, what, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

fn open(job: JobId, what: &'static str, path: &Path) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StorageError::NotFound(job, what),
        _ => StorageError::io("open", path)(error),
    })
}

/// Moves a staged file, synced, to its place.
fn persist(staged: Staged, path: &Path) -> Result<()> {
    let staged = staged.into_inner();
    staged.as_file().sync_all().map_err(StorageError::io("write", path))?;
    staged.persist(path).map_err(|error| StorageError::io("write", path)(error.error))?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

#[async_trait]
impl Storage for FileStorage {
    fn id(&self) -> &StorageId {
        &self.id
    }

    async fn stage_original(&self, _job: JobId) -> Result<Staged> {
        self.blocking(|layout| {
            Staged::in_directory(&layout.uploads)
                .map_err(StorageError::io("write to", &layout.uploads))
        })
        .await
    }

    async fn create(&self, plan: &Plan, original: Staged) -> Result<()> {
        let plan = plan.clone();
        self.blocking(move |layout| {
            layout.make_directory(plan.id)?;
            persist(original, &layout.original(plan.id))?;
            layout.create_plan(&plan)
        })
        .await
    }

    async fn create_from(&self, plan: &Plan, source: JobId) -> Result<()> {
        let plan = plan.clone();
        self.blocking(move |layout| {
            let directory = layout.make_directory(plan.id)?;
            let (from, to) = (layout.original(source), layout.original(plan.id));
            // A second name costs nothing and keeps the bytes when the first job is removed.
            fs::hard_link(&from, &to).map_err(|error| match error.kind() {
                ErrorKind::NotFound => StorageError::NotFound(source, "original"),
                _ => StorageError::io("link", &from)(error),
            })?;
            sync_directory(&directory)?;
            layout.create_plan(&plan)
        })
        .await
    }

    async fn jobs(&self) -> Result<Vec<JobId>> {
        self.blocking(Layout::jobs).await
    }

    async fn plan(&self, job: JobId) -> Result<Plan> {
        self.blocking(move |layout| {
            read_record(job, "plan", &layout.plan(job))?.ok_or(StorageError::NotFound(job, "plan"))
        })
        .await
    }

    async fn open_original(&self, job: JobId) -> Result<File> {
        self.blocking(move |layout| open(job, "original", &layout.original(job))).await
    }

    async fn stage_final(&self, _plan: &Plan) -> Result<Staged> {
        self.blocking(|layout| {
            Staged::in_directory(&layout.finals)
                .map_err(StorageError::io("write to", &layout.finals))
        })
        .await
    }

    async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<()> {
        let plan = plan.clone();
        self.blocking(move |layout| persist(image, &layout.final_image(&plan))).await
    }

    async fn remove_final(&self, plan: &Plan) -> Result<()> {
        let plan = plan.clone();
        self.blocking(move |layout| {
            let path = layout.final_image(&plan);
            absent_is_fine(fs::remove_file(&path)).map_err(StorageError::io("remove", &path))
        })
        .await
    }

    async fn open_final(&self, plan: &Plan) -> Result<File> {
        let plan = plan.clone();
        self.blocking(move |layout| open(plan.id, "final image", &layout.final_image(&plan))).await
    }

    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<()> {
        self.blocking(move |layout| {
            let path = layout.thumbnail(job);
            let write = || {
                let mut staged = tempfile::Builder::new()
                    .prefix(STAGED_PREFIX)
                    .tempfile_in(layout.directory(job))?;
                staged.write_all(&png)?;
                staged.persist(&path).map_err(io::Error::from)
            };
            write().map(drop).map_err(StorageError::io("write", &path))
        })
        .await
    }

    async fn thumbnail(&self, job: JobId) -> Result<Option<Vec<u8>>> {
        self.blocking(move |layout| {
            let path = layout.thumbnail(job);
            match fs::read(&path) {
                Ok(png) => Ok(Some(png)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(StorageError::io("read", &path)(error)),
            }
        })
        .await
    }

    async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome> {
        self.blocking(move |layout| layout.conclude(job, &outcome)).await
    }

    async fn outcome(&self, job: JobId) -> Result<Option<Outcome>> {
        self.blocking(move |layout| layout.read_outcome(job)).await
    }

    async fn count_start(&self, job: JobId, step: Step) -> Result<u32> {
        self.blocking(move |layout| layout.count_start(job, step)).await
    }

    async fn clear_starts(&self, job: JobId, step: Step) -> Result<()> {
        self.blocking(move |layout| {
            let path = layout.starts(job, step);
            absent_is_fine(fs::remove_file(&path)).map_err(StorageError::io("remove", &path))
        })
        .await
    }

    async fn remove(&self, job: JobId) -> Result<()> {
        self.blocking(move |layout| layout.remove(job)).await
    }
}
