//! `brightness`: multiplies every colour.

use super::curve::Curve;
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::Pixels;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "brightness",
    summary: "Multiplies every colour; alpha stays.",
    params: &[ParamSpec {
        name: "factor",
        summary: "multiplies every colour; 1 changes nothing",
        kind: ParamKind::Number { min: 0.0, max: 10.0, step: 0.05, unit: "", default: 1.2 },
    }],
    build: |values| {
        let factor = values.number(0);
        Box::new(Brightness { curve: Curve::new(move |v| v * factor) })
    },
};

/// As `brightness()` of the W3C Filter Effects Module: slope `factor`, no intercept.
#[derive(Debug)]
struct Brightness {
    curve: Curve,
}

impl Filter for Brightness {
    fn changes_nothing(&self) -> bool {
        self.curve.changes_nothing()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        self.curve.apply(window)
    }
}
