//! Makes the tiles of a pyramid, each once: the coarse ones from the copy that was made while the picture was
//! decoded, the finest from the picture, and those between from the four tiles of the next finer level.

use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Making;
use super::file::Writer;
use crate::blocking;
use crate::locked::Locked;
use crate::raster::encode::{Encoder, OutputFormat, OutputOptions};
use crate::raster::grid::Size;
use crate::raster::pixels::{PixelFormat, Pixels};
use crate::raster::pyramid::{Levels, Place, halve};
use crate::raster::source::Source;
use crate::raster::view::{Stretch, View};
use crate::storage::Staged;

/// The JPEG quality of tiles: fine enough for the eye, with chroma at half the resolution.
const QUALITY: u8 = 88;

/// A picture that is decoded.
pub(super) struct Decoded {
    pub(super) size: Size,
    /// The picture at `level`, with 8 bits per sample.
    pub(super) copy: Pixels,
    /// The level of `copy`.
    pub(super) level: u32,
    /// How the picture becomes one of 8 bits.
    pub(super) view: View,
    pub(super) stretch: Stretch,
    /// The picture itself, for the finer levels, if there are any.
    pub(super) finer: Option<Source>,
}

/// The format of the tiles of a picture.
pub(super) fn format_for(picture: PixelFormat) -> OutputFormat {
    if picture.has_alpha() { OutputFormat::Png } else { OutputFormat::Jpeg }
}

/// Makes all tiles of a picture on at most `threads` threads: first those of the copy and of coarser levels, which
/// can be fetched while the finer ones are made.
pub(super) async fn build(
    Decoded { size, copy, level, view, stretch, finer }: Decoded,
    writer: Writer,
    threads: usize,
    progress: Arc<Making>,
) -> io::Result<Staged> {
    let levels = Levels::new(size);
    let pixels = copy.format();
    let writer = Mutex::new(writer);
    let builder = Arc::new(Builder { finer, levels, pixels, view, stretch, writer, progress });
    let copies = run(move || Ok(copies(copy, level, levels))).await?;
    let coarse = copies.into_iter().flat_map(|(level, copy)| {
        levels.places(level).map(move |place| (place, Arc::clone(&copy)))
    });
    each(&builder, threads, coarse, |builder, (place, copy)| {
        builder.keep(place, &copy.crop(builder.levels.region(place)))
    })
    .await?;
    if let Some(next) = level.checked_sub(1) {
        let shown = Arc::clone(&builder);
        run(move || shown.show(level)).await?;
        each(&builder, threads, levels.places(next), |builder, place| {
            builder.make(place).map(drop)
        })
        .await?;
    }
    run(move || {
        let builder = Arc::into_inner(builder).expect("all tiles are made");
        builder.writer.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
    })
    .await
}

/// The copies from `level` on, each half the size of the one before.
fn copies(copy: Pixels, level: u32, levels: Levels) -> Vec<(u32, Arc<Pixels>)> {
    let first = Some((level, Arc::new(copy)));
    let next = |(level, copy): &(u32, Arc<Pixels>)| {
        (level + 1 < levels.count()).then(|| (level + 1, Arc::new(halve(copy))))
    };
    std::iter::successors(first, next).collect()
}

/// Runs `work` for each of `items`, on at most `threads` threads.
async fn each<T: Send + 'static>(
    builder: &Arc<Builder>,
    threads: usize,
    items: impl Iterator<Item = T>,
    work: fn(&Builder, T) -> io::Result<()>,
) -> io::Result<()> {
    stream::iter(items)
        .map(|item| {
            let builder = Arc::clone(builder);
            run(move || work(&builder, item))
        })
        .buffer_unordered(threads)
        .try_collect()
        .await
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let panicked = |_| io::Error::other("the encoder crashed");
    blocking::caught(work).await.map_err(panicked)?
}

struct Builder {
    finer: Option<Source>,
    levels: Levels,
    /// The format of the pixels of tiles.
    pixels: PixelFormat,
    view: View,
    stretch: Stretch,
    writer: Mutex<Writer>,
    progress: Arc<Making>,
}

