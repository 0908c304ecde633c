//! Serves the API and the page. The only module that uses the web framework.
//!
//! * [`routes`]: the paths and their handlers.
//! * `jobs`: lists, shows, cancels and removes jobs.
//! * `fleet`: the running processes, the queue, and whether the server can work.
//! * `forwarded`: headers of trusted proxies, and the path below which they offer the server.
//! * `site`: which sites' pages may send requests.
//! * `door`: limits the uploads and jobs that are let in.
//! * [`upload`]: creates a job from an uploaded image.
//! * `form`: reads the form of an upload.
//! * `heads`: the headers of its fields.
//! * `receive`: streams a request body into a file.
//! * [`download`]: originals and results.
//! * [`mosaic`]: small pictures of a job.
//! * [`pyramid`]: originals and results in tiles, for viewing.
//! * [`events`]: changes as a stream.
//! * `hub`: looks at the mill for that stream, and makes its events.
//! * [`batch`]: jobs that a client submitted as one.
//! * `archive`: the results of several jobs as one file.
//! * [`limits`]: the limits of the server.
//! * `live`: the mosaic of a followed job, as events.
//! * `metrics`: numbers for Prometheus.
//! * `traffic`: counts requests and bytes by route.
//! * [`view`]: jobs as the API shows them.
//! * [`queue`]: the queue and what holds it up, as the API shows them.
//! * `filters`: filters as the API shows them.
//! * `formats`: output formats as the API describes them.
//! * [`error`]: errors as the API shows them.
//! * `files`: the files of jobs, for collectors on other machines.
//! * [`description`]: the `OpenAPI` description, gathered from the handlers.
//! * [`inputs`]: what requests contain, for that description.
//! * `answers`: responses that handlers share in it.
//! * [`page`]: the files of the page.
//! * [`previews`]: parts of results before there is a job.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App as Actix, HttpServer, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::door::Door;
use self::error::ApiError;
use self::forwarded::Proxies;
use self::hub::Hub;
use self::page::Page;
use self::site::Site;
use self::traffic::Traffic;
use self::view::JobView;
use crate::app::App;
use crate::causes;
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome};
use crate::service::admit::Admission;
use crate::service::ledger::LedgerEntry;
use crate::service::retention;
use crate::service::space::Space;
use crate::storage::StorageError;

mod answers;
mod archive;
pub mod batch;
pub mod description;
mod door;
pub mod download;
pub mod error;
pub mod events;
mod files;
mod filters;
mod fleet;
mod form;
mod formats;
mod forwarded;
mod heads;
mod hub;
pub mod inputs;
mod jobs;
pub mod limits;
mod live;
mod metrics;
pub mod mosaic;
pub mod page;
pub mod previews;
pub mod pyramid;
pub mod queue;
mod receive;
pub mod routes;
mod site;
mod traffic;
pub mod upload;
pub mod view;

/// The methods of paths that are only read.
const READ: &str = "GET, HEAD";

/// Threads that accept connections and answer requests; they do not compute.
const THREADS: usize = 2;
/// How long a client may go on to send a body that is no longer needed.
const LINGER: Duration = Duration::from_secs(10);
/// Allows nothing from other sites, nothing inline, and no frame around the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

/// What the handlers share.
pub struct Api {
    app: App,
    admission: Admission,
    space: Space,
    door: Door,
    proxies: Proxies,
    site: Site,
    page: Page,
    hub: Hub,
    traffic: Traffic,
    /// Allows one look at the disks at a time.
    disk_look: Arc<Semaphore>,
}

impl Api {
    fn new(app: App, page: Page, hub: Hub, address: SocketAddr) -> Self {
        let config = Arc::clone(&app.config);
        let storage = app.storage.id().clone();
        let admission = Admission::new(Arc::clone(&config), storage, app.result_partitions);
        let admission = match config.kafka {
            Some(_) => admission.with_messages_of(config.topics.max_message.get()),
            None => admission,
        };
        Self {
            admission,
            space: Space::new(&config),
            door: Door::new(&config, Arc::clone(&app.ledger)),
            proxies: Proxies::new(&config.server),
            site: Site::new(address, &config.server),
            page,
            hub,
            traffic: Traffic::new(),
            disk_look: Arc::new(Semaphore::new(1)),
            app,
        }
    }

