//! `saturation`: makes colours stronger or weaker.

use super::matrix::Matrix;
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "saturation",
    summary: "Moves every colour away from its luma, or towards it; greys and alpha stay.",
    params: &[ParamSpec {
        name: "factor",
        summary: "multiplies the distance from grey; 1 changes nothing, 0 leaves greys",
        kind: ParamKind::Number { min: 0.0, max: 10.0, step: 0.05, unit: "", default: 1.5 },
    }],
    build: |values| Box::new(Saturation { matrix: matrix(values.number(0)) }),
};

/// ITU-R BT.601 luma.
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// The matrix of luma + factor × (colour - luma), as `ImageEnhance.Color` of Pillow.
fn matrix(factor: f64) -> Matrix {
    let mut rows = [LUMA.map(|weight| weight * (1.0 - factor)); 3];
    for (index, row) in rows.iter_mut().enumerate() {
        row[index] += factor;
    }
    Matrix::new(rows).balanced()
}

#[derive(Debug)]
struct Saturation {
    matrix: Matrix,
}

impl Filter for Saturation {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_colours(input)
    }

    fn changes_nothing(&self) -> bool {
        self.matrix.changes_nothing()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        if window.pixels.bands().colours() == 1 {
            return window.pixels.into_owned();
        }
        self.matrix.apply(&window.pixels)
    }
}
