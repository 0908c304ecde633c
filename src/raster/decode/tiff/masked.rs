//! Empty pixels: those of `GDAL_NODATA`, and those that are no numbers.

use std::io;

use super::super::error::DecodeError;
use super::super::limits::raster_bytes;
use super::super::{Decoder, Stored};
use super::bands::{BandDecoder, PageSamples};
use super::kind::Kind;
use super::picture::Picture;
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::pixels::{Alpha, Nodata, PixelFormat, Pixels, SampleType, Samples, StoredType};
use crate::sample::{Sample, with_samples};
use crate::source::Rows;

/// Which pixels are empty: those that are no numbers, those of a declared value, and those that a mask leaves out.
pub(super) struct EmptyBy {
    /// The value that the file declares, as in memory.
    declared: Option<f64>,
    /// The picture of a mask, which is 0 where a pixel is empty.
    mask: Option<PageSamples>,
}

impl EmptyBy {
    /// Those of a picture; `None` if none of its pixels can be empty, or if it has alpha, which says more.
    pub(super) fn of(picture: &Picture, kind: Kind, mask: Option<PageSamples>) -> Option<EmptyBy> {
        if kind.format.has_alpha() || kind.inks || kind.lab.is_some() {
            return None;
        }
        let declared = picture.missing.and_then(|value| in_memory(value, kind));
        let may_be_nan = matches!(kind.stored, StoredType::F16 | StoredType::F32 | StoredType::F64);
        let may_be = may_be_nan || declared.is_some() || mask.is_some();
        may_be.then_some(EmptyBy { declared, mask })
    }
}

/// A value as samples of this kind have it in memory; `None` if they cannot have it.
#[expect(clippy::cast_possible_truncation, reason = "rounded as the samples are")]
fn in_memory(value: f64, kind: Kind) -> Option<f64> {
    let whole = |top: u16, full: u16| {
        let fits = value.fract() == 0.0 && (0.0..=f64::from(top)).contains(&value);
        let scaled = value * f64::from(full / top);
        // Of 12 bits, the upper four are repeated below.
        let scaled = if top == 4095 { value * 16.0 + (value / 256.0).floor() } else { scaled };
        fits.then_some(if kind.inverted { f64::from(full) - scaled } else { scaled })
    };
    match kind.format.sample {
        SampleType::U8 => whole((1 << kind.bits) - 1, 255),
        SampleType::U16 if kind.bits == 12 => whole(4095, u16::MAX),
        SampleType::U16 => whole(u16::MAX, u16::MAX),
        SampleType::F32 => {
            let range = match kind.stored {
                // Rounded twice, as the library does on some processors and not on others.
                StoredType::F16 => return Some(half::f16::from_f32(value as f32).to_f32().into()),
                StoredType::I8 => f64::from(i8::MIN)..=i8::MAX.into(),
                StoredType::I16 => f64::from(i16::MIN)..=i16::MAX.into(),
                StoredType::I32 => f64::from(i32::MIN)..=i32::MAX.into(),
                StoredType::U32 => 0.0..=u32::MAX.into(),
                _ => return Some((value as f32).into()),
            };
            let fits = value.fract() == 0.0 && range.contains(&value);
            fits.then_some((value as f32).into())
        }
    }
}

/// A decoder over one some of whose pixels may be empty: they get alpha 0, and all others full alpha.
pub(super) struct Masked<'r> {
    pub(super) bands: Box<BandDecoder<'r>>,
    pub(super) empty: EmptyBy,
}

