//! `tilemill run`: the embedded mill over the files on the command line.
//!
//! * `progress`: a bar for all tiles.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::progress::Progress;
use super::outputs::{self, Target, Wanted};
use super::{DONE, FAILED, INTERRUPTED, MillStopped, StopSignal, inputs};
use crate::app::{self, App};
use crate::cli::{RunArgs, WishArgs};
use crate::config::{Bytes, Config};
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome, Plan};
use crate::refusal::{Code, Refusal};
use crate::service;
use crate::service::admit::{Admission, Candidate, Wishes};
use crate::service::canvas::Scratch;
use crate::storage::local::{LocalStorage, Paths};
use crate::storage::{ResultStorage, Storage};

mod progress;

/// How long a run that ends may take to put away what it has in hand.
const SETTLE: Duration = Duration::from_secs(2);
/// How long to wait for a signal before looking anyway.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs all inputs. One that fails does not keep the others from being done.
pub async fn run(args: RunArgs, mut config: Config) -> anyhow::Result<u8> {
    service::admit::check(&wishes(&args.wishes), &config)?;
    let overwrite = outputs::overwrite(args.overwrite);
    let inputs = inputs::expand(&args.inputs)?;
    let (output, format) = (args.output.as_path(), args.wishes.format);
    let targets = outputs::plan(Wanted { inputs: &inputs, output, format, overwrite })?;
    let mut stop = StopSignal::listen().context("listen for signals")?;
    config.worker.threads = args.threads.map_or(config.worker.threads, usize::from);
    let threads = config.worker.threads();
    let enough = Bytes::mib(16 * threads.get() as u64);
    config.dispatch.max_bytes_in_flight = config.dispatch.max_bytes_in_flight.min(enough);
    // Enough images at a time to decode one while another is filtered and a third is encoded.
    config.jobs.active = u32::try_from(threads.get()).unwrap_or(u32::MAX).saturating_add(1);
    let storage = Arc::new(LocalStorage::new(overwrite));
    let app = App::embedded(Arc::new(config), Arc::clone(&storage) as Arc<dyn Storage>).await?;
    let scratch = scratch_for(&app.config, &targets)?;
    let shutdown = CancellationToken::new();
    let services = app.start_all(app::worker_id(None), threads, scratch, &shutdown)?;
    let mut run = Run::new(args.wishes, app, storage, targets.len()).await?;
    let done = tokio::select! {
        done = run.all(targets) => done,
        () = stop.received() => {
            run.progress.interrupted();
            Ok(INTERRUPTED)
        }
        () = shutdown.cancelled() => Err(MillStopped.into()),
    };
    shutdown.cancel();
    // Long enough for files that are being written to be removed; tiles in work are given up.
    let _ = tokio::time::timeout(SETTLE, services.stopped()).await;
    done
}

/// Canvases go where the configuration says, else on the disk that the first result goes to.
fn scratch_for(config: &Config, targets: &[Target]) -> anyhow::Result<Scratch> {
    let beside = || targets[0].output.parent().map_or_else(PathBuf::new, Path::to_owned);
    let directory = config.scratch_dir.clone().unwrap_or_else(beside);
    let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("make the directory {}", directory.display()))?;
    Ok(Scratch::Unnamed(directory))
}

struct Run {
    wishes: WishArgs,
    app: App,
    storage: Arc<LocalStorage>,
    admission: Admission,
    /// Admitted and not ended yet.
    waiting: Vec<(Target, Arc<Plan>)>,
    progress: Progress,
}

impl Run {
    async fn new(
        wishes: WishArgs,
        app: App,
        storage: Arc<LocalStorage>,
        images: usize,
    ) -> anyhow::Result<Self> {
        let partitions = app.topics.results.partitions().await?;
        let admission = Admission::new(Arc::clone(&app.config), storage.id().clone(), partitions);
        let progress = Progress::new(images);
        let waiting = Vec::new();
        Ok(Self { wishes, app, storage, admission, waiting, progress })
    }

    async fn all(&mut self, targets: Vec<Target>) -> anyhow::Result<u8> {
        let mut looks = self.app.state.looks();
        let mut targets = targets.into_iter().peekable();
        while targets.peek().is_some() || !self.waiting.is_empty() {
            if self.waiting.len() < 2 * self.app.config.jobs.active as usize
                && let Some(target) = targets.next()
            {
                self.admit(target).await?;
                continue;
            }
            // Whatever the signal says, or that it was missed, everything is looked at.
            let _ = tokio::time::timeout(LOOK_EVERY, looks.recv()).await;
            self.look().await?;
        }
        Ok(if self.progress.finish() { DONE } else { FAILED })
    }

    async fn admit(&mut self, target: Target) -> anyhow::Result<()> {
        match self.plan(&target).await {
            Ok(plan) => {
                self.storage.admit(plan.clone())?;
                let plan = Arc::new(plan);
                self.app.ledger.add(Arc::clone(&plan));
                self.progress.admitted(plan.tiles());
                self.waiting.push((target, Arc::clone(&plan)));
                self.app.state.signal(Look::Job(plan.id)).await?;
            }
            Err(error) => self.progress.failed(&target.input, &format!("{error:#}")),
        }
        Ok(())
    }

    async fn plan(&self, target: &Target) -> anyhow::Result<Plan> {
        let id = JobId::generate();
        let paths = Paths { input: target.input.clone(), output: target.output.clone() };
        self.storage.assign(id, paths);
        let (input, config) = (target.input.clone(), Arc::clone(&self.app.config));
        let candidate = tokio::task::spawn_blocking(move || read_header(&input, &config)).await;
        let wishes = Wishes { format: target.format, ..wishes(&self.wishes) };
        let candidate = candidate.context("the decoder gave up")??;
        Ok(self.admission.plan(id, candidate, &wishes)?)
    }

    /// Shows the progress of all jobs in work and takes note of those that have ended.
    async fn look(&mut self) -> anyhow::Result<()> {
        let mut in_work = 0;
        for (target, plan) in std::mem::take(&mut self.waiting) {
            if let Some(outcome) = self.storage.outcome(plan.id).await? {
                self.note(&target, &plan, outcome).await?;
            } else {
                let board = self.app.state.board(plan.id).await?;
                in_work += board.map_or(0, |board| board.done());
                self.waiting.push((target, plan));
            }
        }
        self.progress.tiles_in_work(in_work);
        Ok(())
    }

    async fn note(&mut self, target: &Target, plan: &Plan, outcome: Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Complete { .. } => self.progress.complete(target, plan, &outcome),
            Outcome::Failed { error, .. } => {
                self.progress.failed(&target.input, &error.to_string());
            }
            Outcome::Cancelled { .. } => self.progress.failed(&target.input, "cancelled"),
        }
        self.app.ledger.remove(plan.id).await?;
        self.app.state.signal(Look::Job(plan.id)).await?;
        Ok(())
    }
}

/// What the command line wants of every image.
fn wishes(args: &WishArgs) -> Wishes {
    Wishes {
        filters: Some(args.filters.clone()),
        tile_size: args.tile_size,
        format: args.format,
        quality: args.quality,
    }
}

fn read_header(input: &Path, config: &Config) -> anyhow::Result<Candidate> {
    // Before it is opened: opening a pipe waits for whoever writes to it.
    let metadata = std::fs::metadata(input).context("cannot open it")?;
    if !metadata.is_file() {
        anyhow::bail!(Refusal::new(Code::InvalidImage, "this is not a regular file"));
    }
    let file = File::open(input).context("cannot open it")?;
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    Ok(Candidate::read(name, metadata.len(), BufReader::new(file), config)?)
}
