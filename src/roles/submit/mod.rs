//! `tilemill submit`: sends images to a server and fetches the results.
//!
//! * `plan`: which images are sent, and where their results go.
//! * `fetch`: downloads a result, whole or not at all.
//! * `progress`: a bar for each image.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use self::plan::{Destination, Errand, Errands};
use self::progress::Progress;
use super::client::{Client, Form, Job, Result, Sending, Trouble, credentials};
use super::outputs::Existing;
use super::progress::Overall;
use super::report::{End, Lines, Made, Report};
use super::{StopSignal, Unreachable};
use crate::agent::url::{Login, ServerUrl};
use crate::blocking;
use crate::cli::{SubmitArgs, WishArgs};
use crate::config::Secret;
use crate::locked::Locked;
use crate::model::batch::BatchId;
use crate::model::job::Status;
use crate::storage::Overwrite;

mod fetch;
mod plan;
mod progress;

/// Images processed at a time: enough to send one while another is filtered and a third is fetched.
const AT_ONCE: usize = 4;
/// How long a server that has answered before may be away, such as for a restart.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often an upload may break off while the server answers other requests: a proxy may close the connection of an
/// upload above its limit without an answer, and Caddy 2.6 answers 502.
const MOST_BROKEN: u32 = 3;
/// The wait before a retry.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait for a server that is busy, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Submits all images. One that fails does not stop the others.
pub async fn submit(args: SubmitArgs) -> anyhow::Result<u8> {
    let (server, in_address) = ServerUrl::with_login(&args.server).context("--server")?;
    let Errands { errands, skipped } = plan::errands(&args)?;
    let user = args.user.as_ref().map(|user| login(user.clone())).transpose()?;
    let credentials = credentials::find(&server, user, in_address, args.netrc).await?;
    let client = Client::new(server, credentials);
    let taken = errands.iter().any(|errand| matches!(errand.destination, Destination::Stream));
    let lines = if taken { Lines::Error } else { Lines::Out };
    let report = Report::new(lines, errands.len() + skipped.len(), args.report.as_deref())?;
    let existing = Existing::of(&args.existing);
    let report = report.goes_on_later(args.output.is_some() && existing != Existing::Replace);
    report.skipped(&skipped);
    if errands.is_empty() {
        return Ok(report.finish(End::Complete));
    }
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let overwrite = existing.overwrite();
    // A single image needs only its own bar.
    let several = errands.len() > 1;
    let overall = several.then(|| Overall::new(&report, errands.iter().map(|errand| errand.bytes)));
    let overall = Mutex::new(overall);
    let batch = several.then(BatchId::generate);
    let submission = Submission { client, wishes: args.wishes, batch, overwrite, report, overall };
    let done = tokio::select! {
        done = submission.all(errands) => done,
        () = stop.received() => {
            let text = "interrupted; jobs that the server has accepted go on there";
            submission.report.remark(text);
            Ok(End::Early)
        }
    };
    submission.with_overall(|overall| overall.finish());
    let code = submission.report.finish(*done.as_ref().unwrap_or(&End::Early));
    done.map(|_| code)
}

fn login(user: Secret) -> anyhow::Result<Login> {
    Login::split(&user.reveal()).context("--user needs a name, as NAME or NAME:PASSWORD")
}

struct Submission {
    client: Client,
    wishes: WishArgs,
    /// The batch as which the page shows several images.
    batch: Option<BatchId>,
    overwrite: Overwrite,
    report: Report,
    overall: Mutex<Option<Overall>>,
}

impl Submission {
    fn with_overall(&self, change: impl FnOnce(&mut Overall)) {
        let mut overall = self.overall.locked();
        overall.as_mut().map(change);
    }

    async fn all(&self, errands: Vec<Errand>) -> anyhow::Result<End> {
        // Checked first, so that no image is read or reported without a server.
        self.blocking(Client::greet).await.map_err(|trouble| self.unreachable(trouble))?;
        let running =
            stream::iter(errands).map(|errand| self.one(errand)).buffer_unordered(AT_ONCE);
        running.try_for_each(|()| async { Ok(()) }).await?;
        Ok(End::Complete)
    }

    /// Does one errand and reports it; only a server that cannot be used is an error.
    async fn one(&self, errand: Errand) -> anyhow::Result<()> {
        let progress = Progress::new(&self.report, &errand.input);
        let done = self.job(&errand, &progress).await;
        progress.ended(&self.report);
        self.with_overall(|overall| {
            overall.ended(errand.bytes);
            overall.show(&[]);
        });
        match done {
            Ok(job) => self.tell(&errand, &job),
            Err(trouble @ (Trouble::Unreachable(_) | Trouble::Foreign(_) | Trouble::Barred(_))) => {
                let image = errand.input.display().to_string();
                return Err(anyhow::Error::new(self.unreachable(trouble)).context(image));
            }
            Err(trouble) => {
                let cause = format!("{:#}", anyhow::Error::new(trouble));
                self.report.failed(&errand.input, &cause);
            }
        }
        Ok(())
    }

