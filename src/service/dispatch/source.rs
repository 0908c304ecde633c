//! Decodes the original of a job. An image that kills its process does so at most three times.

use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::causes;
use crate::config::Config;
use crate::model::job::{Failure, JobId, Plan, Step};
use crate::raster::decode::{self, DecodeError, Header, Limits};
use crate::raster::filter::{Chain, Histogram};
use crate::raster::grid::Region;
use crate::raster::pixels::Pixels;
use crate::raster::source::{Raster, Rows, Source};
use crate::service::admit;
use crate::service::decoding::{self, caught, unkept, unreadable};
use crate::service::keep::{Keep, Kept};
use crate::service::memory::Memory;
use crate::storage::Storage;

/// A message to the dispatcher about an image that is being decoded.
pub(super) enum Arrival {
    /// Decoding has begun: the first rows follow.
    Opened(Source),
    /// There are more rows.
    Rows,
    /// All rows have been surveyed; this is the informed chain.
    Surveyed(Chain),
    /// All rows are decoded, or the job has to fail.
    Ended(Result<(), Failure>),
}

/// The channel to the dispatcher.
pub(super) type Listener = mpsc::UnboundedSender<(JobId, Arrival)>;

/// Decodes originals, as many at a time as jobs may be active and memory allows.
#[derive(Clone)]
pub(super) struct Decoder {
    storage: Arc<dyn Storage>,
    limits: Limits,
    keep: Keep,
    places: Arc<Semaphore>,
    count: u32,
    memory: Memory,
}

/// How long to wait before the storage is asked again.
const PAUSE: Duration = Duration::from_secs(1);

impl Decoder {
    /// Decodes originals in `storage`; images that memory has no room for are kept in `scratch`.
    pub(super) fn new(storage: Arc<dyn Storage>, config: &Config, scratch: PathBuf) -> Self {
        let (limits, count) = (admit::decode_limits(config), config.jobs.active);
        let places = Arc::new(Semaphore::new(count as usize));
        let memory = Memory::new(limits.max_bytes);
        let keep = Keep::new(config.dispatch.image_memory.get(), scratch);
        Self { storage, limits, keep, places, count, memory }
    }

    /// Takes memory from this budget.
    pub(super) fn share(&mut self, memory: Memory) {
        self.memory = memory;
    }

    /// Decodes the original of a job, or tells why the job has to fail. Sends nothing if the job has ended
    /// already, and no end after `stop`.
    ///
    /// An image that was being decoded when its process ended is decoded alone the next time, since only
    /// an image that was alone can be blamed for the end of its process.
    pub(super) async fn decode(&self, plan: &Plan, listener: Listener, stop: CancellationToken) {
        if self.is_over(plan.id, &stop).await {
            return;
        }
        let Ok(shared) = self.places.acquire().await else { return };
        if stop.is_cancelled() {
            return;
        }
        let ended = match self.storage.count_start(plan.id, Step::Decode).await {
            Ok(start) => self.start(plan, start, shared, &listener, &stop).await,
            Err(error) => Err(unreadable(&error)),
        };
        if !stop.is_cancelled() {
            // Fails if the dispatcher has ended, which then needs no image.
            let _ = listener.send((plan.id, Arrival::Ended(ended)));
        }
    }

    /// Whether the image is no longer needed. Retries until the storage answers: otherwise the job would wait for ever.
    async fn is_over(&self, job: JobId, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() {
            match self.storage.outcome(job).await {
                Ok(outcome) => return outcome.is_some(),
                Err(error) => {
                    warn!(
                        %job,
                        error = causes::field(&error),
                        "it is not known whether the job has ended"
                    );
                    let _ = timeout(PAUSE, stop.cancelled()).await;
                }
            }
        }
        true
    }

