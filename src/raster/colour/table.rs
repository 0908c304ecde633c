//! Profiles of lookup tables (ICC.1:2022, 10.10 to 10.12) to sRGB, in `f64` in one fixed order: the library's own
//! results for tables depend on the processor.

use moxcms::{
    ColorProfile, LutMultidimensionalType, LutStore, LutType, LutWarehouse, ToneReprCurve,
};

use super::connection::Encoding;
use super::curve::{at, between};
use super::srgb::{Shape, from_xyz};

/// The most samples of a pixel that a table may take.
const MOST_INPUTS: usize = 4;

/// Steps in which the curves behind the grid of colours are tabulated.
const STEPS: u32 = 65_535;

/// Converts the values of a profile to sRGB.
#[derive(Debug)]
pub(crate) struct Table {
    /// For each sample, the place of each value along its side of the grid, from 0 to 1.
    inputs: Vec<Vec<f64>>,
    cells: Option<Cells>,
    stages: Vec<Stage>,
    encoding: Encoding,
    to_light: [[f64; 3]; 3],
    shape: Shape,
}

/// A grid of colours, in which the last input varies fastest.
#[derive(Debug)]
struct Cells {
    /// Points along the side of each input.
    points: Vec<usize>,
    /// Three numbers for each point, in 65,535ths.
    colours: Vec<u16>,
}

/// A step that follows the grid, on its three numbers.
#[derive(Debug)]
enum Stage {
    Curves([Vec<f64>; 3]),
    Matrix([[f64; 3]; 3], [f64; 3]),
}

/// The table of a profile for `inputs` samples: the perceptual one, else the colorimetric one.
pub(super) fn of(profile: &ColorProfile, inputs: usize) -> Option<&LutWarehouse> {
    let tables = [&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric];
    let mut tables = tables.into_iter().filter_map(Option::as_ref);
    tables.find(|table| Encoding::of(profile.pcs, false).is_some() && suits(table, inputs))
}

/// Whether a table is complete, and takes `inputs` samples to three.
fn suits(table: &LutWarehouse, inputs: usize) -> bool {
    match table {
        LutWarehouse::Lut(table) => {
            let points = vec![table.num_clut_grid_points.into(); inputs];
            let fits = usize::from(table.num_input_channels) == inputs && inputs <= MOST_INPUTS;
            fits && table.num_output_channels == 3
                && has_curves(&table.input_table, inputs, table.num_input_table_entries)
                && has_curves(&table.output_table, 3, table.num_output_table_entries)
                && has_cells(&points, &table.clut_table)
        }
        LutWarehouse::Multidimensional(table) => {
            let fits = usize::from(table.num_input_channels) == inputs && inputs <= MOST_INPUTS;
            let curves = |curves: &[ToneReprCurve], count| [0, count].contains(&curves.len());
            let numbers = table.matrix.v.iter().flatten().chain(&table.bias.v);
            let cells = |colours| has_cells(&points(table, inputs), colours);
            fits && table.num_output_channels == 3
                && curves(&table.a_curves, inputs)
                && curves(&table.m_curves, 3)
                && curves(&table.b_curves, 3)
                && numbers.into_iter().all(|number| number.is_finite())
                && table.clut.as_ref().map_or(inputs == 3, cells)
        }
    }
}

fn has_curves(store: &LutStore, count: usize, length: u16) -> bool {
    length >= 2 && values(store) >= count * usize::from(length)
}

/// Whether there is a colour for each point.
fn has_cells(points: &[usize], store: &LutStore) -> bool {
    let count = points.iter().try_fold(3, |count: usize, points| count.checked_mul(*points));
    count.is_some_and(|count| count > 0 && values(store) >= count)
}

fn values(store: &LutStore) -> usize {
    match store {
        LutStore::Store8(values) => values.len(),
        LutStore::Store16(values) => values.len(),
    }
}

/// Points along the side of each input.
fn points(table: &LutMultidimensionalType, inputs: usize) -> Vec<usize> {
    table.grid_points.iter().take(inputs).map(|points| usize::from(*points)).collect()
}

impl Table {
    /// The table that [`of`] found, for numbers from 0 to `max`.
    pub(super) fn new(
        profile: &ColorProfile,
        table: &LutWarehouse,
        inputs: usize,
        max: u32,
    ) -> Option<Table> {
        let numbers = || (0..=max).map(|v| f64::from(v) / f64::from(max));
        let (curves, cells, stages, old): (Vec<Vec<f64>>, _, _, _) = match table {
            LutWarehouse::Lut(table) => {
                let curves = split(&table.input_table, table.num_input_table_entries);
                let along = |curve: &Vec<f64>| numbers().map(|x| between(curve, x)).collect();
                let points = vec![table.num_clut_grid_points.into(); inputs];
                let cells = Cells::new(points, &table.clut_table);
                let last = split(&table.output_table, table.num_output_table_entries);
                let stages = Stage::curves(last.into_iter().take(3).collect());
                let old = table.lut_type == LutType::Lut16;
                (curves.iter().take(inputs).map(along).collect(), Some(cells), vec![stages], old)
            }
            LutWarehouse::Multidimensional(table) => {
                let along = |curve: Option<&ToneReprCurve>| {
                    numbers().map(|x| curve.map_or(x, |curve| at(curve, x))).collect()
                };
                let curves = (0..inputs).map(|input| along(table.a_curves.get(input)));
                let cells = table.clut.as_ref();
                let cells = cells.map(|colours| Cells::new(points(table, inputs), colours));
                let matrix = Stage::Matrix(table.matrix.v, table.bias.v);
                let middle = Stage::tabulated(&table.m_curves);
                let stages = vec![middle, Some(matrix), Stage::tabulated(&table.b_curves)];
                (curves.collect(), cells, stages, false)
            }
        };
        let encoding = Encoding::of(profile.pcs, old)?;
        let stages = stages.into_iter().flatten().collect();
        let (to_light, shape) = (from_xyz(), Shape::new());
        Some(Table { inputs: curves, cells, stages, encoding, to_light, shape })
    }

