//! `invert`: the negative of an image.

use super::curve::for_each_colour;
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, Window};
use crate::pixels::{PixelFormat, Pixels, SamplesMut};
use crate::sample::Whole;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "invert",
    summary: "Turns every colour into its opposite; alpha stays.",
    params: &[],
    build: |_| Box::new(Invert),
};

#[derive(Debug)]
struct Invert;

impl Filter for Invert {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_full_scale(input)
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let bands = pixels.bands();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => for_each_colour(samples, bands, |v| *v = v.opposite()),
            SamplesMut::U16(samples) => for_each_colour(samples, bands, |v| *v = v.opposite()),
            SamplesMut::F32(_) => unfit::unaccepted(),
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Bands;

    #[test]
    fn colours_are_inverted_and_alpha_is_kept() {
        let mut samples = [0_u16, 1, 65_535, 7, 300, 2, 3, 65_535];
        for_each_colour(&mut samples, Bands::RGBA, |v| *v = v.opposite());
        assert_eq!(samples, [65_535, 65_534, 0, 7, 65_235, 65_533, 65_532, 65_535]);
        let mut samples = [0_u8, 1, 200];
        for_each_colour(&mut samples, Bands::RGB, |v| *v = v.opposite());
        assert_eq!(samples, [255, 254, 55]);
    }
}
