//! The canvases that this collector has open, one for each job whose results come here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use super::finish::FullCanvas;
use super::mosaic::Painter;
use super::rules::Preview;
use super::write::{self, Write};
use crate::blocking;
use crate::model::board::Board;
use crate::model::job::{Failure, JobId, Plan};
use crate::model::tile::TileResult;
use crate::service::canvas::{Canvas, Scratch};

/// A job whose canvas is open.
pub(super) struct OpenCanvas {
    plan: Arc<Plan>,
    /// The partition that its results go through.
    partition: u32,
    canvas: Arc<Canvas>,
    painter: Option<Arc<Painter>>,
    /// When the first tile was seen in the canvas.
    filtering_since: Option<Instant>,
}

impl OpenCanvas {
    fn new(plan: Arc<Plan>, partition: u32, canvas: Canvas, preview: Preview) -> Self {
        let canvas = Arc::new(canvas);
        let painter = (preview == Preview::Painted).then(|| Painter::start(Arc::clone(&canvas)));
        Self { plan, partition, canvas, painter, filtering_since: None }
    }

    /// The tiles that are in the canvas now.
    pub(super) fn board(&mut self) -> Board {
        let board = self.canvas.board();
        if board.done() > 0 {
            self.filtering_since.get_or_insert_with(Instant::now);
        }
        board
    }

    /// The painter of its mosaic, if one is made.
    pub(super) fn painter(&self) -> Option<Arc<Painter>> {
        self.painter.clone()
    }

    /// What is to be written for a result.
    pub(super) fn write(&self, result: Arc<TileResult>) -> Write {
        Write { canvas: Arc::clone(&self.canvas), painter: self.painter(), result }
    }

    /// What is needed to finish the job. Its canvas must be full.
    pub(super) fn full(&self) -> FullCanvas {
        FullCanvas {
            plan: Arc::clone(&self.plan),
            canvas: Arc::clone(&self.canvas),
            painter: self.painter(),
            filtering_since: self.filtering_since,
        }
    }
}

/// The open canvases, by job.
pub(super) struct OpenCanvases {
    scratch: Scratch,
    preview: Preview,
    jobs: BTreeMap<JobId, OpenCanvas>,
}

impl OpenCanvases {
    /// No canvas yet; they are opened in `scratch`.
    pub(super) fn new(scratch: Scratch, preview: Preview) -> Self {
        Self { scratch, preview, jobs: BTreeMap::new() }
    }

    pub(super) fn has(&self, job: JobId) -> bool {
        self.jobs.contains_key(&job)
    }

    /// The jobs whose canvases are open.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }

    pub(super) fn get(&self, job: JobId) -> Option<&OpenCanvas> {
        self.jobs.get(&job)
    }

    pub(super) fn get_mut(&mut self, job: JobId) -> Option<&mut OpenCanvas> {
        self.jobs.get_mut(&job)
    }

    /// Opens the canvas of a job whose results go through `partition`, or tells why the job has to fail.
    pub(super) async fn open(&mut self, plan: Arc<Plan>, partition: u32) -> Result<(), Failure> {
        let (scratch, wanted) = (self.scratch.clone(), Arc::clone(&plan));
        let opened = blocking::run(move || Canvas::open(&scratch, &wanted)).await;
        let canvas = opened.map_err(|error| write::canvas_failure(&error))?;
        self.jobs.insert(plan.id, OpenCanvas::new(plan, partition, canvas, self.preview));
        Ok(())
    }

    /// Notes that the results of a job go through `partition` now.
    pub(super) fn go_through(&mut self, job: JobId, partition: u32) {
        self.jobs.entry(job).and_modify(|open| open.partition = partition);
    }

    /// Closes the canvas of a job whose results go elsewhere. The collector that opens it next adopts the file, if it
    /// can see it.
    pub(super) fn close(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }

    /// Closes the canvases of the jobs whose results go through other partitions than those that `are_ours`.
    pub(super) fn close_others(&mut self, are_ours: impl Fn(u32) -> bool) {
        self.jobs.retain(|_, open| are_ours(open.partition));
    }

    /// Deletes the canvas of a job that has ended.
    pub(super) async fn discard(&mut self, job: JobId) {
        let Some(open) = self.jobs.remove(&job) else { return };
        if let Err(error) = blocking::run(move || open.canvas.discard()).await {
            warn!(%job, %error, "could not delete a canvas");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::job::StorageId;
    use crate::service::example;

    #[tokio::test]
    async fn a_canvas_that_is_closed_stays_for_others_and_one_that_is_discarded_goes() {
        let directory = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(directory.path()).unwrap().count();
        let scratch = Scratch::Named(directory.path().to_owned());
        let mut open = OpenCanvases::new(scratch, Preview::Omitted);
        let plans = [(); 3].map(|()| Arc::new(example::plan(StorageId("here".into()))));
        for (plan, partition) in plans.iter().zip(0..) {
            open.open(Arc::clone(plan), partition).await.unwrap();
        }
        open.close(plans[0].id);
        open.go_through(plans[1].id, 2);
        open.close_others(|partition| partition == 2);
        assert!(!open.has(plans[0].id) && open.has(plans[1].id) && open.has(plans[2].id));
        open.close_others(|partition| partition != 2);
        assert!(open.jobs().is_empty());
        assert_eq!(files(), 3);
        open.open(Arc::clone(&plans[0]), 0).await.unwrap();
        open.discard(plans[0].id).await;
        assert_eq!(files(), 2);
    }
}
