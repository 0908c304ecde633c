//! Pixels after a header: little-endian samples, plain or as an LZ4 block.

use std::borrow::Cow;

use lz4_flex::block;
use serde::{Deserialize, Serialize};

use super::{Compression, WireError, unreadable};
use crate::raster::grid::Size;
use crate::raster::pixels::{PixelFormat, Pixels};

/// The most bytes of pixels: as many as admission allows a tile.
const MAX_PIXELS: u128 = 1 << 30;
/// The most bytes that one byte of an LZ4 block can stand for.
const LZ4_MAX_RATIO: u128 = 255;

/// The header's description of the pixels that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    size: Size,
    format: PixelFormat,
    packing: Packing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Packing {
    Raw,
    Lz4,
}

/// Appends pixels to the header that `frame` writes for their shape.
pub(super) fn append(
    pixels: &Pixels,
    compression: Compression,
    frame: impl Fn(Shape) -> Vec<u8>,
) -> Vec<u8> {
    let bytes = little_endian(pixels);
    let framed = |packing| frame(Shape { size: pixels.size(), format: pixels.format(), packing });
    let packed = match compression {
        Compression::Lz4 => append_lz4(&bytes, framed(Packing::Lz4)),
        Compression::None => None,
    };
    packed.unwrap_or_else(|| {
        let mut record = framed(Packing::Raw);
        record.extend_from_slice(&bytes);
        record
    })
}

/// Appends an LZ4 block; `None` if it would not be smaller.
fn append_lz4(bytes: &[u8], mut record: Vec<u8>) -> Option<Vec<u8>> {
    let begin = record.len();
    record.resize(begin + block::get_maximum_output_size(bytes.len()), 0);
    let length = block::compress_into(bytes, &mut record[begin..])
        .expect("the room is what the library asks for");
    record.truncate(begin + length);
    (length < bytes.len()).then_some(record)
}

/// Reads the pixels in `bytes`, which are copied or unpacked only once.
pub(super) fn read(shape: Shape, bytes: &[u8]) -> Result<Pixels, WireError> {
    check(shape, bytes.len() as u128)?;
    let Shape { size, format, packing } = shape;
    let mut pixels = match packing {
        Packing::Raw => Pixels::from_bytes(size, format, bytes)
            .map_err(|error| unreadable(error.to_string()))?,
        Packing::Lz4 => unpack(Pixels::zeroed(size, format), bytes)?,
    };
    turn_unless_little(&mut pixels);
    Ok(pixels)
}

/// Refuses a shape that needs more memory than its bytes can stand for.
fn check(shape: Shape, given: u128) -> Result<(), WireError> {
    let needed = shape.format.bytes(shape.size);
    let most = match shape.packing {
        Packing::Raw => given,
        Packing::Lz4 => given * LZ4_MAX_RATIO,
    };
    if needed > most.min(MAX_PIXELS) {
        let Shape { size, format, .. } = shape;
        return Err(unreadable(format!("{size} pixels of {format} do not fit into {given} bytes")));
    }
    Ok(())
}

fn unpack(mut pixels: Pixels, bytes: &[u8]) -> Result<Pixels, WireError> {
    let room = pixels.as_bytes_mut();
    let length = block::decompress_into(bytes, room)
        .map_err(|error| unreadable(format!("its pixels: {error}")))?;
    if length == room.len() { Ok(pixels) } else { Err(unreadable("pixels are missing")) }
}

fn little_endian(pixels: &Pixels) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(pixels.as_bytes());
    }
    let mut swapped = pixels.clone();
    turn_unless_little(&mut swapped);
    Cow::Owned(swapped.as_bytes().to_vec())
}

/// Turns the bytes of each sample round on a machine that is not little-endian.
fn turn_unless_little(pixels: &mut Pixels) {
    let width = pixels.format().sample.bytes();
    if !cfg!(target_endian = "little") && width > 1 {
        pixels.as_bytes_mut().chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
}
