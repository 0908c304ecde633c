//! `gamma`: brightens or darkens the middle tones; black and white stay.

use super::curve::Curve;
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "gamma",
    summary: "Raises every colour to the power 1 / gamma; alpha stays.",
    params: &[ParamSpec {
        name: "gamma",
        summary: "above 1 brightens, below 1 darkens",
        kind: ParamKind::Number { min: 0.1, max: 10.0, step: 0.05, unit: "", default: 1.5 },
    }],
    build: |values| {
        let exponent = 1.0 / values.number(0);
        Box::new(Gamma { curve: Curve::new(move |v| libm::pow(v, exponent)) })
    },
};

/// The power law v^(1/γ) of values from 0 to 1, as `-gamma` of `ImageMagick`.
#[derive(Debug)]
struct Gamma {
    curve: Curve,
}

impl Filter for Gamma {
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
