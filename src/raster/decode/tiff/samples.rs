//! Bytes of a TIFF file to our samples: byte order, differences, planes, bits, and white that is zero.

use super::directory::Order;
use crate::pixels::{Channels, Pixels, SamplesMut};

/// The bytes of samples.
pub(super) fn bytes<'a>(samples: &'a mut SamplesMut<'_>) -> &'a mut [u8] {
    match samples {
        SamplesMut::U8(samples) => samples,
        SamplesMut::U16(samples) => bytemuck::cast_slice_mut(samples),
    }
}

/// Converts samples from the byte order of the file to that of this machine.
pub(super) fn to_native(samples: &mut SamplesMut<'_>, order: Order) {
    let SamplesMut::U16(samples) = samples else { return };
    let native = match order {
        Order::Little => u16::from_le,
        Order::Big => u16::from_be,
    };
    for sample in samples.iter_mut() {
        *sample = native(*sample);
    }
}

/// Adds up the differences in rows of `width` pixels of `channels` samples.
pub(super) fn undo_prediction(samples: &mut SamplesMut<'_>, width: usize, channels: usize) {
    match samples {
        SamplesMut::U8(samples) => add_up_rows(samples, width, channels, u8::wrapping_add),
        SamplesMut::U16(samples) => add_up_rows(samples, width, channels, u16::wrapping_add),
    }
}

fn add_up_rows<S: Copy + Default>(
    samples: &mut [S],
    width: usize,
    channels: usize,
    sum: impl Fn(S, S) -> S + Copy,
) {
    for row in samples.chunks_exact_mut((width * channels).max(1)) {
        match channels {
            1 => add_up::<S, 1>(row, sum),
            2 => add_up::<S, 2>(row, sum),
            3 => add_up::<S, 3>(row, sum),
            _ => add_up::<S, 4>(row, sum),
        }
    }
}

/// Adds to each sample of a row the previous one of its colour.
fn add_up<S: Copy + Default, const N: usize>(row: &mut [S], sum: impl Fn(S, S) -> S) {
    let mut before = [S::default(); N];
    for pixel in row.as_chunks_mut::<N>().0 {
        for (sample, before) in pixel.iter_mut().zip(&mut before) {
            *sample = sum(*sample, *before);
            *before = *sample;
        }
    }
}

/// Makes 0 black, in samples of either size; alpha stays.
pub(super) fn to_light(pixels: &mut Pixels) {
    if pixels.channels() == Channels::Grey {
        pixels.as_bytes_mut().iter_mut().for_each(|byte| *byte = !*byte);
        return;
    }
    let channels = pixels.channels().count();
    match pixels.samples_mut() {
        SamplesMut::U8(samples) => {
            samples.iter_mut().step_by(channels).for_each(|grey| *grey = !*grey);
        }
        SamplesMut::U16(samples) => {
            samples.iter_mut().step_by(channels).for_each(|grey| *grey = !*grey);
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

/// Puts the samples of one plane into pixels of `channels` samples, at `index` of each.
pub(super) fn interleave<S: Copy>(plane: &[S], pixels: &mut [S], channels: usize, index: usize) {
    for (pixel, sample) in pixels.chunks_exact_mut(channels).zip(plane) {
        pixel[index] = *sample;
    }
}

/// Two bytes that, repeated, are samples of the missing value as the file would store them.
pub(super) fn missing(value: Option<f64>, bits: u8, order: Order) -> [u8; 2] {
    let top = f64::from((1_u32 << bits) - 1);
    let fits = |value: &f64| value.fract() == 0.0 && (0.0..=top).contains(value);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number in the range of the samples"
    )]
    let value = value.filter(fits).unwrap_or(0.0) as u16;
    match (bits, order) {
        (16, Order::Little) => value.to_le_bytes(),
        (16, Order::Big) => value.to_be_bytes(),
        _ => {
            let times = 255 / ((1 << bits) - 1);
            [(value * times).to_le_bytes()[0]; 2]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Size;
    use crate::pixels::{Depth, PixelFormat};

    #[test]
    fn differences_add_up_by_colour_and_row() {
        let mut samples = [1, 10, 2, 20, 255, 1, 5, 6, 1, 1, 1, 1];
        undo_prediction(&mut SamplesMut::U8(&mut samples), 3, 2);
        assert_eq!(samples, [1, 10, 3, 30, 2, 31, 5, 6, 6, 7, 7, 8]);
    }

    #[test]
    fn fewer_bits_become_eight() {
        let mut grey = [7; 10];
        expand(&[0b1010_0001, 0b0100_0000], 1, &mut grey);
        assert_eq!(grey, [255, 0, 255, 0, 0, 0, 0, 255, 0, 255]);
        expand(&[0b0001_1011], 2, &mut grey[..3]);
        assert_eq!(grey[..3], [0, 85, 170]);
        expand(&[0x3F], 4, &mut grey[..2]);
        assert_eq!(grey[..2], [51, 255]);
    }

    #[test]
    fn alpha_is_not_inverted() {
        let format = PixelFormat::new(Channels::GreyAlpha, Depth::Eight);
        let mut pixels = Pixels::from_bytes(Size::new(2, 1), format, &[1, 2, 3, 4]).unwrap();
        to_light(&mut pixels);
        assert_eq!(pixels.as_bytes(), [254, 2, 252, 4]);
    }

    #[test]
    fn what_is_missing_is_a_number_that_fits() {
        let told = |value, bits| missing(Some(value), bits, Order::Big);
        assert_eq!([told(200.0, 8), told(300.0, 8), told(300.0, 16)], [[200; 2], [0; 2], [1, 44]]);
        assert_eq!([told(-1.0, 8), told(f64::NAN, 8), told(0.5, 8)], [[0; 2]; 3]);
        assert_eq!([told(1.0, 1), told(2.0, 2), told(3.0, 4)], [[255; 2], [0xAA; 2], [0x33; 2]]);
        assert_eq!(missing(None, 16, Order::Little), [0; 2]);
        assert_eq!(missing(Some(300.0), 16, Order::Little), [44, 1]);
    }
}
