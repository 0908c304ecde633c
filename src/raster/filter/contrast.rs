//! `contrast`: moves colours away from mid-grey, or towards it.

use super::curve::Curve;
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::Pixels;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "contrast",
    summary: "Moves every colour away from mid-grey, or towards it; alpha stays.",
    params: &[ParamSpec {
        name: "factor",
        summary: "multiplies the distance from mid-grey; 1 changes nothing",
        kind: ParamKind::Number { min: 0.0, max: 10.0, step: 0.05, unit: "", default: 1.2 },
    }],
    build: |values| {
        let factor = values.number(0);
        Box::new(Contrast { curve: Curve::new(move |v| (v - 0.5) * factor + 0.5) })
    },
};

/// As `contrast()` of the W3C Filter Effects Module: slope `factor` around 0.5.
#[derive(Debug)]
struct Contrast {
    curve: Curve,
}

impl Filter for Contrast {
    fn changes_nothing(&self) -> bool {
        self.curve.changes_nothing()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        self.curve.apply(window)
    }
}