    /// Signals a change to all processes. An error is only logged: the change is stored, and is seen later without the
    /// signal.
    async fn tell(&self, look: Look) {
        if let Err(error) = self.app.state.signal(look).await {
            debug!(error = causes::field(&error), "could not send a signal");
        }
    }

    /// Removes a job and its images, after cancelling it if it runs.
    async fn remove(&self, job: JobId) -> Result<(), ApiError> {
        // The outcome first, since it stops the work on the job. If the disk is too full for it, removing the plan
        // stops the work, too, only later. The plan is missing if an earlier removal ended half-way.
        match self.app.ledger.conclude(job, Outcome::cancelled()).await {
            Err(error) if !error.is_full() && !matches!(error, StorageError::NotFound(..)) => {
                return Err(error.into());
            }
            _ => {}
        }
        self.app.ledger.remove(job).await?;
        self.app.pyramids.remove_both(job).await;
        if let Err(error) = self.app.state.forget(job).await {
            // It expires, since no process publishes it again.
            debug!(%job, error = causes::field(&error), "the state keeps a job that is gone");
        }
        self.tell(Look::Job(job)).await;
        Ok(())
    }

    /// Finds the job that a path or a form names.
    fn find(&self, id: &str) -> Result<LedgerEntry, ApiError> {
        let job: Option<JobId> = id.parse().ok();
        let entry = job.and_then(|job| self.app.ledger.get(job));
        entry.ok_or_else(|| ApiError::NotFound(format!("job {id:?}")))
    }

    /// As [`Self::find`], but fails unless the job is complete; `needs` says what for.
    async fn find_complete(&self, id: &str, needs: &'static str) -> Result<LedgerEntry, ApiError> {
        let entry = self.find(id)?;
        match &entry.outcome {
            Some(outcome) if outcome.is_complete() => Ok(entry),
            _ => Err(self.wrong_status(&entry, needs).await),
        }
    }

    /// The refusal of a request that `needs` another status of the job.
    async fn wrong_status(&self, entry: &LedgerEntry, needs: &'static str) -> ApiError {
        match view::job(&self.app, entry).await {
            Ok(JobView { status, .. }) => {
                ApiError::WrongStatus { job: entry.plan.id, status, needs }
            }
            Err(error) => error.into(),
        }
    }

    /// As [`Self::find`], but fails if the original is no longer kept.
    fn find_with_original(&self, id: &str) -> Result<LedgerEntry, ApiError> {
        let entry = self.find(id)?;
        if entry.outcome.is_some() && entry.kept.original.is_none() {
            return Err(retention::original_gone(&entry, &self.app.config.retention).into());
        }
        Ok(entry)
    }
}

/// Answers requests on `listener` with the API and `page` until `shutdown`, then finishes those in hand
/// for at most `grace`.
pub async fn serve(
    app: App,
    listener: TcpListener,
    page: Page,
    grace: Duration,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let hub = Hub::new(shutdown.clone());
    let watching = tokio::spawn(hub.clone().run(app.clone()));
    page.prepare();
    let api = web::Data::new(Api::new(app, page, hub, listener.local_addr()?));
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(api.clone())
            // The last layer is the first that a request passes.
            .wrap(from_fn(site::guard))
            // After `enter` has removed the base path, since routes do not include it.
            .wrap(from_fn(traffic::count))
            .wrap(from_fn(forwarded::enter))
            .wrap(security_headers())
            .configure(files::configure)
            .configure(routes::configure)
    })
    .workers(THREADS)
    // For this long the rest of a refused upload is read and dropped: a browser that cannot finish sending would
    // not read the answer.
    .client_disconnect_timeout(LINGER)
    .disable_signals()
    .shutdown_timeout(grace.as_secs())
    .listen(listener)?
    .run();
    let handle = server.handle();
    let served = tokio::spawn(server);
    shutdown.cancelled().await;
    handle.stop(true).await;
    watching.abort();
    served.await.map_err(io::Error::other)?
}

fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("content-security-policy", CONTENT_SECURITY_POLICY))
        .add(("x-content-type-options", "nosniff"))
        .add(("referrer-policy", "no-referrer"))
}
