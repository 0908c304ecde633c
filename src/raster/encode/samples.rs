//! The bytes of samples in a TIFF, in little-endian order, and what they are stored as in place of their values.

use super::convert::rounded;
use crate::pixels::{Pixels, Samples, StoredType};

/// The samples as the file stores them.
pub(super) fn little_endian(pixels: &Pixels, stored: StoredType) -> Vec<u8> {
    match pixels.samples() {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Samples::F32(samples) => floats(samples, stored),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded and clamped")]
fn floats(samples: &[f32], stored: StoredType) -> Vec<u8> {
    let values = samples.iter().map(|value| rounded(f64::from(*value), stored));
    match stored {
        StoredType::I8 => values.flat_map(|value| (value as i8).to_le_bytes()).collect(),
        StoredType::I16 => values.flat_map(|value| (value as i16).to_le_bytes()).collect(),
        StoredType::F16 => {
            samples.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect()
        }
        _ => samples.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// Every sample of `width` bytes minus the one of its band to its left (TIFF 6.0, section 14), in rows of `row` samples,
/// `count` of them in a pixel.
pub(super) fn predict(bytes: &mut [u8], width: usize, row: usize, count: usize) {
    for line in bytes.chunks_exact_mut(row * width) {
        if width == 1 {
            subtract(line, count);
            continue;
        }
        for place in (count..row).rev() {
            let at = |place: usize| u16::from_le_bytes([line[2 * place], line[2 * place + 1]]);
            let less = at(place).wrapping_sub(at(place - count));
            line[2 * place..][..2].copy_from_slice(&less.to_le_bytes());
        }
    }
}

/// The bytes of floats, the highest of a row first, each minus the one of its band to its left (TIFF Technical Note 3).
pub(super) fn predict_floats(bytes: &mut [u8], width: usize, row: usize, count: usize) {
    let mut line = vec![0; row * width];
    for floats in bytes.chunks_exact_mut(row * width) {
        for (index, float) in floats.chunks_exact(width).enumerate() {
            for (place, byte) in float.iter().rev().enumerate() {
                line[place * row + index] = *byte;
            }
        }
        subtract(&mut line, count);
        floats.copy_from_slice(&line);
    }
}

fn subtract(line: &mut [u8], count: usize) {
    for place in (count..line.len()).rev() {
        line[place] = line[place].wrapping_sub(line[place - count]);
    }
}
