//! JPEG 2000: a codestream, alone or in the boxes of JP2 and JPX.
//!
//! - `coding`: how components are coded, as far as memory depends on it
//! - `outline`: the headers, read before the library gets the file
//! - `planes`: the decoded channels as samples

use std::io::{Read, Seek, SeekFrom};

use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};

use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::limits::{Limits, band_rows, raster_bytes};
use super::{Decoder, Input, Stored};
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Alpha, Bands, PixelFormat, StoredType};
use crate::source::Rows;
use outline::Outline;

mod coding;
mod outline;
mod planes;

pub(super) use planes::{Chunk, chunk_memory, decode_chunk};

/// More bits are no picture that a file of 16 bits could hold.
const MOST_BITS: u8 = 16;

/// The colour spaces CMYK and YCCK (ISO/IEC 15444-2, table M.25).
const INKS: [u32; 2] = [12, 13];

/// The data colour space of a profile over `CIELab`, and where it stands in the profile (ICC.1, 7.2.6).
const LAB: &[u8] = b"Lab ";
const DATA_COLOURS: std::ops::Range<usize> = 16..20;

struct Jpeg2000 {
    file: Vec<u8>,
    stored: Stored,
    bits: u8,
    metadata: Metadata,
    memory: u64,
}

fn broken(error: hayro_jpeg2000::DecodeError) -> DecodeError {
    DecodeError::damaged(Container::Jpeg2000, error)
}

fn refused(what: &str) -> DecodeError {
    DecodeError::unsupported(Container::Jpeg2000, what, RESAVE)
}

/// What is cut short is damaged, and channels are never guessed to be alpha.
fn settings() -> DecodeSettings {
    DecodeSettings { strict: true, ..DecodeSettings::default() }
}

/// The decoder for a file.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let read = |error| DecodeError::from_io(Container::Jpeg2000, error);
    let outline = Outline::read(&mut reader).map_err(read)?;
    limits.check_size(outline.grid.image)?;
    let (bits, own) = kind(&outline)?;
    let length = reader.seek(SeekFrom::End(0))?;
    let channels = outline.bits.len() as u64;
    let output = outline.grid.image.pixels().saturating_mul(own.in_memory().bytes() as u64);
    let memory = memory(&outline, length);
    // Before anything is read.
    limits.check_memory(memory.saturating_add(output.saturating_mul(channels)))?;
    reader.seek(SeekFrom::Start(0))?;
    let mut file = Vec::new();
    reader.read_to_end(&mut file)?;
    let image = Image::new(&file, &settings()).map_err(broken)?;
    let size = Size::new(image.width(), image.height());
    if size != outline.grid.image {
        return Err(DecodeError::damaged(Container::Jpeg2000, "it has two sizes"));
    }
    let (bands, inks, icc) = colours(&image, outline.colours)?;
    let format = PixelFormat::new(bands, own.in_memory());
    let stored = Stored { size, format, own, orientation: Orientation::UPRIGHT, inks };
    let memory = memory.saturating_add(raster_bytes(size, format));
    let metadata = Metadata { icc, ..Metadata::default() };
    Ok(Box::new(Jpeg2000 { file, stored, bits, metadata, memory }))
}

/// The bits of all channels, and the type of their samples.
fn kind(outline: &Outline) -> Result<(u8, StoredType), DecodeError> {
    let (bits, signed) = (outline.bits[0], outline.signed[0]);
    let alike = outline.bits.iter().all(|other| *other == bits);
    if !alike || outline.signed.iter().any(|other| *other != signed) {
        return Err(refused("samples of several kinds"));
    }
    let own = match (bits, signed) {
        (..=8, false) => StoredType::U8,
        (..=MOST_BITS, false) => StoredType::U16,
        (..=8, true) => StoredType::I8,
        (..=MOST_BITS, true) => StoredType::I16,
        _ => return Err(refused(&format!("samples of {bits} bits"))),
    };
    Ok((bits, own))
}

/// The bands, whether they are inks, and the profile. `declared` is the number of the colour space that the file names.
fn colours(
    image: &Image<'_>,
    declared: Option<u32>,
) -> Result<(Bands, bool, Option<Vec<u8>>), DecodeError> {
    let alpha = if image.has_alpha() { Alpha::Opacity } else { Alpha::None };
    let (space, mut icc) = (image.color_space(), None);
    if let ColorSpace::Icc { profile, .. } = space {
        if profile.get(DATA_COLOURS) == Some(LAB) {
            return Err(refused("CIELab colours"));
        }
        icc = Some(profile.clone());
    }
    let bands = match (space, space.num_channels()) {
        (ColorSpace::Unknown { .. }, count) => Bands::unnamed(count.into()),
        (_, 1) => Bands::GREY,
        (_, 3) => Bands::RGB,
        // The library takes four channels of any file that says less for inks.
        (ColorSpace::CMYK, 4) if !declared.is_some_and(|space| INKS.contains(&space)) => {
            Bands::unnamed(4)
        }
        (_, 4) if image.has_alpha() => return Err(refused("CMYK with alpha")),
        (_, 4) => return Ok((Bands::RGBA, true, icc)),
        (_, count) => Bands::unnamed(count.into()),
    };
    let icc = icc.filter(|_| bands.are_colours());
    Ok((bands.with(alpha), false, icc))
}

/// Bytes of memory that decoding a file of this length takes, beside the pixels.
fn memory(outline: &Outline, length: u64) -> u64 {
    let samples = outline.grid.image.pixels().saturating_mul(outline.bits.len() as u64);
    // Floats, which are copied where channels are mapped.
    let channels = samples.saturating_mul(if outline.is_mapped { 8 } else { 4 });
    let tiles = outline.coding.memory(outline.grid);
    [channels, tiles, length].into_iter().fold(0, u64::saturating_add)
}

impl Decoder for Jpeg2000 {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn read(self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Stored { size, format, own, .. } = self.stored;
        let image = Image::new(&self.file, &settings()).map_err(broken)?;
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(broken)?;
        let planes = planes::of(&decoded, size, format.samples_per_pixel())
            .ok_or_else(|| DecodeError::damaged(Container::Jpeg2000, "it has other channels"))?;
        let step = band_rows(size, format);
        for top in (0..size.height).step_by(step as usize) {
            let band = top..size.height.min(top.saturating_add(step));
            let pixels = planes::band(&planes, size.width, band, format, own, self.bits);
            rows.push(pixels).map_err(DecodeError::keep)?;
        }
        Ok(())
    }
}
