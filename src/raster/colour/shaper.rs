//! Profiles of three curves and a matrix, or of one curve for grey (ICC.1:2022, annex F), to sRGB.

use moxcms::{ColorProfile, DataColorSpace, ToneReprCurve};

use super::Model;
use super::connection::light_of;
use super::curve::at;
use super::srgb::Shape;

/// Converts the values of a profile to sRGB.
#[derive(Debug)]
pub(crate) struct Shaper {
    /// For each colour, the light of each value, from 0 to 1.
    linear: Vec<Vec<f64>>,
    /// From the profile's linear light to that of sRGB.
    matrix: [[f64; 3]; 3],
    shape: Shape,
}

impl Shaper {
    /// For values from 0 to `max`; `None` if the profile is of another kind.
    pub(super) fn new(profile: &ColorProfile, model: Model, max: u32) -> Option<Shaper> {
        let (curves, matrix) = parts(profile, model)?;
        let value = |v: u32| f64::from(v) / f64::from(max);
        let light = |v: f64| if by_lightness(profile, model) { light_of(v) } else { v };
        let table =
            |curve: &&ToneReprCurve| (0..=max).map(|v| light(at(curve, value(v)))).collect();
        let linear = curves.iter().map(table).collect();
        Some(Shaper { linear, matrix, shape: Shape::new() })
    }

    /// For greys; `light` has the light of each value, from 0 to 1.
    pub(super) fn of_light(light: Vec<f64>) -> Shaper {
        Shaper { linear: vec![light], matrix: GREY, shape: Shape::new() }
    }

    /// The sRGB value, from 0 to 1, of one grey.
    pub(super) fn grey(&self, value: usize) -> f64 {
        self.shape.of(self.linear[0][value])
    }

    /// The sRGB values, from 0 to 1, of one colour.
    pub(super) fn colour(&self, values: [usize; 3]) -> [f64; 3] {
        let [r, g, b] = [0, 1, 2].map(|channel| self.linear[channel][values[channel]]);
        self.matrix.map(|[x, y, z]| self.shape.of(x * r + y * g + z * b))
    }
}

/// Whether the curve of a profile gives lightness (L*) instead of light.
fn by_lightness(profile: &ColorProfile, model: Model) -> bool {
    model == Model::Grey && profile.pcs == DataColorSpace::Lab
}

/// The identity, for greys, which need no matrix.
const GREY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The curves of a profile, and its matrix to linear sRGB.
fn parts(profile: &ColorProfile, model: Model) -> Option<(Vec<&ToneReprCurve>, [[f64; 3]; 3])> {
    match model {
        Model::Inks => None,
        Model::Grey => Some((vec![profile.gray_trc.as_ref()?], GREY)),
        Model::Rgb => {
            let curves = [&profile.red_trc, &profile.green_trc, &profile.blue_trc];
            let curves = curves.map(Option::as_ref).into_iter().collect::<Option<Vec<_>>>()?;
            let matrix = profile.transform_matrix(&ColorProfile::new_srgb()).v;
            matrix.iter().flatten().all(|number| number.is_finite()).then_some((curves, matrix))
        }
    }
}

/// Whether a profile has the curves and the matrix that a [`Shaper`] needs.
pub(super) fn suits(profile: &ColorProfile, model: Model) -> bool {
    parts(profile, model).is_some()
}

/// Whether the profile means sRGB, within half a level of 8 bits.
pub(super) fn is_srgb(profile: &ColorProfile, model: Model) -> bool {
    let Some(shaper) = Shaper::new(profile, model, 255) else { return false };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_is_known_and_others_are_not() {
        let is = |profile: ColorProfile| is_srgb(&profile, Model::Rgb);
        assert!(is(ColorProfile::new_srgb()));
        assert!(!is(ColorProfile::new_adobe_rgb()) && !is(ColorProfile::new_display_p3()));
    }

    #[test]
    fn whites_and_greys_of_other_primaries_stay_white_and_grey() {
        let shaper = Shaper::new(&ColorProfile::new_display_p3(), Model::Rgb, 65_535).unwrap();
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
