//! Bytes of a TIFF file to our samples: byte order, differences, planes, bits, types, and white that is zero.

use super::directory::Order;
use super::kind::Kind;
use crate::pixels::{Pixels, SamplesMut, StoredType};

/// Converts samples of `width` bytes from the byte order of the file to that of this machine.
pub(super) fn to_native(bytes: &mut [u8], width: usize, order: Order) {
    let is_native = match order {
        Order::Little => cfg!(target_endian = "little"),
        Order::Big => cfg!(target_endian = "big"),
    };
    if width > 1 && !is_native {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
}

/// Adds up the differences in rows of `row` samples of `width` bytes, `bands` of them in a pixel.
///
/// # Panics
/// When the bytes do not begin as samples of that width do in memory.
pub(super) fn undo_prediction(bytes: &mut [u8], width: usize, row: usize, bands: usize) {
    match width {
        1 => add_up_rows(bytes, row, bands, u8::wrapping_add),
        2 => add_up_rows(bytemuck::cast_slice_mut(bytes), row, bands, u16::wrapping_add),
        4 => add_up_rows(bytemuck::cast_slice_mut(bytes), row, bands, u32::wrapping_add),
        _ => add_up_rows(bytemuck::cast_slice_mut(bytes), row, bands, u64::wrapping_add),
    }
}

fn add_up_rows<S: Copy + Default>(
    samples: &mut [S],
    row: usize,
    bands: usize,
    sum: impl Fn(S, S) -> S + Copy,
) {
    for row in samples.chunks_exact_mut(row.max(1)) {
        match bands {
            1 => add_up::<S, 1>(row, sum),
            2 => add_up::<S, 2>(row, sum),
            3 => add_up::<S, 3>(row, sum),
            4 => add_up::<S, 4>(row, sum),
            _ => (bands..row.len()).for_each(|at| row[at] = sum(row[at], row[at - bands])),
        }
    }
}

/// Adds to each sample of a row the previous one of its band.
fn add_up<S: Copy + Default, const N: usize>(row: &mut [S], sum: impl Fn(S, S) -> S) {
    let mut before = [S::default(); N];
    for pixel in row.as_chunks_mut::<N>().0 {
        for (sample, before) in pixel.iter_mut().zip(&mut before) {
            *sample = sum(*sample, *before);
            *before = *sample;
        }
    }
}

/// Adds up the differences of the bytes of floats in rows of `row` samples of `width` bytes, `bands` of them in a pixel,
/// and gathers the bytes of each float, in the byte order of this machine. In the file, the highest bytes of all floats
/// of a row come first, whatever its byte order.
pub(super) fn undo_floating_prediction(bytes: &mut [u8], width: usize, row: usize, bands: usize) {
    let mut planes = vec![0; row * width];
    for line in bytes.chunks_exact_mut((row * width).max(1)) {
        add_up_rows(line, row * width, bands, u8::wrapping_add);
        planes.copy_from_slice(line);
        for (index, sample) in line.chunks_exact_mut(width).enumerate() {
            for (place, byte) in sample.iter_mut().enumerate() {
                let plane = if cfg!(target_endian = "big") { place } else { width - 1 - place };
                *byte = planes[plane * row + index];
            }
        }
    }
}

/// The values of samples as floats in memory.
pub(super) fn widen(bytes: &[u8], stored: StoredType, floats: &mut [f32]) {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "rounded")]
    match stored {
        StoredType::I8 => each(bytes, floats, |bytes| i8::from_ne_bytes(bytes).into()),
        StoredType::I16 => each(bytes, floats, |bytes| i16::from_ne_bytes(bytes).into()),
        StoredType::I32 => each(bytes, floats, |bytes| i32::from_ne_bytes(bytes) as f32),
        StoredType::U8 => each(bytes, floats, |bytes| u8::from_ne_bytes(bytes).into()),
        StoredType::U16 => each(bytes, floats, |bytes| u16::from_ne_bytes(bytes).into()),
        StoredType::U32 => each(bytes, floats, |bytes| u32::from_ne_bytes(bytes) as f32),
        StoredType::F16 => each(bytes, floats, |bytes| half::f16::from_ne_bytes(bytes).to_f32()),
        StoredType::F32 => each(bytes, floats, f32::from_ne_bytes),
        StoredType::F64 => each(bytes, floats, |bytes| f64::from_ne_bytes(bytes) as f32),
    }
}

/// Makes all that are no numbers alike, for processors and files have many.
pub(super) fn unify_nans(floats: &mut [f32]) {
    for float in floats {
        *float = if float.is_nan() { f32::NAN } else { *float };
    }
}

fn each<const N: usize>(bytes: &[u8], floats: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (float, bytes) in floats.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *float = value(*bytes);
    }
}

