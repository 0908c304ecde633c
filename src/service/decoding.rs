//! Runs decoders, and says in words why an image was not decoded.

use std::io;

use crate::blocking;
use crate::causes;
use crate::model::job::Failure;
use crate::raster::decode::DecodeError;
use crate::refusal::Refusal;
use crate::storage::StorageError;

/// Runs a decoder, which may panic.
pub(super) async fn caught<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DecodeError> + Send + 'static,
) -> Result<T, Failure> {
    match blocking::caught(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(DecodeError::Keep { source })) => Err(unkept(&source)),
        Ok(Err(error)) => {
            let futile = error.is_of_the_image();
            Err(Failure { futile, ..Failure::of_job(Refusal::from(error).to_string()) })
        }
        Err(_) => Err(Failure::of_image("the image cannot be decoded: the decoder crashed")),
    }
}

/// The failure of a job whose original cannot be read from the storage.
pub(super) fn unreadable(error: &StorageError) -> Failure {
    Failure::of_job(format!("cannot read the image: {}", causes::all(error)))
}

/// The failure of a job whose original has changed since it was accepted.
pub(super) fn changed() -> Failure {
    Failure::of_image("the original is not the image that was accepted")
}

/// The failure of a job whose decoded image cannot be kept, or not be read again.
pub(super) fn unkept(error: &io::Error) -> Failure {
    Failure::of_job(format!("cannot keep the decoded image: {error}"))
}
