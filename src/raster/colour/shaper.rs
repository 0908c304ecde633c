//! Profiles of three curves and a matrix, or of one curve for grey (ICC.1:2022, annex F), to sRGB.
//!
//! All of it in `f64` in one fixed order, and with tables that are as fine as 16 bits need.

use moxcms::{ColorProfile, ToneReprCurve};

/// Steps of the table that gives sRGB its shape; straight between, it is right to a hundredth of a
/// level of 16 bits.
const STEPS: u32 = 65_535;

/// From numbers to sRGB.
#[derive(Debug)]
pub(in crate::raster) struct Shaper {
    /// For each colour what its numbers mean in light, from 0 to 1.
    linear: Vec<Vec<f64>>,
    /// From the light of the profile's colours to that of sRGB's.
    matrix: [[f64; 3]; 3],
    /// The numbers of sRGB, from 0 to 1, for evenly spaced light.
    shape: Vec<f64>,
}

impl Shaper {
    /// For numbers from 0 to `max`; `None` if the profile is of another kind.
    pub(super) fn new(profile: &ColorProfile, max: u32) -> Option<Shaper> {
        let (curves, matrix) = parts(profile)?;
        let value = |v: u32| f64::from(v) / f64::from(max);
        let table = |curve: &&ToneReprCurve| (0..=max).map(|v| at(curve, value(v))).collect();
        let linear = curves.iter().map(table).collect();
        let shape = (0..=STEPS).map(|v| srgb(f64::from(v) / f64::from(STEPS))).collect();
        Some(Shaper { linear, matrix, shape })
    }

    /// The sRGB numbers, from 0 to 1, of one grey.
    pub(super) fn grey(&self, value: usize) -> f64 {
        self.shaped(self.linear[0][value])
    }

    /// The sRGB numbers, from 0 to 1, of one colour.
    pub(super) fn colour(&self, values: [usize; 3]) -> [f64; 3] {
        let [r, g, b] = [0, 1, 2].map(|channel| self.linear[channel][values[channel]]);
        self.matrix.map(|[x, y, z]| self.shaped(x * r + y * g + z * b))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    fn shaped(&self, light: f64) -> f64 {
        let place = light.clamp(0.0, 1.0) * f64::from(STEPS);
        let (step, part) = (place as usize, place.fract());
        let next = self.shape[(step + 1).min(self.shape.len() - 1)];
        self.shape[step] + part * (next - self.shape[step])
    }
}

/// The curves of a profile, and its matrix to the light of sRGB.
fn parts(profile: &ColorProfile) -> Option<(Vec<&ToneReprCurve>, [[f64; 3]; 3])> {
    const GREY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    if let Some(curve) = &profile.gray_trc {
        return Some((vec![curve], GREY));
    }
    let by_table = [&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric];
    if by_table.iter().any(|table| table.is_some()) {
        return None;
    }
    let curves = [&profile.red_trc, &profile.green_trc, &profile.blue_trc];
    let curves = curves.map(Option::as_ref).into_iter().collect::<Option<Vec<_>>>()?;
    let matrix = profile.transform_matrix(&ColorProfile::new_srgb()).v;
    matrix.iter().flatten().all(|number| number.is_finite()).then_some((curves, matrix))
}

/// Whether colours look the same if the profile is taken for sRGB: within half a level of 8 bits.
pub(super) fn is_srgb(profile: &ColorProfile) -> bool {
    let Some(shaper) = Shaper::new(profile, 255) else { return false };
    let near = |given: f64, value: usize| {
        let expected = f64::from(u32::try_from(value).unwrap_or(u32::MAX)) / 255.0;
        (given - expected).abs() * 255.0 < 0.5
    };
    if shaper.linear.len() == 1 {
        return (0..=255).all(|value| near(shaper.grey(value), value));
    }
    let steps = || (0..=255).step_by(51);
    let mut colours =
        steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])));
    colours.all(|values| {
        let given = shaper.colour(values);
        given.into_iter().zip(values).all(|(given, value)| near(given, value))
    }) && (0..=255).all(|value| near(shaper.colour([value; 3])[0], value))
}

/// The numbers of sRGB for light, both from 0 to 1 (IEC 61966-2-1).
fn srgb(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}

/// The light of a number, both from 0 to 1 (ICC.1:2022, 10.6 and 10.18).
fn at(curve: &ToneReprCurve, x: f64) -> f64 {
    let light = match curve {
        ToneReprCurve::Lut(table) => in_table(table, x),
        ToneReprCurve::Parametric(numbers) => parametric(numbers, x),
    };
    if light.is_finite() { light.clamp(0.0, 1.0) } else { 0.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "x is from 0 to 1")]
fn in_table(table: &[u16], x: f64) -> f64 {
    match *table {
        [] => x,
        [gamma] => libm::pow(x, f64::from(gamma) / 256.0),
        _ => {
            let last = table.len() - 1;
            let place = x * f64::from(u32::try_from(last).unwrap_or(u32::MAX));
            let (step, part) = ((place as usize).min(last), place.fract());
            let [this, next] = [step, (step + 1).min(last)].map(|step| f64::from(table[step]));
            (this + part * (next - this)) / 65_535.0
        }
    }
}

#[expect(clippy::many_single_char_names, reason = "as the standard names them")]
fn parametric(numbers: &[f32], x: f64) -> f64 {
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
    let power = |a: f64, b: f64, g: f64| libm::pow((a * x + b).max(0.0), g);
    match numbers[..] {
        [g] => libm::pow(x, g),
        [g, a, b] => {
            if x >= -b / a {
                power(a, b, g)
            } else {
                0.0
            }
        }
        [g, a, b, c] => {
            if x >= -b / a {
                power(a, b, g) + c
            } else {
                c
            }
        }
        [g, a, b, c, d] => {
            if x >= d {
                power(a, b, g)
            } else {
                c * x
            }
        }
        [g, a, b, c, d, e, f] => {
            if x >= d {
                power(a, b, g) + e
            } else {
                c * x + f
            }
        }
        _ => x,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_is_known_and_others_are_not() {
        assert!(is_srgb(&ColorProfile::new_srgb()));
        assert!(
            !is_srgb(&ColorProfile::new_adobe_rgb()) && !is_srgb(&ColorProfile::new_display_p3())
        );
    }

    #[test]
    fn whites_and_greys_of_other_primaries_stay_white_and_grey() {
        let shaper = Shaper::new(&ColorProfile::new_display_p3(), 65_535).unwrap();
        for value in [0, 1, 300, 20_000, 65_534, 65_535] {
            let expected = f64::from(u32::try_from(value).unwrap()) / 65_535.0;
            let given = shaper.colour([value; 3]);
            assert!(
                given.iter().all(|v| (v - expected).abs() < 0.6 / 65_535.0),
                "{value}: {given:?}"
            );
        }
        let red = shaper.colour([65_535, 0, 0]);
        assert!(red[0] > 0.999 && red[1] < 0.001 && red[2] < 0.001, "{red:?}");
        let pale = shaper.colour([50_000, 30_000, 30_000]).map(|v| (v * 65_535.0).round());
        assert!(pale[0] > 51_000.0 && pale[1] < 30_000.0, "{pale:?}");
    }
}
