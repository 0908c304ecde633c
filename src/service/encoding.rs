//! Bands that are encoded in parallel, and joined in order into the final image.

use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::model::job::{Failure, Plan};
use crate::raster::encode::{EncodeError, EncodedBand, Encoder};
use crate::raster::metadata::{Metadata, Policy};
use crate::service::scratch;
use crate::storage::{ResultStorage, Staged, StorageError};
use crate::{blocking, causes};

/// Bytes gathered before they are written to the final image.
const WRITE_BUFFER: usize = 1 << 20;

/// The metadata of a result.
pub(super) async fn metadata(
    storage: &dyn ResultStorage,
    plan: &Plan,
) -> Result<Metadata, StorageError> {
    if plan.output.metadata == Policy::None {
        return Ok(Metadata::default());
    }
    let metadata = match storage.metadata(plan.id).await {
        // The job was removed, so its result does not matter.
        Err(StorageError::NotFound(..)) => Metadata::default(),
        read => read?,
    };
    Ok(plan.result_metadata(metadata))
}

/// The encoder of a plan's result.
pub(super) fn encoder(plan: &Plan, metadata: &Metadata) -> Result<Arc<Encoder>, Failure> {
    let encoder = Encoder::with(plan.output, plan.result_size(), plan.result_format(), metadata);
    encoder.map(Arc::new).map_err(cannot_write)
}

/// Writes all bands into `image`. The futures that encode them are given in order; `look_ahead` of them run at a time.
pub(super) async fn write<F>(
    encoder: Arc<Encoder>,
    image: Staged,
    look_ahead: usize,
    bands: impl Stream<Item = F>,
) -> Result<Staged, Failure>
where
    F: Future<Output = Result<Vec<EncodedBand>, Failure>>,
{
    let (encoded, to_join) = mpsc::channel(look_ahead);
    let joined = tokio::spawn(blocking::caught(move || join(&encoder, image, to_join)));
    let joined = AbortOnDropHandle::new(joined);
    let mut bands = std::pin::pin!(bands.buffered(look_ahead));
    while let Some(some) = bands.next().await {
        // A joiner that has ended returns its error below.
        if encoded.send(some?).await.is_err() {
            break;
        }
    }
    drop(encoded);
    let interrupted = || Failure::of_job("joining the result was interrupted");
    joined.await.map_err(|_| interrupted())?.map_err(|_| interrupted())?
}

/// Writes bands, in order, until there are no more. Blocks on the disk.
fn join(
    encoder: &Encoder,
    image: Staged,
    mut bands: mpsc::Receiver<Vec<EncodedBand>>,
) -> Result<Staged, Failure> {
    let unwritten = |error| unwritten(image.directory(), error);
    let file = image.file().try_clone().map_err(cannot_write)?;
    let buffer = BufWriter::with_capacity(WRITE_BUFFER, file);
    let mut writer = encoder.writer(buffer).map_err(unwritten)?;
    while let Some(some) = bands.blocking_recv() {
        some.iter().try_for_each(|band| writer.push(band)).map_err(unwritten)?;
    }
    let buffer = writer.finish().map_err(unwritten)?;
    buffer.into_inner().map_err(|error| unwritten(error.into_error().into()))?;
    Ok(image)
}

/// The failure of a result that cannot be written into a directory, whose disk may be full.
fn unwritten(directory: &Path, error: EncodeError) -> Failure {
    match error {
        EncodeError::Write { source } if source.kind() == io::ErrorKind::StorageFull => {
            cannot_write(scratch::failed(directory, &source))
        }
        error => cannot_write(error),
    }
}

/// The failure of a result that cannot be written, with all causes: the owner of the job sees no log.
pub(super) fn cannot_write(error: impl std::error::Error) -> Failure {
    Failure::of_job(format!("cannot write the result: {}", causes::all(&error)))
}
