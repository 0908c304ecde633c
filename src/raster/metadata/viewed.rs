//! Exif and XMP for the picture as viewed: upright, with the size and the resolution that it then has.
//! All other bytes stay in place, so that offsets into a block remain valid.

use memchr::memmem;

use super::exif::{EXIF_POINTER, ORIENTATION};
use super::ifd::{ASCII, ENTRY_BYTES, LONG, Reader, whole_number_size, without_name};
use super::resolution::{ACROSS, DOWN};
use crate::grid::Size;
use crate::orientation::Orientation;

/// `ImageWidth` and `ImageLength`, of the main directory.
const SIDES: [u16; 2] = [256, 257];

/// `PixelXDimension` and `PixelYDimension`, of the Exif directory.
const PICTURE_SIDES: [u16; 2] = [0xA002, 0xA003];

/// `FocalPlaneXResolution` and `FocalPlaneYResolution`, of the Exif directory.
const FOCAL_PLANE: [u16; 2] = [0xA20E, 0xA20F];

/// The block of an Exif segment or chunk without the name it has in JPEG; `None` if no TIFF header follows.
pub(crate) fn exif_block(block: &[u8]) -> Option<Vec<u8>> {
    Reader::new(block).map(|_| without_name(block).to_vec())
}

/// The orientation in a block, if it is one of the eight.
pub(super) fn orientation_of(block: &[u8]) -> Option<Orientation> {
    let (reader, first) = Reader::new(block)?;
    Orientation::from_exif(u8::try_from(reader.whole_number(first, ORIENTATION)?).ok()?)
}

/// The block for an image that was turned by `orientation` and then has `size`.
pub(super) fn exif(block: &[u8], orientation: Orientation, size: Size) -> Option<Vec<u8>> {
    let mut block = exif_block(block)?;
    for (at, bytes) in edits(&block, orientation, size)? {
        if let Some(place) = block.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
    }
    Some(block)
}

fn edits(block: &[u8], orientation: Orientation, size: Size) -> Option<Vec<Edit>> {
    let (reader, main) = Reader::new(block)?;
    let picture = reader.whole_number(main, EXIF_POINTER);
    let mut edits = numbers(&reader, main, ORIENTATION, 1);
    for (at, sides) in [(Some(main), SIDES), (picture, PICTURE_SIDES)] {
        let Some(at) = at else { continue };
        edits.extend(numbers(&reader, at, sides[0], size.width));
        edits.extend(numbers(&reader, at, sides[1], size.height));
        let ascii = |place| (place, reader.written(ASCII.into(), 2));
        edits.extend(reader.types_of_utf8(at).into_iter().map(ascii));
    }
    if orientation.transposes() {
        edits.extend(exchanged(&reader, block, main, [ACROSS, DOWN]));
        edits.extend(picture.and_then(|at| exchanged(&reader, block, at, FOCAL_PLANE)));
    }
    Some(edits)
}

/// An offset, and the bytes to write there.
type Edit = (usize, Vec<u8>);

/// The edits that replace a whole number in its own type, or as LONG if it does not fit.
fn numbers(reader: &Reader<'_>, directory: usize, tag: u16, value: u32) -> Vec<Edit> {
    let edit = |entry: usize| {
        let (at, kind) = reader.whole_number_of(entry)?;
        let size = whole_number_size(kind)?;
        let bits = 8 * size - usize::from(kind > LONG);
        if u64::from(value) < 1 << bits {
            return Some((at, reader.written(value, size)));
        }
        let long = [reader.written(LONG.into(), 2), reader.written(1, 4), reader.written(value, 4)];
        Some((entry + 2, long.concat()))
    };
    reader.places_of(directory, tag).into_iter().filter_map(edit).collect()
}

