//! CIE Lab under D50 to sRGB, without a profile.

use super::connection::lab_to_xyz;
use super::srgb::{Shape, from_xyz};

/// Converts Lab to sRGB: to XYZ as CIE defines it, from D50 to the white of sRGB by Bradford, and to values by the
/// curve of sRGB. Colours beyond sRGB are cut off in each of its three.
#[derive(Debug)]
pub(crate) struct LabToSrgb {
    to_light: [[f64; 3]; 3],
    shape: Shape,
}

impl LabToSrgb {
    pub(crate) fn new() -> LabToSrgb {
        LabToSrgb { to_light: from_xyz(), shape: Shape::new() }
    }

    /// The sRGB values, from 0 to 1, of a colour in levels of 8 bits: L* of 100 is 255, a* and b* of 0 are 128.
    pub(crate) fn colour(&self, levels: [f64; 3]) -> [f64; 3] {
        let [x, y, z] = lab_to_xyz(levels);
        self.to_light.map(|[by_x, by_y, by_z]| self.shape.of(by_x * x + by_y * y + by_z * z))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_and_primaries_become_those_of_srgb() {
        let lab = LabToSrgb::new();
        // The sRGB of L*, a*, b*, by Lindbloom's calculator, with Bradford and D50.
        for ([l, a, b], rgb) in [
            ([100.0, 0.0, 0.0], [255.0, 255.0, 255.0]),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
            ([53.585, 0.0, 0.0], [128.0, 128.0, 128.0]),
            ([54.29, 80.81, 69.89], [255.0, 0.0, 0.0]),
            ([87.82, -79.28, 80.99], [0.0, 255.0, 0.0]),
            ([29.57, 68.30, -112.03], [0.0, 0.0, 255.0]),
        ] {
            let given = lab.colour([l * 2.55, a + 128.0, b + 128.0]);
            for (given, expected) in given.into_iter().zip(rgb) {
                assert!((given * 255.0 - expected).abs() < 0.7, "{l} {a} {b}: {given}");
            }
        }
    }
}
