//! A picture into the tiles of its pyramid, each made once: from the picture, or from the four below it.

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Progress;
use super::file::Writer;
use crate::blocking;
use crate::raster::encode::{Encoder, OutputFormat, OutputOptions};
use crate::raster::pixels::{Depth, PixelFormat, Pixels};
use crate::raster::pyramid::{Levels, Place, eight_bit, halve};
use crate::raster::source::Source;
use crate::storage::Staged;

/// Fine enough for the eye; chroma is halved.
const QUALITY: u8 = 88;
/// Parts of the picture that are made side by side, at most; the top of each stays in memory.
const PARTS: usize = 16;

/// The format of the tiles of a picture.
pub(super) fn format_for(picture: PixelFormat) -> OutputFormat {
    if picture.has_alpha() { OutputFormat::Png } else { OutputFormat::Jpeg }
}

/// Makes all tiles of a picture on at most `threads` threads.
pub(super) async fn build(
    source: Source,
    writer: Writer,
    threads: usize,
    progress: Arc<Progress>,
) -> io::Result<Staged> {
    let levels = Levels::new(source.size());
    let format = format_for(source.format());
    let writer = Mutex::new(writer);
    let builder = Arc::new(Builder { source, levels, format, writer, progress });
    let tops = (0..levels.count()).find(|level| levels.places(*level).count() <= PARTS);
    let parts: Vec<_> = levels.places(tops.unwrap_or(0)).collect();
    let made: HashMap<Place, Pixels> = stream::iter(parts)
        .map(|place| {
            let builder = Arc::clone(&builder);
            run(move || Ok((place, builder.make(place, &mut HashMap::new())?)))
        })
        .buffer_unordered(threads)
        .try_collect()
        .await?;
    run(move || {
        let top = Place { level: levels.count() - 1, column: 0, row: 0 };
        builder.make(top, &mut { made })?;
        let builder = Arc::into_inner(builder).expect("all parts are made");
        builder.writer.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
    })
    .await
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let panicked = |_| io::Error::other("it could not be encoded");
    blocking::caught(work).await.map_err(panicked)?
}

struct Builder {
    source: Source,
    levels: Levels,
    format: OutputFormat,
    writer: Mutex<Writer>,
    progress: Arc<Progress>,
}

impl Builder {
    /// Makes a tile and all below it, except those that are `made`.
    fn make(&self, place: Place, made: &mut HashMap<Place, Pixels>) -> io::Result<Pixels> {
        if let Some(pixels) = made.remove(&place) {
            return Ok(pixels);
        }
        let pixels = if place.level == 0 {
            eight_bit(self.source.window(self.levels.region(place))?)
        } else {
            self.join(place, made)?
        };
        let encoded = encode(&pixels, self.format)?;
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).push(place, &encoded)?;
        self.progress.tile_made(self.levels);
        Ok(pixels)
    }

    fn join(&self, place: Place, made: &mut HashMap<Place, Pixels>) -> io::Result<Pixels> {
        let size = self.levels.region(place).size();
        let format = PixelFormat { depth: Depth::Eight, ..self.source.format() };
        let mut whole = Pixels::zeroed(size, format);
        for (part, [x, y]) in self.levels.parts(place) {
            whole.paste(x, y, &halve(&self.make(part, made)?));
        }
        Ok(whole)
    }
}

fn encode(pixels: &Pixels, format: OutputFormat) -> io::Result<Vec<u8>> {
    let options = OutputOptions { quality: QUALITY, ..OutputOptions::new(format) };
    let encoder =
        Encoder::new(options, pixels.size(), pixels.format()).map_err(io::Error::other)?;
    let file = encoder.encode(pixels, Cursor::new(Vec::new())).map_err(io::Error::other)?;
    Ok(file.into_inner())
}