/// The edit that exchanges the values of two adjacent entries, or gives the only one of them the other tag.
fn exchanged(
    reader: &Reader<'_>,
    block: &[u8],
    directory: usize,
    [across, down]: [u16; 2],
) -> Option<Edit> {
    let place = |tag| reader.places_of(directory, tag).first().copied();
    let tag = |tag: u16| reader.written(tag.into(), 2);
    match (place(across), place(down)) {
        (Some(first), Some(second)) if second == first + ENTRY_BYTES => {
            let entries = block.get(first..second + ENTRY_BYTES)?;
            let (first_said, second_said) = entries.split_at(ENTRY_BYTES);
            let exchanged = [&tag(across)[..], &second_said[2..], &tag(down), &first_said[2..]];
            Some((first, exchanged.concat()))
        }
        (Some(only), None) => Some((only, tag(down))),
        (None, Some(only)) => Some((only, tag(across))),
        _ => None,
    }
}

/// The XMP packet for such an image. Values are text that follows the name of their property.
pub(super) fn xmp(packet: &[u8], orientation: Orientation, size: Size) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let numbers = [
        ("tiff:Orientation", 1),
        ("tiff:ImageWidth", size.width),
        ("tiff:ImageLength", size.height),
        ("exif:PixelXDimension", size.width),
        ("exif:PixelYDimension", size.height),
    ];
    for (name, number) in numbers {
        packet = with_number(&packet, name.as_bytes(), number);
    }
    if orientation.transposes() {
        for [across, down] in [
            ["tiff:XResolution", "tiff:YResolution"],
            ["exif:FocalPlaneXResolution", "exif:FocalPlaneYResolution"],
        ] {
            exchange_names(&mut packet, across.as_bytes(), down.as_bytes());
        }
    }
    packet
}

