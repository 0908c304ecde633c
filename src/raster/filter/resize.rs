//! `resize`: another number of pixels for the same picture.

use super::resample::{Axis, Kernel, LONGEST, resample};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Unfit, Window};
use crate::grid::{Region, Size};
use crate::pixels::Pixels;
use crate::sample::with_samples;

const fn side(name: &'static str, summary: &'static str) -> ParamSpec {
    let kind = ParamKind::Integer { min: 0, max: 1_000_000, step: 1, unit: "pixels", default: 0 };
    ParamSpec { name, summary, kind }
}

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "resize",
    summary: "Makes the image smaller or larger.",
    params: &[
        side("width", "the new width; with 0, it follows the height"),
        side("height", "the new height; with 0, it follows the width"),
        ParamSpec {
            name: "percent",
            summary: "of both sides, if neither is given",
            kind: ParamKind::Number {
                min: 0.01,
                max: 1000.0,
                step: 1.0,
                unit: "percent",
                default: 100.0,
            },
        },
        ParamSpec {
            name: "kernel",
            summary: "auto is area for a side that shrinks, lanczos for one that grows",
            kind: ParamKind::Choice {
                choices: &["auto", "area", "lanczos", "nearest"],
                default: "auto",
            },
        },
    ],
    build: |values| {
        let side = |index| u32::try_from(values.integer(index)).expect("at most 1,000,000");
        Box::new(Resize {
            width: side(0),
            height: side(1),
            percent: values.number(2),
            kernel: match values.choice(3) {
                "area" => Some(Kernel::Area),
                "lanczos" => Some(Kernel::Lanczos),
                "nearest" => Some(Kernel::Nearest),
                _ => None,
            },
        })
    },
};

/// Weighted means, colours weighted by alpha too.
#[derive(Debug)]
struct Resize {
    /// 0 if it follows.
    width: u32,
    /// 0 if it follows.
    height: u32,
    percent: f64,
    /// The one for both sides, if it was chosen.
    kernel: Option<Kernel>,
}

impl Resize {
    fn kernel(&self, from: u32, to: u32) -> Kernel {
        let fitting = if to <= from { Kernel::Area } else { Kernel::Lanczos };
        self.kernel.unwrap_or(fitting)
    }

    fn across(&self, input: Size) -> Axis {
        let to = self.output_size(input).width;
        Axis { kernel: self.kernel(input.width, to), from: input.width, to }
    }

    fn down(&self, input: Size) -> Axis {
        let to = self.output_size(input).height;
        Axis { kernel: self.kernel(input.height, to), from: input.height, to }
    }
}

impl Filter for Resize {
    fn fits(&self, input: Size) -> Result<(), Unfit> {
        let made = self.output_size(input);
        if [input, made].iter().any(|size| size.width.max(size.height) > LONGEST) {
            return Err(Unfit::TooLong { made });
        }

        #[expect(clippy::float_cmp, reason = "the default is exact")]
        let is_told = self.percent != 100.0;
        let both = is_told && (self.width, self.height) != (0, 0);
        if both { Err(Unfit::TwoSizes) } else { Ok(()) }
    }

    fn moves(&self) -> bool {
        true
    }

    fn output_size(&self, input: Size) -> Size {
        match (self.width, self.height) {
            (0, 0) => {
                Size::new(scaled(input.width, self.percent), scaled(input.height, self.percent))
            }
            (width, 0) => Size::new(width, following(input.height, width, input.width)),
            (0, height) => Size::new(following(input.width, height, input.height), height),
            (width, height) => Size::new(width, height),
        }
    }

    fn needs(&self, output: Region, input: Size) -> Region {
        let columns = self.across(input).reach(output.columns());
        let rows = self.down(input).reach(output.rows());
        let (width, height) = (columns.end - columns.start, rows.end - rows.start);
        Region { x: columns.start, y: rows.start, width, height }
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let (across, down) = (self.across(window.image), self.down(window.image));
        let bands = window.pixels.bands();
        with_samples!(window.pixels.samples(), samples => {
            let made = resample(samples, bands, window.at, window.keep, &across, &down);
            Pixels::of(window.keep.size(), bands, made)
        })
    }
}

/// `side` times `to` ÷ `from`, rounded half up, at least 1.
fn following(side: u32, to: u32, from: u32) -> u32 {
    let (side, to, from) = (u64::from(side), u64::from(to), u64::from(from.max(1)));
    u32::try_from((side * to + from / 2) / from).unwrap_or(u32::MAX).max(1)
}

/// A `percent` of `side`, rounded half up, at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
fn scaled(side: u32, percent: f64) -> u32 {
    (f64::from(side) * percent / 100.0 + 0.5).floor().max(1.0) as u32
}
