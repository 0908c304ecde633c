//! `scale`: any numbers to whole numbers from black to white.

use super::stretch::{BITS, sample, stretched};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels, SampleType};

/// The largest value of an end: far above heights in millimetres or counts of photons.
const LARGEST: f64 = 1e9;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "scale",
    summary: "Makes 8 or 16 bits of any numbers: one value becomes black, another one white; alpha stays.",
    params: &[
        ParamSpec {
            name: "black",
            summary: "value that becomes black, in the unit of the samples",
            kind: ParamKind::Number {
                min: -LARGEST,
                max: LARGEST,
                step: 1.0,
                unit: "",
                default: 0.0,
            },
        },
        ParamSpec {
            name: "white",
            summary: "value that becomes white",
            kind: ParamKind::Number {
                min: -LARGEST,
                max: LARGEST,
                step: 1.0,
                unit: "",
                default: 255.0,
            },
        },
        BITS,
    ],
    build: |values| {
        let (black, white) = (values.number(0), values.number(1));
        Box::new(Scale { black, white, sample: sample(values.choice(2)) })
    },
};

/// See [`stretched`]; with one value for both ends, values from it on become white.
#[derive(Debug)]
struct Scale {
    black: f64,
    white: f64,
    sample: SampleType,
}

impl Filter for Scale {
    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { sample: self.sample, ..input }
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let share = |_, value: f64| {
            if self.black.total_cmp(&self.white).is_eq() {
                return if value >= self.white { 1.0 } else { 0.0 };
            }
            (value - self.black) / (self.white - self.black)
        };
        stretched(&window.pixels, self.sample, share)
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::Chain;
    use crate::grid::{Region, Size};
    use crate::pixels::{Bands, Pixels};

    fn scaled(chain: &str, pixels: &Pixels) -> Pixels {
        let all = Region::of(pixels.size());
        Chain::parse(chain).unwrap().apply(pixels, all, all, pixels.size())
    }

    #[test]
    fn the_ends_become_black_and_white_and_what_lies_beyond_is_clamped() {
        let size = Size::new(6, 1);
        let heights = vec![-50.0, 100.0, 150.0, 200.0, 1e9, f32::NAN];
        let pixels = Pixels::of::<f32>(size, Bands::GREY, heights);
        let meant = |values: [u8; 6]| Pixels::of::<u8>(size, Bands::GREY, values.to_vec());
        assert_eq!(scaled("scale:100:200", &pixels), meant([0, 0, 128, 255, 255, 0]));
        assert_eq!(scaled("scale:200:100", &pixels), meant([255, 255, 128, 0, 0, 0]));
        assert_eq!(scaled("scale:150:150", &pixels), meant([0, 0, 255, 255, 255, 0]));
        let twelve =
            Pixels::of::<u16>(Size::new(2, 1), Bands::GREY_ALPHA, vec![4095, 65_535, 0, 0]);
        let wide =
            Pixels::of::<u16>(Size::new(2, 1), Bands::GREY_ALPHA, vec![65_535, 65_535, 0, 0]);
        assert_eq!(scaled("scale:0:4095:16", &twelve), wide);
    }
}
