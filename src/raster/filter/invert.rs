//! `invert`: the negative of an image.

use super::{Filter, FilterSpec, Window};
use crate::raster::pixels::{Channels, Pixels, SamplesMut};
use crate::raster::sample::Sample;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "invert",
    summary: "Turns every colour into its opposite; alpha stays.",
    params: &[],
    build: |_| Box::new(Invert),
};

#[derive(Debug)]
struct Invert;

impl Filter for Invert {
    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let channels = pixels.channels();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => invert(samples, channels),
            SamplesMut::U16(samples) => invert(samples, channels),
        }
        pixels
    }
}

fn invert<S: Sample>(samples: &mut [S], channels: Channels) {
    match channels {
        Channels::Grey | Channels::Rgb => samples.iter_mut().for_each(|v| *v = v.opposite()),
        Channels::GreyAlpha => invert_colours::<S, 2>(samples),
        Channels::Rgba => invert_colours::<S, 4>(samples),
    }
}

fn invert_colours<S: Sample, const CHANNELS: usize>(samples: &mut [S]) {
    for pixel in samples.as_chunks_mut::<CHANNELS>().0 {
        for colour in &mut pixel[..CHANNELS - 1] {
            *colour = colour.opposite();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_inverted_and_alpha_is_kept() {
        let mut samples = [0_u16, 1, 65_535, 7, 300, 2, 3, 65_535];
        invert(&mut samples, Channels::Rgba);
        assert_eq!(samples, [65_535, 65_534, 0, 7, 65_235, 65_533, 65_532, 65_535]);
        let mut samples = [0_u8, 1, 200];
        invert(&mut samples, Channels::Rgb);
        assert_eq!(samples, [255, 254, 55]);
    }
}
