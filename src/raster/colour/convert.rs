//! Converts rows to sRGB.

use std::io;

use moxcms::ColorProfile;

use super::shaper::Shaper;
use super::table::{self, Table};
use super::{Model, inks};
use crate::format::{Bands, SampleType};
use crate::grid::Size;
use crate::pixels::{Pixels, Samples, SamplesMut};
use crate::sample::{Whole, nearest};
use crate::source::Rows;

/// How one image's pixels become sRGB.
#[derive(Debug)]
pub(crate) enum Conversion {
    /// By three curves and a matrix, or one curve.
    Shaped(Shaper),
    /// By a lookup table.
    Tabled(Table),
    /// From inks without a profile.
    Plain,
}

/// If the number of samples changes, about this many bytes are passed on at a time, so that an image that
/// came as a whole is not in memory twice.
const BAND_BYTES: u64 = 1 << 20;

impl Conversion {
    /// The conversion by a profile; `None` if the profile lacks what it takes, or for floats. A table is preferred to curves and a
    /// matrix, since it says more.
    pub(super) fn with(
        profile: &ColorProfile,
        model: Model,
        sample: SampleType,
    ) -> Option<Conversion> {
        let max = match sample {
            SampleType::U8 => u8::MAX.into(),
            SampleType::U16 => u16::MAX.into(),
            SampleType::F32 => return None,
        };
        if let Some(found) = table::of(profile, model.samples()) {
            let table = Table::new(profile, found, model.samples(), max)?;
            return Some(match model {
                Model::Grey => Conversion::Shaped(Shaper::of_light(table.lights(max))),
                _ => Conversion::Tabled(table),
            });
        }
        Shaper::new(profile, model, max).map(Conversion::Shaped)
    }
}

fn shape<S: Whole>(shaper: &Shaper, samples: &mut [S], bands: Bands) {
    for pixel in samples.chunks_exact_mut(bands.count()) {
        match pixel {
            [r, g, b, ..] => {
                [*r, *g, *b] = shaper.colour([*r, *g, *b].map(index)).map(nearest);
            }
            [grey, ..] => *grey = nearest(shaper.grey(index(*grey))),
            [] => {}
        }
    }
}

fn index<S: Whole>(value: S) -> usize {
    value.to_u32() as usize
}

fn plain<S: Whole>(samples: &[S]) -> Vec<S> {
    samples.as_chunks::<4>().0.iter().flat_map(|&pixel| inks::colour(pixel)).collect()
}

/// Converts pixels of `count` samples by the table, which takes the first of them; alpha, if any, stays the last.
fn through<S: Whole>(table: &Table, samples: &[S], count: usize) -> Vec<S> {
    let inputs = table.inputs();
    let mut out = Vec::with_capacity(samples.len() / count * (count + 3 - inputs));
    // Neighbours are often equal.
    let mut last: Option<(&[S], [S; 3])> = None;
    for pixel in samples.chunks_exact(count) {
        let (colour, rest) = pixel.split_at(inputs);
        let converted = match last {
            Some((before, converted)) if before == colour => converted,
            _ => table.colour(colour.iter().map(|value| index(*value))).map(nearest),
        };
        last = Some((colour, converted));
        out.extend_from_slice(&converted);
        out.extend_from_slice(rest);
    }
    out
}

/// Converts rows to sRGB and passes them on.
pub(crate) struct Converted<'a> {
    pub(crate) rows: &'a mut dyn Rows,
    pub(crate) conversion: Conversion,
    /// Whether the four samples of a pixel are inks, not RGBA.
    pub(crate) inks: bool,
}

impl Rows for Converted<'_> {
    fn push(&mut self, mut rows: Pixels) -> io::Result<()> {
        let bands = rows.bands();
        let table = match &self.conversion {
            Conversion::Shaped(shaper) => {
                match rows.samples_mut() {
                    SamplesMut::U8(samples) => shape(shaper, samples, bands),
                    SamplesMut::U16(samples) => shape(shaper, samples, bands),
                    SamplesMut::F32(_) => unreachable!("no profile is for floats"),
                }
                return self.rows.push(rows);
            }
            Conversion::Tabled(table) => Some(table),
            Conversion::Plain => None,
        };
        let portions = Portions { rows: &mut *self.rows, table, inks: self.inks };
        match rows.samples() {
            Samples::U8(samples) => portions.push(samples, rows.size(), bands),
            Samples::U16(samples) => portions.push(samples, rows.size(), bands),
            Samples::F32(_) => unreachable!("no profile is for floats"),
        }
    }
}

/// Converts rows pixel by pixel and passes them on: by a table, or as inks without a profile.
struct Portions<'a> {
    rows: &'a mut dyn Rows,
    table: Option<&'a Table>,
    inks: bool,
}

impl Portions<'_> {
    fn push<S: Whole>(self, samples: &[S], size: Size, bands: Bands) -> io::Result<()> {
        let row = (size.width as usize * bands.count()).max(1);
        let rows = usize::try_from(BAND_BYTES).unwrap_or(usize::MAX) / (row * size_of::<S>());
        let given = if self.inks { Bands::RGB } else { bands };
        for band in samples.chunks(row * rows.max(1)) {
            let height = u32::try_from(band.len() / row).unwrap_or(u32::MAX);
            let converted = match self.table {
                Some(table) => through(table, band, bands.count()),
                None => plain(band),
            };
            self.rows.push(Pixels::of(Size { height, ..size }, given, converted))?;
        }
        Ok(())
    }
}
