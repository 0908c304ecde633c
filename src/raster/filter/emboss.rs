//! `emboss`: the image as a relief, lit from the top left.

use super::around::Threes;
use super::{Filter, FilterSpec, Window};
use crate::pixels::{Channels, Pixels, Samples};
use crate::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "emboss",
    summary: "Turns the image into a relief that is lit from the top left; alpha stays.",
    params: &[],
    build: |_| Box::new(Emboss),
};

/// The usual embossing kernel. Its weights sum to 1, so surfaces keep their colour.
const KERNEL: [[i64; 3]; 3] = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]];

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
        }
    }
}

fn emboss<S: Sample>(samples: &[S], window: &Window<'_>) -> Pixels {
    let channels = window.pixels.channels();
    let mut relief = Vec::with_capacity(window.wanted(channels));
    let threes = Threes::new(samples, channels.count(), window);
    match channels {
        Channels::Grey | Channels::Rgb => {
            threes.for_each(|rows| push_opaque(rows, channels.count(), &mut relief));
        }
        Channels::GreyAlpha => threes.for_each(|rows| push_clear::<S, 2>(rows, &mut relief)),
        Channels::Rgba => threes.for_each(|rows| push_clear::<S, 4>(rows, &mut relief)),
    }
    Pixels::of(window.keep.size(), channels, relief)
}

fn push_opaque<S: Sample>(rows: [&[S]; 3], channels: usize, relief: &mut Vec<S>) {
    for start in 0..rows[0].len() - 2 * channels {
        let mut sum = 0;
        for (row, weights) in rows.iter().zip(KERNEL) {
            for (step, weight) in weights.into_iter().enumerate() {
                sum += weight * i64::from(row[start + step * channels].to_u32());
            }
        }
        relief.push(S::clamped(sum));
    }
}

fn push_clear<S: Sample, const CHANNELS: usize>(rows: [&[S]; 3], relief: &mut Vec<S>) {
    let rows = rows.map(|row| row.as_chunks::<CHANNELS>().0);
    for x in 0..rows[0].len() - 2 {
        let centre = rows[1][x + 1];
        for (channel, colour) in centre[..CHANNELS - 1].iter().enumerate() {
            let colour = i64::from(colour.to_u32());
            let mut sum = 0;
            for (row, weights) in rows.iter().zip(KERNEL) {
                for (pixel, weight) in row[x..x + 3].iter().zip(weights) {
                    let rise = i64::from(pixel[channel].to_u32()) - colour;
                    sum += weight * rise * i64::from(pixel[CHANNELS - 1].to_u32());
                }
            }
            let max = i64::from(S::MAX.to_u32());
            let share = (sum + sum.signum() * (max / 2)) / max;
            relief.push(S::clamped(colour + share));
        }
        relief.push(centre[CHANNELS - 1]);
    }
}