/// Makes 0 black, in whole numbers; alpha stays.
pub(super) fn to_light(pixels: &mut Pixels) {
    let (count, colours) = (pixels.bands().count(), pixels.bands().colours());
    match pixels.samples_mut() {
        SamplesMut::U8(samples) => {
            for pixel in samples.chunks_exact_mut(count) {
                pixel[..colours].iter_mut().for_each(|grey| *grey = !*grey);
            }
        }
        SamplesMut::U16(samples) => {
            for pixel in samples.chunks_exact_mut(count) {
                pixel[..colours].iter_mut().for_each(|grey| *grey = !*grey);
            }
        }
        SamplesMut::F32(_) => unreachable!("floats whose 0 is white are refused"),
    }
}

/// Expands samples of 12 bits, the high bits first, to 16 bits: 4,095 becomes 65,535.
pub(super) fn expand_twelve(packed: &[u8], samples: &mut [u16]) {
    let wide = |value: u16| value << 4 | value >> 8;
    for (pair, bytes) in samples.chunks_mut(2).zip(packed.chunks(3)) {
        let byte = |index: usize| u16::from(bytes.get(index).copied().unwrap_or(0));
        let [first, second] =
            [byte(0) << 4 | byte(1) >> 4, (byte(1) & 0xF) << 8 | byte(2)].map(wide);
        pair[0] = first;
        if let Some(sample) = pair.get_mut(1) {
            *sample = second;
        }
    }
}

/// Expands grey samples of 1, 2 or 4 bits, the high bits first, to 8 bits.
pub(super) fn expand(packed: &[u8], bits: u8, grey: &mut [u8]) {
    let (each, top) = (8 / bits, (1 << bits) - 1);
    for (samples, byte) in grey.chunks_mut(each.into()).zip(packed) {
        for (index, sample) in (0..each).zip(samples) {
            let level = byte >> (8 - bits * (index + 1)) & top;
            *sample = level * (255 / top);
        }
    }
}

/// Puts the samples of one plane into pixels of `count` samples, at `index` of each.
pub(super) fn interleave<S: Copy>(plane: &[S], pixels: &mut [S], count: usize, index: usize) {
    for (pixel, sample) in pixels.chunks_exact_mut(count).zip(plane) {
        pixel[index] = *sample;
    }
}

/// Bytes that hold whole samples of every width: of 1, 2, 4 and 8 bytes, and of 12 bits, two of which have three bytes.
pub(super) type Pattern = [u8; 24];

/// Bytes that, repeated in each row, are samples of the missing value as the file would store them; zeros if samples
/// cannot have that value.
pub(super) fn missing(value: Option<f64>, kind: Kind, order: Order) -> Pattern {
    let bytes = value.and_then(|value| as_stored(value, kind)).unwrap_or_else(|| vec![0]);
    // The high bits of packed samples come first in either order.
    let is_turned = order == Order::Big && !kind.is_packed();
    let last = bytes.len() - 1;
    std::array::from_fn(|place| {
        let place = place % bytes.len();
        bytes[if is_turned { last - place } else { place }]
    })
}

