//! Resolution: pixels per length on paper, which every format stores in its own way.

use super::exif::Exif;
use super::ifd::{Entry, SHORT};

pub(super) const ACROSS: u16 = 282;
pub(super) const DOWN: u16 = 283;
const UNIT: u16 = 296;

/// TIFF 6.0, `ResolutionUnit`.
const INCH: u16 = 2;
const CENTIMETRE: u16 = 3;

/// Pixels in an inch or a centimetre, as fractions, across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    across: (u32, u32),
    down: (u32, u32),
    unit: u16,
}

impl Resolution {
    fn new(across: (u32, u32), down: (u32, u32), unit: u16) -> Option<Resolution> {
        let positive = [across, down].iter().all(|(top, bottom)| *top > 0 && *bottom > 0);
        positive.then_some(Resolution { across, down, unit })
    }

    /// From PNG, in pixels per metre. Writers nearly always mean inches: if both convert to whole numbers per
    /// inch, those are used.
    pub(crate) fn per_metre(across: u32, down: u32) -> Option<Resolution> {
        let inch = |metre: u32| {
            let whole = (u64::from(metre) * 254 + 5000) / 10_000;
            let same = (whole * 10_000 + 127) / 254 == u64::from(metre);
            u32::try_from(whole).ok().filter(|_| same)
        };
        match (inch(across), inch(down)) {
            (Some(across), Some(down)) => Resolution::new((across, 1), (down, 1), INCH),
            _ => Resolution::new((across, 100), (down, 100), CENTIMETRE),
        }
    }

    /// From JFIF; `None` for a unit that is no length.
    pub(crate) fn of_jfif(unit: u8, across: u16, down: u16) -> Option<Resolution> {
        let unit = match unit {
            1 => INCH,
            2 => CENTIMETRE,
            // The aspect ratio of a pixel, no length.
            _ => return None,
        };
        Resolution::new((across.into(), 1), (down.into(), 1), unit)
    }

    /// From an Exif block.
    pub(crate) fn of(exif: &Exif) -> Option<Resolution> {
        let entry = |tag: u16| exif.main.iter().find(|entry| entry.tag == tag);
        let fraction = |tag: u16| match *entry(tag)?.bytes.as_chunks::<4>().0 {
            [top, bottom] => Some((u32::from_le_bytes(top), u32::from_le_bytes(bottom))),
            _ => None,
        };
        let unit = match entry(UNIT) {
            None => INCH,
            Some(Entry { kind: SHORT, bytes, .. }) => u16::from_le_bytes(*bytes.first_chunk()?),
            Some(_) => return None,
        };
        let known = [INCH, CENTIMETRE].contains(&unit);
        Resolution::new(fraction(ACROSS)?, fraction(DOWN)?, unit).filter(|_| known)
    }

    /// Puts it into a block, replacing what is there.
    pub(crate) fn put(self, exif: &mut Exif) {
        let fraction = |tag, (top, bottom): (u32, u32)| Entry {
            tag,
            kind: 5,
            count: 1,
            bytes: [top.to_le_bytes(), bottom.to_le_bytes()].concat(),
        };
        exif.main.retain(|entry| ![ACROSS, DOWN, UNIT].contains(&entry.tag));
        exif.main.extend([
            fraction(ACROSS, self.across),
            fraction(DOWN, self.down),
            Entry::shorts(UNIT, &[self.unit]),
        ]);
        exif.main.sort_by_key(|entry| entry.tag);
    }

    /// For PNG: pixels per metre, across and down.
    pub(crate) fn in_metres(self) -> Option<[u32; 2]> {
        // A metre has 100 centimetres, or 10,000 / 254 inches.
        let (times, by) = if self.unit == INCH { (10_000, 254) } else { (100, 1) };
        let metre =
            |(top, bottom): (u32, u32)| rounded(u64::from(top) * times, u64::from(bottom) * by);
        Some([u32::try_from(metre(self.across)).ok()?, u32::try_from(metre(self.down)).ok()?])
    }

    /// For JFIF: the number of its unit, then pixels across and down, rounded; `None` if they do not fit.
    pub(crate) fn in_jfif(self) -> Option<(u8, [u16; 2])> {
        let whole = |(top, bottom): (u32, u32)| {
            let whole = rounded(u64::from(top), u64::from(bottom));
            u16::try_from(whole).ok().filter(|whole| *whole > 0)
        };
        let unit = if self.unit == INCH { 1 } else { 2 };
        Some((unit, [whole(self.across)?, whole(self.down)?]))
    }
}

/// The nearest whole number to a fraction whose parts are below 2^50.
fn rounded(top: u64, bottom: u64) -> u64 {
    (top + bottom / 2).checked_div(bottom).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inches_survive_metres() {
        for inch in [1, 72, 96, 150, 300, 600, 1200, 2400] {
            let told = Resolution::new((inch, 1), (inch, 1), INCH).unwrap();
            let [across, down] = told.in_metres().unwrap();
            assert_eq!(Resolution::per_metre(across, down), Some(told), "{inch}");
        }
        let odd = Resolution::per_metre(1001, 7).unwrap();
        assert_eq!((odd.unit, odd.in_metres()), (CENTIMETRE, Some([1001, 7])));
    }

    #[test]
    fn a_resolution_is_the_same_in_exif_and_in_jfif() {
        let told = Resolution::of_jfif(1, 300, 150).unwrap();
        let mut exif = Exif::default();
        told.put(&mut exif);
        assert_eq!(Resolution::of(&Exif::read(&exif.write())), Some(told));
        assert_eq!(told.in_jfif(), Some((1, [300, 150])));
        assert!(Resolution::of_jfif(0, 1, 1).is_none() && Resolution::of_jfif(1, 0, 1).is_none());
    }
}
