//! Cuts windows out of the rows of a decoder.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

use tokio::sync::mpsc;

use super::cuts::Cut;
use crate::model::job::Plan;
use crate::raster::encode::{EncodeError, EncodedBand, Encoder};
use crate::raster::grid::{Region, Size};
use crate::raster::pixels::Pixels;
use crate::raster::source::Rows;

/// Some rows of an image, and what is made of them.
pub(super) struct Window {
    cut: Cut,
    /// The pixels of the region that the cut needs.
    pixels: Pixels,
}

impl Window {
    /// Rows of the result.
    pub(super) fn height(&self) -> u32 {
        self.cut.keep.height
    }

    /// Filters the rows and encodes them.
    pub(super) fn bands(
        self,
        plan: &Plan,
        encoder: &Encoder,
    ) -> Result<Vec<EncodedBand>, EncodeError> {
        let Cut { bands, keep, needs } = self.cut;
        let made = plan.filters.apply_to(Cow::Owned(self.pixels), needs, keep, plan.size);
        let encode = |index| {
            let rows = encoder.input_rows(index);
            if rows == keep.rows() {
                return encoder.encode_band(index, &made);
            }
            let height = rows.end - rows.start;
            let part = Region { x: 0, y: rows.start - keep.y, width: keep.width, height };
            encoder.encode_band(index, &made.crop(part))
        };
        bands.map(encode).collect()
    }
}

/// Receives the rows of an image from the top, and passes each window on as soon as its last row is there. It waits
/// while enough windows are on their way.
pub(super) struct Cutter {
    cuts: VecDeque<Cut>,
    windows: mpsc::Sender<Window>,
    /// Rows that later windows need, each piece with its first row.
    pending: VecDeque<(u32, Pixels)>,
    /// Rows that have arrived.
    arrived: u32,
}

impl Cutter {
    pub(super) fn new(cuts: VecDeque<Cut>, windows: mpsc::Sender<Window>) -> Cutter {
        Cutter { cuts, windows, pending: VecDeque::new(), arrived: 0 }
    }

    /// The pixels of a region of which all rows are there.
    fn window(&self, region: Region) -> Pixels {
        let (_, first) = self.pending.front().expect("its rows are there");
        let mut window = Pixels::zeroed(region.size(), first.format());
        for (top, piece) in &self.pending {
            let rows = region.rows();
            let (start, end) = (rows.start.max(*top), rows.end.min(top + piece.height()));
            if start < end {
                let size = Size::new(region.width, end - start);
                let part = Region { y: start - top, ..Region::of(size) };
                window.copy(0, start - region.y, piece, part);
            }
        }
        window
    }
}

impl Rows for Cutter {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        let top = self.arrived;
        self.arrived += rows.height();
        self.pending.push_back((top, rows));
        let arrived = self.arrived;
        let is_there = |cut: &Cut| cut.needs.rows().end <= arrived;
        while self.cuts.front().is_some_and(is_there) {
            let cut = self.cuts.pop_front().expect("there is one");
            let pixels = self.window(cut.needs);
            let sent = self.windows.blocking_send(Window { cut, pixels });
            sent.map_err(|_| io::Error::from(io::ErrorKind::Interrupted))?;
            let next = self.cuts.front().map_or(u32::MAX, |cut| cut.needs.y);
            self.pending.retain(|(top, piece)| *top + piece.height() > next);
        }
        Ok(())
    }
}
