//! Enlarges rows of a component that has fewer samples than the image has pixels, as libjpeg does.
//!
//! Where a sample covers two pixels in a direction, each pixel is three parts of the sample that covers it and one
//! part of the nearest other one ("fancy upsampling", `jdsample.c` of libjpeg-turbo 2.1 and 3.1, whose rounding
//! alternates). In all other cases each pixel is the sample that covers it. The padding that fills the last blocks of
//! a file is never mixed in.

/// The number of pixels that a sample covers, across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covers {
    pub(super) across: usize,
    pub(super) down: usize,
}

/// The narrowest component that is interpolated across.
const NARROWEST: usize = 3;

impl Covers {
    /// Whether pixels depend on the sample above or below the one that covers them.
    pub(super) fn blends_rows(self, width: usize) -> bool {
        self.down == 2 && (self.across == 1 || (self.across == 2 && width >= NARROWEST))
    }

    /// Writes one row of pixels to `out`, from the row of samples that covers it and, if rows are blended, the
    /// nearest other row. `upper` is whether it is the upper of the two rows that the samples cover. `out` has room
    /// for `across` pixels per sample.
    pub(super) fn enlarge(self, this: &[u8], other: &[u8], upper: bool, out: &mut [u8]) {
        let blends = self.blends_rows(this.len());
        match (self.across, blends) {
            (1, true) => blend(this, other, if upper { 1 } else { 2 }, out),
            (2, true) => double_blended(this, other, out),
            (2, false) if self.down == 1 && this.len() >= NARROWEST => double(this, out),
            _ => repeat(this, self.across, out),
        }
    }
}

fn narrow(value: u16) -> u8 {
    value.to_le_bytes()[0]
}

fn repeat(row: &[u8], times: usize, out: &mut [u8]) {
    for (pixels, sample) in out.chunks_exact_mut(times).zip(row) {
        pixels.fill(*sample);
    }
}

fn blend(this: &[u8], other: &[u8], half: u16, out: &mut [u8]) {
    for (pixel, (this, other)) in out.iter_mut().zip(this.iter().zip(other)) {
        *pixel = narrow((3 * u16::from(*this) + u16::from(*other) + half) >> 2);
    }
}

/// Twice as many pixels as samples.
fn double(row: &[u8], out: &mut [u8]) {
    let pairs = out.as_chunks_mut::<2>().0;
    let last = row.len() - 1;
    let inner = pairs[1..last].iter_mut().zip(row.windows(3));
    for (pair, around) in inner {
        let [before, this, after] = [around[0], around[1], around[2]].map(u16::from);
        *pair = [narrow((3 * this + before + 1) >> 2), narrow((3 * this + after + 2) >> 2)];
    }
    let end = |this: u8, inner: u8, half: u16| {
        narrow((3 * u16::from(this) + u16::from(inner) + half) >> 2)
    };
    pairs[0] = [row[0], end(row[0], row[1], 2)];
    pairs[last] = [end(row[last], row[last - 1], 1), row[last]];
}

/// Like [`double`], from two rows of samples.
fn double_blended(this: &[u8], other: &[u8], out: &mut [u8]) {
    let pairs = out.as_chunks_mut::<2>().0;
    let last = this.len() - 1;
    let sum = |at: usize| 3 * u16::from(this[at]) + u16::from(other[at]);
    let inner = pairs[1..last].iter_mut().zip(this.windows(3).zip(other.windows(3)));
    for (pair, (this, other)) in inner {
        let [before, centre, after] =
            [0, 1, 2].map(|at| 3 * u16::from(this[at]) + u16::from(other[at]));
        *pair = [narrow((3 * centre + before + 8) >> 4), narrow((3 * centre + after + 7) >> 4)];
    }
    pairs[0] = [narrow((4 * sum(0) + 8) >> 4), narrow((3 * sum(0) + sum(1) + 7) >> 4)];
    pairs[last] =
        [narrow((3 * sum(last) + sum(last - 1) + 8) >> 4), narrow((4 * sum(last) + 7) >> 4)];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enlarged(across: usize, down: usize, this: &[u8], other: &[u8], upper: bool) -> Vec<u8> {
        let mut out = vec![0; this.len() * across];
        Covers { across, down }.enlarge(this, other, upper, &mut out);
        out
    }

    #[test]
    fn pixels_lie_between_samples_and_never_beyond_the_last() {
        let row = [0, 100, 200];
        assert_eq!(enlarged(2, 1, &row, &row, true), [0, 25, 75, 125, 175, 200]);
        assert_eq!(enlarged(1, 2, &row, &[8, 8, 8], true), [2, 77, 152]);
        assert_eq!(enlarged(1, 2, &row, &[8, 8, 8], false), [2, 77, 152]);
        assert_eq!(enlarged(2, 2, &row, &row, true), [0, 25, 75, 125, 175, 200]);
        assert_eq!(enlarged(2, 2, &[0, 0, 0], &[255, 255, 255], true), [64; 6].map(|v: u8| v));
    }

    #[test]
    fn halves_are_rounded_up_and_down_in_turn() {
        let (row, none) = ([2, 0, 2], [0; 3]);
        assert_eq!(enlarged(2, 1, &row, &row, true), [2, 2, 0, 1, 1, 2]);
        assert_eq!(enlarged(2, 2, &row, &row, true), [2, 1, 1, 0, 2, 2]);
        assert_eq!(enlarged(1, 2, &none, &row, true), [0, 0, 0]);
        assert_eq!(enlarged(1, 2, &none, &row, false), [1, 0, 1]);
    }

    #[test]
    fn what_is_not_halved_is_repeated() {
        assert_eq!(enlarged(1, 1, &[1, 2], &[9, 9], true), [1, 2]);
        assert_eq!(enlarged(3, 1, &[1, 2], &[9, 9], true), [1, 1, 1, 2, 2, 2]);
        assert_eq!(enlarged(4, 2, &[1, 2, 3], &[9; 3], true), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(enlarged(2, 1, &[1, 9], &[9, 9], true), [1, 1, 9, 9]);
        assert_eq!(enlarged(2, 2, &[1, 9], &[9, 9], true), [1, 1, 9, 9]);
    }
}
