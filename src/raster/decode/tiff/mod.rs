//! TIFF: one page, read as libtiff 4.7 reads it, some rows or a row of tiles at a time.
//!
//! - `directory`: the directories of a file, with their numbers and texts
//! - `pages`: which directory holds the picture, or a page
//! - `picture`: the tags of the picture, and their defaults
//! - `kind`: the kind of the samples, and which kinds are not read
//! - `places`: the offsets and lengths of strips and tiles
//! - `codec`: the compressions; `fax`, which reads `bits`, and `zstd` are two of them
//! - `jpeg`, `webp`, `lerc`: strips and tiles that are JPEG streams, WebP images and LERC blobs
//! - `chunks`: strips and tiles to bytes of samples
//! - `samples`: those bytes to samples as in [`crate::pixels`]
//! - `layout`: where in a band of pixels the samples go
//! - `bands`: the decoder
//! - `palette`: indexes to colours
//! - `lab`: Lab to colours
//! - `masked`: pixels that are empty
//! - `associated`: colours that are multiplied by alpha
//! - `tags`: the metadata

use std::io;

use super::super::pixels::SampleType;
use super::container::Container;
use super::error::DecodeError;
use super::limits::Limits;
use super::{Decoder, Input};
use associated::Associated;
use bands::{BandDecoder, PageSamples};
use codec::Codec;
use directory::{Directory, Tiff};
use kind::Kind;
use lab::InLab;
use masked::{EmptyBy, Masked};
use palette::{Indexed, Palette};
use picture::{BLACK_IS_ZERO, PALETTE, Picture};

mod associated;
mod bands;
mod bits;
mod chunks;
mod codec;
mod directory;
mod fax;
#[cfg(test)]
mod handmade;
mod jpeg;
mod jpeg2000;
mod kind;
mod lab;
mod layout;
mod lerc;
mod masked;
mod pages;
mod palette;
mod picture;
mod places;
#[cfg(test)]
mod rare;
mod samples;
#[cfg(test)]
mod sparse;
mod tags;
mod webp;
mod zstd;

fn broken(error: io::Error) -> DecodeError {
    // The error of a JPEG stream is already one of decoding.
    let error = error.downcast::<DecodeError>();
    error.unwrap_or_else(|error| DecodeError::from_io(Container::Tiff, error))
}

/// The decoder for a page of a file; see [`pages::find`].
pub(super) fn open<'r>(
    reader: Input<'r>,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let mut tiff = Tiff::new(reader).map_err(broken)?;
    let mut found = pages::find(&mut tiff, page)?;
    let picture = Picture::read(&mut tiff, &found.picture).map_err(broken)?;
    let kind = kind::of(&picture)?;
    let orientation = tags::orientation(&mut tiff, &found);
    let metadata = tags::metadata(&mut tiff, &found);
    let is_indexed = picture.photometric == PALETTE;
    let palette = is_indexed.then(|| Palette::read(&mut tiff, &found.picture, kind.bits));
    let palette = palette.transpose().map_err(broken)?;
    let shift = shift(&picture, kind, found.plane)?;
    let source = PageSamples::open(&mut tiff, &found.picture, &picture, kind, shift, limits)?;
    let mut notes = found.notes;
    let is_converted = palette.is_some() || kind.inks || kind.lab.is_some();
    let has_place_for_mask = !is_converted && !kind.format.has_alpha();
    let mask = found.mask.take();
    if mask.is_some() && !has_place_for_mask {
        notes.push("its mask was left out".to_owned());
    }
    let mask = mask.filter(|_| has_place_for_mask);
    let mask = mask.map(|mask| mask_samples(&mut tiff, &mask, limits)).transpose()?;
    let bands = BandDecoder::new(tiff.file, source);
    let bands = Box::new(bands.with(metadata, orientation).noting(notes));
    Ok(match (palette, kind.lab, EmptyBy::of(&picture, kind, mask)) {
        (Some(palette), ..) => Box::new(Indexed { bands, palette }),
        (None, Some(lab), _) => Box::new(InLab { bands, lab }),
        (None, None, _) if kind.is_associated => Box::new(Associated(bands)),
        (None, None, Some(empty)) => Box::new(Masked { bands, empty }),
        (None, None, None) => bands,
    })
}

/// The samples of a mask, which have one bit, or eight.
fn mask_samples(
    tiff: &mut Tiff<'_>,
    directory: &Directory,
    limits: &Limits,
) -> Result<PageSamples, DecodeError> {
    let mut mask = Picture::read(tiff, directory).map_err(broken)?;
    (mask.photometric, mask.missing) = (BLACK_IS_ZERO, None);
    let kind = kind::of(&mask)?;
    if mask.samples != 1 || kind.format.sample != SampleType::U8 {
        return Err(kind::refused("a mask of other than 1 or 8 bits", "save it without a mask"));
    }
    PageSamples::open(tiff, directory, &mask, kind, 0, limits)
}

/// How far behind the first picture of a stack without directories this one lies.
fn shift(picture: &Picture, kind: Kind, plane: u32) -> Result<u64, DecodeError> {
    if plane == 0 {
        return Ok(0);
    }
    if Codec::of(picture) != Codec::None || kind.is_packed() {
        return Err(kind::refused("a compressed stack in one page", "save its pages one by one"));
    }
    let samples = picture.size.pixels().checked_mul(picture.samples);
    let bytes = samples.and_then(|samples| samples.checked_mul(kind.sample_bytes() as u64));
    bytes
        .and_then(|bytes| bytes.checked_mul(plane.into()))
        .ok_or_else(|| broken(directory::damaged("its pages are too large")))
}
