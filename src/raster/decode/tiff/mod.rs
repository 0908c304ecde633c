//! TIFF: one picture, read as libtiff 4.7 reads it, some rows or a row of tiles at a time.
//!
//! - `directory`: the directories of a file, with their numbers and texts
//! - `pages`: which directory holds the picture
//! - `picture`: the tags of the picture, and their defaults
//! - `kind`: the kind of the samples, and which kinds are not read
//! - `places`: the offsets and lengths of strips and tiles
//! - `codec`: the compressions
//! - `jpeg`: strips and tiles that are JPEG streams
//! - `chunks`: strips and tiles to bytes of samples
//! - `samples`: those bytes to samples as in [`crate::pixels`]
//! - `layout`: where in a band of pixels the samples go
//! - `bands`: the decoder
//! - `associated`: colours that are multiplied by alpha
//! - `tags`: the metadata

use std::io;

use super::container::Container;
use super::error::DecodeError;
use super::limits::Limits;
use super::{Decoder, Input};
use associated::Associated;
use directory::Tiff;
use kind::Alpha;
use picture::Picture;

mod associated;
mod bands;
mod chunks;
mod codec;
mod directory;
mod jpeg;
mod kind;
mod layout;
mod pages;
mod picture;
mod places;
mod samples;
mod tags;

fn broken(error: io::Error) -> DecodeError {
    // The error of a JPEG stream is already one of decoding.
    let error = error.downcast::<DecodeError>();
    error.unwrap_or_else(|error| DecodeError::from_io(Container::Tiff, error))
}

/// The decoder for the only picture of a file.
pub(super) fn open<'r>(
    reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let mut tiff = Tiff::new(reader).map_err(broken)?;
    let found = pages::find(&mut tiff)?;
    let picture = Picture::read(&mut tiff, &found.picture).map_err(broken)?;
    let kind = kind::of(&picture)?;
    let orientation = tags::orientation(&mut tiff, &found);
    let metadata = tags::metadata(&mut tiff, &found);
    let bands = bands::open(tiff, &found.picture, &picture, kind, limits)?;
    let bands = Box::new(bands.with(metadata, orientation));
    let is_multiplied = kind.alpha == Alpha::Associated;
    Ok(if is_multiplied { Box::new(Associated(bands)) } else { bands })
}
