//! Palettes: the samples of the file are indexes into a list of colours.

use std::io;

use super::super::error::DecodeError;
use super::super::limits::raster_bytes;
use super::super::{Decoder, Stored};
use super::bands::BandDecoder;
use super::directory::{Directory, Tiff, damaged};
use crate::format::Colours;
use crate::grid::Region;
use crate::metadata::Metadata;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType, Samples, StoredType};
use crate::source::Rows;

const COLOR_MAP: u16 = 320;

const RGB_8: PixelFormat = PixelFormat::new(Bands::RGB, SampleType::U8);

/// The colours of a picture, 8 bits for each component.
pub(super) struct Palette {
    /// All reds, then all greens, then all blues.
    components: Vec<u8>,
    /// The factor by which `samples::expand` multiplies an index.
    step: usize,
}

impl Palette {
    /// The palette for indexes of `bits` bits.
    pub(super) fn read(
        tiff: &mut Tiff<'_>,
        directory: &Directory,
        bits: u8,
    ) -> io::Result<Palette> {
        let count = 3_usize << bits;
        // One number more shows a palette that is too long.
        let values = tiff.numbers(directory, COLOR_MAP, count as u64 + 1)?;
        let values = values.ok_or_else(|| damaged("it has no palette"))?;
        if values.len() != count {
            return Err(damaged("its palette does not have a colour for each index"));
        }
        let step = if bits < 8 { 255 / ((1 << bits) - 1) } else { 1 };
        Ok(Palette { components: eight_bits(&values)?, step })
    }

    fn colour(&self, sample: usize) -> [u8; 3] {
        let (count, index) = (self.components.len() / 3, sample / self.step);
        [0, 1, 2].map(|plane| self.components[plane * count + index])
    }

    fn colours<S: Copy + Into<usize>>(&self, samples: &[S]) -> Vec<u8> {
        let mut colours = Vec::with_capacity(samples.len() * 3);
        for sample in samples {
            colours.extend(self.colour((*sample).into()));
        }
        colours
    }
}

/// Components have 16 bits, of which libtiff takes the upper 8. If all are below 256, a writer meant 8 bits, as
/// libtiff's `checkcmap` assumes.
fn eight_bits(values: &[u64]) -> io::Result<Vec<u8>> {
    let shift = if values.iter().all(|value| *value < 256) { 0 } else { 8 };
    let bytes = values.iter().map(|value| u8::try_from(value >> shift));
    bytes.collect::<Result<_, _>>().map_err(|_| damaged("a colour of its palette has over 16 bits"))
}

/// A decoder over one whose samples are indexes.
pub(super) struct Indexed<'r> {
    pub(super) bands: Box<BandDecoder<'r>>,
    pub(super) palette: Palette,
}

impl Decoder for Indexed<'_> {
    fn stored(&self) -> Stored {
        Stored { format: RGB_8, own: StoredType::U8, ..self.bands.stored() }
    }

    fn memory(&self) -> u64 {
        let band = raster_bytes(self.bands.largest(), RGB_8);
        self.bands.memory().saturating_add(band)
    }

    fn notes(&self) -> Vec<String> {
        self.bands.notes()
    }

    fn metadata(&mut self) -> Metadata {
        self.bands.metadata()
    }

    fn narrow(&mut self, part: Region) -> bool {
        self.bands.narrow(part)
    }

    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Indexed { bands, palette } = *self;
        bands.read(colours, &mut Coloured { rows, palette })
    }
}

/// Passes rows on with their indexes replaced by colours.
struct Coloured<'a> {
    rows: &'a mut dyn Rows,
    palette: Palette,
}

impl Rows for Coloured<'_> {
    fn push(&mut self, indexes: Pixels) -> io::Result<()> {
        let colours = match indexes.samples() {
            Samples::U8(samples) => self.palette.colours(samples),
            Samples::U16(samples) => self.palette.colours(samples),
            Samples::F32(_) => unreachable!("indexes are whole numbers"),
        };
        self.rows.push(Pixels::of(indexes.size(), Bands::RGB, colours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_eight_bits_if_none_has_more() {
        assert_eq!(eight_bits(&[0, 7, 255]).unwrap(), [0, 7, 255]);
        assert_eq!(eight_bits(&[0, 255, 256, 0xABCD, 0xFFFF]).unwrap(), [0, 0, 1, 0xAB, 0xFF]);
        assert!(eight_bits(&[0x1_0000]).is_err());
    }

    #[test]
    fn an_index_is_found_behind_what_grey_of_fewer_bits_becomes() {
        let palette = Palette { components: (0..12).collect(), step: 85 };
        assert_eq!([0, 85, 170, 255].map(|sample| palette.colour(sample)[2]), [8, 9, 10, 11]);
        let palette = Palette { components: vec![1, 2, 3, 4, 5, 6], step: 255 };
        assert_eq!([palette.colour(0), palette.colour(255)], [[1, 3, 5], [2, 4, 6]]);
    }
}
