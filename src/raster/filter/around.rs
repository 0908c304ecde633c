//! A pixel and its eight neighbours; beyond the image, its edge pixels are repeated.

use super::Window;

/// Rows of a window with one more pixel on either side, three at a time.
pub(super) struct Threes<'a, S> {
    samples: &'a [S],
    bands: usize,
    /// Pixels in a row of the window, and the index of its last row.
    width: usize,
    last: usize,
    /// The first wanted pixel of a row, and how many are wanted.
    first: usize,
    count: usize,
    top: usize,
    rows: usize,
}

impl<'a, S: Copy> Threes<'a, S> {
    /// The rows around every wanted row of a window with `bands` samples for each pixel.
    pub(super) fn new(samples: &'a [S], bands: usize, window: &Window<'_>) -> Threes<'a, S> {
        let keep = window.keep.relative_to(window.at);
        Threes {
            samples,
            bands,
            width: window.at.width as usize,
            last: window.at.height as usize - 1,
            first: keep.x as usize,
            count: keep.width as usize,
            top: keep.y as usize,
            rows: keep.height as usize,
        }
    }

    /// Calls `row` for each wanted row with the row above, the row itself and the row below. They begin
    /// one pixel left of the first wanted pixel and end one pixel right of the last.
    pub(super) fn for_each(&self, mut row: impl FnMut([&[S]; 3])) {
        let mut padded = [(); 3].map(|()| Vec::with_capacity((self.count + 2) * self.bands));
        for y in self.top..self.top + self.rows {
            let lines = [y.saturating_sub(1), y, (y + 1).min(self.last)];
            for (line, padded) in lines.into_iter().zip(&mut padded) {
                self.pad(line, padded);
            }
            let [above, here, below] = &padded;
            row([above, here, below]);
        }
    }

    fn pad(&self, line: usize, padded: &mut Vec<S>) {
        let pixel = |x: usize| &self.samples[(line * self.width + x) * self.bands..];
        padded.clear();
        padded.extend_from_slice(&pixel(self.first.saturating_sub(1))[..self.bands]);
        padded.extend_from_slice(&pixel(self.first)[..self.count * self.bands]);
        let right = (self.first + self.count).min(self.width - 1);
        padded.extend_from_slice(&pixel(right)[..self.bands]);
    }
}