impl Builder {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.locked()
    }

    /// Makes a tile and all finer ones that it covers.
    fn make(&self, place: Place) -> io::Result<Pixels> {
        let pixels = if place.level == 0 {
            let picture = self.finer.as_ref().expect("the copy is of a coarser level");
            let window = picture.window(self.levels.region(place))?;
            self.stretch.apply(self.view.choose(window))
        } else {
            self.join(place)?
        };
        self.keep(place, &pixels)?;
        Ok(pixels)
    }

    fn join(&self, place: Place) -> io::Result<Pixels> {
        let size = self.levels.region(place).size();
        let mut whole = Pixels::zeroed(size, self.pixels);
        for (part, [x, y]) in self.levels.parts(place) {
            whole.paste(x, y, &halve(&self.make(part)?));
        }
        Ok(whole)
    }

    fn keep(&self, place: Place, pixels: &Pixels) -> io::Result<()> {
        let encoded = encode(pixels, format_for(self.pixels))?;
        self.writer().push(place, &encoded)?;
        self.progress.tile_made(self.levels);
        Ok(())
    }

    /// Makes the tiles so far available: those from level `finest` on.
    fn show(&self, finest: u32) -> io::Result<()> {
        self.progress.show(finest, self.writer().so_far()?);
        Ok(())
    }
}

fn encode(pixels: &Pixels, format: OutputFormat) -> io::Result<Vec<u8>> {
    let options = OutputOptions { quality: QUALITY, ..OutputOptions::new(format) };
    let encoder =
        Encoder::new(options, pixels.size(), pixels.format()).map_err(io::Error::other)?;
    let file = encoder.encode(pixels, Cursor::new(Vec::new())).map_err(io::Error::other)?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::raster::pixels::Bands;
    use crate::raster::sample::Whole;
    use crate::raster::view::shown;
    use crate::service::pyramid::file::Pyramid;
    use crate::storage::Overwrite;

    /// A picture of samples that look random, alpha included.
    fn picture<S: Whole>(bands: Bands) -> Pixels {
        let size = Size::new(1301, 777);
        let count = size.pixels() * bands.count() as u64;
        let values = u64::from(S::FULL.to_u32()) + 1;
        let sample = |n: u64| {
            let value = u32::try_from(n * n * 7 / 977 % values).expect("less than 65536");
            S::from_u32(value)
        };
        Pixels::of(size, bands, (0..count).map(sample).collect())
    }

    #[tokio::test]
    async fn tiles_are_the_same_whatever_the_copy_that_they_begin_with_and_that_can_be_fetched_first()
     {
        assert_same_tiles(&picture::<u8>(Bands::GREY)).await;
        assert_same_tiles(&picture::<u8>(Bands::RGBA)).await;
        assert_same_tiles(&picture::<u16>(Bands::RGB)).await;
    }

    async fn assert_same_tiles(picture: &Pixels) {
        let (folder, size) = (tempfile::tempdir().unwrap(), picture.size());
        let levels = Levels::new(size);
        let all = || (0..levels.count()).flat_map(|level| levels.places(level));
        let mut made: Vec<Vec<Vec<u8>>> = Vec::new();
        for level in 0..levels.count() {
            let copy = (0..level).fold(shown(picture.clone()), |pixels, _| halve(&pixels));
            let finer = (level > 0).then(|| picture.clone().into());
            let view = View::of(picture.format());
            let stretch = Stretch::of(&view.choose(picture.clone()));
            let decoded = Decoded { size, copy, level, view, stretch, finer };
            let staged = Staged::in_directory(folder.path()).unwrap();
            let writer = Writer::new(staged, levels, format_for(picture.format())).unwrap();
            let progress = Arc::<Making>::default();
            let staged = build(decoded, writer, 2, Arc::clone(&progress)).await.unwrap();
            let path = folder.path().join(level.to_string());
            staged.persist(&path, Overwrite::Refused).unwrap();
            let pyramid = Pyramid::open(File::open(path).unwrap()).unwrap();
            made.push(all().map(|place| pyramid.tile(place).unwrap().unwrap()).collect());
            let coarse = progress.coarse.get();
            assert_eq!(coarse.map(|coarse| coarse.finest), (level > 0).then_some(level));
            for place in all().filter(|_| level > 0) {
                let early = coarse.unwrap().pyramid.tile(place).unwrap();
                assert_eq!(early.is_some(), place.level >= level, "{place:?} of {level}");
            }
        }
        assert_eq!(made.len(), 3);
        assert!(made.iter().all(|tiles| *tiles == made[0]), "{:?}", picture.format());
    }
}
