//! `emboss`: the image as a relief, lit from the top left.

use super::around::Threes;
use super::{Filter, FilterSpec, Window};
use crate::pixels::{Pixels, Samples};
use crate::sample::{Sample, Whole};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "emboss",
    summary: "Turns the image into a relief that is lit from the top left; alpha stays.",
    params: &[],
    build: |_| Box::new(Emboss),
};

/// The usual embossing kernel. Its weights sum to 1, so surfaces keep their colour.
const KERNEL: [[i32; 3]; 3] = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]];

/// A convolution with [`KERNEL`], clamped to black and white. Transparent pixels raise nothing: each
/// neighbour is mixed with the centre by the neighbour's alpha.
#[derive(Debug)]
struct Emboss;

impl Filter for Emboss {
    fn radius(&self) -> u32 {
        1
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        match window.pixels.samples() {
            Samples::U8(samples) => emboss(samples, &window),
            Samples::U16(samples) => emboss(samples, &window),
            Samples::F32(samples) => emboss_floats(samples, &window),
        }
    }
}

fn emboss<S: Whole>(samples: &[S], window: &Window<'_>) -> Pixels {
    let bands = window.pixels.bands();
    let count = bands.count();
    let mut relief = Vec::with_capacity(window.wanted(bands));
    let threes = Threes::new(samples, count, window);
    if bands.has_alpha() {
        threes.for_each(|rows| push_clear(rows, count, &mut relief));
    } else {
        threes.for_each(|rows| push_opaque(rows, count, &mut relief));
    }
    Pixels::of(window.keep.size(), bands, relief)
}

fn push_opaque<S: Whole>(rows: [&[S]; 3], bands: usize, relief: &mut Vec<S>) {
    for start in 0..rows[0].len() - 2 * bands {
        let mut sum = 0;
        for (row, weights) in rows.iter().zip(KERNEL) {
            for (step, weight) in weights.into_iter().enumerate() {
                sum += i64::from(weight) * i64::from(row[start + step * bands].to_u32());
            }
        }
        relief.push(S::clamped(sum));
    }
}

fn push_clear<S: Whole>(rows: [&[S]; 3], bands: usize, relief: &mut Vec<S>) {
    let max = i64::from(S::FULL.to_u32());
    for start in (0..rows[0].len() - 2 * bands).step_by(bands) {
        let centre = &rows[1][start + bands..][..bands];
        for (band, colour) in centre[..bands - 1].iter().enumerate() {
            let colour = i64::from(colour.to_u32());
            let mut sum = 0;
            for (row, weights) in rows.iter().zip(KERNEL) {
                for (pixel, weight) in row[start..].chunks_exact(bands).zip(weights) {
                    let rise = i64::from(pixel[band].to_u32()) - colour;
                    sum += i64::from(weight) * rise * i64::from(pixel[bands - 1].to_u32());
                }
            }
            let share = (sum + sum.signum() * (max / 2)) / max;
            relief.push(S::clamped(colour + share));
        }
        relief.push(centre[bands - 1]);
    }
}

/// Floats are not clamped.
fn emboss_floats(samples: &[f32], window: &Window<'_>) -> Pixels {
    let bands = window.pixels.bands();
    let (count, colours) = (bands.count(), bands.colours());
    let mut relief = Vec::with_capacity(window.wanted(bands));
    Threes::new(samples, count, window).for_each(|rows| {
        for start in (0..rows[0].len() - 2 * count).step_by(count) {
            let centre = &rows[1][start + count..][..count];
            for (band, colour) in centre[..colours].iter().enumerate() {
                let mut sum = colour.to_f64();
                for (row, weights) in rows.iter().zip(KERNEL) {
                    for (pixel, weight) in row[start..].chunks_exact(count).zip(weights) {
                        let alpha = if bands.has_alpha() { pixel[colours].to_f64() } else { 1.0 };
                        let rise = pixel[band].to_f64() - colour.to_f64();
                        // Neighbours that cannot be seen, and the centre itself, raise nothing.
                        if alpha != 0.0 && rise != 0.0 {
                            sum += f64::from(weight) * rise * alpha;
                        }
                    }
                }
                relief.push(f32::from_f64(sum));
            }
            relief.extend_from_slice(&centre[colours..]);
        }
    });
    Pixels::of(window.keep.size(), bands, relief)
}
