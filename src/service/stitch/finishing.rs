//! The jobs whose full canvases are being encoded, in the background.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::finish::{Finish, FullCanvas};
use crate::causes;
use crate::model::job::{JobId, Outcome, Step};
use crate::service::PortError;
use crate::service::pool::Pool;
use crate::storage::{ResultStorage, StorageError};

/// A job that was finished: its outcome, `None` if that was stopped, or why it has to be tried again.
pub(super) type Finished = (JobId, Result<Option<Outcome>, PortError>);

/// What finishes jobs, each once at a time: also one whose canvas was closed and opened again while it is encoded.
pub(super) struct Finishing {
    storage: Arc<dyn ResultStorage>,
    pool: Arc<Pool>,
    running: JoinSet<Finished>,
    /// What stops the encoding of each job that is being finished.
    stops: BTreeMap<JobId, CancellationToken>,
}

impl Finishing {
    /// Encodes in `pool`, and stores in `storage`.
    pub(super) fn new(storage: Arc<dyn ResultStorage>, pool: Arc<Pool>) -> Self {
        Self { storage, pool, running: JoinSet::new(), stops: BTreeMap::new() }
    }

    /// Begins to finish a job, if that has not begun.
    pub(super) fn begin(&mut self, full: FullCanvas) {
        let job = full.plan.id;
        let Entry::Vacant(place) = self.stops.entry(job) else { return };
        let stop = place.insert(CancellationToken::new()).clone();
        let (storage, pool) = (Arc::clone(&self.storage), Arc::clone(&self.pool));
        let finish = Finish { full, stop, storage, pool };
        self.running.spawn(async move { (job, finish.run().await) });
    }

    /// Stops the encoding of a job that has ended otherwise.
    pub(super) fn stop(&self, job: JobId) {
        if let Some(stop) = self.stops.get(&job) {
            stop.cancel();
        }
    }

    /// The next job that is finished, as soon as there is one; `None` if there are none. It may be begun again.
    pub(super) async fn next(&mut self) -> Option<Finished> {
        let finished = self.running.join_next().await?;
        let finished = finished.expect("finishing catches what panics");
        self.stops.remove(&finished.0);
        Some(finished)
    }

    /// A job that was finished without an error just now, if there is one.
    pub(super) fn ended(&mut self) -> Option<JobId> {
        while let Some(finished) = self.running.try_join_next() {
            let (job, result) = finished.expect("finishing catches what panics");
            self.stops.remove(&job);
            if result.is_ok() {
                return Some(job);
            }
        }
        None
    }

    /// Clears the start counts of images that are being encoded: they are not to blame when a process is stopped in
    /// good order.
    pub(super) async fn forgive(&self) {
        for &job in self.stops.keys() {
            // A job that was removed meanwhile has no count to clear.
            match self.storage.clear_starts(job, Step::Encode).await {
                Ok(()) | Err(StorageError::NotFound(..)) => {}
                Err(error) => {
                    warn!(%job, error = causes::field(&error), "an encode stays counted");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use tempfile::TempDir;

    use super::*;
    use crate::model::job::Plan;
    use crate::raster::pixels::Pixels;
    use crate::service::canvas::Scratch;
    use crate::service::example;
    use crate::service::stitch::Preview;
    use crate::service::stitch::open::OpenCanvases;
    use crate::storage::files::FileStorage;

    /// A job whose canvas is open, and what finishes it.
    struct Example {
        storage: Arc<FileStorage>,
        plan: Arc<Plan>,
        canvases: OpenCanvases,
        pool: Arc<Pool>,
    }

    impl Example {
        async fn open(directory: &TempDir) -> Example {
            let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
            let plan = Arc::new(example::accepted(&storage).await);
            let scratch = Scratch::Named(directory.path().to_owned());
            let mut canvases = OpenCanvases::new(scratch, Preview::Omitted);
            canvases.open(Arc::clone(&plan), 0).await.unwrap();
            let pool = Arc::new(Pool::new("codec", NonZeroUsize::MIN).unwrap());
            Example { storage, plan, canvases, pool }
        }

        fn finishing(&self) -> Finishing {
            Finishing::new(Arc::clone(&self.storage) as Arc<_>, Arc::clone(&self.pool))
        }

        fn full(&self) -> FullCanvas {
            self.canvases.get(self.plan.id).unwrap().full()
        }

        /// The next count of starts.
        async fn starts(&self) -> u32 {
            self.storage.count_start(self.plan.id, Step::Encode).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_full_canvas_becomes_an_outcome_once() {
        let directory = TempDir::new().unwrap();
        let mut example = Example::open(&directory).await;
        let (plan, full) = (Arc::clone(&example.plan), example.full());
        for tile in 0..plan.tiles() {
            let size = plan.grid().region(tile).size();
            full.canvas.put(tile, &Pixels::zeroed(size, plan.result_format())).unwrap();
        }
        let mut finishing = example.finishing();
        assert!(finishing.next().await.is_none());
        finishing.begin(full);
        // Its partition went to another collector and came back meanwhile.
        example.canvases.close(plan.id);
        example.canvases.open(Arc::clone(&plan), 0).await.unwrap();
        finishing.begin(example.full());
        let (job, outcome) = finishing.next().await.unwrap();
        assert_eq!(job, plan.id);
        assert!(matches!(outcome, Ok(Some(Outcome::Complete { .. }))), "{outcome:?}");
        assert!(finishing.next().await.is_none() && finishing.ended().is_none());
    }

    #[tokio::test]
    async fn an_encode_that_is_forgiven_is_not_counted() {
        let directory = TempDir::new().unwrap();
        let example = Example::open(&directory).await;
        let mut finishing = example.finishing();
        assert_eq!(example.starts().await, 1);
        finishing.begin(example.full());
        // Before it counts a start itself.
        finishing.running.abort_all();
        finishing.forgive().await;
        assert_eq!(example.starts().await, 1);
    }

    #[tokio::test]
    async fn a_job_that_has_ended_otherwise_is_stopped() {
        let directory = TempDir::new().unwrap();
        let example = Example::open(&directory).await;
        let mut finishing = example.finishing();
        finishing.begin(example.full());
        finishing.stop(example.plan.id);
        assert!(matches!(finishing.next().await, Some((_, Ok(None)))));
        assert!(example.storage.outcome(example.plan.id).await.unwrap().is_none());
    }
}
