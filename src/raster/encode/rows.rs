//! The row filters of PNG, and the choice between them (PNG specification, sections 9 and 12.7).

use crate::pixels::{Pixels, Samples};

/// A row filter: its number in the file, and the prediction it subtracts.
#[derive(Clone, Copy, Debug)]
enum RowFilter {
    Sub = 1,
    Up = 2,
    Average = 3,
    Paeth = 4,
}

/// On photographs an unfiltered row is hardly ever the smallest, and each of these is worth its time.
const CANDIDATES: [RowFilter; 4] =
    [RowFilter::Sub, RowFilter::Up, RowFilter::Average, RowFilter::Paeth];

/// The filtered rows of a band, each preceded by the number of its filter. The first `context` ≤ 1
/// rows are only predicted from; the row above the image is all zeros.
pub(super) fn filter(pixels: &Pixels, context: u32) -> Vec<u8> {
    let bytes = big_endian(pixels);
    let length = pixels.row_bytes();
    let distance = pixels.format().bytes_per_pixel();
    let zeros = vec![0; length];
    let (mut out, mut above) = (Vec::with_capacity(bytes.len() + bytes.len() / length), &zeros[..]);
    let mut trials = CANDIDATES.map(|_| vec![0; length]);
    for (index, row) in bytes.chunks_exact(length).enumerate() {
        if index >= context as usize {
            push_best(row, above, distance, &mut trials, &mut out);
        }
        above = row;
    }
    out
}

fn big_endian(pixels: &Pixels) -> Vec<u8> {
    match pixels.samples() {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().flat_map(|value| value.to_be_bytes()).collect(),
        Samples::F32(_) => unreachable!("floats are written as TIFF only"),
    }
}

/// Appends the row, filtered by the candidate with the smallest sum of absolute differences.
fn push_best(
    row: &[u8],
    above: &[u8],
    distance: usize,
    trials: &mut [Vec<u8>; CANDIDATES.len()],
    out: &mut Vec<u8>,
) {
    let mut best = (u64::MAX, 0);
    for (index, (filter, trial)) in CANDIDATES.iter().zip(trials.iter_mut()).enumerate() {
        filter.apply(row, above, distance, trial);
        best = best.min((cost(trial), index));
    }
    out.push(CANDIDATES[best.1] as u8);
    out.extend_from_slice(&trials[best.1]);
}

/// The sum of the absolute differences, which are signed bytes.
fn cost(row: &[u8]) -> u64 {
    row.iter().map(|&byte| u64::from(byte.min(byte.wrapping_neg()))).sum()
}

impl RowFilter {
    fn apply(self, row: &[u8], above: &[u8], distance: usize, out: &mut [u8]) {
        let (first, rest) = out.split_at_mut(distance);
        let corner = row.iter().zip(above).map(|(&value, &up)| (value, 0, up, 0));
        fill(first, corner, self);
        let left = row.iter().zip(above);
        let inner = row[distance..].iter().zip(&above[distance..]).zip(left);
        let inner = inner.map(|((&value, &up), (&left, &corner))| (value, left, up, corner));
        fill(rest, inner, self);
    }
}

fn fill(out: &mut [u8], around: impl Iterator<Item = (u8, u8, u8, u8)>, filter: RowFilter) {
    let pairs = out.iter_mut().zip(around);
    match filter {
        RowFilter::Sub => pairs.for_each(|(o, (value, left, _, _))| *o = value.wrapping_sub(left)),
        RowFilter::Up => pairs.for_each(|(o, (value, _, up, _))| *o = value.wrapping_sub(up)),
        RowFilter::Average => pairs.for_each(|(o, (value, left, up, _))| {
            *o = value.wrapping_sub(left.midpoint(up));
        }),
        RowFilter::Paeth => pairs.for_each(|(o, (value, left, up, corner))| {
            *o = value.wrapping_sub(paeth(left, up, corner));
        }),
    }
}

/// The nearest of left, up and upper left to left + up - upper left; ties go to the first in this order.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (to_left, to_up, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    }
}