/// The packet with `number` in place of every number that follows `name`.
fn with_number(packet: &[u8], name: &[u8], number: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.len());
    let mut rest = packet;
    while let Some(found) = memmem::find(rest, name) {
        let closing = found > 0 && rest[found - 1] == b'/';
        let (before, behind) = rest.split_at(found + name.len());
        out.extend_from_slice(before);
        // `="6"`, or `>6<`, with white space where XML allows it.
        let between = |byte: &&u8| b" \t\r\n=\"'>".contains(byte);
        let (gap, behind) = behind.split_at(behind.iter().take_while(between).count());
        out.extend_from_slice(gap);
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && !gap.is_empty() && !closing {
            out.extend_from_slice(number.to_string().as_bytes());
            rest = &behind[digits..];
        } else {
            rest = behind;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Exchanges the names of two properties, which have the same length.
fn exchange_names(packet: &mut [u8], one: &[u8], other: &[u8]) {
    let mut at = 0;
    while at + one.len() <= packet.len() {
        let name = &mut packet[at..at + one.len()];
        if name == one {
            name.copy_from_slice(other);
        } else if name == other {
            name.copy_from_slice(one);
        } else {
            at += 1;
            continue;
        }
        at += one.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::ifd::{Entry, Width, directory};
    use super::*;

    const TURNED: Size = Size { width: 300, height: 70_000 };

    fn turn(value: u8) -> Orientation {
        Orientation::from_exif(value).unwrap()
    }

    fn block(entries: &[Entry]) -> Vec<u8> {
        [&b"II*\0\x08\0\0\0"[..], &directory(entries, 8, Width::Classic)].concat()
    }

    fn entry(tag: u16, kind: u16, bytes: &[u8]) -> Entry {
        Entry { tag, kind, count: 1, bytes: bytes.to_vec() }
    }

    fn main(block: &[u8]) -> Vec<Entry> {
        let (reader, first) = Reader::new(block).unwrap();
        reader.entries(first)
    }

    #[test]
    fn an_orientation_of_any_whole_type_is_heard_and_reset_in_its_own() {
        for (kind, bytes) in [(1, &[6][..]), (3, &[6, 0]), (4, &[6, 0, 0, 0]), (8, &[6, 0])] {
            let little = block(&[entry(ORIENTATION, kind, bytes)]);
            let mut value = bytes.to_vec();
            value.reverse();
            value.resize(4, 0);
            let head = [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0"[..], &[kind.to_le_bytes()[0]]].concat();
            let big = [&head[..], &[0, 0, 0, 1], &value, &[0; 4]].concat();
            for block in [little, big] {
                assert_eq!(orientation_of(&block), Some(turn(6)), "type {kind}");
                let upright = exif(&block, turn(6), TURNED).unwrap();
                assert_eq!(orientation_of(&upright), Some(Orientation::UPRIGHT), "type {kind}");
                assert_eq!((main(&upright)[0].kind, upright.len()), (kind, block.len()));
            }
        }
        for bytes in [[0, 0, 0, 0], [9, 0, 0, 0], [6, 1, 0, 0], [6, 0, 1, 0]] {
            assert_eq!(orientation_of(&block(&[entry(ORIENTATION, 4, &bytes)])), None);
        }
        assert_eq!(orientation_of(&block(&[entry(ORIENTATION, 2, b"6")])), None);
    }

    #[test]
    fn a_block_may_be_called_exif_any_number_of_times() {
        let plain = block(&[entry(ORIENTATION, 3, &[8, 0])]);
        for times in 0..4 {
            let named = [b"Exif\0\0".repeat(times), plain.clone()].concat();
            assert_eq!(exif_block(&named).as_ref(), Some(&plain));
            assert_eq!(orientation_of(&named), Some(turn(8)));
        }
        assert_eq!(exif_block(b"Exif\0\xFFII*\0\x08\0\0\0").unwrap().len(), 8);
        assert!(exif_block(b"Exif\0\0").is_none() && exif_block(b"Exif\0\0hello").is_none());
    }

    #[test]
    fn sizes_are_those_of_the_result_and_a_quarter_turn_exchanges_the_resolutions() {
        let picture_at: u32 = 8 + 2 + 5 * 12 + 4 + 16;
        let dimensions = directory(
            &[entry(0xA002, 3, &[1, 1]), entry(0xA003, 3, &[2, 2])],
            picture_at.into(),
            Width::Classic,
        );
        let resolution = |pixels: u8| [pixels, 0, 0, 0, 1, 0, 0, 0];
        let mut block = block(&[
            entry(256, 4, &[9, 9, 0, 0]),
            entry(257, 3, &[8, 8]),
            entry(ACROSS, 5, &resolution(30)),
            entry(DOWN, 5, &resolution(20)),
            entry(EXIF_POINTER, 4, &picture_at.to_le_bytes()),
        ]);
        block.extend(dimensions);
        let told = exif(&block, turn(6), TURNED).unwrap();
        let (reader, first) = Reader::new(&told).unwrap();
        let picture = reader.whole_number(first, EXIF_POINTER).unwrap();
        for (at, tags) in [(first, SIDES), (picture, PICTURE_SIDES)] {
            assert_eq!(tags.map(|tag| reader.whole_number(at, tag)), [Some(300), Some(70_000)]);
        }
        let sides = |block: &[u8]| main(block)[2..4].iter().map(|e| e.bytes[0]).collect::<Vec<_>>();
        assert_eq!((sides(&block), sides(&told)), (vec![30, 20], vec![20, 30]));
        assert_eq!(sides(&exif(&block, turn(3), TURNED).unwrap()), [30, 20]);
    }

    #[test]
    fn a_packet_says_what_the_result_is_like() {
        let packet = br#"<a tiff:Orientation="8" tiff:XResolution="72/1"><tiff:Orientation>3</tiff:Orientation>
            <exif:PixelXDimension>4000</exif:PixelXDimension><tiff:ImageLength/><b tiff:YResolution='96/1'/>"#;
        let told = String::from_utf8(xmp(packet, turn(8), TURNED)).unwrap();
        let expected = r#"<a tiff:Orientation="1" tiff:YResolution="72/1"><tiff:Orientation>1</tiff:Orientation>
            <exif:PixelXDimension>300</exif:PixelXDimension><tiff:ImageLength/><b tiff:XResolution='96/1'/>"#;
        assert_eq!(told, expected);
    }

    #[test]
    fn a_block_of_anything_is_no_danger() {
        let sound = block(&[
            entry(256, 4, &[9, 9, 0, 0]),
            entry(ORIENTATION, 3, &[6, 0]),
            entry(ACROSS, 5, &[1; 8]),
            entry(DOWN, 5, &[2; 8]),
            entry(EXIF_POINTER, 4, &[8, 0, 0, 0]),
        ]);
        for place in 0..sound.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = sound.clone();
                damaged[place] = value;
                let _ = (orientation_of(&damaged), exif(&damaged, turn(6), TURNED));
            }
        }
    }
}
