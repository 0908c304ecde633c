//! Cyan, magenta, yellow and black without a profile, as light that passes four filters.

use crate::sample::Whole;

/// The colour of inks: for each ink, the share of the light that passes both it and black, rounded half up.
pub(super) fn colour<S: Whole>([c, m, y, k]: [S; 4]) -> [S; 3] {
    let max = S::FULL.to_u64();
    let black = k.opposite().to_u64();
    [c, m, y].map(|ink| S::from_u64((ink.opposite().to_u64() * black + max / 2) / max))
}
