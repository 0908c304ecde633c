//! TIFF: one picture, read as libtiff 4.7 reads it, some rows or a row of tiles at a time.
//!
//! - `directory`: the directories of a file, with their numbers and texts
//! - `pages`: which directory holds the picture
//! - `picture`: the tags of the picture, and their defaults
//! - `kind`: the kind of the samples, and which kinds are not read
//! - `places`: the offsets and lengths of strips and tiles
//! - `codec`: the compressions; `fax`, which reads `bits`, and `zstd` are two of them
//! - `jpeg`: strips and tiles that are JPEG streams
//! - `chunks`: strips and tiles to bytes of samples
//! - `samples`: those bytes to samples as in [`crate::pixels`]
//! - `layout`: where in a band of pixels the samples go
//! - `bands`: the decoder
//! - `palette`: indexes to colours
//! - `masked`: pixels that are empty
//! - `associated`: colours that are multiplied by alpha
//! - `tags`: the metadata

use std::io;

use super::container::Container;
use super::error::DecodeError;
use super::limits::Limits;
use super::{Decoder, Input};
use associated::Associated;
use directory::Tiff;
use masked::{Empty, Masked};
use palette::{Indexed, Palette};
use picture::{PALETTE, Picture};

mod associated;
mod bands;
mod bits;
mod chunks;
mod codec;
mod directory;
mod fax;
mod jpeg;
mod kind;
mod layout;
mod masked;
mod pages;
mod palette;
mod picture;
mod places;
mod samples;
mod tags;
mod zstd;

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
    let is_indexed = picture.photometric == PALETTE;
    let palette = is_indexed.then(|| Palette::read(&mut tiff, &found.picture, kind.bits));
    let palette = palette.transpose().map_err(broken)?;
    let bands = bands::open(tiff, &found.picture, &picture, kind, limits)?;
    let bands = Box::new(bands.with(metadata, orientation));
    Ok(match (palette, Empty::of(&picture, kind)) {
        (Some(palette), _) => Box::new(Indexed { bands, palette }),
        (None, _) if kind.is_associated => Box::new(Associated(bands)),
        (None, Some(empty)) => Box::new(Masked { bands, empty }),
        (None, None) => bands,
    })
}