/// A value as a sample in little-endian bytes; as two samples if these have 12 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the values are in the range of the samples"
)]
fn as_stored(value: f64, kind: Kind) -> Option<Vec<u8>> {
    let whole = |low: i64, high: i64| {
        let is_whole = value.fract() == 0.0 && (low as f64..=high as f64).contains(&value);
        is_whole.then_some(value as i64)
    };
    let bytes = |value: i64, count: usize| value.to_le_bytes()[..count].to_vec();
    match (kind.stored, kind.bits) {
        (_, 12) => {
            let value = whole(0, 4095)?;
            let [low, high, ..] = (value << 12 | value).to_le_bytes();
            Some(vec![(value >> 4 & 0xFF).to_le_bytes()[0], high, low])
        }
        (StoredType::U8, bits @ ..8) => {
            let top = (1 << bits) - 1;
            Some(bytes(whole(0, top)? * (255 / top), 1))
        }
        (StoredType::U8, _) => Some(bytes(whole(0, 255)?, 1)),
        (StoredType::U16, _) => Some(bytes(whole(0, u16::MAX.into())?, 2)),
        (StoredType::U32, _) => Some(bytes(whole(0, u32::MAX.into())?, 4)),
        (StoredType::I8, _) => Some(bytes(whole(i8::MIN.into(), i8::MAX.into())?, 1)),
        (StoredType::I16, _) => Some(bytes(whole(i16::MIN.into(), i16::MAX.into())?, 2)),
        (StoredType::I32, _) => Some(bytes(whole(i32::MIN.into(), i32::MAX.into())?, 4)),
        (StoredType::F16, _) => Some(half::f16::from_f32(value as f32).to_le_bytes().to_vec()),
        (StoredType::F32, _) => Some((value as f32).to_le_bytes().to_vec()),
        (StoredType::F64, _) => Some(value.to_le_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Prediction;
    use super::*;
    use crate::grid::Size;
    use crate::pixels::{Bands, PixelFormat, SampleType};

    #[test]
    fn differences_add_up_by_band_and_row() {
        let mut bytes = [1, 10, 2, 20, 255, 1, 5, 6, 1, 1, 1, 1];
        undo_prediction(&mut bytes, 1, 6, 2);
        assert_eq!(bytes, [1, 10, 3, 30, 2, 31, 5, 6, 6, 7, 7, 8]);
        // More bands than have a way of their own.
        let mut bytes = [1, 2, 3, 4, 5, 10, 10, 10, 10, 255];
        undo_prediction(&mut bytes, 1, 10, 5);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 11, 12, 13, 14, 4]);
    }

    #[test]
    fn the_bytes_of_floats_are_gathered_from_their_planes() {
        let floats = [1.5_f32, -2.25, 1e9, 3.0];
        let bytes = floats.map(f32::to_be_bytes);
        let mut row: Vec<u8> = (0..4).flat_map(|plane| bytes.map(|float| float[plane])).collect();
        for place in (2..row.len()).rev() {
            row[place] = row[place].wrapping_sub(row[place - 2]);
        }
        undo_floating_prediction(&mut row, 4, 4, 2);
        assert_eq!(row, floats.map(f32::to_ne_bytes).concat());
    }

    #[test]
    fn fewer_bits_become_eight_and_twelve_become_sixteen() {
        let mut grey = [7; 10];
        expand(&[0b1010_0001, 0b0100_0000], 1, &mut grey);
        assert_eq!(grey, [255, 0, 255, 0, 0, 0, 0, 255, 0, 255]);
        expand(&[0b0001_1011], 2, &mut grey[..3]);
        assert_eq!(grey[..3], [0, 85, 170]);
        expand(&[0x3F], 4, &mut grey[..2]);
        assert_eq!(grey[..2], [51, 255]);
        let mut wide = [7; 3];
        expand_twelve(&[0xFF, 0xF0, 0x00, 0xAB, 0xCF], &mut wide);
        assert_eq!(wide, [0xFFFF, 0, 0xABCA]);
    }

    #[test]
    fn alpha_is_not_inverted() {
        let format = PixelFormat::new(Bands::GREY_ALPHA, SampleType::U8);
        let mut pixels = Pixels::from_bytes(Size::new(2, 1), format, &[1, 2, 3, 4]).unwrap();
        to_light(&mut pixels);
        assert_eq!(pixels.as_bytes(), [254, 2, 252, 4]);
    }

    fn kind(stored: StoredType, bits: u8) -> Kind {
        Kind {
            format: PixelFormat::new(Bands::GREY, stored.in_memory()),
            stored,
            bits,
            inks: false,
            lab: None,
            inverted: false,
            is_associated: false,
            prediction: Prediction::None,
        }
    }

    #[test]
    fn what_is_missing_is_a_number_that_fits() {
        let told = |value, bits| {
            let stored = if bits == 16 { StoredType::U16 } else { StoredType::U8 };
            let [one, other, rest @ ..] = missing(Some(value), kind(stored, bits), Order::Big);
            assert!(rest.chunks(2).all(|pair| pair == [one, other]));
            [one, other]
        };
        assert_eq!([told(200.0, 8), told(300.0, 8), told(300.0, 16)], [[200; 2], [0; 2], [1, 44]]);
        assert_eq!([told(-1.0, 8), told(f64::NAN, 8), told(0.5, 8)], [[0; 2]; 3]);
        assert_eq!([told(1.0, 1), told(2.0, 2), told(3.0, 4)], [[255; 2], [0xAA; 2], [0x33; 2]]);
        let wide = kind(StoredType::U16, 16);
        assert_eq!(missing(None, wide, Order::Little), [0; 24]);
        assert_eq!(missing(Some(300.0), wide, Order::Little)[..8], [44, 1, 44, 1, 44, 1, 44, 1]);
        for order in [Order::Little, Order::Big] {
            let packed = missing(Some(2748.0), kind(StoredType::U16, 12), order);
            assert!(packed.chunks(3).all(|pair| pair == [0xAB, 0xCA, 0xBC]), "{packed:?}");
        }
        let signed = kind(StoredType::I16, 16);
        assert_eq!(missing(Some(-2.0), signed, Order::Big)[..2], [0xFF, 0xFE]);
        let float = kind(StoredType::F32, 32);
        assert_eq!(missing(Some(-9999.0), float, Order::Big)[..4], (-9999_f32).to_be_bytes());
    }
}
