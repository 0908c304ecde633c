//! Paints the mosaic of a job in work: from tiles as they come back, and from the canvas after a restart.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::model::job::JobId;
use crate::model::mosaic::{Maker, Mosaic, Slot, THUMBNAIL};
use crate::raster::encode::EncodeError;
use crate::raster::grid::Size;
use crate::raster::pixels::Pixels;
use crate::raster::preview;
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
}

impl Painter {
    /// A painter that paints the tiles in `canvas` in the background.
    pub(super) fn start(canvas: Arc<Canvas>) -> Arc<Self> {
        let mosaic = Mosaic::new(canvas.size(), canvas.tile_size());
        let sketch = Sketch { mosaic, fresh: Vec::new(), unpublished: true };
        let painter = Arc::new(Self { canvas, sketch: Mutex::new(sketch) });
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
        let slot = Slot { tile, pixels: preview::shrink(pixels, Size::new(side, side)), maker };
        let mut sketch = self.lock();
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
        let picture = self.lock().mosaic.thumbnail(THUMBNAIL);
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
