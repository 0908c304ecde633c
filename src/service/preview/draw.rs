//! Makes the pixels of a preview: filters, encodes and decodes them like the result of a job.

use std::io::Cursor;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Undrawn;
use super::read::{Material, Needed};
use crate::blocking;
use crate::model::job::Plan;
use crate::raster::colour::Space;
use crate::raster::decode::{self, Colours, Header, Limits, Wanted};
use crate::raster::encode::{Encoder, OutputFormat};
use crate::raster::filter::Chain;
use crate::raster::grid::{Grid, Region, Size};
use crate::raster::pixels::Pixels;
use crate::raster::preview;
use crate::raster::view::shown;
use crate::refusal::{Code, Refusal};

/// Side of the parts that are filtered in parallel, in pixels.
const PART: u32 = 256;
/// What is read begins and ends at multiples of this, so that a slightly larger radius often needs no other pixels.
const STEP: u32 = 128;
/// Side of the largest block that JPEG codes as one, in pixels.
const BLOCK: u32 = 16;
/// The most copies of a window in memory: read, filtered from and to, encoded.
const COPIES: u64 = 4;

/// A part of a result.
pub(super) struct View {
    plan: Plan,
    wanted: Wanted,
    /// The part that is shown.
    shown: Region,
    /// The part that is filtered and encoded, which contains `shown`.
    made: Region,
    /// The part that is read for it, which contains `made`.
    window: Region,
    memory: u64,
}

impl View {
    /// The view of the region `shown` of the result of `plan`, for an image with this `header`.
    pub(super) fn new(plan: Plan, header: &Header, shown: Region) -> Self {
        let is_original = plan.filters.is_empty();
        let made = match plan.output.format {
            OutputFormat::Jpeg if !is_original => blocks(shown, plan.result_size()),
            _ => shown,
        };
        let window = stepped(plan.filters.needs(made, plan.size), plan.size);
        let wanted = if is_original { for_screen() } else { plan.wanted() };
        let wanted = plain(header, wanted);
        let pixels = u64::try_from(header.format_for(wanted).bytes(window.size()));
        let memory =
            header.memory.saturating_add(COPIES.saturating_mul(pixels.unwrap_or(u64::MAX)));
        Self { plan, wanted, shown, made, window, memory }
    }

    /// Refuses filters that need more pixels than a square with `side` pixels a side has.
    pub(super) fn check(&self, side: u32) -> Result<(), Refusal> {
        let (size, limit) = (self.window.size(), Size::new(side, side));
        let least = Size::new(self.made.width + 2 * STEP, self.made.height + 2 * STEP);
        if size.pixels() <= limit.pixels().max(least.pixels()) {
            return Ok(());
        }
        let what = "the filters read too many pixels for a preview";
        Err(Refusal::new(Code::TooLarge, what)
            .value(format!("{size} pixels"))
            .limit(format!("{limit} pixels"), "limits.max_tile"))
    }

    /// What has to be read.
    pub(super) fn needed(&self) -> Needed {
        let Self { wanted, window, .. } = *self;
        Needed { wanted, window, survey: self.plan.filters.surveys() }
    }

