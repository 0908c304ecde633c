//! Streams a request body into a file, as fast as the disk takes it and as long as there is room.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use indicatif::HumanBytes;
use tokio::time::timeout;

use super::Api;
use super::error::{ApiError, Result};
use crate::config::{self, Config, Seconds};
use crate::refusal::{Code, Refusal};
use crate::service::space::ServerDirectory;

/// Bytes of a body between two looks at the free space.
const SPACE_EVERY: u64 = 16 << 20;

/// The most bytes that a body may have, the setting that says so, and the disk that they go to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    pub(super) setting: &'static str,
    pub(super) place: ServerDirectory,
}

impl Limit {
    /// The limit of the image of a job.
    pub(super) fn of_upload(config: &Config) -> Self {
        let bytes = config.limits.max_upload.get();
        Self { bytes, setting: "limits.max_upload", place: ServerDirectory::Data }
    }

    /// The limit of an image that is only kept for previews.
    pub(super) fn of_preview(config: &Config) -> Self {
        let bytes = config.limits.preview.get();
        Self { bytes, setting: "limits.preview", place: ServerDirectory::Scratch }
    }
}

/// Writes a body to a file, rewinds the file, and returns the number of bytes. Fails if the body exceeds
/// `limit`, if the disk has too little room, or if the client sends nothing for `limits.upload_idle`. The body is read
/// only as fast as it is written: back-pressure holds the rest in the client.
pub(super) async fn into_file<E: Into<ApiError>>(
    api: &Api,
    file: File,
    limit: Option<Limit>,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<u64> {
    let config = &api.app.config;
    let file = Arc::new(file);
    let (mut bytes, mut look_at) = (0, SPACE_EVERY);
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = within(config, body.try_next()).await? {
        bytes += chunk.len() as u64;
        if let Some(limit) = limit.filter(|limit| bytes > limit.bytes) {
            return Err(too_large(bytes, limit).into());
        }
        if bytes >= look_at {
            look_at = bytes + SPACE_EVERY;
            let space = api.space.clone();
            let place = limit.map_or(ServerDirectory::Data, |limit| limit.place);
            web::block(move || space.check(place, 0)).await.map_err(ApiError::internal)??;
        }
        let writing = Arc::clone(&file);
        blocking(move || (&*writing).write_all(&chunk)).await?;
    }
    blocking(move || (&*file).rewind()).await?;
    Ok(bytes)
}

/// Waits for data from the client for at most `limits.upload_idle`.
pub(super) async fn within<T, E: Into<ApiError>>(
    config: &Config,
    coming: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    let limit = config.limits.upload_idle;
    match timeout(limit.duration(), coming).await {
        Ok(come) => come.map_err(Into::into),
        Err(_) => Err(stalled(limit).into()),
    }
}

fn stalled(limit: Seconds) -> Refusal {
    Refusal::new(Code::Stalled, "the upload was given up because it stalled")
        .value(format!("nothing for {limit}"))
        .limit(limit, "limits.upload_idle")
}

pub(super) fn too_large(bytes: u64, limit: Limit) -> Refusal {
    Refusal::new(Code::TooLarge, "the upload is too large")
        .value(format!("{} ({bytes} bytes) or more", HumanBytes(bytes)))
        .limit(config::Bytes::new(limit.bytes), limit.setting)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    web::block(work).await.map_err(ApiError::internal)?.map_err(ApiError::io)
}
