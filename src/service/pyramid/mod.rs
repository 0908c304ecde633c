//! Pyramids of originals and results, for viewing: made at the first request, and kept as long as the image, as far as
//! the quota allows.
//!
//! * `file`: a pyramid as one file.
//! * `build`: makes the tiles of a pyramid.
//! * `shelf`: the files in a directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::warn;
use utoipa::ToSchema;

use self::build::Decoded;
use self::file::{Pyramid, Writer};
use self::shelf::Shelf;
use super::admit;
use super::keep::{Keep, Kept};
use super::memory::Memory;
use super::space::{ServerDirectory, Space};
use crate::blocking;
use crate::causes;
use crate::config::Config;
use crate::locked::Locked;
use crate::model::job::{JobId, Plan};
use crate::raster::decode::{self, Colours, Header, Limits, Wanted};
use crate::raster::pixels::Pixels;
use crate::raster::pyramid::Levels;
use crate::raster::reduce::Reduced;
use crate::raster::source::{Raster, Rows, Source};
use crate::raster::view::{Stretch, View};
use crate::refusal::Refusal;
use crate::storage::{Storage, StorageError};

mod build;
pub mod file;
mod shelf;

/// The most pyramids that are made at a time.
const PLACES: usize = 2;
/// The most pyramids that are kept open; others are opened again when they are needed.
const OPEN: usize = 64;
/// How long a pyramid counts as failed before the next request tries again.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// The most pixels of the copy that is made while an image is decoded; more than a screen shows.
const FIRST_VIEW: u64 = 8 << 20;
/// The fraction of the progress that decoding counts for, by the time it takes.
const DECODING: f64 = 0.3;

/// Which image of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// The image as it was uploaded.
    Original,
    /// The final image.
    Result,
}

/// One image of one job.
type Key = (JobId, Which);

/// The status of a pyramid.
#[derive(Debug, Clone)]
pub enum Status {
    /// It is being made.
    Making {
        /// The fraction that is made, from 0 to 1.
        fraction: f64,
        /// Its coarse tiles, once they are made.
        coarse: Option<Coarse>,
    },
    /// It is complete.
    Ready(Arc<Pyramid>),
    /// It cannot be made, and why, as text.
    Failed(String),
}

/// The coarse tiles of a pyramid whose finer ones are being made.
#[derive(Debug, Clone)]
pub struct Coarse {
    /// The finest level that is complete.
    pub finest: u32,
    /// The tiles so far.
    pub pyramid: Arc<Pyramid>,
}

/// The progress of making a pyramid.
#[derive(Debug, Default)]
pub struct Making {
    /// Thousandths of the image that are decoded.
    decoded: AtomicU32,
    /// Tiles that are made.
    tiles: AtomicU32,
    /// All tiles of the pyramid; 0 as long as that is not known.
    total: AtomicU32,
    coarse: OnceLock<Coarse>,
}

impl Making {
    fn tile_made(&self, levels: Levels) {
        let total = u32::try_from(levels.tiles()).unwrap_or(u32::MAX);
        self.total.store(total, Ordering::Relaxed);
        self.tiles.fetch_add(1, Ordering::Relaxed);
    }

    fn show(&self, finest: u32, pyramid: Pyramid) {
        self.coarse.get_or_init(|| Coarse { finest, pyramid: Arc::new(pyramid) });
    }

    fn fraction(&self) -> f64 {
        let decoded = f64::from(self.decoded.load(Ordering::Relaxed)) / 1000.0;
        let total = self.total.load(Ordering::Relaxed).max(1);
        let made = f64::from(self.tiles.load(Ordering::Relaxed)) / f64::from(total);
        DECODING * decoded + (1.0 - DECODING) * made
    }
}

#[derive(Debug, Clone)]
enum Remembered {
    Making(Arc<Making>),
    Ready(Arc<Pyramid>),
    /// Why it could not be made, and when it may be tried again.
    Failed(String, Instant),
}

impl Remembered {
    fn status(&self) -> Status {
        match self {
            Self::Making(progress) => {
                let coarse = progress.coarse.get().cloned();
                Status::Making { fraction: progress.fraction(), coarse }
            }
            Self::Ready(pyramid) => Status::Ready(Arc::clone(pyramid)),
            Self::Failed(why, _) => Status::Failed(why.clone()),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Failed(_, until) if Instant::now() >= *until)
    }
}

