//! `CIELab` and `ICCLab` (TIFF 6.0, section 23; Adobe's supplement of 2002): the samples become sRGB.

use std::io;

use super::super::error::DecodeError;
use super::super::{Decoder, Stored};
use super::bands::BandDecoder;
use crate::colour::LabToSrgb;
use crate::format::Colours;
use crate::grid::Region;
use crate::metadata::Metadata;
use crate::pixels::{Pixels, SamplesMut};
use crate::sample::{Whole, nearest};
use crate::source::Rows;

/// How samples encode Lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lab {
    /// The largest sample is L* of 100; a* and b* have a sign, and 8 bits before the point.
    Cie,
    /// As in profiles of version 2 of ICC: L* of 100 is 255, or 0xFF00, and a* and b* of 0 are 128, or 0x8000.
    Icc,
}

impl Lab {
    /// A colour in levels of 8 bits: L* of 100 is 255, a* and b* of 0 are 128.
    fn levels<S: Whole>(self, colour: [S; 3]) -> [f64; 3] {
        let full = S::FULL.to_u32();
        let sign = full / 2 + 1;
        let unit = f64::from(sign / 128);
        let [l, a, b] = colour.map(Whole::to_u32);
        match self {
            Lab::Cie => [
                f64::from(l) * 255.0 / f64::from(full),
                f64::from(a ^ sign) / unit,
                f64::from(b ^ sign) / unit,
            ],
            Lab::Icc => [l, a, b].map(|number| f64::from(number) / unit),
        }
    }
}

/// A decoder over one whose samples are Lab.
pub(super) struct InLab<'r> {
    pub(super) bands: Box<BandDecoder<'r>>,
    pub(super) lab: Lab,
}

impl Decoder for InLab<'_> {
    fn stored(&self) -> Stored {
        self.bands.stored()
    }

    fn memory(&self) -> u64 {
        self.bands.memory()
    }

    fn notes(&self) -> Vec<String> {
        self.bands.notes()
    }

    fn metadata(&mut self) -> Metadata {
        // Its profile, if any, is for Lab.
        Metadata { icc: None, ..self.bands.metadata() }
    }

    fn narrow(&mut self, part: Region) -> bool {
        self.bands.narrow(part)
    }

    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let InLab { bands, lab } = *self;
        bands.read(colours, &mut Coloured { rows, lab, to_srgb: LabToSrgb::new() })
    }
}

/// Passes rows on in sRGB.
struct Coloured<'a> {
    rows: &'a mut dyn Rows,
    lab: Lab,
    to_srgb: LabToSrgb,
}

impl Rows for Coloured<'_> {
    fn push(&mut self, mut rows: Pixels) -> io::Result<()> {
        let count = rows.bands().count();
        match rows.samples_mut() {
            SamplesMut::U8(samples) => self.convert(samples, count),
            SamplesMut::U16(samples) => self.convert(samples, count),
            SamplesMut::F32(_) => unreachable!("Lab of floats is refused"),
        }
        self.rows.push(rows)
    }
}