    /// The most bytes of memory that drawing takes.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// A PNG file of the part, made on `threads` threads. `turn` is held until the last of them ends.
    pub(super) async fn draw<T: Send + Sync + 'static>(
        self,
        material: Material,
        threads: usize,
        turn: Arc<T>,
    ) -> Result<Vec<u8>, Undrawn> {
        let filtered = self.filter(&material, threads, &turn).await?;
        run(&turn, move || {
            let seen = self.seen(filtered, &material)?;
            preview::png(&seen).map_err(|error| std::io::Error::other(error).into())
        })
        .await
    }

    async fn filter<T: Send + Sync + 'static>(
        &self,
        material: &Material,
        threads: usize,
        turn: &Arc<T>,
    ) -> Result<Pixels, Undrawn> {
        let chain = match &material.histogram {
            Some(histogram) => self.plan.filters.informed(histogram),
            None => self.plan.filters.clone(),
        };
        let format = chain.output_format(material.pixels.format());
        let (chain, image, made) = (Arc::new(chain), self.plan.size, self.made);
        let parts = Grid::new(made.size(), PART).regions();
        let filtered: Vec<(Region, Pixels)> = stream::iter(parts)
            .map(|part| {
                let keep = Region { x: made.x + part.x, y: made.y + part.y, ..part };
                let (chain, material) = (Arc::clone(&chain), material.clone());
                run(turn, move || Ok((part, apply(&chain, &material, keep, image))))
            })
            .buffer_unordered(threads)
            .try_collect()
            .await?;
        let mut whole = Pixels::zeroed(made.size(), format);
        for (part, pixels) in &filtered {
            whole.paste(part.x, part.y, pixels);
        }
        Ok(whole)
    }

    /// The part as the viewer shows it.
    fn seen(&self, filtered: Pixels, material: &Material) -> Result<Pixels, Undrawn> {
        if self.plan.filters.is_empty() {
            return Ok(shown(filtered));
        }
        let metadata = self.plan.result_metadata((*material.colours).clone());
        let (output, size) = (self.plan.output, filtered.size());
        let encoder = Encoder::with(output, size, filtered.format(), &metadata);
        let file = encoder.and_then(|encoder| encoder.encode(&filtered, Cursor::new(Vec::new())));
        let file = Cursor::new(file.map_err(std::io::Error::other)?.into_inner());
        let read = decode::decode(file, &Limits::NONE, for_screen())?;
        Ok(shown(read.window(self.shown.relative_to(self.made))?))
    }
}

/// The pixels that the viewer reads: in sRGB, since browsers show tiles without a profile as sRGB.
fn for_screen() -> Wanted {
    Wanted::from(Colours::All).in_srgb()
}

/// The simplest `Wanted` that gives the same pixels, so that pixels which were read for another one are found again.
fn plain(header: &Header, wanted: Wanted) -> Wanted {
    let luma = header.format_for(wanted) != header.format;
    let space = if header.profile.is_some() { wanted.space } else { Space::Stored };
    Wanted { colours: if luma { Colours::Luma } else { Colours::All }, space }
}

/// The region in whole JPEG blocks, with one block around it, since the chroma of a block reaches into its
/// neighbours. So the pixels of the region are those in a file of the whole image.
fn blocks(region: Region, image: Size) -> Region {
    let around = region.grow(BLOCK, image);
    let down = |at: u32| at / BLOCK * BLOCK;
    let up = |at: u32, end: u32| at.next_multiple_of(BLOCK).min(end);
    let (x, y) = (down(around.x), down(around.y));
    let width = up(around.columns().end, image.width) - x;
    let height = up(around.rows().end, image.height) - y;
    Region { x, y, width, height }
}

/// The smallest region around another one that begins and ends at multiples of [`STEP`], or with the image.
fn stepped(region: Region, image: Size) -> Region {
    let up = |at: u32, end: u32| at.checked_next_multiple_of(STEP).unwrap_or(end).min(end);
    let (x, y) = (region.x / STEP * STEP, region.y / STEP * STEP);
    let width = up(region.columns().end, image.width) - x;
    let height = up(region.rows().end, image.height) - y;
    Region { x, y, width, height }
}

fn apply(chain: &Chain, material: &Material, keep: Region, image: Size) -> Pixels {
    chain.apply(&material.pixels, material.window, keep, image)
}

async fn run<T: Send + 'static, H: Send + Sync + 'static>(
    turn: &Arc<H>,
    work: impl FnOnce() -> Result<T, Undrawn> + Send + 'static,
) -> Result<T, Undrawn> {
    let held = Arc::clone(turn);
    let done = blocking::caught(move || {
        let (done, _held) = (work(), held);
        done
    });
    let panicked = |_| Undrawn::from(std::io::Error::other("a filter or an encoder crashed"));
    done.await.map_err(panicked)?
}