    /// Number of samples of a pixel that the table takes.
    pub(super) fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// For a table of one input: the light, from 0 to 1, of each value up to `max`. If the table gives a colour,
    /// it is that of its grey.
    pub(super) fn lights(&self, max: u32) -> Vec<f64> {
        (0..=max as usize).map(|value| self.xyz(std::iter::once(value))[1]).collect()
    }

    /// The sRGB values, from 0 to 1, of one colour; it has as many values as there are inputs.
    pub(super) fn colour(&self, values: impl Iterator<Item = usize>) -> [f64; 3] {
        let [x, y, z] = self.xyz(values);
        self.to_light.map(|[a, b, c]| self.shape.of(a * x + b * y + c * z))
    }

    fn xyz(&self, values: impl Iterator<Item = usize>) -> [f64; 3] {
        let mut places = [0.0; MOST_INPUTS];
        for ((place, curve), value) in places.iter_mut().zip(&self.inputs).zip(values) {
            *place = curve[value];
        }
        let start = match &self.cells {
            Some(cells) => cells.colour(&places),
            None => [places[0], places[1], places[2]],
        };
        let numbers = self.stages.iter().fold(start, |numbers, stage| stage.apply(numbers));
        self.encoding.xyz(numbers)
    }
}

impl Cells {
    fn new(points: Vec<usize>, colours: &LutStore) -> Cells {
        let colours = match colours {
            LutStore::Store8(colours) => colours.iter().map(|c| u16::from(*c) * 257).collect(),
            LutStore::Store16(colours) => colours.clone(),
        };
        Cells { points, colours }
    }

    /// The multilinear interpolation between the corners around a place.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1")]
    fn colour(&self, places: &[f64; MOST_INPUTS]) -> [f64; 3] {
        let (mut first, mut stride) = (0, 3);
        let (mut steps, mut parts) = ([0; MOST_INPUTS], [0.0; MOST_INPUTS]);
        for (input, points) in self.points.iter().enumerate().rev() {
            let last = points - 1;
            let place = places[input] * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
            let cell = (place as usize).min(last.saturating_sub(1));
            parts[input] = place - f64::from(u32::try_from(cell).unwrap_or(u32::MAX));
            steps[input] = if last == 0 { 0 } else { stride };
            first += cell * stride;
            stride *= points;
        }
        let inputs = self.points.len();
        let mut colour = [0.0; 3];
        for corner in 0..1_usize << inputs {
            let (mut weight, mut at) = (1.0, first);
            for input in 0..inputs {
                if corner >> input & 1 == 1 {
                    (weight, at) = (weight * parts[input], at + steps[input]);
                } else {
                    weight *= 1.0 - parts[input];
                }
            }
            for (sum, number) in colour.iter_mut().zip(&self.colours[at..at + 3]) {
                *sum += weight * f64::from(*number);
            }
        }
        colour.map(|sum| sum / 65_535.0)
    }
}

impl Stage {
    /// Three curves; `None` if they change nothing.
    fn curves(curves: Vec<Vec<f64>>) -> Option<Stage> {
        let curves: [Vec<f64>; 3] = curves.try_into().ok()?;
        let straight = |curve: &Vec<f64>| {
            let last = f64::from(u32::try_from(curve.len() - 1).unwrap_or(u32::MAX));
            let mut even = (0_u32..).map(|step| f64::from(step) / last).zip(curve);
            even.all(|(even, value)| (value - even).abs() < 1e-9)
        };
        (!curves.iter().all(straight)).then_some(Stage::Curves(curves))
    }

    /// Like [`Stage::curves`], from the profile's curves, of which there may be none.
    fn tabulated(curves: &[ToneReprCurve]) -> Option<Stage> {
        let steps = || (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
        let table = |curve: &ToneReprCurve| steps().map(|x| at(curve, x)).collect();
        Stage::curves(curves.iter().map(table).collect())
    }

    fn apply(&self, numbers: [f64; 3]) -> [f64; 3] {
        match self {
            Stage::Curves(curves) => {
                [0, 1, 2].map(|channel| between(&curves[channel], numbers[channel]))
            }
            Stage::Matrix(matrix, add) => {
                let [x, y, z] = numbers;
                [0, 1, 2].map(|row| {
                    let factors = matrix[row];
                    let sum = factors[0] * x + factors[1] * y + factors[2] * z + add[row];
                    sum.clamp(0.0, 1.0)
                })
            }
        }
    }
}

/// The curves of a table of 8 or 16 bits, `length` values each.
fn split(store: &LutStore, length: u16) -> Vec<Vec<f64>> {
    let all: Vec<f64> = match store {
        LutStore::Store8(values) => values.iter().map(|v| f64::from(*v) / 255.0).collect(),
        LutStore::Store16(values) => values.iter().map(|v| f64::from(*v) / 65_535.0).collect(),
    };
    all.chunks_exact(usize::from(length).max(1)).map(<[f64]>::to_vec).collect()
}
