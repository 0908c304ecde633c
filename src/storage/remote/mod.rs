//! The files of a server on another machine, as far as a collector needs them: over HTTP, from `http/files`.
//!
//! * `link`: one request, and what its answer means.
//! * [`metadata`]: the metadata of an original, as bytes.
//! * [`paths`]: the paths of the requests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use tracing::warn;
use ureq::http::Method;

use self::link::Link;
use super::{ResultStorage, Staged, StorageError};
use crate::agent::url::ServerUrl;
use crate::blocking;
use crate::causes;
use crate::model::job::{JobId, Outcome, Plan, Step, StorageId};
use crate::raster::metadata::Metadata;

mod link;
pub mod metadata;
pub mod paths;

type Result<T, E = StorageError> = std::result::Result<T, E>;

/// The pause before a final image is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// How to reach the files of a server.
#[derive(Debug)]
pub struct RemoteOptions {
    /// The server.
    pub url: ServerUrl,
    /// The secret that the server and its collectors share.
    pub token: String,
    /// Where final images are staged before they are sent.
    pub staging: PathBuf,
}

/// The results' part of a server's storage.
#[derive(Debug)]
pub struct RemoteStorage {
    id: StorageId,
    link: Arc<Link>,
    staging: PathBuf,
}

impl RemoteStorage {
    /// Asks the server for the id of its storage. If it does not accept the token, the error is permanent:
    /// waiting does not help.
    pub async fn connect(options: RemoteOptions) -> Result<Self> {
        let RemoteOptions { url, token, staging } = options;
        let link = Arc::new(Link::new(url, &token));
        let asked = Arc::clone(&link);
        let id = blocking::run(move || asked.introduce()).await?;
        Ok(Self { id, link, staging })
    }

    /// Removes the final images that dead processes staged. Returns their number.
    pub async fn sweep(&self) -> Result<u32> {
        let staging = self.staging.clone();
        blocking::run(move || Staged::sweep(&staging).map_err(StorageError::io("sweep", &staging)))
            .await
    }

    /// Makes a request on a thread that may block.
    async fn call<T: Send + 'static>(
        &self,
        request: impl FnOnce(&Link) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let link = Arc::clone(&self.link);
        blocking::run(move || request(&link)).await
    }
}

#[async_trait]
impl ResultStorage for RemoteStorage {
    fn id(&self) -> &StorageId {
        &self.id
    }

    async fn is_same(&self) -> Result<bool> {
        Ok(self.call(Link::introduce).await? == self.id)
    }

    async fn plan(&self, job: JobId) -> Result<Plan> {
        self.call(move |link| link.plan(job, &paths::plan(job))).await
    }

    async fn metadata(&self, job: JobId) -> Result<Metadata> {
        self.call(move |link| link.metadata(job, &paths::metadata(job))).await
    }

    async fn stage_final(&self, _plan: &Plan) -> Result<Staged> {
        let staging = self.staging.clone();
        blocking::run(move || {
            Staged::in_directory(&staging).map_err(StorageError::io("write to", &staging))
        })
        .await
    }

    /// Sends the image until it has arrived: it is expensive to make, and the server may only be
    /// restarting.
    async fn publish_final(&self, plan: &Plan, image: Staged) -> Result<()> {
        let (job, image) = (plan.id, Arc::new(image));
        loop {
            let sent = Arc::clone(&image);
            let sent = self.call(move |link| {
                link.send(job, "plan", Method::PUT, &paths::final_image(job), sent.as_ref())
            });
            match sent.await {
                Err(error) if error.is_unavailable() => {
                    warn!(
                        %job,
                        error = causes::field(&error),
                        "a final image cannot be handed over yet"
                    );
                    sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn remove_final(&self, job: JobId) -> Result<()> {
        self.call(move |link| link.send(job, "plan", Method::DELETE, &paths::final_image(job), &()))
            .await
    }

    async fn keep_thumbnail(&self, job: JobId, png: Vec<u8>) -> Result<()> {
        self.call(move |link| link.send(job, "plan", Method::PUT, &paths::thumbnail(job), &png))
            .await
    }

    async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome> {
        self.call(move |link| link.conclude(job, &paths::outcome(job), &outcome)).await
    }

    async fn outcome(&self, job: JobId) -> Result<Option<Outcome>> {
        self.call(move |link| link.read(job, "outcome", &paths::outcome(job))).await
    }

    async fn count_start(&self, job: JobId, step: Step) -> Result<u32> {
        self.call(move |link| link.count(job, &paths::starts(job, step))).await
    }

    async fn clear_starts(&self, job: JobId, step: Step) -> Result<()> {
        self.call(move |link| {
            link.send(job, "plan", Method::DELETE, &paths::starts(job, step), &())
        })
        .await
    }
}
