//! Cyan, magenta, yellow and black without a profile, as light that four filters let through.

use crate::raster::sample::Sample;

/// The colour of inks: of each the part of the light that neither it nor black takes, rounded half up.
pub(super) fn colour<S: Sample>([c, m, y, k]: [S; 4]) -> [S; 3] {
    let max = S::MAX.to_u64();
    let black = k.opposite().to_u64();
    [c, m, y].map(|ink| S::from_u64((ink.opposite().to_u64() * black + max / 2) / max))
}
