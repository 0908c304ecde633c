//! Jobs as files in a directory.
//!
//! ```text
//! uploads/<job>/original        the image as it was uploaded
//! uploads/<job>/job.json        the plan
//! uploads/<job>/outcome.json    the outcome
//! uploads/<job>/outcome.room    disk space for the outcome, until there is one
//! uploads/<job>/thumbnail.png   a small picture of the result
//! uploads/<job>/<step>.starts   one byte for each start of a step that can kill its process
//! final/<job>_complete.<ext>    the final image
//! storage-id                    the id of this storage
//! ```
//!
//! Other parts use the same directory: `processed/` has the canvases, unless `scratch_dir` is elsewhere,
//! `pyramids/` the pyramids of images that were viewed, and the server holds `lock`.
//!
//! * `layout`: the paths of a job's files, and the operations on them.
//! * `record`: small files that are written whole, once.
//! * `sweep`: removes what killed processes left behind.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use self::layout::{Layout, remove};
use super::{Kept, ResultStorage, Staged, Storage, StorageError, metadata_of};
use crate::blocking;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};
use crate::raster::metadata::Metadata;

mod layout;
mod record;
mod sweep;

type Result<T, E = StorageError> = std::result::Result<T, E>;

/// A directory that holds jobs.
#[derive(Debug)]
pub struct FileStorage {
    id: StorageId,
    layout: Arc<Layout>,
}

impl FileStorage {
    /// Opens the storage in `directory`. Creates it if it does not exist.
    pub fn open(directory: &Path) -> Result<Self> {
        let layout = Layout::make(directory)?;
        let id = record::read_or_create_id(&directory.join("storage-id"))?;
        Ok(Self { id, layout: Arc::new(layout) })
    }

    /// Removes what killed processes left behind: files that were never whole, and files that belong to
    /// no job. Returns the number of files and directories. No other server may be using the directory;
    /// files that collectors are writing meanwhile stay.
    pub async fn sweep(&self) -> Result<u32> {
        self.blocking(sweep::sweep).await
    }

    /// Runs `work` on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layout = Arc::clone(&self.layout);
        blocking::run(move || work(&layout)).await
    }
}

#[async_trait]
impl ResultStorage for FileStorage {
    fn id(&self) -> &StorageId {
        &self.id
    }

    async fn plan(&self, job: JobId) -> Result<Plan> {
        self.blocking(move |layout| {
            let record = record::read(job, "plan", &layout.plan(job))?;
            let record = record.ok_or(StorageError::NotFound(job, "plan"))?;
            Plan::read(record).map_err(|error| StorageError::of_plan(job, error))
        })
        .await
    }

    async fn metadata(&self, job: JobId) -> Result<Metadata> {
        let page = self.plan(job).await?.page;
        Ok(metadata_of(self.open_original(job).await?, page).await)
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
        self.blocking(move |layout| record::persist(image, &layout.final_image(&plan))).await
    }

    async fn remove_final(&self, job: JobId) -> Result<()> {
        self.blocking(move |layout| layout.remove_final(job)).await
    }

    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<()> {
        self.blocking(move |layout| record::replace(&layout.thumbnail(job), &png)).await
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
        self.blocking(move |layout| remove(&layout.starts(job, step))).await
    }
}

#[async_trait]
impl Storage for FileStorage {
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
            record::persist(original, &layout.original(plan.id))?;
            layout.create_plan(&plan)
        })
        .await
    }

    async fn create_from(&self, plan: &Plan, source: JobId) -> Result<()> {
        let plan = plan.clone();
        self.blocking(move |layout| {
            layout.make_directory(plan.id)?;
            layout.share_original(source, plan.id)?;
            layout.create_plan(&plan)
        })
        .await
    }

    async fn jobs(&self) -> Result<Vec<JobId>> {
        self.blocking(Layout::jobs).await
    }

    async fn open_original(&self, job: JobId) -> Result<File> {
        self.blocking(move |layout| record::open(job, "original", &layout.original(job))).await
    }

    async fn open_final(&self, plan: &Plan) -> Result<File> {
        let plan = plan.clone();
        self.blocking(move |layout| {
            record::open(plan.id, "final image", &layout.final_image(&plan))
        })
        .await
    }

    async fn thumbnail(&self, job: JobId) -> Result<Option<Vec<u8>>> {
        self.blocking(move |layout| record::bytes(&layout.thumbnail(job))).await
    }

    async fn kept(&self, plan: &Plan) -> Result<Kept> {
        let plan = plan.clone();
        self.blocking(move |layout| layout.kept(&plan)).await
    }

    async fn remove_original(&self, job: JobId) -> Result<()> {
        self.blocking(move |layout| remove(&layout.original(job))).await
    }

    async fn remove(&self, job: JobId) -> Result<()> {
        self.blocking(move |layout| layout.remove(job)).await
    }
}
