//! `tilemill run`: a mill in one process for the files on the command line.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::outputs::{self, Existing, Planned, Target, Wanted};
use super::progress::{InWork, Overall};
use super::report::{End, Lines, Made, Report};
use super::{MillStopped, StopSignal, inputs};
use crate::app::{self, App};
use crate::cli::{RunArgs, WishArgs};
use crate::config::{Bytes, Config};
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome, Plan};
use crate::raster::orientation::Orientation;
use crate::refusal::{Code, Refusal};
use crate::service;
use crate::service::admit::{Admission, Candidate, Wishes};
use crate::service::canvas::Scratch;
use crate::service::straight::{self, RowsDone, Straight};
use crate::storage::local::{LocalStorage, Paths};
use crate::storage::{ResultStorage, Storage};

/// How long a run that ends may take to remove unfinished files.
const SETTLE: Duration = Duration::from_secs(2);
/// The longest wait for a signal of the state before all jobs are checked anyway.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Filters all inputs. One that fails does not stop the others.
pub async fn run(args: RunArgs, mut config: Config) -> anyhow::Result<u8> {
    service::admit::check(&wishes(&args.wishes), &config)?;
    let existing = Existing::of(&args.existing);
    let inputs = inputs::expand(&args.inputs)?;
    let (output, format) = (args.output.as_path(), args.wishes.format);
    let Planned { targets, skipped } =
        outputs::plan(Wanted { inputs: &inputs, output, format, existing })?;
    let report = Report::new(Lines::Out, inputs.len(), args.report.as_deref())?;
    let report = report.goes_on_later(existing != Existing::Replace);
    report.skipped(&skipped);
    if targets.is_empty() {
        return Ok(report.finish(End::Complete));
    }
    let mut stop = StopSignal::listen().context("listen for signals")?;
    config.worker.threads = args.threads.map_or(config.worker.threads, usize::from);
    let threads = config.worker.threads();
    let enough = Bytes::mib(16 * threads.get() as u64);
    config.dispatch.max_bytes_in_flight = config.dispatch.max_bytes_in_flight.min(enough);
    // Enough images at a time to decode one while another is filtered and a third is encoded.
    config.jobs.active = u32::try_from(threads.get()).unwrap_or(u32::MAX).saturating_add(1);
    let storage = Arc::new(LocalStorage::new(existing.overwrite()));
    let app = App::embedded(Arc::new(config), Arc::clone(&storage) as Arc<dyn Storage>).await?;
    let scratch = scratch_for(&app.config, &targets)?;
    let shutdown = CancellationToken::new();
    let services = app.start_all(app::worker_id(None), threads, scratch, &shutdown)?;
    let mut run = Run::new(args.wishes, app, Arc::clone(&storage), report, &targets).await?;
    let done = tokio::select! {
        done = run.all(targets) => done,
        () = stop.received() => {
            run.report.remark("interrupted; results that were not finished were not written");
            Ok(End::Early)
        }
        () = shutdown.cancelled() => Err(MillStopped.into()),
    };
    run.overall.finish();
    let code = run.report.finish(*done.as_ref().unwrap_or(&End::Early));
    shutdown.cancel();
    // Long enough to remove files that are being written; tiles in work are given up.
    let _ = tokio::time::timeout(SETTLE, services.stopped()).await;
    storage.abandon();
    done.map(|_| code)
}

/// The directory of canvases: `scratch_dir` if it is set, else that of the first result.
fn scratch_for(config: &Config, targets: &[Target]) -> anyhow::Result<Scratch> {
    let beside = || targets[0].output.parent().map_or_else(PathBuf::new, Path::to_owned);
    let directory = config.scratch_dir.clone().unwrap_or_else(beside);
    let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    Ok(Scratch::Unnamed(directory))
}

/// A job in work.
struct Waiting {
    target: Target,
    plan: Arc<Plan>,
    /// Its rows on the straight way, if it needs no tiles.
    rows: Option<OnItsWay>,
}

/// A job on the straight way, which is aborted when this is dropped.
struct OnItsWay {
    done: Arc<RowsDone>,
    _task: AbortOnDropHandle<()>,
}

struct Run {
    wishes: WishArgs,
    app: App,
    storage: Arc<LocalStorage>,
    admission: Admission,
    /// For images that need no tiles.
    straight: Arc<Straight>,
    /// Admitted and not ended yet.
    waiting: Vec<Waiting>,
    report: Report,
    overall: Overall,
}

impl Run {
    async fn new(
        wishes: WishArgs,
        app: App,
        storage: Arc<LocalStorage>,
        report: Report,
        targets: &[Target],
    ) -> anyhow::Result<Self> {
        let partitions = app.topics.results.partitions().await?;
        let admission = Admission::new(Arc::clone(&app.config), storage.id().clone(), partitions);
        let overall = Overall::new(&report, targets.iter().map(|target| target.bytes));
        let threads = app.config.worker.threads();
        let straight =
            Straight::new(Arc::clone(&storage) as _, &app.config, threads, app.memory.clone())?;
        let (straight, waiting) = (Arc::new(straight), Vec::new());
        Ok(Self { wishes, app, storage, admission, straight, waiting, report, overall })
    }

