//! The chunks of a PNG file that describe its colours, and which of them counts: `cICP`, else a profile, else `sRGB`,
//! else `gAMA` and `cHRM` (PNG specification, third edition, 4.3).

use crate::colour::build::{self, Curve, Primaries};
use crate::colour::{self, CodePoints, Model, Profile};

/// `gAMA` of sRGB (11.3.2.5), and the tolerance around it and around `cHRM`, in 100,000ths.
const SRGB_GAMMA: u32 = 45_455;
const NEAR: u32 = 100;

/// `cHRM` of sRGB, in the order of the chunk: x and y of white, red, green and blue.
const SRGB_PLACES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// The chunks that describe colours.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) cicp: Option<CodePoints>,
    pub(super) icc: Option<Vec<u8>>,
    pub(super) srgb: bool,
    pub(super) gamma: Option<u32>,
    pub(super) places: Option<[u32; 8]>,
}

impl Described {
    /// The profile of pixels of this `model`, if they are not sRGB, and their code points.
    pub(super) fn winner(self, model: Model) -> (Option<Vec<u8>>, Option<CodePoints>) {
        let cicp = self.cicp;
        let meant = cicp.and_then(|points| points.profile(model));
        let fits = |icc: &Vec<u8>| colour::model_of(icc) == Some(model);
        let icc = if let Some(icc) = meant {
            unless_srgb(icc, model)
        } else if let Some(icc) = self.icc.filter(fits) {
            Some(icc)
        } else if self.srgb || cicp.is_some() {
            // Chunks beside code points may be a guess for readers that do not know them.
            None
        } else {
            calibrated(self.gamma, self.places, model).and_then(|icc| unless_srgb(icc, model))
        };
        (icc, cicp)
    }
}

fn unless_srgb(icc: Vec<u8>, model: Model) -> Option<Vec<u8>> {
    Profile::of(Some(&icc), model).is_some().then_some(icc)
}

/// A profile from `gAMA` and `cHRM`; a missing one counts as that of sRGB.
fn calibrated(gamma: Option<u32>, places: Option<[u32; 8]>, model: Model) -> Option<Vec<u8>> {
    let near = |given: u32, meant: u32| given.abs_diff(meant) <= NEAR;
    let places = places.filter(|places| {
        let srgb = places.iter().zip(SRGB_PLACES).all(|(given, meant)| near(*given, meant));
        !srgb && model == Model::Rgb
    });
    let gamma = gamma.filter(|gamma| *gamma > 0);
    let gamma = gamma.filter(|gamma| places.is_some() || !near(*gamma, SRGB_GAMMA));
    if gamma.is_none() && places.is_none() {
        return None;
    }
    let curve = gamma.map_or(Curve::srgb(), |gamma| Curve::Power(100_000.0 / f64::from(gamma)));
    if model == Model::Grey {
        return build::grey("gAMA of PNG", curve);
    }
    let primaries = places.map_or(Primaries::srgb(), |places| {
        let [wx, wy, rx, ry, gx, gy, bx, by] = places.map(|place| f64::from(place) / 100_000.0);
        Primaries::of([[rx, ry], [gx, gy], [bx, by], [wx, wy]])
    });
    build::rgb("gAMA and cHRM of PNG", primaries, [curve; 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x and y of Adobe RGB (1998).
    const ADOBE: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000];

    fn points(primaries: u8, transfer: u8) -> Option<CodePoints> {
        CodePoints::read(&[primaries, transfer, 0, 1])
    }

    fn all() -> Described {
        let icc = build::rgb("its own", Primaries::srgb(), [Curve::Power(1.8); 3]);
        Described {
            cicp: points(12, 13),
            icc,
            srgb: true,
            gamma: Some(100_000),
            places: Some(ADOBE),
        }
    }

    #[test]
    fn the_chunk_that_says_most_counts() {
        let own = all().icc;
        let p3 = points(12, 13).unwrap().profile(Model::Rgb);
        assert_eq!(all().winner(Model::Rgb), (p3, points(12, 13)));
        // Code points that no profile can express are kept beside the file's own profile.
        let pq = Described { cicp: points(9, 16), ..all() };
        assert_eq!(pq.winner(Model::Rgb), (own.clone(), points(9, 16)));
        let pq = Described { cicp: points(9, 16), icc: None, srgb: false, ..all() };
        assert_eq!(pq.winner(Model::Rgb), (None, points(9, 16)));
        assert_eq!(Described { cicp: None, ..all() }.winner(Model::Rgb), (own, None));
        let srgb = || Described { cicp: None, icc: None, ..all() };
        assert_eq!(srgb().winner(Model::Rgb), (None, None));
        assert!(Described { srgb: false, ..srgb() }.winner(Model::Rgb).0.is_some());
        // A profile for another kind of colours than the file's is ignored.
        assert_eq!(Described { cicp: None, ..all() }.winner(Model::Grey), (None, None));
    }

    #[test]
    fn gamma_and_places_that_writers_of_srgb_write_are_srgb() {
        let of = |gamma, places, model| calibrated(gamma, places, model).is_some();
        for gamma in [None, Some(0), Some(45_455), Some(45_450), Some(45_500)] {
            for places in [None, Some(SRGB_PLACES)] {
                assert!(!of(gamma, places, Model::Rgb), "{gamma:?}");
            }
            assert!(of(gamma, Some(ADOBE), Model::Rgb), "{gamma:?}");
            assert!(!of(gamma, Some(ADOBE), Model::Grey), "{gamma:?}");
        }
        assert!(of(Some(100_000), None, Model::Rgb) && of(Some(55_556), None, Model::Grey));
        assert!(!of(Some(1), None, Model::Grey) && !of(Some(50_000), Some([0; 8]), Model::Rgb));
    }
}