    async fn job(&self, errand: &Errand, progress: &Progress) -> Result<Job> {
        let accepted = self.upload(errand, progress).await?;
        progress.waiting(&accepted);
        let ended = self.wait(accepted, progress).await?;
        if ended.status != Status::Complete {
            return Err(Trouble::Refused(ended.failure()));
        }
        self.fetch(errand, &ended, progress).await?;
        Ok(ended)
    }

    /// Uploads the image. Retries while the server is busy, and if it goes away during the upload; if it had accepted
    /// the image before that, it then has two jobs, and only the second is waited for. An upload from standard input
    /// cannot be retried.
    async fn upload(&self, errand: &Errand, progress: &Progress) -> Result<Job> {
        let mut away: Option<Instant> = None;
        let mut broken = 0;
        loop {
            let source = errand.open().map_err(|error| Trouble::Here("open it".into(), error))?;
            let mut form = Form::new(&self.fields(errand), progress.uploading(source));
            // The second try waits for permission, so that the answer of a proxy that refuses it can be read.
            let sending = if broken == 1 { Sending::WhenAllowed } else { Sending::AtOnce };
            match self.blocking(move |client| client.upload(&mut form, sending)).await {
                Err(Trouble::Busy { detail, after }) if !errand.reads_stream() => {
                    let pause = after.clamp(PAUSE, LONGEST_WAIT);
                    let (image, seconds) = (errand.input.display(), pause.as_secs());
                    self.report.remark(&format!("{image}: {detail}; trying again in {seconds} s"));
                    away = None;
                    sleep(pause).await;
                }
                Err(Trouble::Unreachable(cause))
                    if !errand.reads_stream()
                        && away.is_none_or(|since| since.elapsed() < PATIENCE) =>
                {
                    if away.is_none() {
                        let image = errand.input.display();
                        self.report.remark(&format!("{image}: the server went away; trying again"));
                    }
                    away.get_or_insert_with(Instant::now);
                    if self.blocking(Client::greet).await.is_ok() {
                        broken += 1;
                    }
                    if broken == MOST_BROKEN {
                        return Err(Trouble::Broken(broken, cause));
                    }
                    sleep(PAUSE).await;
                }
                sent => return sent,
            }
        }
    }

    fn fields(&self, errand: &Errand) -> Vec<(&'static str, String)> {
        let wishes = &self.wishes;
        let format = errand.format.map(|format| format.extension().to_owned());
        let given = [
            ("filters", Some(wishes.filters.clone())),
            ("tile_size", wishes.tile_size.map(|size| size.to_string())),
            ("format", format),
            ("quality", wishes.quality.map(|quality| quality.to_string())),
            ("page", wishes.page.map(|page| page.to_string())),
            ("sample_type", wishes.sample_type.map(|choice| choice.to_string())),
            ("batch", self.batch.map(|batch| batch.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Waits for the end of a job. If no event stream comes through, the job is polled.
    async fn wait(&self, accepted: Job, progress: &Progress) -> Result<Job> {
        let id = accepted.id;
        let mut job = accepted;
        while !job.has_ended() {
            let bar = progress.clone();
            let followed = self.blocking(move |client| client.follow(id, |job| bar.changed(job)));
            if let Ok(Some(ended)) = followed.await {
                return Ok(ended);
            }
            sleep(PAUSE).await;
            job = self.patiently(move |client| client.job(id)).await?;
            progress.changed(&job);
        }
        Ok(job)
    }

    /// Retries for up to [`PATIENCE`] while the server or a service of its cluster is away: it may be restarting.
    async fn patiently<T: Send + 'static>(
        &self,
        ask: impl Fn(&Client) -> Result<T> + Clone + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.blocking(ask.clone()).await {
                Err(Trouble::Unreachable(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(Trouble::Busy { after, .. }) if Instant::now() < deadline => {
                    sleep(after.clamp(PAUSE, LONGEST_WAIT)).await;
                }
                answer => return answer,
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> T + Send + 'static,
    ) -> T {
        let client = self.client.clone();
        blocking::run(move || ask(&client)).await
    }

    fn tell(&self, errand: &Errand, job: &Job) {
        let url = self.client.result_url(job.id);
        let on_server = matches!(errand.destination, Destination::Server);
        self.report.made(&Made {
            input: &errand.input,
            output: if on_server { &url } else { &errand.destination },
            size: job.size(),
            tiles: job.tiles_total,
            seconds: job.seconds(),
            notes: &job.notes,
        });
    }

    fn unreachable(&self, trouble: Trouble) -> Unreachable {
        let remedy = match trouble {
            Trouble::Barred(_) => "a proxy is in the way",
            _ => "start it with `tilemill serve`, or name another with --server or TILEMILL_SERVER",
        };
        let cause = match trouble {
            Trouble::Unreachable(cause) => cause,
            other => other.into(),
        };
        let address = self.client.address().to_string();
        Unreachable { what: "the server", address, remedy, cause }
    }
}
