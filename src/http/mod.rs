//! The API and the page. The only module that knows the web framework.
//!
//! * [`routes`]: which path leads where.
//! * `forwarded`: what trusted proxies say of requests, and the path below which they offer the server.
//! * `site`: which sites' pages may send requests.
//! * `door`: how many uploads and jobs are let in.
//! * [`upload`]: an image at the door.
//! * `form`: what a form contains.
//! * `heads`: the heads of its fields.
//! * `receive`: a body on its way into a file.
//! * [`download`]: originals and results.
//! * [`mosaic`]: small pictures of a job.
//! * [`pyramid`]: originals and results for those who look at them.
//! * [`events`]: what happens, as a stream.
//! * [`batch`]: jobs that a client counts as one.
//! * `archive`: the results of several jobs as one file.
//! * [`limits`]: what the server takes.
//! * `live`: the mosaic of a followed job, as events.
//! * `metrics`: numbers for Prometheus.
//! * `traffic`: what goes in and out, counted by route.
//! * [`view`]: jobs and the queue as the API shows them.
//! * `filters`: filters as the API shows them.
//! * [`error`]: what goes wrong, as the API says it.
//! * `files`: the files of jobs, for collectors on other machines.
//! * [`description`]: the API described for machines, gathered from the handlers.
//! * `answers`: the answers in it that handlers share.
//! * [`page`]: the files of the page.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App as Actix, HttpServer, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::door::Door;
use self::error::ApiError;
use self::events::Hub;
use self::forwarded::Proxies;
use self::page::Page;
use self::site::Site;
use self::traffic::Traffic;
use crate::app::App;
use crate::blocking;
use crate::model::event::Look;
use crate::model::job::{JobId, Outcome};
use crate::service::admit::Admission;
use crate::service::ledger::Entry;
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
mod form;
mod forwarded;
mod heads;
pub mod limits;
mod live;
mod metrics;
pub mod mosaic;
pub mod page;
pub mod previews;
pub mod pyramid;
mod receive;
pub mod routes;
mod site;
mod traffic;
pub mod upload;
pub mod view;

/// Threads that accept and answer; none of them computes.
const THREADS: usize = 2;
/// How long a client may go on to send what is not read any more.
const LINGER: Duration = Duration::from_secs(10);
/// Nothing from elsewhere, nothing inline, in no frame.
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
    /// One look at the disks at a time.
    disk_look: Arc<Semaphore>,
}

impl Api {
    /// Tells everybody to look. What is to be seen is stored, so that they see it later, too.
    async fn tell(&self, look: Look) {
        if let Err(error) = self.app.state.signal(look).await {
            debug!(error = &error as &dyn std::error::Error, "could not send a signal");
        }
    }

    /// Removes a job and its images, after cancelling it if it runs.
    async fn remove(&self, job: JobId) -> Result<(), ApiError> {
        // The outcome first: it stops whoever works on the job. So does a plan that is not there any more,
        // only later; and that needs no room on the disk. It is gone already where a removal ended half-way.
        match self.app.ledger.conclude(job, Outcome::cancelled()).await {
            Err(error) if !error.is_full() && !matches!(error, StorageError::NotFound(..)) => {
                return Err(error.into());
            }
            _ => {}
        }
        self.app.ledger.remove(job).await?;
        self.app.pyramids.remove_both(job).await;
        if let Err(error) = self.app.state.forget(job).await {
            // Without anybody who publishes it again, it expires.
            debug!(%job, error = &error as &dyn std::error::Error, "the state keeps a job that is gone");
        }
        self.tell(Look::Job(job)).await;
        Ok(())
    }

    /// The job that a path or a form names.
    fn find(&self, id: &str) -> Result<Entry, ApiError> {
        let job: Option<JobId> = id.parse().ok();
        let entry = job.and_then(|job| self.app.ledger.get(job));
        entry.ok_or_else(|| ApiError::NotFound(format!("job {id:?}")))
    }

    /// The same, for what needs the original.
    fn find_with_original(&self, id: &str) -> Result<Entry, ApiError> {
        let entry = self.find(id)?;
        if entry.outcome.is_some() && entry.kept.original.is_none() {
            return Err(retention::original_gone(&entry, &self.app.config.retention).into());
        }
        Ok(entry)
    }
}

/// Answers requests on `listener`, with `page` for people, until `shutdown`, then finishes those in hand
/// for at most `grace`.
pub async fn serve(
    app: App,
    listener: TcpListener,
    page: Page,
    grace: Duration,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (config, storage) = (Arc::clone(&app.config), app.storage.id().clone());
    let admission = Admission::new(config, storage, app.result_partitions);
    let admission = match app.config.kafka {
        Some(_) => admission.with_messages_of(app.config.topics.max_message.get()),
        None => admission,
    };
    let hub = Hub::new(shutdown.clone());
    let watching = tokio::spawn(hub.clone().run(app.clone()));
    let space = Space::new(&app.config);
    let door = Door::new(&app.config, Arc::clone(&app.ledger));
    let proxies = Proxies::new(&app.config.server);
    let site = Site::new(listener.local_addr()?, &app.config.server);
    let traffic = Traffic::new();
    blocking::run(page::prepare).await;
    let disk_look = Arc::new(Semaphore::new(1));
    let api = web::Data::new(Api {
        app,
        admission,
        space,
        door,
        proxies,
        site,
        page,
        hub,
        traffic,
        disk_look,
    });
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(api.clone())
            // The last one comes first.
            .wrap(from_fn(site::guard))
            // Behind what removes the path below which the server is: routes are without it.
            .wrap(from_fn(traffic::count))
            .wrap(from_fn(forwarded::enter))
            .wrap(security_headers())
            .configure(files::configure)
            .configure(routes::configure)
    })
    .workers(THREADS)
    // So long the rest of an upload that is refused is taken and dropped: a browser that cannot send on would
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
