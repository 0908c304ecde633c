//! One job in work, as its server sees it.

use std::io;
use std::sync::Arc;

use tokio_util::sync::DropGuard;

use super::flights::Flights;
use super::split::{Split, Splits};
use super::window::Window;
use crate::model::board::Board;
use crate::model::job::{Failure, Plan};
use crate::model::tile::TileTask;
use crate::raster::filter::Chain;
use crate::raster::source::Source;
use crate::state::ActiveJob;

/// A job in work.
pub(super) struct Active {
    pub(super) plan: Arc<Plan>,
    /// The chain of the plan; informed by the survey once the image was surveyed.
    pub(super) filters: Arc<Chain>,
    /// The partition of the result topic that its results go through for now.
    pub(super) results_partition: u32,
    pub(super) image: Image,
    /// Why the job has to fail, until that is recorded.
    pub(super) failure: Option<Failure>,
    /// Its board. Nothing is sent before a collector has published one.
    pub(super) board: Option<Board>,
    pub(super) flights: Flights,
    pub(super) window: Window,
    split: Split,
}

/// The image that tiles are cut from.
pub(super) enum Image {
    /// Being decoded; the rows so far can be cut. Dropping this stops the decoding.
    Coming(Option<Source>, #[expect(dead_code, reason = "held only for its `Drop`")] DropGuard),
    /// Completely decoded.
    Ready(Source),
    /// No longer needed, unless the board loses tiles.
    Released,
}

impl Image {
    /// Notes that decoding has begun: the first rows follow.
    pub(super) fn open(&mut self, opened: Source) {
        if let Self::Coming(source, _) = self {
            *source = Some(opened);
        }
    }

    /// Notes that all rows are decoded.
    pub(super) fn complete(&mut self) {
        if let Self::Coming(Some(source), _) = self {
            *self = Self::Ready(source.clone());
        }
    }

    fn source(&self) -> Option<&Source> {
        match self {
            Self::Coming(source, _) => source.as_ref(),
            Self::Ready(source) => Some(source),
            Self::Released => None,
        }
    }
}

impl Active {
    pub(super) fn new(plan: Arc<Plan>, splits: &Splits) -> Self {
        Self {
            filters: Arc::new(plan.filters.clone()),
            results_partition: plan.results_partition,
            image: Image::Released,
            failure: None,
            board: None,
            flights: Flights::new(plan.tiles()),
            window: Window::default(),
            split: Split::new(plan.id, splits.clone()),
            plan,
        }
    }

    /// Publishes how much of the image is decoded, from its first rows on.
    pub(super) fn tell_split(&self) {
        let fraction = self.image.source().map(Source::fraction);
        self.split.tell(fraction.filter(|fraction| *fraction > 0.0));
    }

    /// Whether the pixels of a tile are decoded, and the survey that its filters need is done.
    pub(super) fn can_cut(&self, tile: u32) -> bool {
        let there = |source: &Source| source.has(self.plan.window(tile));
        !self.filters.surveys() && self.image.source().is_some_and(there)
    }

    /// Returns a function that cuts a tile and makes its task; `None` without an image.
    pub(super) fn cut(
        &self,
        tile: u32,
        attempt: u32,
    ) -> Option<impl FnOnce() -> io::Result<TileTask> + Send + use<>> {
        let source = self.image.source()?.clone();
        let (plan, filters) = (Arc::clone(&self.plan), Arc::clone(&self.filters));
        let results_partition = self.results_partition;
        Some(move || {
            let window = plan.window(tile);
            Ok(TileTask {
                job: plan.id,
                tile,
                attempt,
                results_partition,
                revision: plan.revision,
                filters,
                image: plan.size,
                window,
                keep: plan.grid().region(tile),
                pixels: source.window(window)?,
            })
        })
    }

    /// Bytes of a tile with its halo.
    pub(super) fn bytes_of(&self, tile: u32) -> u64 {
        let size = self.plan.window(tile).size();
        size.pixels() * self.plan.format.bytes_per_pixel() as u64
    }

    /// What is published about the job.
    pub(super) fn published(&self) -> ActiveJob {
        ActiveJob {
            id: self.plan.id,
            results_partition: self.results_partition,
            storage: self.plan.storage.clone(),
        }
    }
}
