//! `crop`: a part of the image.

use super::{Filter, FilterSpec, ParamKind, ParamSpec, Unfit, Window};
use crate::grid::{Region, Size};
use crate::pixels::Pixels;

/// The longest side that can be named, the default of `limits.max_side`.
const MOST: i64 = 1_000_000;

const fn param(name: &'static str, summary: &'static str) -> ParamSpec {
    let kind = ParamKind::Integer { min: 0, max: MOST, step: 1, unit: "pixels", default: 0 };
    ParamSpec { name, summary, kind }
}

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "crop",
    summary: "Keeps a rectangle, and drops the rest of the image.",
    params: &[
        param("x", "columns left of it"),
        param("y", "rows above it"),
        param("width", "its columns; with 0, all up to the right edge"),
        param("height", "its rows; with 0, all down to the bottom edge"),
    ],
    build: |values| {
        let value = |index| u32::try_from(values.integer(index)).expect("at most 1,000,000");
        let [x, y, width, height] = [0, 1, 2, 3].map(value);
        Box::new(Crop { asked: Region { x, y, width, height } })
    },
};

/// Each pixel keeps its samples.
#[derive(Debug)]
struct Crop {
    /// The rectangle as it was asked for; a side of 0 reaches to the edge.
    asked: Region,
}

impl Crop {
    /// The rectangle inside an image of size `input`, at least one pixel of it.
    fn kept(&self, input: Size) -> Region {
        let along = |start: u32, length: u32, all: u32| {
            let start = start.min(all.saturating_sub(1));
            let rest = all - start;
            (start, if length == 0 { rest } else { length.min(rest) })
        };
        let (x, width) = along(self.asked.x, self.asked.width, input.width);
        let (y, height) = along(self.asked.y, self.asked.height, input.height);
        Region { x, y, width, height }
    }
}

impl Filter for Crop {
    fn changes_nothing(&self) -> bool {
        true
    }

    fn fits(&self, input: Size) -> Result<(), Unfit> {
        let Region { x, y, width, height } = self.asked;
        let least = Region { width: width.max(1), height: height.max(1), x, y };
        if Region::of(input).contains(least) {
            Ok(())
        } else {
            Err(Unfit::Outside { asked: least })
        }
    }

    fn moves(&self) -> bool {
        true
    }

    fn output_size(&self, input: Size) -> Size {
        self.kept(input).size()
    }

    fn needs(&self, output: Region, input: Size) -> Region {
        let kept = self.kept(input);
        Region { x: output.x + kept.x, y: output.y + kept.y, ..output }
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let needed = self.needs(window.keep, window.image);
        if needed == window.at {
            return window.pixels.into_owned();
        }
        window.pixels.crop(needed.relative_to(window.at))
    }
}
