//! The components of a JPEG file, a row of MCUs at a time, and the rows of pixels made of them.

use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZByteReaderTrait;
use zune_jpeg::{PlaneInfo, RawDecodeSession, RawImcuRowStatus};

use super::enlarge::Covers;
use super::frame::{Component, Frame};

/// Rows in a block.
const BLOCK: usize = 8;

/// The value of samples that a damaged file lacks: grey, or no colour.
const MIDDLE: u8 = 128;

/// The samples of one component: as many rows as are needed at a time.
struct Plane {
    /// Samples in a row.
    width: usize,
    /// Rows that belong to the image.
    height: usize,
    covers: Covers,
    /// The row before those of the last MCUs, then the rows of the last MCUs.
    rows: Vec<u8>,
    /// The number, in the component, of the second of `rows`.
    first: usize,
    /// The number of rows in the last MCUs.
    given: usize,
}

impl Plane {
    fn new(info: PlaneInfo, covers: Covers) -> Plane {
        let most = 1 + info.vertical_sampling_factor * BLOCK;
        let rows = vec![MIDDLE; most * info.width];
        Plane { width: info.width, height: info.height, covers, rows, first: 0, given: 0 }
    }

    /// Makes room for the next rows, and keeps the last one.
    fn advance(&mut self) {
        self.rows.copy_within(self.given * self.width..(self.given + 1) * self.width, 0);
        self.first += self.given;
        self.given = 0;
    }

    /// One row of the component, from the last MCUs or the one before them.
    fn row(&self, row: usize) -> &[u8] {
        let start = (row + 1 - self.first) * self.width;
        &self.rows[start..start + self.width]
    }

    /// The rows of samples that a row of pixels is made of: the one that covers it, and the nearest other one. The
    /// flag is whether it is the upper of the rows that the samples cover.
    fn sources(&self, y: usize) -> (usize, usize, bool) {
        let this = y / self.covers.down;
        let upper = y.is_multiple_of(self.covers.down);
        if !self.covers.blends_rows(self.width) {
            return (this, this, upper);
        }
        let other = if upper { this.saturating_sub(1) } else { (this + 1).min(self.height - 1) };
        (this, other, upper)
    }

    /// Whether the samples for a row of pixels are there.
    fn has(&self, y: usize) -> bool {
        let (this, other, _) = self.sources(y);
        this.max(other) < self.first + self.given
    }

    /// The samples of one row of pixels.
    fn enlarged<'a>(&'a self, y: usize, scratch: &'a mut [u8]) -> &'a [u8] {
        let (this, other, upper) = self.sources(y);
        if self.covers == (Covers { across: 1, down: 1 }) {
            return self.row(this);
        }
        let out = &mut scratch[..self.width * self.covers.across];
        self.covers.enlarge(self.row(this), self.row(other), upper, out);
        out
    }
}

/// All components of an image.
pub(super) struct Planes {
    all: Vec<Plane>,
    /// For each component, room for an enlarged row.
    scratch: Vec<Vec<u8>>,
    /// Whether the file has no more rows.
    ended: bool,
}

impl Planes {
    /// The components that a decoder with this layout gives; `None` if the layout does not match `frame`.
    pub(super) fn new(layout: &[PlaneInfo], frame: &Frame) -> Option<Planes> {
        let most = frame.most().map(usize::from);
        let sides = [frame.size.width, frame.size.height].map(|side| side as usize);
        let plane = |(info, part): (&PlaneInfo, &Component)| {
            let factors = part.sampling.map(usize::from);
            let samples = [0, 1].map(|axis| (sides[axis] * factors[axis]).div_ceil(most[axis]));
            let told = [info.horizontal_sampling_factor, info.vertical_sampling_factor];
            let covers = Covers { across: most[0] / factors[0], down: most[1] / factors[1] };
            let fits = told == factors && [info.width, info.height] == samples;
            fits.then(|| Plane::new(*info, covers))
        };
        let all = layout.iter().zip(&frame.components).map(plane).collect::<Option<Vec<_>>>()?;
        let scratch = all.iter().map(|plane| vec![0; plane.width * plane.covers.across]);
        Some(Planes { scratch: scratch.collect(), all, ended: false })
    }

    /// Takes in the next row of MCUs. Rows that a damaged file lacks are grey.
    pub(super) fn pull<T: ZByteReaderTrait>(
        &mut self,
        session: &mut RawDecodeSession<'_, T>,
    ) -> Result<(), DecodeErrors> {
        self.all.iter_mut().for_each(Plane::advance);
        if !self.ended {
            let widths: Vec<usize> = self.all.iter().map(|plane| plane.width).collect();
            let rows = self.all.iter_mut().map(|plane| &mut plane.rows[plane.width..]);
            let mut rows: Vec<&mut [u8]> = rows.collect();
            if let RawImcuRowStatus::RowReady { rows_written } =
                session.decode_next_imcu_row(&mut rows, &widths)?
            {
                for (plane, rows) in self.all.iter_mut().zip(rows_written) {
                    plane.given = rows;
                }
                return Ok(());
            }
            self.ended = true;
        }
        for plane in &mut self.all {
            let width = plane.width;
            plane.given = plane.rows.len() / width - 1;
            plane.rows[width..].fill(MIDDLE);
        }
        Ok(())
    }

    /// Whether the first `count` components have the samples for a row of pixels.
    pub(super) fn has(&self, y: usize, count: usize) -> bool {
        self.all.iter().take(count).all(|plane| plane.has(y))
    }

    /// The samples of the first `count` components for one row of pixels.
    pub(super) fn row(&mut self, y: usize, count: usize) -> Vec<&[u8]> {
        let planes = self.all.iter().take(count).zip(&mut self.scratch);
        planes.map(|(plane, scratch)| plane.enlarged(y, scratch)).collect()
    }
}
