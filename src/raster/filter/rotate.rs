//! `rotate`: quarter turns.

use super::turn::Turn;
use super::{FilterSpec, ParamKind, ParamSpec};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "rotate",
    summary: "Turns the image clockwise.",
    params: &[ParamSpec {
        name: "angle",
        summary: "degrees",
        kind: ParamKind::Choice { choices: &["90", "180", "270"], default: "90" },
    }],
    build: |values| {
        Box::new(Turn::of(match values.choice(0) {
            "180" => 3,
            "270" => 8,
            _ => 6,
        }))
    },
};
