//! `grayscale`: the luma of an image.

use super::luma::{BT601, BT709, to_grey};
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Colours, PixelFormat, Pixels};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "grayscale",
    summary: "Keeps the luma of every colour; alpha stays.",
    params: &[ParamSpec {
        name: "luma",
        summary: "the standard that says how bright each colour is",
        kind: ParamKind::Choice { choices: &["bt601", "bt709"], default: "bt601" },
    }],
    build: |values| {
        Box::new(Grayscale { weights: if values.choice(0) == "bt709" { BT709 } else { BT601 } })
    },
};

#[derive(Debug)]
struct Grayscale {
    weights: [u32; 3],
}

impl Filter for Grayscale {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_colours(input)
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { bands: input.bands.to_grey(), ..input }
    }

    fn reads(&self) -> Colours {
        if self.weights == BT601 { Colours::Luma } else { Colours::All }
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        if window.pixels.bands().colours() == 1 {
            return window.pixels.into_owned();
        }
        to_grey(&window.pixels, self.weights)
    }
}
