//! Linear light to sRGB values (IEC 61966-2-1).

use moxcms::ColorProfile;

use super::curve::between;

/// Steps of the table of sRGB's curve. With linear interpolation it is right to a hundredth of a level of
/// 16 bits.
const STEPS: u32 = 65_535;

/// The sRGB values, from 0 to 1, of evenly spaced light.
#[derive(Debug)]
pub(super) struct Shape(Vec<f64>);

impl Shape {
    pub(super) fn new() -> Shape {
        Shape((0..=STEPS).map(|step| number(f64::from(step) / f64::from(STEPS))).collect())
    }

    /// The sRGB value of some light, clamped to black and white.
    pub(super) fn of(&self, light: f64) -> f64 {
        between(&self.0, light)
    }
}

/// The sRGB value of some light, both from 0 to 1.
fn number(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}

/// The matrix from XYZ under D50, the white of the profile connection space, to linear sRGB.
pub(super) fn from_xyz() -> [[f64; 3]; 3] {
    ColorProfile::new_srgb().rgb_to_xyz_matrix().inverse().v
}