    async fn start(
        &self,
        plan: &Plan,
        start: u32,
        shared: SemaphorePermit<'_>,
        listener: &Listener,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        if start > Step::MAX_STARTS {
            let times = Step::MAX_STARTS;
            let cause = format!("decoding this image ended the process {times} times");
            return Err(Failure::of_job(cause));
        }
        let alone = if start > 1 {
            drop(shared);
            self.places.acquire_many(self.count).await.ok()
        } else {
            Some(shared)
        };
        let result = self.read(plan, listener, stop).await;
        drop(alone);
        // If the count stays, the image is decoded alone the next time.
        let _ = self.storage.clear_starts(plan.id, Step::Decode).await;
        result
    }

    async fn read(
        &self,
        plan: &Plan,
        listener: &Listener,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let original = self.storage.open_original(plan.id).await;
        let original = Arc::new(original.map_err(|error| unreadable(&error))?);
        let (file, limits, page) = (Arc::clone(&original), self.limits, plan.page);
        let probe = move || decode::probe_page(BufReader::new(&*file), &limits, page);
        let header = caught(probe).await?;
        let wanted = plan.wanted();
        if (header.size, header.format_for(wanted)) != (plan.size, plan.format) {
            return Err(decoding::changed());
        }
        // Never more than the whole budget: such an image was refused at admission.
        let _memory = self.memory.take(header.memory).await;
        let needed = plan.needed();
        let part = header.orientation.stored_region(needed, header.stored_size());
        let kept = self.keep.place(part.size(), plan.format);
        let kept = Arc::new(kept.map_err(|error| unkept(&error))?);
        let source =
            Source::of_part(Arc::clone(&kept) as Arc<dyn Raster>, header.orientation, needed);
        let _ = listener.send((plan.id, Arrival::Opened(source)));
        let histogram = plan.filters.surveys().then(|| Histogram::new(plan.format));
        let (job, told, stop) = (plan.id, listener.clone(), stop.clone());
        let mut rows = Sink { kept, job, listener: told, stop, histogram };
        let read = move || {
            let image = decode::open_page(BufReader::new(&*original), &limits, page)?;
            rows.fill(image, &header, wanted, part).map(|()| rows.histogram)
        };
        if let Some(histogram) = caught(read).await? {
            let informed = plan.filters.informed(&histogram);
            let _ = listener.send((job, Arrival::Surveyed(informed)));
        }
        Ok(())
    }
}

/// Receives the rows of one image.
struct Sink {
    kept: Arc<Kept>,
    job: JobId,
    listener: Listener,
    stop: CancellationToken,
    /// The survey, if the chain needs one.
    histogram: Option<Histogram>,
}

impl Sink {
    fn fill(
        &mut self,
        image: decode::Image<'_>,
        header: &Header,
        wanted: decode::Wanted,
        part: Region,
    ) -> Result<(), DecodeError> {
        debug_assert_eq!(image.header(), header);
        image.read_part(wanted, part, self)
    }
}

impl Rows for Sink {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        if self.stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.add(&rows);
        }
        self.kept.push(rows)?;
        let _ = self.listener.send((self.job, Arrival::Rows));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::pin::pin;

    use tempfile::TempDir;

    use super::*;
    use crate::service::example;
    use crate::storage::files::FileStorage;

    #[tokio::test(start_paused = true)]
    async fn an_image_is_decoded_as_soon_as_it_is_known_that_its_job_goes_on() {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
        let plan = example::accepted(&storage).await;
        // A link to itself cannot be read, like a file on a disk that fails.
        let outcome = directory.path().join(format!("uploads/{}/outcome.json", plan.id));
        symlink("outcome.json", &outcome).unwrap();
        let decoder = Decoder::new(storage, &Config::default(), directory.path().to_owned());
        let (listener, mut heard) = mpsc::unbounded_channel();
        let mut decoding = pin!(decoder.decode(&plan, listener, CancellationToken::new()));
        assert!(timeout(3 * PAUSE, decoding.as_mut()).await.is_err(), "nobody knows yet");
        fs::remove_file(outcome).unwrap();
        decoding.await;
        let mut ended = None;
        while let Ok((_, arrival)) = heard.try_recv() {
            if let Arrival::Ended(result) = arrival {
                ended = Some(result);
            }
        }
        assert_eq!(ended, Some(Ok(())));
    }
}