impl Decoder for Masked<'_> {
    fn stored(&self) -> Stored {
        let stored = self.bands.stored();
        Stored { format: masked(stored.format), ..stored }
    }

    fn memory(&self) -> u64 {
        let band = raster_bytes(self.bands.largest(), self.stored().format);
        let mask = self
            .empty
            .mask
            .as_ref()
            .map_or(0, |mask| mask.memory.saturating_add(MaskBits::bytes(mask.size())));
        self.bands.memory().saturating_add(band).saturating_add(mask)
    }

    fn metadata(&mut self) -> Metadata {
        self.bands.metadata()
    }

    fn notes(&self) -> Vec<String> {
        self.bands.notes()
    }

    fn nodata(&self) -> Option<Nodata> {
        self.empty.declared.map(Nodata)
    }

    fn narrow(&mut self, part: Region) -> bool {
        if let Some(mask) = &mut self.empty.mask {
            mask.narrow(part);
        }
        self.bands.narrow(part)
    }

    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Masked { mut bands, empty } = *self;
        let mask = empty.mask.as_ref().map(|mask| {
            let mut bits = MaskBits::new(mask.part().size());
            bands.each_band_of(mask, |band| {
                bits.push(&band);
                Ok(())
            })?;
            Ok::<_, DecodeError>(bits)
        });
        let (declared, mask) = (empty.declared, mask.transpose()?);
        bands.read(colours, &mut Masking { rows, declared, mask, passed: 0 })
    }
}

fn masked(format: PixelFormat) -> PixelFormat {
    PixelFormat { bands: format.bands.with(Alpha::Mask), ..format }
}

/// Passes rows on with their alpha.
struct Masking<'a> {
    rows: &'a mut dyn Rows,
    declared: Option<f64>,
    mask: Option<MaskBits>,
    /// Pixels that have been passed on.
    passed: usize,
}

impl Rows for Masking<'_> {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        let bands = masked(rows.format()).bands;
        let first = self.passed;
        self.passed += rows.width() as usize * rows.height() as usize;
        let is_left_out = |index| self.mask.as_ref().is_some_and(|mask| !mask.has(first + index));
        let masked = with_samples!(rows.samples(), samples => {
            let masked = mask(samples, bands.colours(), self.declared, is_left_out);
            Pixels::of(rows.size(), bands, masked)
        });
        drop(rows);
        self.rows.push(masked)
    }
}

/// Pixels of `count` samples with their alpha. An empty one becomes all zeros.
fn mask<S: Sample>(
    samples: &[S],
    count: usize,
    declared: Option<f64>,
    is_left_out: impl Fn(usize) -> bool,
) -> Vec<S> {
    let mut masked = Vec::with_capacity(samples.len() / count * (count + 1));
    for (index, pixel) in samples.chunks_exact(count).enumerate() {
        let is_missing = |sample: &S| {
            let value = sample.to_f64();
            value.is_nan() || Some(value) == declared
        };
        if is_left_out(index) || pixel.iter().all(is_missing) {
            masked.resize(masked.len() + count + 1, S::default());
        } else {
            masked.extend_from_slice(pixel);
            masked.push(S::FULL);
        }
    }
    masked
}

/// A bit for each pixel of a mask.
struct MaskBits {
    bits: Vec<u8>,
    count: usize,
}

impl MaskBits {
    fn new(size: Size) -> MaskBits {
        let bytes = usize::try_from(MaskBits::bytes(size)).unwrap_or(usize::MAX);
        MaskBits { bits: vec![0; bytes], count: 0 }
    }

    /// Bytes for a picture.
    fn bytes(size: Size) -> u64 {
        size.pixels().div_ceil(8)
    }

    /// Adds the next rows of the mask: one sample for each pixel.
    fn push(&mut self, rows: &Pixels) {
        let Samples::U8(samples) = rows.samples() else { return };
        for sample in samples {
            self.bits[self.count / 8] |= u8::from(*sample != 0) << (self.count % 8);
            self.count += 1;
        }
    }

    fn has(&self, pixel: usize) -> bool {
        self.bits[pixel / 8] >> (pixel % 8) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_empty_where_all_of_its_bands_are() {
        assert_eq!(
            mask(&[7_u8, 0, 0, 0, 0, 9], 2, Some(0.0), |_| false),
            [7, 0, 255, 0, 0, 0, 0, 9, 255]
        );
        let floats = [f32::NAN, -9999.0, 1.0, f32::NAN];
        let masked = mask(&floats, 2, Some(-9999.0), |_| false);
        assert_eq!(masked[..4], [0.0, 0.0, 0.0, 1.0]);
        assert_eq!((masked[4].is_nan(), masked[5..].to_vec()), (true, vec![1.0]));
    }
}
