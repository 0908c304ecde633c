//! `denoise`: non-local means, which averages places that look alike.

use super::alike::Alike;
use super::field::{Field, Total};
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Bands, Pixels, Samples};
use crate::sample::Whole;

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "denoise",
    summary: "Averages places that look alike (non-local means); slow; alpha stays.",
    params: &[
        ParamSpec {
            name: "strength",
            summary: "how much places may differ and still count as alike",
            kind: ParamKind::Number {
                min: 0.1,
                max: 100.0,
                step: 0.5,
                unit: "of 255 levels, or of floats",
                default: 8.0,
            },
        },
        ParamSpec {
            name: "search",
            summary: "how far to search for places that look alike",
            kind: ParamKind::Integer { min: 1, max: 21, step: 1, unit: "pixels", default: 10 },
        },
        ParamSpec {
            name: "patch",
            summary: "how far around each place is compared",
            kind: ParamKind::Integer { min: 0, max: 10, step: 1, unit: "pixels", default: 3 },
        },
    ],
    build: |values| {
        let whole = |index| i32::try_from(values.integer(index)).expect("at most 21");
        Box::new(Denoise { strength: values.number(0), search: whole(1), patch: whole(2) })
    },
};

/// The weighted mean of all pixels at most `search` away. The weight is exp(-d / h²), where d is the mean
/// squared colour difference between the squares of (2 patch + 1)² pixels around both, and h the strength
/// (A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", 2011, with σ = 0). Beyond the image, its
/// edge pixels are repeated. Colours are weighted by alpha.
///
/// Differences are summed and colours averaged in integers; weights are a table of 4,096 steps. Floats are left to
/// [`Alike`], with the strength in their own unit.
#[derive(Debug)]
struct Denoise {
    strength: f64,
    search: i32,
    patch: i32,
}

impl Filter for Denoise {
    fn radius(&self) -> u32 {
        u32::try_from(self.search + self.patch).expect("both are positive")
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        match window.pixels.samples() {
            // A sum over 43 × 43 pixels of 8 bits, each weighing 4,096 at most, has 31 bits.
            Samples::U8(samples) if !window.pixels.bands().has_alpha() => {
                self.denoise::<u8, u32>(samples, &window)
            }
            Samples::U8(samples) => self.denoise::<u8, u64>(samples, &window),
            Samples::U16(samples) => self.denoise::<u16, u64>(samples, &window),
            Samples::F32(samples) => {
                let Denoise { strength, search, patch } = *self;
                Alike::new(samples, &window, search, patch).denoise(&window, strength)
            }
        }
    }
}

impl Denoise {
    fn denoise<S: Whole, T: Total>(&self, samples: &[S], window: &Window<'_>) -> Pixels {
        let field = Field::new(samples, window, self.search + self.patch);
        let weights = Weights::new(self.strength, self.patch, field.compared(), field.scale());
        let mut means = Means::<T>::new(&field, self.patch);
        let search = -self.search..=self.search;
        for (dy, dx) in search.clone().flat_map(|dy| search.clone().map(move |dx| (dy, dx))) {
            means.add(&field, &weights, dx, dy);
        }
        let mut pixels = window.pixels.crop(window.keep.relative_to(window.at));
        means.write(S::of(pixels.samples_mut()), window.pixels.bands());
        pixels
    }
}

/// The weight of a pixel, by its sum of squared differences.
struct Weights {
    table: Vec<u32>,
    shift: u32,
}

/// The weight of a pixel that does not differ.
const UNIT: f64 = 4096.0;

/// Entries of the table of weights.
const STEPS: u32 = 4096;

/// The x from which exp(-x) is below half a [`UNIT`]th.
pub(super) const NOTHING: f64 = 9.02;

