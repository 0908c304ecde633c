//! Light to the numbers of sRGB (IEC 61966-2-1).

use moxcms::ColorProfile;

use super::curve::between;

/// Steps of the table that gives sRGB its shape; straight between, it is right to a hundredth of a
/// level of 16 bits.
const STEPS: u32 = 65_535;

/// The numbers of sRGB, from 0 to 1, for evenly spaced light.
#[derive(Debug)]
pub(super) struct Shape(Vec<f64>);

impl Shape {
    pub(super) fn new() -> Shape {
        Shape((0..=STEPS).map(|step| number(f64::from(step) / f64::from(STEPS))).collect())
    }

    /// The number for light; more than white is white, less than black is black.
    pub(super) fn of(&self, light: f64) -> f64 {
        between(&self.0, light)
    }
}

/// The number of some light, both from 0 to 1.
fn number(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}

/// From XYZ under the light that profiles are connected by, D50, to the light of sRGB's colours.
pub(super) fn from_xyz() -> [[f64; 3]; 3] {
    ColorProfile::new_srgb().rgb_to_xyz_matrix().inverse().v
}