    async fn all(&mut self, targets: Vec<Target>) -> anyhow::Result<End> {
        let mut looks = self.app.state.looks();
        let mut targets = targets.into_iter().peekable();
        while targets.peek().is_some() || !self.waiting.is_empty() {
            if self.waiting.len() < 2 * self.app.config.jobs.active as usize
                && let Some(target) = targets.next()
            {
                self.admit(target).await?;
                continue;
            }
            // All jobs are checked, whatever the signal says and even if one was missed.
            let _ = tokio::time::timeout(LOOK_EVERY, looks.recv()).await;
            self.look().await?;
        }
        Ok(End::Complete)
    }

    async fn admit(&mut self, target: Target) -> anyhow::Result<()> {
        let id = JobId::generate();
        match self.plan(id, &target).await {
            Ok((plan, orientation)) => {
                self.storage.admit(plan.clone())?;
                let plan = Arc::new(plan);
                let is_straight = straight::suffices(&plan, orientation);
                let rows = is_straight.then(|| self.go_straight(&plan));
                self.waiting.push(Waiting { target, plan: Arc::clone(&plan), rows });
                if !is_straight {
                    self.app.ledger.add(Arc::clone(&plan));
                    self.app.state.signal(Look::Job(plan.id)).await?;
                }
            }
            Err(error) => {
                self.storage.remove(id).await?;
                self.failed(&target, &format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// Makes the result of a plan for which rows suffice, in a task of its own.
    fn go_straight(&self, plan: &Arc<Plan>) -> OnItsWay {
        let done = Arc::<RowsDone>::default();
        let (straight, storage) = (Arc::clone(&self.straight), Arc::clone(&self.storage));
        let (state, plan, told) =
            (Arc::clone(&self.app.state), Arc::clone(plan), Arc::clone(&done));
        let task = tokio::spawn(async move {
            let outcome = straight.run(&plan, &told).await;
            // Without its entry in the storage the job is over, and nothing waits for it.
            let _ = storage.conclude(plan.id, outcome).await;
            let _ = state.signal(Look::Job(plan.id)).await;
        });
        OnItsWay { done, _task: AbortOnDropHandle::new(task) }
    }

    /// The plan of an image, and how it is stored.
    async fn plan(&self, id: JobId, target: &Target) -> anyhow::Result<(Plan, Orientation)> {
        let paths = Paths { input: target.input.clone(), output: target.output.clone() };
        self.storage.assign(id, paths);
        let (input, config) = (target.input.clone(), Arc::clone(&self.app.config));
        let page = self.wishes.page;
        let candidate =
            tokio::task::spawn_blocking(move || read_header(&input, page, &config)).await;
        let wishes = Wishes { format: target.format, ..wishes(&self.wishes) };
        let candidate = candidate.context("the decoder crashed")??;
        let orientation = candidate.header.orientation;
        Ok((self.admission.plan(id, candidate, &wishes)?, orientation))
    }

    /// Shows the progress of all jobs in work, and reports those that have ended.
    async fn look(&mut self) -> anyhow::Result<()> {
        let mut in_work = Vec::new();
        for job in std::mem::take(&mut self.waiting) {
            let Waiting { target, plan, rows } = &job;
            if let Some(outcome) = self.storage.outcome(plan.id).await? {
                self.note(target, plan, outcome).await?;
                continue;
            }
            let tiles_done = match rows {
                Some(rows) => rows.done.tiles(plan),
                None => self.app.state.board(plan.id).await?.map_or(0, |board| board.done()),
            };
            in_work.push(InWork {
                name: target.input.file_name().unwrap_or_default().to_string_lossy().into(),
                bytes: target.bytes,
                tiles_done,
                tiles: plan.tiles(),
            });
            self.waiting.push(job);
        }
        self.overall.show(&in_work);
        Ok(())
    }

    async fn note(&mut self, target: &Target, plan: &Plan, outcome: Outcome) -> anyhow::Result<()> {
        match &outcome {
            Outcome::Complete { .. } => {
                self.report.made(&Made {
                    input: &target.input,
                    output: &target.output.display(),
                    size: plan.result_size(),
                    tiles: plan.tiles(),
                    seconds: outcome.finished_at().duration_since(plan.created_at).as_secs_f64(),
                    notes: &plan.notes,
                });
                self.overall.ended(target.bytes);
            }
            Outcome::Failed { error, .. } => self.failed(target, &error.to_string()),
            Outcome::Cancelled { .. } => self.failed(target, "cancelled"),
        }
        self.app.ledger.remove(plan.id).await?;
        self.app.state.signal(Look::Job(plan.id)).await?;
        // At once, since a batch may have thousands of jobs.
        self.storage.remove(plan.id).await?;
        Ok(())
    }

    fn failed(&mut self, target: &Target, cause: &str) {
        self.report.failed(&target.input, cause);
        self.overall.ended(target.bytes);
    }
}

/// The options that the command line gives for every image.
fn wishes(args: &WishArgs) -> Wishes {
    Wishes {
        filters: Some(args.filters.clone()),
        tile_size: args.tile_size,
        format: args.format,
        quality: args.quality,
        sample_type: args.sample_type,
        page: args.page,
        batch: None,
    }
}

fn read_header(input: &Path, page: Option<u32>, config: &Config) -> anyhow::Result<Candidate> {
    // Checked first: opening a pipe would block until another process writes to it.
    let metadata = std::fs::metadata(input).context("cannot open it")?;
    if !metadata.is_file() {
        anyhow::bail!(Refusal::new(Code::InvalidImage, "this is not a regular file"));
    }
    let file = File::open(input).context("cannot open it")?;
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    Ok(Candidate::read(name, metadata.len(), BufReader::new(file), page, config)?)
}
