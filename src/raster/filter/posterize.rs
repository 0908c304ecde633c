//! `posterize`: reduces each colour to a few tones.

use super::curve::Curve;
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "posterize",
    summary: "Rounds every colour to the nearest of a few evenly spaced levels; alpha stays.",
    params: &[ParamSpec {
        name: "levels",
        summary: "levels of each colour, black and white included",
        kind: ParamKind::Integer { min: 2, max: 256, step: 1, unit: "levels", default: 4 },
    }],
    build: |values| {
        let steps = f64::from(i32::try_from(values.integer(0)).expect("at most 256") - 1);
        Box::new(Posterize { curve: Curve::new(move |v| (v * steps + 0.5).floor() / steps) })
    },
};

/// Rounds each value to the nearest of the levels k / (n - 1), half up, as `-posterize` of `ImageMagick`.
#[derive(Debug)]
struct Posterize {
    curve: Curve,
}

impl Filter for Posterize {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_full_scale(input)
    }

    fn changes_nothing(&self) -> bool {
        self.curve.changes_nothing()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        self.curve.apply(window)
    }
}
