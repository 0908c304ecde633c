//! The profile connection space: the device-independent colours that a profile's lookup table gives (ICC.1:2022,
//! 6.3.4 and annex D).

use moxcms::DataColorSpace;

/// D50, the white of the profile connection space, in XYZ.
pub(super) const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];

/// How values from 0 to 1 encode a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Xyz,
    Lab,
    /// As in 16-bit tables since version 2 of ICC, where 0xFF00 is the full value.
    OldLab,
}

impl Encoding {
    /// The encoding of a profile's connection space; `None` if profiles cannot have that space.
    pub(super) fn of(space: DataColorSpace, old: bool) -> Option<Encoding> {
        match space {
            DataColorSpace::Xyz => Some(Encoding::Xyz),
            DataColorSpace::Lab => Some(if old { Encoding::OldLab } else { Encoding::Lab }),
            _ => None,
        }
    }

    pub(super) fn xyz(self, numbers: [f64; 3]) -> [f64; 3] {
        match self {
            // 0x8000 is 1.
            Encoding::Xyz => numbers.map(|number| number * (65_535.0 / 32_768.0)),
            Encoding::Lab => lab_to_xyz(numbers.map(|number| number * 255.0)),
            Encoding::OldLab => lab_to_xyz(numbers.map(|number| number * (65_535.0 / 256.0))),
        }
    }
}

/// XYZ of a Lab colour in 8-bit levels: L* of 100 is 255, a* and b* of 0 are 128.
pub(super) fn lab_to_xyz([l, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (l * (100.0 / 255.0) + 16.0) / 116.0;
    let light = [y + (a - 128.0) / 500.0, y, y - (b - 128.0) / 200.0].map(cube);
    [light[0] * WHITE[0], light[1] * WHITE[1], light[2] * WHITE[2]]
}

/// The light, from 0 to 1, of a lightness (L*) from 0 to 1.
pub(super) fn light_of(lightness: f64) -> f64 {
    cube((lightness * 100.0 + 16.0) / 116.0)
}

/// The cube of `root`, with a linear part near black, as CIE Lab defines it.
fn cube(root: f64) -> f64 {
    const EDGE: f64 = 6.0 / 29.0;
    if root > EDGE { root * root * root } else { 3.0 * EDGE * EDGE * (root - 4.0 / 29.0) }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, WHITE};

    #[test]
    fn white_is_white_in_every_encoding() {
        let near = |encoding: Encoding, numbers: [f64; 3]| {
            let xyz = encoding.xyz(numbers);
            assert!(
                xyz.iter().zip(WHITE).all(|(a, b)| (a - b).abs() < 1e-9),
                "{encoding:?}: {xyz:?}"
            );
        };
        near(Encoding::Lab, [1.0, 128.0 / 255.0, 128.0 / 255.0]);
        near(Encoding::OldLab, [65_280.0, 32_768.0, 32_768.0].map(|v| v / 65_535.0));
        near(Encoding::Xyz, WHITE.map(|v| v * 32_768.0 / 65_535.0));
    }
}
