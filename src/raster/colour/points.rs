//! Code points of colours (ITU-T H.273), as in the `cICP` chunk of PNG.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Model;
use super::build::{self, Curve, Primaries};

/// The value for "unspecified", in both tables.
const UNSPECIFIED: u8 = 2;

/// A colour space by code points: its primaries and its transfer curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodePoints {
    primaries: u8,
    transfer: u8,
    /// Whether black and white are the smallest and the largest value, as outside of video.
    full_range: bool,
}

impl CodePoints {
    /// Parses the data of the chunk: primaries, transfer, matrix, range. `None` if it has a matrix, which PNG does
    /// not allow, or if a code point is unspecified.
    pub(crate) fn read(data: &[u8]) -> Option<CodePoints> {
        match *data {
            [UNSPECIFIED, ..] | [_, UNSPECIFIED, ..] => None,
            [primaries, transfer, 0, range @ (0 | 1)] => {
                Some(CodePoints { primaries, transfer, full_range: range == 1 })
            }
            _ => None,
        }
    }

    /// The data of the chunk.
    pub(crate) fn write(self) -> [u8; 4] {
        [self.primaries, self.transfer, 0, u8::from(self.full_range)]
    }

    /// A profile for these colours; `None` if no profile can express them.
    pub(crate) fn profile(self, model: Model) -> Option<Vec<u8>> {
        let curve = self.curve().filter(|_| self.full_range)?;
        let name = self.to_string();
        match model {
            Model::Grey => build::grey(&name, curve),
            Model::Rgb => build::rgb(&name, self.primaries()?, [curve; 3]),
            Model::Inks => None,
        }
    }

    /// Whether a profile can express these colours.
    pub(crate) fn has_profile(self) -> bool {
        self.full_range && self.curve().is_some() && self.primaries().is_some()
    }

    /// The primaries by H.273 (07/2024), table 2; x and y of red, green, blue and white.
    fn primaries(self) -> Option<Primaries> {
        let (c, d65, dci) = ([0.310, 0.316], [0.3127, 0.3290], [0.314, 0.351]);
        let p3 = [[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]];
        let ([red, green, blue], white) = match self.primaries {
            1 => return Some(Primaries::srgb()),
            4 => ([[0.67, 0.33], [0.21, 0.71], [0.14, 0.08]], c),
            5 => ([[0.64, 0.33], [0.29, 0.60], [0.15, 0.06]], d65),
            6 | 7 => ([[0.630, 0.340], [0.310, 0.595], [0.155, 0.070]], d65),
            8 => ([[0.681, 0.319], [0.243, 0.692], [0.145, 0.049]], c),
            9 => ([[0.708, 0.292], [0.170, 0.797], [0.131, 0.046]], d65),
            10 => ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [1.0 / 3.0, 1.0 / 3.0]),
            11 => (p3, dci),
            12 => (p3, d65),
            22 => ([[0.630, 0.340], [0.295, 0.605], [0.155, 0.077]], d65),
            _ => return None,
        };
        Some(Primaries::of([red, green, blue, white]))
    }

    /// The curve by H.273 (07/2024), table 3, inverted where the table has a camera's curve. There is none for PQ
    /// (16) and HLG (18), whose white is not the brightest light, and for the rare logarithmic curves.
    fn curve(self) -> Option<Curve> {
        match self.transfer {
            // From 0 to 1, BT.709, BT.601, xvYCC, BT.1361 and both of BT.2020 have one curve.
            1 | 6 | 11 | 12 | 14 | 15 => {
                Some(Curve::inverse(1.099_296_826_809_442, 0.45, 4.5, 0.018_053_968_510_807))
            }
            4 => Some(Curve::Power(2.2)),
            5 => Some(Curve::Power(2.8)),
            7 => Some(Curve::inverse(1.111_572_195_921_731, 0.45, 4.0, 0.022_821_585_529_445)),
            8 => Some(Curve::Power(1.0)),
            13 => Some(Curve::srgb()),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match (self.primaries, self.transfer) {
            (1, 13) => "sRGB",
            (1, 1) => "BT.709",
            (5 | 6, 6) => "BT.601",
            (9, 14 | 15) => "BT.2020",
            (9, 16) => "BT.2100 PQ",
            (9, 18) => "BT.2100 HLG",
            (11, _) => "DCI-P3",
            (12, 13) => "Display P3",
            (12, 16) => "Display P3 PQ",
            _ => "of other primaries",
        }
    }
}

impl fmt::Display for CodePoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CodePoints { primaries, transfer, full_range } = *self;
        let range = if full_range { "" } else { " in video range" };
        write!(f, "{}{range} (cICP {primaries}, {transfer})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Profile, model_of};
    use super::*;

    fn points(primaries: u8, transfer: u8) -> CodePoints {
        CodePoints::read(&[primaries, transfer, 0, 1]).unwrap()
    }

    #[test]
    fn colours_of_each_number_have_a_profile_and_no_others() {
        for primaries in [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22] {
            for transfer in [1, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15] {
                let points = points(primaries, transfer);
                for model in [Model::Rgb, Model::Grey] {
                    let icc = points.profile(model).unwrap();
                    assert_eq!((model_of(&icc), points.has_profile()), (Some(model), true));
                    let other = Profile::of(Some(&icc), model).is_some();
                    let srgb = transfer == 13 && (primaries == 1 || model == Model::Grey);
                    assert_eq!(other, !srgb, "{points}");
                }
            }
        }
        for (primaries, transfer) in [(9, 16), (9, 18), (9, 17), (1, 9), (1, 10), (3, 13), (23, 1)]
        {
            assert!(points(primaries, transfer).profile(Model::Rgb).is_none());
        }
        assert!(CodePoints::read(&[1, 1, 0, 0]).unwrap().profile(Model::Rgb).is_none());
    }

    #[test]
    fn a_chunk_is_read_and_written_and_called_by_its_name() {
        assert_eq!(points(9, 16).write(), [9, 16, 0, 1]);
        assert_eq!(points(9, 16).to_string(), "BT.2100 PQ (cICP 9, 16)");
        assert_eq!(points(7, 9).to_string(), "of other primaries (cICP 7, 9)");
        for data in [&[1, 13, 1, 1][..], &[1, 13, 0, 2], &[2, 13, 0, 1], &[1, 2, 0, 1], &[1, 13, 0]]
        {
            assert_eq!(CodePoints::read(data), None, "{data:?}");
        }
    }
}
