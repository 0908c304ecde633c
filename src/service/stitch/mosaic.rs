//! Paints the mosaic of a job in work: from tiles as they come back, and from the canvas after a restart.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::model::job::JobId;
use crate::model::mosaic::{Maker, Mosaic, Slot, THUMBNAIL};
use crate::raster::encode::EncodeError;
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::{Pixels, SampleType};
use crate::raster::preview::{self, Rgba};
use crate::raster::view::Stretch;
use crate::service::canvas::Canvas;
use crate::state::{State, StateError};

/// Paints the mosaic of one job.
pub(super) struct Painter {
    canvas: Arc<Canvas>,
    sketch: Mutex<Sketch>,
}

struct Sketch {
    mosaic: Mosaic,
    /// The slots painted since the last publication.
    fresh: Vec<Slot>,
    /// Whether the state may lack the other slots.
    unpublished: bool,
    /// The slots of a picture that has to be stretched, one below the other.
    floats: Option<Pixels>,
    /// The widest stretch of a tile so far.
    stretch: Stretch,
}

impl Sketch {
    fn new(mosaic: Mosaic) -> Self {
        let stretch = Stretch::default();
        Self { mosaic, fresh: Vec::new(), unpublished: true, floats: None, stretch }
    }

    /// The pixels of a slot, stretched as far as the extremes of the picture are known by now.
    fn shown(&mut self, tile: u32, chosen: Pixels) -> Vec<Rgba> {
        if chosen.format().sample == SampleType::F32 {
            let tiles = u32::try_from(self.mosaic.grid().len()).unwrap_or(u32::MAX);
            let size = Size { height: chosen.height() * tiles, ..chosen.size() };
            let floats = self.floats.get_or_insert_with(|| Pixels::zeroed(size, chosen.format()));
            floats.paste(0, tile * chosen.height(), &chosen);
            self.stretch.widen(&Stretch::of(&chosen));
        }
        preview::rgba(&self.stretch.apply(chosen))
    }

    /// Stretches all slots by the whole picture, once all are there.
    fn stretch_whole(&mut self) {
        let Some(floats) = self.floats.take() else { return };
        let stretch = Stretch::of(&floats);
        let side = self.mosaic.slot_side();
        for tile in 0..floats.height() / side {
            let slot = Region { x: 0, y: tile * side, width: side, height: side };
            let pixels = preview::rgba(&stretch.apply(floats.crop(slot)));
            self.mosaic.paint(Slot { tile, pixels, maker: self.mosaic.maker(tile) });
        }
    }
}

impl Painter {
    /// A painter that paints the tiles in `canvas` in the background.
    pub(super) fn start(canvas: Arc<Canvas>) -> Arc<Self> {
        let mosaic = Mosaic::new(canvas.size(), canvas.tile_size());
        let painter = Arc::new(Self { canvas, sketch: Mutex::new(Sketch::new(mosaic)) });
        if painter.canvas.board().done() > 0 {
            let painting = Arc::downgrade(&painter);
            tokio::task::spawn_blocking(move || repaint(&painting));
        }
        painter
    }

    fn lock(&self) -> MutexGuard<'_, Sketch> {
        // Nothing is left half done under the lock, so the sketch is consistent even if poisoned.
        self.sketch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Paints a tile, unless it is painted already.
    pub(super) fn paint(&self, tile: u32, pixels: &Pixels, maker: Option<Maker>) {
        let side = {
            let sketch = self.lock();
            if sketch.mosaic.has(tile) {
                return;
            }
            sketch.mosaic.slot_side()
        };
        let small = preview::shrink(pixels, Size::new(side, side));
        let mut sketch = self.lock();
        let slot = Slot { tile, pixels: sketch.shown(tile, small), maker };
        sketch.mosaic.paint(slot.clone());
        sketch.fresh.push(slot);
    }

    /// Paints a tile of the canvas, unless it is painted already. Blocks on the disk.
    fn find(&self, tile: u32) {
        let painted = self.lock().mosaic.has(tile);
        // A canvas that cannot be read fails its job elsewhere; here the slot stays transparent.
        if !painted && let Ok(pixels) = self.canvas.tile(tile) {
            self.paint(tile, &pixels, None);
        }
    }

    /// Publishes the slots that the state lacks.
    pub(super) async fn publish(&self, job: JobId, state: &dyn State) -> Result<(), StateError> {
        let (fresh, unpublished) = {
            let mut sketch = self.lock();
            (std::mem::take(&mut sketch.fresh), std::mem::replace(&mut sketch.unpublished, true))
        };
        if unpublished || !state.paint(job, fresh).await? {
            let whole = self.lock().mosaic.clone();
            state.publish_mosaic(job, whole).await?;
        }
        self.lock().unpublished = false;
        Ok(())
    }

    /// A small PNG of the whole result, once all tiles are in the canvas. Blocks on the disk.
    pub(super) fn thumbnail(&self) -> Result<Vec<u8>, EncodeError> {
        (0..self.canvas.board().tiles()).for_each(|tile| self.find(tile));
        let picture = {
            let mut sketch = self.lock();
            sketch.stretch_whole();
            sketch.mosaic.thumbnail(THUMBNAIL)
        };
        preview::png(&picture)
    }
}

/// Paints the tiles that another process left in the canvas, as long as the painter is in use.
fn repaint(painter: &Weak<Painter>) {
    let Some(board) = painter.upgrade().map(|painter| painter.canvas.board()) else { return };
    for tile in (0..board.tiles()).filter(|tile| board.has(*tile)) {
        let Some(painter) = painter.upgrade() else { return };
        painter.find(tile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::pixels::Bands;

    #[test]
    fn slots_of_heights_are_stretched_by_the_whole_picture_at_the_end() {
        let mut sketch = Sketch::new(Mosaic::new(Size::new(20, 10), 10));
        let side = sketch.mosaic.slot_side();
        let slope = |from: f32| {
            let heights =
                (0..side * side).map(|n| from + f32::from(u16::try_from(n % 100).unwrap()));
            Pixels::of::<f32>(Size::new(side, side), Bands::GREY, heights.collect())
        };
        let brightest = |sketch: &Sketch, tile| {
            let slot = sketch.mosaic.slot(tile).unwrap();
            slot.pixels.iter().map(|pixel| pixel[0]).max().unwrap()
        };
        for (tile, from) in [(0, 0.0), (1, 1000.0)] {
            let pixels = sketch.shown(tile, slope(from));
            sketch.mosaic.paint(Slot { tile, pixels, maker: None });
        }
        // The first tile was all that was known when it was painted.
        assert_eq!([brightest(&sketch, 0), brightest(&sketch, 1)], [255, 255]);
        sketch.stretch_whole();
        assert!(brightest(&sketch, 0) < 30 && brightest(&sketch, 1) == 255);
    }
}