impl Weights {
    /// For a `strength` in levels of 255, squares of `patch` pixels around the centre, and `compared`
    /// values of each pixel from 0 to `scale`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    fn new(strength: f64, patch: i32, compared: usize, scale: u32) -> Weights {
        let side = f64::from(2 * patch + 1);
        let compared = f64::from(u32::try_from(compared).expect("65,536 at most"));
        let h = strength * f64::from(scale) / 255.0;
        // The sum if every difference is h.
        let unit = h * h * side * side * compared;
        let last = (NOTHING * unit).ceil() as u64;
        let shift = (last / u64::from(STEPS - 1)).checked_ilog2().map_or(0, |log| log + 1);
        let middle = |step: u32| if step == 0 { 0.0 } else { f64::from(step) + 0.5 };
        let step = f64::from(2_u32.pow(shift));
        let weight = |place| (UNIT * libm::exp(-middle(place) * step / unit) + 0.5) as u32;
        let mut table: Vec<u32> = (0..STEPS).map(weight).collect();
        table[STEPS as usize - 1] = 0;
        Weights { table, shift }
    }

    #[inline]
    fn of(&self, sum: u32) -> u32 {
        let step = (sum >> self.shift) as usize;
        self.table[step.min(self.table.len() - 1)]
    }
}

/// The sums that become the means of the wanted pixels.
struct Means<T> {
    width: usize,
    height: usize,
    patch: usize,
    /// Weights, then each colour times its weight, a plane for each.
    weights: Vec<T>,
    colours: Vec<Vec<T>>,
    /// Squared differences of the last rows, as many as a patch has, and their sums by column.
    rows: Vec<Vec<u32>>,
    columns: Vec<u32>,
}

impl<T: Total> Means<T> {
    fn new(field: &Field, patch: i32) -> Means<T> {
        let (width, height) = (field.width(), field.height());
        let patch = usize::try_from(patch).expect("it is not negative");
        let plane = vec![T::default(); width * height];
        let row = vec![0; width + 2 * patch];
        Means {
            width,
            height,
            patch,
            colours: vec![plane.clone(); field.colours()],
            weights: plane,
            rows: vec![row.clone(); 2 * patch + 1],
            columns: row,
        }
    }

    /// Adds to every pixel's sums the pixel that lies `dx`, `dy` away.
    fn add(&mut self, field: &Field, weights: &Weights, dx: i32, dy: i32) {
        self.columns.fill(0);
        self.rows.iter_mut().for_each(|row| row.fill(0));
        let side = self.rows.len();
        let mut own = vec![0; self.width];
        for step in 0..self.height + side - 1 {
            let row = &mut self.rows[step % side];
            self.columns.iter_mut().zip(&*row).for_each(|(sum, old)| *sum -= old);
            field.differences(step, self.patch, dx, dy, row);
            self.columns.iter_mut().zip(&*row).for_each(|(sum, new)| *sum += new);
            let Some(y) = (step + 1).checked_sub(side) else { continue };
            own.fill(0);
            for reach in 0..side {
                let columns = &self.columns[reach..reach + self.width];
                own.iter_mut().zip(columns).for_each(|(sum, column)| *sum += column);
            }
            for sum in &mut own {
                *sum = weights.of(*sum);
            }
            self.add_row(field, &own, y, dx, dy);
        }
    }

    fn add_row(&mut self, field: &Field, weights: &[u32], y: usize, dx: i32, dy: i32) {
        let row = y * self.width..(y + 1) * self.width;
        T::add(&mut self.weights[row.clone()], weights, field.opacity(y, dx, dy));
        for (band, sums) in self.colours.iter_mut().enumerate() {
            T::add(&mut sums[row.clone()], weights, Some(field.weighted(band, y, dx, dy)));
        }
    }

    /// Replaces colours by their means. A transparent pixel among transparent ones stays.
    fn write<S: Whole>(&self, samples: &mut [S], bands: Bands) {
        for (index, pixel) in samples.chunks_exact_mut(bands.count()).enumerate() {
            let weight: u64 = self.weights[index].into();
            for (colour, sums) in pixel.iter_mut().zip(&self.colours) {
                let sum: u64 = sums[index].into();
                if let Some(mean) = (sum + weight / 2).checked_div(weight) {
                    *colour = S::clamped(i64::try_from(mean).unwrap_or(i64::MAX));
                }
            }
        }
    }
}
