//! A curve over single colours: maps each value of a band to another, whatever surrounds it.

use std::fmt;
use std::sync::OnceLock;

use super::Window;
use crate::pixels::{Bands, Pixels, SamplesMut};
use crate::sample::{Sample, Whole, nearest};

/// A function of a share of full intensity, tabulated on first use for each type of whole numbers. Floats are given to
/// it as they are.
pub(super) struct Curve {
    function: Box<dyn Fn(f64) -> f64 + Send + Sync>,
    eight: OnceLock<Vec<u8>>,
    sixteen: OnceLock<Vec<u16>>,
}

impl Curve {
    /// A curve of `function`, whose results are clamped to 0 … 1 where samples are whole numbers.
    pub(super) fn new(function: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Curve {
        let (eight, sixteen) = (OnceLock::new(), OnceLock::new());
        Curve { function: Box::new(function), eight, sixteen }
    }

    /// The window with every colour replaced; alpha stays.
    pub(super) fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let bands = pixels.bands();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => {
                let table = self.eight.get_or_init(|| self.table());
                for_each_colour(samples, bands, |v| *v = table[usize::from(*v)]);
            }
            SamplesMut::U16(samples) => {
                let table = self.sixteen.get_or_init(|| self.table());
                for_each_colour(samples, bands, |v| *v = table[usize::from(*v)]);
            }
            SamplesMut::F32(samples) => {
                let function = &self.function;
                for_each_colour(samples, bands, |v| *v = f32::from_f64(function(v.to_f64())));
            }
        }
        pixels
    }

    /// Whether every 8-bit value stays as it is.
    pub(super) fn changes_nothing(&self) -> bool {
        (0..=u8::MAX).eq(self.eight.get_or_init(|| self.table()).iter().copied())
    }

    fn table<S: Whole>(&self) -> Vec<S> {
        let max = S::FULL.to_u32();
        let value = |v: u32| nearest((self.function)(f64::from(v) / f64::from(max)));
        (0..=max).map(value).collect()
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curve").finish_non_exhaustive()
    }
}

/// Changes every sample but alpha.
pub(super) fn for_each_colour<S: Sample>(samples: &mut [S], bands: Bands, change: impl Fn(&mut S)) {
    match bands.count() {
        _ if !bands.has_alpha() => samples.iter_mut().for_each(change),
        2 => each_of::<S, 2>(samples, change),
        4 => each_of::<S, 4>(samples, change),
        count => {
            for pixel in samples.chunks_exact_mut(count) {
                pixel[..count - 1].iter_mut().for_each(&change);
            }
        }
    }
}

fn each_of<S: Sample, const BANDS: usize>(samples: &mut [S], change: impl Fn(&mut S)) {
    for pixel in samples.as_chunks_mut::<BANDS>().0 {
        pixel[..BANDS - 1].iter_mut().for_each(&change);
    }
}
