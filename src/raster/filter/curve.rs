//! A curve over single colours: maps each value of a channel to another, whatever surrounds it.

use std::fmt;
use std::sync::OnceLock;

use super::Window;
use crate::pixels::{Channels, Pixels, SamplesMut};
use crate::sample::{Sample, nearest};

/// A function from 0 … 1 to 0 … 1, tabulated on first use at each depth.
pub(super) struct Curve {
    function: Box<dyn Fn(f64) -> f64 + Send + Sync>,
    eight: OnceLock<Vec<u8>>,
    sixteen: OnceLock<Vec<u16>>,
}

impl Curve {
    /// A curve of `function`, whose results are clamped to 0 … 1.
    pub(super) fn new(function: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Curve {
        let (eight, sixteen) = (OnceLock::new(), OnceLock::new());
        Curve { function: Box::new(function), eight, sixteen }
    }

    /// The window with every colour replaced; alpha stays.
    pub(super) fn apply(&self, window: Window<'_>) -> Pixels {
        let mut pixels = window.pixels.into_owned();
        let channels = pixels.channels();
        match pixels.samples_mut() {
            SamplesMut::U8(samples) => {
                let table = self.eight.get_or_init(|| self.table());
                for_each_colour(samples, channels, |v| *v = table[usize::from(*v)]);
            }
            SamplesMut::U16(samples) => {
                let table = self.sixteen.get_or_init(|| self.table());
                for_each_colour(samples, channels, |v| *v = table[usize::from(*v)]);
            }
        }
        pixels
    }

    /// Whether every 8-bit value stays as it is.
    pub(super) fn changes_nothing(&self) -> bool {
        (0..=u8::MAX).eq(self.eight.get_or_init(|| self.table()).iter().copied())
    }

    fn table<S: Sample>(&self) -> Vec<S> {
        let max = S::MAX.to_u32();
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
pub(super) fn for_each_colour<S: Sample>(
    samples: &mut [S],
    channels: Channels,
    change: impl Fn(&mut S),
) {
    match channels {
        Channels::Grey | Channels::Rgb => samples.iter_mut().for_each(change),
        Channels::GreyAlpha => each_of::<S, 2>(samples, change),
        Channels::Rgba => each_of::<S, 4>(samples, change),
    }
}

fn each_of<S: Sample, const CHANNELS: usize>(samples: &mut [S], change: impl Fn(&mut S)) {
    for pixel in samples.as_chunks_mut::<CHANNELS>().0 {
        pixel[..CHANNELS - 1].iter_mut().for_each(&change);
    }
}
