//! What the headers of a JPEG 2000 file say (ISO/IEC 15444-1, annexes A and I), read before the library gets the file:
//! the size, the components, and what bounds the memory that decoding takes.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use super::coding::Coding;
use crate::grid::Size;

/// The start of a codestream: its first two markers.
pub(super) const CODESTREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// The most boxes of a file, and of marker segments of a header, that are looked at.
const MOST_PARTS: usize = 4096;

/// The most components: the standard's own limit.
const MOST_COMPONENTS: u16 = 16_384;

const SIZE: u16 = 0xFF51;
const DEFAULT_CODING: u16 = 0xFF52;
const COMPONENT_CODING: u16 = 0xFF53;
const START_OF_TILE: u16 = 0xFF90;

/// The headers of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outline {
    /// Bits of each component, or of each column of the palette.
    pub(super) bits: Vec<u8>,
    /// Whether components have a sign.
    pub(super) signed: Vec<bool>,
    /// Whether channels are made of components by a palette, or put in another order.
    pub(super) is_mapped: bool,
    /// The number of the colour space, if the file names one.
    pub(super) colours: Option<u32>,
    pub(super) grid: TileGrid,
    pub(super) coding: Coding,
}

/// The reference grid: the image, and the tiles that it is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileGrid {
    pub(super) image: Size,
    /// The largest part of a tile that lies inside the image.
    pub(super) tile: Size,
    pub(super) tiles: u64,
}

impl Outline {
    pub(super) fn read(file: &mut (impl BufRead + Seek)) -> io::Result<Outline> {
        let mut start = [0; 4];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut start)?;
        let mut boxes = Boxes::default();
        let at = if start == CODESTREAM { 0 } else { boxes.find_codestream(file)? };
        let mut outline = header(file, at)?;
        (outline.is_mapped, outline.colours) = (boxes.is_mapped, boxes.colours);
        if let Some(bits) = boxes.palette {
            (outline.signed, outline.bits) = (vec![false; bits.len()], bits);
        }
        Ok(outline)
    }
}

pub(super) fn damaged(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// What the boxes before the codestream say.
#[derive(Default)]
struct Boxes {
    /// Bits of the columns of the palette.
    palette: Option<Vec<u8>>,
    is_mapped: bool,
    colours: Option<u32>,
}

impl Boxes {
    /// Looks at the boxes up to the codestream, and returns where that begins.
    fn find_codestream(&mut self, file: &mut (impl BufRead + Seek)) -> io::Result<u64> {
        let length = file.seek(SeekFrom::End(0))?;
        let mut at = 0;
        for _ in 0..MOST_PARTS {
            let (name, body, end) = next_box(file, at, length)?;
            match &name {
                b"jp2c" => return Ok(body),
                b"jp2h" => {
                    at = body;
                    continue;
                }
                b"cdef" => self.is_mapped = true,
                b"colr" => self.colours = self.colours.or(enumerated(file)?),
                b"pclr" => self.palette = Some(palette(file)?),
                _ => {}
            }
            self.is_mapped |= self.palette.is_some();
            at = end;
        }
        Err(damaged("it has too many boxes"))
    }
}

/// The name of the box at `at`, and where its content begins and ends; the file is left where it begins.
fn next_box(
    file: &mut (impl BufRead + Seek),
    at: u64,
    length: u64,
) -> io::Result<([u8; 4], u64, u64)> {
    file.seek(SeekFrom::Start(at))?;
    let told = u64::from(u32::from_be_bytes(array(file)?));
    let name = array(file)?;
    let (head, told) = if told == 1 { (16, u64::from_be_bytes(array(file)?)) } else { (8, told) };
    let end = if told == 0 { length } else { at.saturating_add(told) };
    if end < at + head || end > length {
        return Err(damaged("a box has a wrong length"));
    }
    Ok((name, at + head, end))
}

/// The number of a colour space that is enumerated, and not told by a profile.
fn enumerated(file: &mut impl BufRead) -> io::Result<Option<u32>> {
    let [method, _, _] = array(file)?;
    if method == 1 { long(file).map(Some) } else { Ok(None) }
}

/// The bits of each column of a palette.
fn palette(file: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let [_, _, columns] = array(file)?;
    let mut bits = vec![0; columns.into()];
    file.read_exact(&mut bits)?;
    Ok(bits.into_iter().map(|bits| (bits & 0x7F) + 1).collect())
}

pub(super) fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn short(file: &mut impl Read) -> io::Result<u16> {
    Ok(u16::from_be_bytes(array(file)?))
}

fn long(file: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(array(file)?))
}

