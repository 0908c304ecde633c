//! Rows on the straight way: from the decoder through the filters into the encoder, without messages, scratch files or a
//! canvas.
//!
//! The final image has the bytes that tiles give. A window of rows is as wide as the image, and the chain is applied to
//! it as to a tile; the bands are those that the encoder makes of a canvas. Images whose rows do not suffice go by tiles.
//!
//! * `cuts`: which rows of the image make which bands
//! * `cutter`: cuts windows out of the rows of a decoder

use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use crate::config::Config;
use crate::model::job::{Failure, Outcome, Plan, Timings};
use crate::raster::decode::{self, DecodeError, Header, Limits};
use crate::raster::encode::{EncodedBand, Encoder};
use crate::raster::orientation::Orientation;
use crate::service::memory::Memory;
use crate::service::pool::Pool;
use crate::service::{admit, decoding, encoding};
use crate::storage::Storage;
use cutter::{Cutter, Window};

mod cuts;
mod cutter;
#[cfg(test)]
mod tests;

/// Makes final images from rows, as many at a time as jobs may be active and memory allows.
pub struct Straight {
    storage: Arc<dyn Storage>,
    limits: Limits,
    pool: Arc<Pool>,
    places: Semaphore,
    memory: Memory,
}

/// The rows of a result that are encoded so far.
#[derive(Debug, Default)]
pub struct RowsDone(AtomicU32);

impl RowsDone {
    /// The tiles that a plan would have for these rows.
    #[must_use]
    pub fn tiles(&self, plan: &Plan) -> u32 {
        let (rows, all) = (self.0.load(Ordering::Relaxed), plan.result_size().height.max(1));
        let tiles = u64::from(plan.tiles()) * u64::from(rows) / u64::from(all);
        u32::try_from(tiles).unwrap_or(u32::MAX).min(plan.tiles())
    }
}

/// Whether rows suffice for a plan: its filters neither survey the image nor move pixels, the image is stored upright, and
/// a window has some MiB at most.
#[must_use]
pub fn suffices(plan: &Plan, orientation: Orientation) -> bool {
    let filters = &plan.filters;
    if filters.surveys() || filters.moves() || orientation != Orientation::UPRIGHT {
        return false;
    }
    let encoder = Encoder::new(plan.output, plan.result_size(), plan.result_format());
    encoder.is_ok_and(|encoder| cuts::of(plan, &encoder).is_some())
}

impl Straight {
    /// Reads and writes in `storage`, computes on so many threads, and takes memory for decoding from a budget.
    pub fn new(
        storage: Arc<dyn Storage>,
        config: &Config,
        threads: NonZeroUsize,
        memory: Memory,
    ) -> io::Result<Straight> {
        Ok(Straight {
            storage,
            limits: admit::decode_limits(config),
            pool: Arc::new(Pool::new("rows", threads)?),
            places: Semaphore::new(config.jobs.active as usize),
            memory,
        })
    }

    /// Makes the final image of a plan for which rows suffice, and stores it. The outcome is not stored.
    pub async fn run(&self, plan: &Arc<Plan>, done: &Arc<RowsDone>) -> Outcome {
        let started = Instant::now();
        match self.store(plan, done).await {
            Ok(bytes) => {
                let filter = started.elapsed().as_secs_f64();
                let timings = Timings { split: 0.0, filter, stitch: 0.0 };
                let finished_at = Timestamp::now();
                Outcome::Complete { finished_at, bytes, attempts: 1, timings }
            }
            Err(failure) => Outcome::failed(failure),
        }
    }

    /// Stores the final image and returns its bytes.
    async fn store(&self, plan: &Arc<Plan>, done: &Arc<RowsDone>) -> Result<u64, Failure> {
        let _place = self.places.acquire().await;
        let original = self.storage.open_original(plan.id).await;
        let original = Arc::new(original.map_err(|error| decoding::unreadable(&error))?);
        let (file, limits, page) = (Arc::clone(&original), self.limits, plan.page);
        let probe = move || decode::probe_page(BufReader::new(&*file), &limits, page);
        let header = decoding::caught(probe).await?;
        check(plan, &header)?;
        let _memory = self.memory.take(header.memory).await;
        let metadata = encoding::metadata(&*self.storage, plan).await;
        let metadata = metadata.map_err(|error| decoding::unreadable(&error))?;
        let encoder = encoding::encoder(plan, &metadata)?;
        let cuts = cuts::of(plan, &encoder).ok_or_else(decoding::changed)?;
        let image = self.storage.stage_final(plan).await.map_err(encoding::cannot_write)?;
        // One waits: as many as there are threads are in work already.
        let (windows, cut) = mpsc::channel(1);
        let wanted = plan.wanted();
        let mut cutter = Cutter::new(cuts, windows);
        let read = decoding::caught(move || {
            let image = decode::open_page(BufReader::new(&*original), &limits, page)?;
            match image.read(wanted, &mut cutter) {
                // No window is wanted any more: the encoder says why.
                Err(DecodeError::Keep { .. }) => Ok(()),
                read => read,
            }
        });
        let bands = stream::unfold(cut, async |mut cut| Some((cut.recv().await?, cut)));
        let bands = bands.map(|window| self.encode(window, plan, &encoder, done));
        let look_ahead = self.pool.threads() + 1;
        let write = encoding::write(Arc::clone(&encoder), image, look_ahead, bands);
        // Where the decoder fails, the encoder lacks bands.
        let (read, image) = tokio::join!(read, write);
        let image = read.and(image)?;
        let length = image.file().metadata().map_err(encoding::cannot_write)?.len();
        let published = self.storage.publish_final(plan, image).await;
        published.map_err(encoding::cannot_write)?;
        Ok(length)
    }

    /// Filters a window and encodes its bands.
    async fn encode(
        &self,
        window: Window,
        plan: &Arc<Plan>,
        encoder: &Arc<Encoder>,
        done: &Arc<RowsDone>,
    ) -> Result<Vec<EncodedBand>, Failure> {
        let (plan, encoder, done) = (Arc::clone(plan), Arc::clone(encoder), Arc::clone(done));
        let work = self.pool.run(move || {
            let height = window.height();
            let bands = window.bands(&plan, &encoder);
            done.0.fetch_add(height, Ordering::Relaxed);
            bands.map_err(encoding::cannot_write)
        });
        work.await.unwrap_or_else(|panicked| Err(encoding::cannot_write(panicked)))
    }
}

/// Fails if the original is not the image of the plan.
fn check(plan: &Plan, header: &Header) -> Result<(), Failure> {
    let is_planned = (header.size, header.format_for(plan.wanted())) == (plan.size, plan.format);
    let is_upright = header.orientation == Orientation::UPRIGHT;
    if is_planned && is_upright { Ok(()) } else { Err(decoding::changed()) }
}
