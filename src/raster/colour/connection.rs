//! What a profile's table gives, in colours that do not depend on a device: ICC.1:2022, 6.3.4 and annex D.

use moxcms::DataColorSpace;

/// The white of the light that profiles are connected by, D50.
const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];

/// How numbers from 0 to 1 encode a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Xyz,
    Lab,
    /// As tables of 16 bits have done since the second version, in which 0xFF00 is all.
    OldLab,
}

impl Encoding {
    /// That of a profile's space; `None` if profiles are not connected by such a space.
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

/// XYZ of a colour in the levels of 8 bits: L* of 100 is 255, a* and b* of 0 are 128.
fn lab_to_xyz([l, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (l * (100.0 / 255.0) + 16.0) / 116.0;
    let light = [y + (a - 128.0) / 500.0, y, y - (b - 128.0) / 200.0].map(|f| {
        // The root is straight where it is dark.
        let edge = 6.0 / 29.0;
        if f > edge { f * f * f } else { 3.0 * edge * edge * (f - 4.0 / 29.0) }
    });
    [light[0] * WHITE[0], light[1] * WHITE[1], light[2] * WHITE[2]]
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
