//! `sepia`: the brown of old photographs.

use super::matrix::Matrix;
use super::unfit::{self, Unfit};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{PixelFormat, Pixels};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "sepia",
    summary: "Tints the image brown, like an old photograph; alpha stays.",
    params: &[ParamSpec {
        name: "amount",
        summary: "how much of the tint; 0 changes nothing",
        kind: ParamKind::Number { min: 0.0, max: 1.0, step: 0.05, unit: "", default: 1.0 },
    }],
    build: |values| Box::new(Sepia { matrix: matrix(values.number(0)) }),
};

/// `sepia()` of the W3C Filter Effects Module, section 13.2.
const TINT: [[f64; 3]; 3] = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]];

/// A mix of [`TINT`], by `amount`, and the image as it is.
fn matrix(amount: f64) -> Matrix {
    let mut rows = TINT.map(|row| row.map(|number| number * amount));
    for (index, row) in rows.iter_mut().enumerate() {
        row[index] += 1.0 - amount;
    }
    Matrix::new(rows)
}

#[derive(Debug)]
struct Sepia {
    matrix: Matrix,
}

impl Filter for Sepia {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        unfit::need_colours(input)
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        PixelFormat { bands: input.bands.to_rgb(), ..input }
    }

    fn changes_nothing(&self) -> bool {
        self.matrix.changes_nothing()
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        self.matrix.apply(&window.pixels)
    }
}