/// The main header of the codestream at `at`.
fn header(file: &mut (impl BufRead + Seek), at: u64) -> io::Result<Outline> {
    file.seek(SeekFrom::Start(at + 2))?;
    let mut outline = None;
    let mut next = at + 2;
    for _ in 0..MOST_PARTS {
        file.seek(SeekFrom::Start(next))?;
        let marker = short(file)?;
        // These have no segment.
        if matches!(marker, 0xFF30..=0xFF3F) {
            next += 2;
            continue;
        }
        if marker == START_OF_TILE {
            return outline.ok_or_else(|| damaged("its codestream has no size"));
        }
        let length = short(file)?;
        next += 2 + u64::from(length.max(2));
        let mut segment = file.take(u64::from(length.saturating_sub(2)));
        match (marker, &mut outline) {
            (SIZE, None) => outline = Some(size(&mut segment)?),
            (DEFAULT_CODING, Some(outline)) => outline.coding.read_default(&mut segment)?,
            (COMPONENT_CODING, Some(outline)) => {
                let is_wide = outline.bits.len() >= 257;
                outline.coding.read_component(&mut segment, is_wide)?;
            }
            _ => {}
        }
    }
    Err(damaged("its header has too many parts"))
}

/// The segment of the size.
fn size(segment: &mut impl BufRead) -> io::Result<Outline> {
    let _capabilities = short(segment)?;
    let mut pair = || Ok::<_, io::Error>([long(segment)?, long(segment)?]);
    let (end, start, tile, tiles_from) = (pair()?, pair()?, pair()?, pair()?);
    let count = short(segment)?;
    if count == 0 || count > MOST_COMPONENTS {
        return Err(damaged("it has no components, or too many"));
    }
    let (mut bits, mut signed, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let [depth, across, down] = array(segment)?;
        bits.push((depth & 0x7F) + 1);
        signed.push(depth & 0x80 != 0);
        steps.push([across.max(1), down.max(1)]);
    }
    let grid = TileGrid::new(end, start, tile, tiles_from)?;
    Ok(Outline { bits, signed, is_mapped: false, colours: None, grid, coding: Coding::new(steps) })
}

impl TileGrid {
    fn new(
        end: [u32; 2],
        start: [u32; 2],
        tile: [u32; 2],
        tiles_from: [u32; 2],
    ) -> io::Result<TileGrid> {
        let side = |axis: usize| {
            let image = end[axis].checked_sub(start[axis])?;
            let all = end[axis].checked_sub(tiles_from[axis])?;
            let tiles = (tile[axis] > 0).then(|| all.div_ceil(tile[axis]))?;
            Some((image, tile[axis].min(image), tiles))
        };
        let wrong = || damaged("its tiles do not cover it");
        let (width, tile_width, across) = side(0).ok_or_else(wrong)?;
        let (height, tile_height, down) = side(1).ok_or_else(wrong)?;
        Ok(TileGrid {
            image: Size::new(width, height),
            tile: Size::new(tile_width, tile_height),
            tiles: u64::from(across) * u64::from(down),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/../../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn outline(file: &[u8]) -> io::Result<Outline> {
        Outline::read(&mut Cursor::new(file))
    }

    #[test]
    fn headers_tell_size_bits_and_tiles() {
        let alpha = outline(&read("alpha.jp2")).unwrap();
        assert_eq!((alpha.bits, alpha.signed), (vec![8; 4], vec![false; 4]));
        let grid = TileGrid { image: Size::new(61, 43), tile: Size::new(32, 32), tiles: 4 };
        assert_eq!((alpha.grid, alpha.colours, alpha.is_mapped), (grid, Some(16), true));
        let signed = outline(&read("signed.j2k")).unwrap();
        assert_eq!((signed.bits, signed.signed, signed.colours), (vec![16], vec![true], None));
        assert_eq!(outline(&read("deep.jp2")).unwrap().bits, [12]);
    }

    #[test]
    fn tiles_and_precincts_without_number_take_more_memory_than_there_is() {
        let mut file = read("irreversible.j2k");
        let whole = outline(&file).unwrap();
        assert!(whole.coding.memory(whole.grid) < 1 << 20);
        // The sides of the image, then those of a tile.
        file[8..16].copy_from_slice(&[0, 0, 0xF0, 0, 0, 0, 0xF0, 0]);
        file[24..32].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        let tiny = outline(&file).unwrap();
        assert!(tiny.coding.memory(tiny.grid) > 1 << 40, "{tiny:?}");
        file[24..32].copy_from_slice(&[0, 0, 0xF0, 0, 0, 0, 0xF0, 0]);
        let one = outline(&file).unwrap();
        let usual = one.coding.memory(one.grid);
        // Precincts of one sample each, in all six resolutions.
        let place = file.windows(2).position(|marker| marker == [0xFF, 0x52]).unwrap();
        file[place + 3] += 6;
        file[place + 4] |= 1;
        file.splice(place + 14..place + 14, [0; 6]);
        let small = outline(&file).unwrap();
        assert!(small.coding.memory(small.grid) > 20 * usual, "{usual}");
    }

    #[test]
    fn headers_that_are_cut_short_or_contradict_themselves_are_damaged() {
        for name in ["alpha.jp2", "irreversible.j2k"] {
            let file = read(name);
            for length in 0..100 {
                assert!(outline(&file[..length]).is_err(), "{name}, {length} bytes");
            }
        }
        let mut file = read("irreversible.j2k");
        file[24..28].fill(0);
        assert!(outline(&file).is_err(), "tiles without a width");
    }
}
