//! `flip`: reflections.

use super::turn::Turn;
use super::{FilterSpec, ParamKind, ParamSpec};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "flip",
    summary: "Exchanges left and right, or top and bottom.",
    params: &[ParamSpec {
        name: "direction",
        summary: "horizontal exchanges left and right",
        kind: ParamKind::Choice { choices: &["horizontal", "vertical"], default: "horizontal" },
    }],
    build: |values| Box::new(Turn::of(if values.choice(0) == "vertical" { 4 } else { 2 })),
};