impl Coloured<'_> {
    fn convert<S: Whole>(&self, samples: &mut [S], count: usize) {
        // Neighbours are often equal.
        let mut last = None;
        for pixel in samples.chunks_exact_mut(count) {
            let Some(colour) = pixel.first_chunk_mut::<3>() else { continue };
            let converted = match last {
                Some((before, converted)) if before == *colour => converted,
                _ => self.to_srgb.colour(self.lab.levels(*colour)).map(nearest),
            };
            last = Some((*colour, converted));
            *colour = converted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Order;
    use super::super::handmade::{File, STRIPS, number, numbers, read};
    use super::*;
    use crate::pixels::{Bands, Samples};

    /// A pixel of L* 80, a* -28, b* 50 and one of L* 0, in the encodings of Lab.
    fn file(order: Order, photometric: u64, bits: u64, samples: u64) -> File {
        let colours: [u64; 6] = match (photometric, bits) {
            (8, 8) => [204, 228, 50, 0, 0, 0],
            (8, _) => [52_428, 58_368, 12_800, 0, 0, 0],
            (_, 8) => [204, 100, 178, 0, 128, 128],
            (..) => [52_224, 25_600, 45_568, 0, 32_768, 32_768],
        };
        let width = usize::try_from(bits / 8).unwrap();
        let strip: Vec<u8> = (colours.chunks(3))
            .flat_map(|colour| {
                let rest = vec![9; (usize::try_from(samples).unwrap() - 3) * width];
                [numbers(order, width, colour), rest].concat()
            })
            .collect();
        File::of(order, [2, 1], [1, photometric, bits, samples]).chunks(STRIPS, &[strip])
    }

    #[test]
    fn every_encoding_of_a_colour_becomes_the_same_srgb() {
        for order in [Order::Little, Order::Big] {
            for (photometric, bits) in [(8, 8), (9, 8), (8, 16), (9, 16)] {
                let pixels = read(&file(order, photometric, bits, 3).finish()).unwrap();
                assert_eq!(pixels.bands(), Bands::RGB);
                let expected = [168, 212, 99, 0, 0, 0];
                match pixels.samples() {
                    Samples::U8(samples) => assert_eq!(samples[..], expected),
                    Samples::U16(samples) => {
                        let near = |(sample, level): (&u16, u8)| {
                            sample.abs_diff(u16::from(level) * 257) <= 128
                        };
                        assert!(samples.iter().zip(expected).all(near), "{samples:?}");
                    }
                    Samples::F32(_) => panic!("these are whole numbers"),
                }
            }
        }
    }

    #[test]
    fn alpha_stays_and_signs_may_be_declared() {
        let plain = file(Order::Little, 8, 8, 3);
        let signed = file(Order::Little, 8, 8, 3).with(339, &[1, 2, 2]);
        assert_eq!(read(&signed.finish()).unwrap(), read(&plain.finish()).unwrap());
        let pixels = read(&file(Order::Little, 8, 8, 4).with(338, &[2]).finish()).unwrap();
        assert_eq!(
            (pixels.bands(), pixels.as_bytes()[3], pixels.as_bytes()[7]),
            (Bands::RGBA, 9, 9)
        );
    }

    #[test]
    fn a_value_for_no_data_and_a_profile_mean_nothing_to_lab() {
        let said = file(Order::Big, 9, 8, 3).saying(42_113, "0").finish();
        assert_eq!(read(&said).unwrap().bands(), Bands::RGB);
    }

    #[test]
    fn lab_of_other_kinds_is_refused_by_name() {
        let told = |file: File| read(&file.finish()).unwrap_err().to_string();
        let lab = |bits, samples| file(Order::Little, 8, bits, samples);
        let other = "TIFF with Lab colours and other bands, or alpha multiplied into them, cannot";
        assert!(told(lab(8, 4)).starts_with(other) && told(lab(8, 5)).starts_with(other));
        assert!(told(lab(8, 4).with(338, &[1])).starts_with(other));
        let floats = lab(32, 3).with(339, &[3]);
        assert!(told(floats).starts_with("TIFF with Lab colours of float 32 bit"), "floats");
        assert!(told(lab(8, 3).with(258, &[12])).starts_with("TIFF with Lab colours of 12 bit"));
        let one = File::of(Order::Little, [2, 1], [1, 8, 8, 1]).chunks(STRIPS, &[vec![0; 2]]);
        assert!(told(one).starts_with("TIFF with 1 of 3 bands"));
        assert_eq!(number(Order::Big, 2, 258), [1, 2]);
    }

    #[test]
    fn samples_of_either_encoding_and_depth_are_the_same_colour() {
        // L* 100, a* -28, b* 50.
        let levels = [255.0, 100.0, 178.0].map(f64::to_bits);
        let same = |given: [f64; 3]| assert_eq!(given.map(f64::to_bits), levels);
        same(Lab::Cie.levels([255_u8, 228, 50]));
        same(Lab::Icc.levels([255_u8, 100, 178]));
        same(Lab::Cie.levels([65_535_u16, 58_368, 12_800]));
        same(Lab::Icc.levels([0xFF00_u16, 25_600, 45_568]));
    }
}
