//! `threshold`: black and white only.

use super::curve::for_each_colour;
use super::luma::{BT601, to_grey};
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Bands, Colours, PixelFormat, Pixels, SamplesMut};
use crate::sample::Whole;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "threshold",
    summary: "Makes pixels whose luma reaches a level white, and the rest black; alpha stays.",
    params: &[ParamSpec {
        name: "level",
        summary: "lowest luma that becomes white",
        kind: ParamKind::Number { min: 0.0, max: 100.0, step: 1.0, unit: "percent", default: 50.0 },
    }],
    build: |values| Box::new(Threshold { level: values.number(0) }),
};

/// Global thresholding of BT.601 luma: white at `level` percent of full intensity and above.
#[derive(Debug)]
struct Threshold {
    level: f64,
}

impl Filter for Threshold {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_full_scale(input)?;
        unfit::need_colours(input)
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { bands: input.bands.to_grey(), ..input }
    }

    fn reads(&self) -> Colours {
        Colours::Luma
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let mut grey = to_grey(&window.pixels, BT601);
        let bands = grey.bands();
        match grey.samples_mut() {
            SamplesMut::U8(samples) => self.split(samples, bands),
            SamplesMut::U16(samples) => self.split(samples, bands),
            SamplesMut::F32(_) => unfit::unaccepted(),
        }
        grey
    }
}

impl Threshold {
    fn split<S: Whole>(&self, samples: &mut [S], bands: Bands) {
        let least = f64::from(S::FULL.to_u32()) * self.level / 100.0;
        let zero = S::default();
        for_each_colour(samples, bands, |v| {
            *v = if f64::from(v.to_u32()) >= least { S::FULL } else { zero };
        });
    }
}
