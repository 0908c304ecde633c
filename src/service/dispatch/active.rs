//! One job in work, as its server sees it.

use std::sync::Arc;

use super::flights::Flights;
use crate::model::board::Board;
use crate::model::job::{Failure, Plan};
use crate::model::tile::TileTask;
use crate::raster::filter::Chain;
use crate::raster::source::Source;
use crate::state::ActiveJob;

/// A job in work.
pub(super) struct Active {
    pub(super) plan: Arc<Plan>,
    filters: Arc<Chain>,
    pub(super) image: Image,
    /// Why the job has to fail, until that is recorded.
    pub(super) failure: Option<Failure>,
    /// Nothing is sent before a collector has published one.
    pub(super) board: Option<Board>,
    pub(super) flights: Flights,
}

/// The image that tiles are cut from.
pub(super) enum Image {
    /// On its way into memory.
    Decoding,
    /// In memory.
    Ready(Arc<Source>),
    /// Not needed any more, unless the board loses tiles.
    Released,
}

impl Active {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let filters = Arc::new(plan.filters.clone());
        let flights = Flights::new(plan.tiles());
        Self { plan, filters, image: Image::Decoding, failure: None, board: None, flights }
    }

    /// Makes the task for a tile when called.
    pub(super) fn cut(
        &self,
        tile: u32,
        attempt: u32,
    ) -> Option<impl FnOnce() -> TileTask + Send + use<>> {
        let Image::Ready(source) = &self.image else { return None };
        let source = Arc::clone(source);
        let (plan, filters) = (Arc::clone(&self.plan), Arc::clone(&self.filters));
        Some(move || {
            let window = plan.window(tile);
            TileTask {
                job: plan.id,
                tile,
                attempt,
                results_partition: plan.results_partition,
                revision: plan.revision,
                filters,
                image: plan.size,
                window,
                keep: plan.grid().region(tile),
                pixels: source.window(window),
            }
        })
    }

    /// Bytes of a tile with its halo.
    pub(super) fn bytes_of(&self, tile: u32) -> u64 {
        let size = self.plan.window(tile).size();
        size.pixels() * self.plan.format.bytes_per_pixel() as u64
    }

    /// What others are told of the job.
    pub(super) fn published(&self) -> ActiveJob {
        ActiveJob {
            id: self.plan.id,
            results_partition: self.plan.results_partition,
            storage: self.plan.storage.clone(),
        }
    }
}
