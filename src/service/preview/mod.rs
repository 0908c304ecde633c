//! Draws parts of the result that a job would have, before there is a job. The filters and the encoder are those of
//! jobs, and the part is decoded as the viewer decodes results, so that a preview looks like the result.
//!
//! * `part`: the part of an image that is shown.
//! * `recent`: a cache of recently used images.
//! * `read`: reads the rows of an image that a part needs.
//! * `draw`: makes the pixels that are shown.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::draw::View;
pub use self::part::Part;
use self::read::{Known, Reader};
use self::recent::Recent;
use super::admit::Candidate;
use super::memory::Memory;
use crate::blocking;
use crate::config::Config;
use crate::model::job::{JobId, Plan};
use crate::raster::decode::{DecodeError, Limits};
use crate::raster::grid::Region;
use crate::refusal::{Code, Refusal};
use crate::service::admit;

mod draw;
mod part;
mod read;
mod recent;

/// How long an uploaded image is kept after its last use.
pub const IDLE: Duration = Duration::from_mins(10);
/// The most uploaded images that are kept.
const UPLOADS: usize = 8;
/// The most jobs for which the last part of the image is remembered.
const JOBS: usize = 4;
/// The most previews that are made at a time.
const PLACES: usize = 2;
/// How long a preview waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// An image that can be previewed. Cheap to clone.
#[derive(Clone)]
pub struct Picture {
    file: Arc<File>,
    subject: Arc<Subject>,
}

/// What is known of an image.
struct Subject {
    candidate: Candidate,
    known: Arc<tokio::sync::Mutex<Known>>,
}

/// The previews of a server. Cheap to clone.
#[derive(Clone)]
pub struct Previews {
    uploads: Arc<Recent<String, Picture>>,
    jobs: Arc<Recent<JobId, Arc<Subject>>>,
    config: Arc<Config>,
    scratch: PathBuf,
    limits: Limits,
    places: Arc<Semaphore>,
    memory: Memory,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum Undrawn {
    /// The image or the filters do not allow it, or the server is busy.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something failed that is not the client's fault.
    #[error("the preview cannot be made")]
    Io(#[from] io::Error),
}

impl From<DecodeError> for Undrawn {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error.into())
    }
}

/// The right to make a preview, until it is dropped.
struct Turn {
    _place: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Picture {
    /// The image's name, size and header.
    #[must_use]
    pub fn candidate(&self) -> &Candidate {
        &self.subject.candidate
    }
}

impl Subject {
    fn new(candidate: Candidate) -> Self {
        Self { candidate, known: Arc::default() }
    }
}

impl Previews {
    /// Previews within the limits of the configuration.
    #[must_use]
    pub fn new(config: &Arc<Config>) -> Self {
        let limits = admit::decode_limits(config);
        Self {
            uploads: Arc::new(Recent::new(UPLOADS, IDLE)),
            jobs: Arc::new(Recent::new(JOBS, IDLE)),
            config: Arc::clone(config),
            scratch: config.scratch_dir(),
            limits,
            places: Arc::new(Semaphore::new(PLACES)),
            memory: Memory::new(limits.max_bytes),
        }
    }

    /// A file without a name for an upload, which vanishes with the process however that ends.
    pub async fn stage(&self) -> io::Result<File> {
        let scratch = self.scratch.clone();
        blocking::run(move || tempfile::tempfile_in(scratch)).await
    }

    /// Keeps an uploaded image and returns its id. If there are too many, the least recently used is removed.
    #[must_use]
    pub fn keep(&self, file: File, candidate: Candidate) -> String {
        let id = Uuid::new_v4().simple().to_string();
        let subject = Arc::new(Subject::new(candidate));
        self.uploads.put(id.clone(), Picture { file: Arc::new(file), subject });
        let (uploads, key) = (Arc::clone(&self.uploads), id.clone());
        tokio::spawn(async move { uploads.expire(&key).await });
        id
    }

    /// An uploaded image, if it is still kept.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Picture> {
        self.uploads.get(&id.to_owned())
    }

    /// The original of a job.
    pub async fn of_job(&self, plan: &Plan, original: File) -> Result<Picture, Undrawn> {
        let file = Arc::new(original);
        if let Some(subject) = self.jobs.get(&plan.id) {
            return Ok(Picture { file, subject });
        }
        let (config, name) = (Arc::clone(&self.config), plan.name.clone());
        let (bytes, page) = (plan.original_bytes, plan.page);
        let header = Arc::clone(&file);
        let read = move || Candidate::read(name, bytes, BufReader::new(&*header), page, &config);
        let subject = Arc::new(Subject::new(caught(read).await??));
        self.jobs.put(plan.id, Arc::clone(&subject));
        let (jobs, key) = (Arc::clone(&self.jobs), plan.id);
        tokio::spawn(async move { jobs.expire(&key).await });
        Ok(Picture { file, subject })
    }

    /// A PNG file of `region` of the result of a job with this plan. If the plan has no filter, it shows the image
    /// itself, as the viewer does. Dropping the future stops the work.
    pub async fn draw(
        &self,
        picture: &Picture,
        plan: Plan,
        region: Region,
    ) -> Result<Vec<u8>, Undrawn> {
        let view = View::new(plan, &picture.candidate().header, region);
        view.check(self.config.limits.max_tile)?;
        let stop = CancellationToken::new();
        let _stopping = stop.clone().drop_guard();
        let known = Arc::clone(&picture.subject.known);
        let turn = timeout(PATIENCE, async { (known.lock_owned().await, self.turn(&view).await) });
        let (known, turn) = turn.await.map_err(|_| busy())?;
        let turn = Arc::new(turn);
        let (file, page) = (Arc::clone(&picture.file), picture.candidate().page);
        let reader = Reader { file, limits: self.limits, page, stop };
        let (needed, held) = (view.needed(), Arc::clone(&turn));
        let read = caught(move || {
            let (read, _held) = (reader.read(known, needed), held);
            read
        });
        let threads = self.config.worker.threads().get();
        view.draw(read.await??, threads, turn).await
    }

    async fn turn(&self, view: &View) -> Turn {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        Turn { _place: place, _memory: self.memory.take(view.memory()).await }
    }
}

fn busy() -> Refusal {
    let what = "too many previews are being made; try again soon";
    Refusal::new(Code::TooManyPreviews, what)
}

/// Runs a decoder, which may panic.
async fn caught<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Undrawn> {
    let gave_up = "the image cannot be decoded: the decoder crashed";
    blocking::caught(work).await.map_err(|_| Refusal::new(Code::InvalidImage, gave_up).into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::model::job::StorageId;
    use crate::service::example;

    #[tokio::test(start_paused = true)]
    async fn a_preview_that_waits_in_vain_is_refused_and_another_is_made_later() {
        let config = Arc::new(Config::default());
        let previews = Previews::new(&config);
        let image = include_bytes!("../../../tests/data/grey-8.png");
        let candidate = Candidate::read("a.png", 1, Cursor::new(image), None, &config).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, image).unwrap();
        let picture = previews.find(&previews.keep(file, candidate)).unwrap();
        let plan = example::plan(StorageId("here".into()));
        let region = Region { x: 3, y: 4, width: 5, height: 6 };
        let busy = previews.places.acquire_many(2).await.unwrap();
        let refused = previews.draw(&picture, plan.clone(), region).await;
        let Err(Undrawn::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, Code::TooManyPreviews);
        drop(busy);
        assert!(previews.draw(&picture, plan, region).await.is_ok());
    }
}
