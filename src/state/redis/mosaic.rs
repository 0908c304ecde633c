//! A mosaic as bytes in which each tile has a fixed place, so that Redis can paint it there.
//!
//! ```text
//! bytes 0..4    width of the image, all numbers big-endian
//!       4..8    height
//!       8..12   side of a tile
//! then for each tile:
//!       0..2    0 clear, 1 found, else the number of its maker + 2, at most 65535
//!       2..4    attempt, and in the highest bit whether the tile was taken over
//!       4..8    milliseconds
//!       8..     pixels of its slot, 4 bytes each
//! ```

use bytes::Buf;
use fred::types::Value;

use crate::model::mosaic::{Maker, Mosaic, Slot};
use crate::model::worker::WorkerId;
use crate::raster::grid::Size;

const MARK: usize = 8;
const FOUND: u16 = 1;
const FIRST_MAKER: u16 = 2;
/// More tiles than any sensible `limits.max_tiles`.
const MAX_TILES: u64 = 1 << 26;

/// Packs a mosaic. Returns the bytes, and the makers in the order of their numbers.
pub(super) fn pack(mosaic: &Mosaic) -> (Vec<u8>, Vec<String>) {
    let mut makers: Vec<String> = Vec::new();
    let image = mosaic.image();
    let mut bytes = [image.width, image.height, mosaic.tile_size()].map(u32::to_be_bytes).concat();
    let clear = vec![0; slot_bytes(mosaic)];
    for tile in 0..tiles(mosaic) {
        let Some(slot) = mosaic.slot(tile) else {
            bytes.extend_from_slice(&clear);
            continue;
        };
        let number = slot.maker.as_ref().map(|maker| number_of(&maker.worker, &mut makers));
        let (history, millis) = made(slot.maker.as_ref());
        bytes.extend_from_slice(&number.unwrap_or(FOUND).to_be_bytes());
        bytes.extend_from_slice(&history.to_be_bytes());
        bytes.extend_from_slice(&millis.to_be_bytes());
        bytes.extend_from_slice(slot.pixels.as_flattened());
    }
    (bytes, makers)
}

fn number_of(worker: &WorkerId, makers: &mut Vec<String>) -> u16 {
    let known = makers.iter().position(|maker| maker == worker.as_str());
    let index = known.unwrap_or_else(|| {
        makers.push(worker.to_string());
        makers.len() - 1
    });
    u16::try_from(index).map_or(u16::MAX, |index| index.saturating_add(FIRST_MAKER))
}

fn made(maker: Option<&Maker>) -> (u16, u32) {
    maker.map_or((0, 0), |maker| (maker.history(), maker.millis))
}

/// The arguments of the script `paint` for one tile.
pub(super) fn painting(slot: Slot) -> [Value; 5] {
    let (history, millis) = made(slot.maker.as_ref());
    let maker = slot.maker.map_or_else(String::new, |maker| maker.worker.to_string());
    let pixels = slot.pixels.as_flattened().to_vec();
    let number = |number: u32| Value::Integer(number.into());
    [
        number(slot.tile),
        Value::Bytes(pixels.into()),
        maker.into(),
        number(history.into()),
        number(millis),
    ]
}

/// A mosaic from its bytes; `None` if they are not a mosaic.
pub(super) fn unpack(mut bytes: &[u8], makers: &[(String, u16)]) -> Option<Mosaic> {
    let [width, height, tile_size] = [0; 3].map(|_: u32| bytes.try_get_u32().unwrap_or(0));
    let size = Size::new(width, height);
    let plausible = tile_size > 0
        && u64::from(width.div_ceil(tile_size)) * u64::from(height.div_ceil(tile_size))
            <= MAX_TILES;
    if !plausible {
        return None;
    }
    let mut mosaic = Mosaic::new(size, tile_size);
    let length = slot_bytes(&mosaic);
    if bytes.len() != tiles(&mosaic) as usize * length {
        return None;
    }
    let named = |number: u16| {
        let found = makers.iter().find(|(_, maker)| maker.checked_add(FIRST_MAKER) == Some(number));
        found.map(|(name, _)| WorkerId::new(name.as_str()))
    };
    for (tile, mut slot) in (0..).zip(bytes.chunks_exact(length)) {
        let mark = slot.get_u16();
        let (history, millis) = (slot.get_u16(), slot.get_u32());
        if mark > 0 {
            let maker = named(mark).map(|worker| Maker::of(worker, history, millis));
            let pixels = slot.as_chunks().0.to_vec();
            mosaic.paint(Slot { tile, pixels, maker });
        }
    }
    Some(mosaic)
}

fn tiles(mosaic: &Mosaic) -> u32 {
    u32::try_from(mosaic.grid().len()).unwrap_or(u32::MAX)
}

fn slot_bytes(mosaic: &Mosaic) -> usize {
    let side = mosaic.slot_side() as usize;
    MARK + side * side * 4
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};
    use crate::model::mosaic::{Maker, Mosaic, Slot};
    use crate::model::worker::WorkerId;
    use crate::raster::grid::Size;

    #[test]
    fn a_mosaic_comes_back_as_it_was() {
        let mut mosaic = Mosaic::new(Size::new(2000, 900), 512);
        let side = mosaic.slot_side() as usize;
        let maker = |name: &str, taken_over| {
            let worker = WorkerId::new(name);
            Some(Maker { worker, attempt: 3, millis: 70_000, taken_over })
        };
        for (tile, maker) in [(0, None), (3, maker("a", false)), (7, maker("b", true))] {
            let pixels = vec![[1, 2, 3, u8::try_from(tile).unwrap()]; side * side];
            mosaic.paint(Slot { tile, pixels, maker });
        }
        let (bytes, makers) = pack(&mosaic);
        let makers: Vec<_> = makers.into_iter().zip(0..).collect();
        assert_eq!(unpack(&bytes, &makers), Some(mosaic));
    }

    #[test]
    fn bytes_that_are_no_mosaic_are_none() {
        let (bytes, _) = pack(&Mosaic::new(Size::new(20, 20), 10));
        for wrong in [&bytes[..12], &bytes[..bytes.len() - 1], &[], &[0xFF; 200]] {
            assert_eq!(unpack(wrong, &[]), None);
        }
    }
}