/// The pyramids of a server. Cheap to clone.
#[derive(Clone)]
pub struct Pyramids {
    storage: Arc<dyn Storage>,
    shelf: Arc<Shelf>,
    limits: Limits,
    space: Space,
    scratch: PathBuf,
    threads: usize,
    places: Arc<Semaphore>,
    /// The memory for all images that are being decoded: as much as one may take.
    memory: Memory,
    entries: Arc<Mutex<HashMap<Key, Remembered>>>,
    /// Bytes of all pyramids when they were counted last.
    bytes: Arc<AtomicU64>,
}

impl Pyramids {
    /// The pyramids of the images in `storage`. Nothing is read before the first request.
    #[must_use]
    pub fn new(config: &Config, storage: Arc<dyn Storage>) -> Self {
        let limits = admit::decode_limits(config);
        Self {
            storage,
            shelf: Arc::new(Shelf::new(config.data_dir.join("pyramids"))),
            limits,
            space: Space::new(config),
            scratch: config.scratch_dir(),
            threads: config.worker.threads().get(),
            places: Arc::new(Semaphore::new(PLACES)),
            memory: Memory::new(limits.max_bytes),
            entries: Arc::default(),
            bytes: Arc::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.entries.locked()
    }

    /// The status of the pyramid of an image that is kept. If there is none, this starts making it.
    pub async fn look(&self, plan: &Arc<Plan>, which: Which) -> Status {
        let key = (plan.id, which);
        if let Some(entry) = self.entries().get(&key).filter(|entry| !entry.is_over()) {
            return entry.status();
        }
        let shelf = Arc::clone(&self.shelf);
        let found = blocking::run(move || shelf.open(key)).await;
        let mut entries = self.entries();
        if let Some(entry) = entries.get(&key).filter(|entry| !entry.is_over()) {
            return entry.status();
        }
        let entry = match found {
            Some(pyramid) => Remembered::Ready(Arc::new(pyramid)),
            None => self.start(Arc::clone(plan), which),
        };
        let status = entry.status();
        make_room(&mut entries);
        entries.insert(key, entry);
        status
    }

    fn start(&self, plan: Arc<Plan>, which: Which) -> Remembered {
        let progress = Arc::<Making>::default();
        let (pyramids, told) = (self.clone(), Arc::clone(&progress));
        tokio::spawn(async move {
            let key = (plan.id, which);
            let made = pyramids.make(&plan, which, told).await;
            let entry = match made {
                Ok(pyramid) => Remembered::Ready(Arc::new(pyramid)),
                Err(error) => {
                    warn!(job = %plan.id, ?which, error = causes::field(&error), "no pyramid");
                    Remembered::Failed(error.to_string(), Instant::now() + TRY_AGAIN)
                }
            };
            // If the image was removed meanwhile, so is its pyramid.
            let wanted = pyramids.entries().get_mut(&key).map(|making| *making = entry).is_some();
            if !wanted {
                blocking::run(move || pyramids.shelf.remove(key)).await;
            }
        });
        Remembered::Making(progress)
    }

    async fn make(
        &self,
        plan: &Plan,
        which: Which,
        progress: Arc<Making>,
    ) -> Result<Pyramid, Unmade> {
        let _place = self.places.acquire().await;
        let image = match which {
            Which::Original => self.storage.open_original(plan.id).await?,
            Which::Result => self.storage.open_final(plan).await?,
        };
        let (space, checked) = (self.space.clone(), plan.clone());
        // The decoded image goes to `scratch_dir`, the pyramid to `data_dir`.
        let check =
            move || space.check_job(&checked).and_then(|()| space.check(ServerDirectory::Data, 0));
        blocking::run(check).await?;
        let page = plan.page.filter(|_| which == Which::Original);
        let decoded = self.decode(image, page, Arc::clone(&progress)).await?;
        let levels = Levels::new(decoded.size);
        let format = build::format_for(decoded.copy.format());
        let shelf = Arc::clone(&self.shelf);
        let writer = blocking::run(move || Writer::new(shelf.stage()?, levels, format)).await?;
        let staged = build::build(decoded, writer, self.threads, progress).await?;
        let (shelf, key) = (Arc::clone(&self.shelf), (plan.id, which));
        Ok(blocking::run(move || shelf.keep(key, staged)).await?)
    }

    /// Decodes an image into a copy for the first view and, unless that is the whole image, into a scratch file
    /// without a name, from which windows are cut in any order.
    async fn decode(
        &self,
        image: File,
        page: Option<u32>,
        progress: Arc<Making>,
    ) -> Result<Decoded, Unmade> {
        let (limits, keep) = (self.limits, Keep::new(0, self.scratch.clone()));
        let image = Arc::new(image);
        let file = Arc::clone(&image);
        let header = caught(move || Ok(probe(&file, &limits, page)?)).await?;
        let _memory = self.memory.take(header.memory).await;
        caught(move || {
            (&*image).rewind()?;
            let opened = decode::open_page(BufReader::new(&*image), &limits, page);
            let opened = opened.map_err(Refusal::from)?;
            // Browsers show tiles without a profile as sRGB.
            let wanted = Wanted::from(Colours::All).in_srgb();
            let format = header.format_for(wanted);
            let stored = header.stored_size();
            let level = Levels::new(header.size).first_within(FIRST_VIEW);
            let kept = (level > 0).then(|| keep.place(stored, format)).transpose()?.map(Arc::new);
            let copy = Reduced::new(stored, header.orientation, format, level);
            let (rows, height) = (0, stored.height);
            let mut sink = Sink { kept: kept.clone(), copy, rows, height, progress };
            opened.read(wanted, &mut sink).map_err(Refusal::from)?;
            let finer = kept.map(|kept| Source::new(kept as Arc<dyn Raster>, header.orientation));
            let (view, copy) = (View::of(format), sink.copy.into_pixels());
            let stretch = Stretch::of(&copy);
            let copy = stretch.apply(copy);
            Ok(Decoded { size: header.size, copy, level, view, stretch, finer })
        })
        .await
    }

    /// Removes the pyramid of an image.
    pub async fn remove(&self, job: JobId, which: Which) {
        self.entries().remove(&(job, which));
        let shelf = Arc::clone(&self.shelf);
        blocking::run(move || shelf.remove((job, which))).await;
    }

    /// Removes the pyramids of both images of a job.
    pub async fn remove_both(&self, job: JobId) {
        self.remove(job, Which::Original).await;
        self.remove(job, Which::Result).await;
    }

    /// The bytes of all pyramids, by job. Pyramids whose image is not kept are removed.
    pub async fn sizes(
        &self,
        is_kept: impl Fn(JobId, Which) -> bool + Send + 'static,
    ) -> HashMap<JobId, u64> {
        let shelf = Arc::clone(&self.shelf);
        let sizes = blocking::run(move || shelf.sizes(is_kept)).await;
        self.bytes.store(sizes.values().sum(), Ordering::Relaxed);
        sizes
    }

    /// The bytes of all pyramids at the last count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn probe(image: &File, limits: &Limits, page: Option<u32>) -> Result<Header, Refusal> {
    Ok(decode::probe_page(BufReader::new(image), limits, page)?)
}

/// Runs a decoder, which may panic.
async fn caught<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unmade> + Send + 'static,
) -> Result<T, Unmade> {
    let gave_up = |_| Err(io::Error::other("the decoder crashed").into());
    blocking::caught(work).await.unwrap_or_else(gave_up)
}

/// Drops an entry that is not being made, if there are many.
fn make_room(entries: &mut HashMap<Key, Remembered>) {
    if entries.len() >= OPEN {
        let idle = entries.iter().find(|(_, entry)| !matches!(entry, Remembered::Making(_)));
        if let Some(key) = idle.map(|(key, _)| *key) {
            entries.remove(&key);
        }
    }
}

/// Why there is no pyramid.
#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the image cannot be read")]
    Storage(#[from] StorageError),
    #[error("the copies cannot be made or written")]
    Io(#[from] io::Error),
}

/// Receives the rows of one image.
struct Sink {
    kept: Option<Arc<Kept>>,
    copy: Reduced,
    /// Rows that have arrived, of `height`.
    rows: u32,
    height: u32,
    progress: Arc<Making>,
}

impl Rows for Sink {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        self.copy.push(&rows);
        self.rows += rows.height();
        if let Some(kept) = &self.kept {
            kept.push(rows)?;
        }
        let (there, all) = (u64::from(self.rows), u64::from(self.height));
        let thousandths = u32::try_from(1000 * there / all.max(1)).unwrap_or(1000);
        self.progress.decoded.store(thousandths, Ordering::Relaxed);
        Ok(())
    }
}
