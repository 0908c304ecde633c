//! Rows on their way to sRGB.

use std::fmt;
use std::io;
use std::sync::Arc;

use moxcms::{ColorProfile, Layout, TransformExecutor, TransformOptions};

use super::shaper::Shaper;
use super::{Model, inks};
use crate::raster::filter::nearest;
use crate::raster::format::{Channels, PixelFormat};
use crate::raster::pixels::{Pixels, Samples, SamplesMut};
use crate::raster::sample::Sample;
use crate::raster::source::Rows;

/// A table of many dimensions, as a library interpolates in it.
type Table = Arc<dyn TransformExecutor<u8> + Send + Sync>;

/// The way of one image's pixels to sRGB.
pub(in crate::raster) enum Conversion {
    /// Three curves and a matrix, or one curve.
    Shaped(Shaper),
    /// A table. Of the library only what it does with 8 bits is the same on every processor, so 16
    /// bits go through it as 8.
    Tabled(Table),
    /// Inks of which nothing is known.
    Plain,
}

impl Conversion {
    pub(super) fn with(
        profile: &ColorProfile,
        model: Model,
        format: PixelFormat,
    ) -> Option<Conversion> {
        let max = (1_u32 << format.depth.bits()) - 1;
        if model != Model::Inks
            && let Some(shaper) = Shaper::new(profile, max)
        {
            return Some(Conversion::Shaped(shaper));
        }
        let (from, to) = match model {
            Model::Grey => return None,
            Model::Rgb if format.has_alpha() => (Layout::Rgba, Layout::Rgba),
            Model::Rgb => (Layout::Rgb, Layout::Rgb),
            // Four inks are told so by their number.
            Model::Inks => (Layout::Rgba, Layout::Rgb),
        };
        let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
        profile.create_transform_8bit(from, &srgb, to, options).ok().map(Conversion::Tabled)
    }

    /// The rows in sRGB; `inks` says that their four samples are no RGBA.
    fn apply(&self, mut rows: Pixels, inks: bool) -> io::Result<Pixels> {
        let (size, channels) = (rows.size(), rows.channels());
        match self {
            Conversion::Shaped(shaper) => {
                match rows.samples_mut() {
                    SamplesMut::U8(samples) => shape(shaper, samples, channels),
                    SamplesMut::U16(samples) => shape(shaper, samples, channels),
                }
                Ok(rows)
            }
            Conversion::Plain => Ok(match rows.samples() {
                Samples::U8(samples) => Pixels::of(size, Channels::Rgb, plain(samples)),
                Samples::U16(samples) => Pixels::of(size, Channels::Rgb, plain(samples)),
            }),
            Conversion::Tabled(table) => {
                let channels = if inks { Channels::Rgb } else { channels };
                Ok(match rows.samples() {
                    Samples::U8(samples) => {
                        Pixels::of(size, channels, through(table, samples, &rows, channels)?)
                    }
                    Samples::U16(samples) => {
                        let narrow =
                            samples.iter().map(|v| u8::clamped((i64::from(*v) + 128) / 257));
                        let narrow: Vec<u8> = narrow.collect();
                        let eight = through(table, &narrow, &rows, channels)?;
                        let wide = eight.into_iter().map(|v| u16::from(v) * 257).collect();
                        Pixels::of::<u16>(size, channels, wide)
                    }
                })
            }
        }
    }
}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conversion")
    }
}

fn shape<S: Sample>(shaper: &Shaper, samples: &mut [S], channels: Channels) {
    let index = |value: S| value.to_u32() as usize;
    for pixel in samples.chunks_exact_mut(channels.count()) {
        match pixel {
            [r, g, b, ..] => {
                [*r, *g, *b] = shaper.colour([*r, *g, *b].map(index)).map(nearest);
            }
            [grey, ..] => *grey = nearest(shaper.grey(index(*grey))),
            [] => {}
        }
    }
}

fn plain<S: Sample>(samples: &[S]) -> Vec<S> {
    samples.as_chunks::<4>().0.iter().flat_map(|&pixel| inks::colour(pixel)).collect()
}

fn through(
    table: &Table,
    samples: &[u8],
    rows: &Pixels,
    channels: Channels,
) -> io::Result<Vec<u8>> {
    let mut out = vec![0; samples.len() / rows.channels().count() * channels.count()];
    table.transform(samples, &mut out).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(out)
}

/// Gives rows on in sRGB.
pub(in crate::raster) struct Converted<'a> {
    pub(in crate::raster) rows: &'a mut dyn Rows,
    pub(in crate::raster) conversion: Conversion,
    pub(in crate::raster) inks: bool,
}

impl Rows for Converted<'_> {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        self.rows.push(self.conversion.apply(rows, self.inks)?)
    }
}
