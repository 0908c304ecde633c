//! Palettes, Zstandard and CCITT group 3 in TIFF, pixel by pixel.

use std::io::Cursor;

use tilemill::raster::decode::{Colours, DecodeError, Limits, decode};
use tilemill::raster::grid::Region;
use tilemill::raster::pixels::{Bands, PixelFormat, Pixels, SampleType};

use crate::forms::{FOUR_ROWS, SHORT, Tag, bytes, colours, deflated, one_strip, tags, zstandard};

const LIMITS: Limits =
    Limits { max_pixels: 1 << 20, max_side: 1 << 12, max_bytes: 1 << 24, threads: 2 };

fn read(file: &[u8]) -> Result<Pixels, DecodeError> {
    let source = decode(Cursor::new(file), &LIMITS, Colours::All)?;
    Ok(source.window(Region::of(source.size())).unwrap())
}

/// What is wrong with a file, with the cause.
fn told(file: &[u8]) -> String {
    let error = read(file).err().unwrap();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

/// Indexes of a picture of 40 × 24 pixels.
fn indexes(bits: u16) -> Vec<u32> {
    (0..40 * 24).map(|i| i * if bits == 16 { 67 } else { 7 } % (1 << bits)).collect()
}

/// As in a file, the high bits first, or little-endian.
fn packed(indexes: &[u32], bits: u16) -> Vec<u8> {
    let byte = |part: &[u32]| part.iter().fold(0, |sum, index| sum << bits | index);
    let low = |index: &u32| index.to_le_bytes();
    match bits {
        16 => indexes.iter().flat_map(|index| [low(index)[0], low(index)[1]]).collect(),
        _ => indexes.chunks(8 / usize::from(bits)).map(|part| low(&byte(part))[0]).collect(),
    }
}

/// The number of a compression, and what compresses a strip.
type Packing = (u16, fn(&[u8]) -> Vec<u8>);

/// Indexes of so many bits, in one strip, with a palette.
fn indexed(bits: u16, (compression, pack): Packing, palette: Tag) -> Vec<u8> {
    let mut all = tags([40, 24], compression, 3, bits, 1);
    all.push(palette);
    one_strip(all, pack(&packed(&indexes(bits), bits)))
}

/// The colours of the indexes, of whose components the lower `shift` bits are left out.
fn expected(bits: u16, (_, _, components): &Tag, shift: u32) -> Vec<u8> {
    let colour =
        |index: u32| [0, 1, 2].map(|plane| components[((plane << bits) + index) as usize] >> shift);
    let all = indexes(bits).into_iter().flat_map(colour);
    all.map(|component| u8::try_from(component).unwrap()).collect()
}

const PLAIN: Packing = (1, <[u8]>::to_vec);

#[test]
fn indexes_of_every_depth_become_colours() {
    for bits in [1, 2, 4, 8, 16] {
        for pack in [PLAIN, (8, deflated), (50_000, zstandard)] {
            let of_16 = colours(1 << bits);
            let of_8 = (320, SHORT, of_16.2.iter().map(|component| component >> 8).collect());
            for (palette, shift) in [(of_16, 8), (of_8, 0)] {
                let pixels = read(&indexed(bits, pack, palette.clone())).unwrap();
                assert_eq!(pixels.format(), PixelFormat::new(Bands::RGB, SampleType::U8));
                let expected = expected(bits, &palette, shift);
                assert!(pixels.as_bytes() == expected, "{bits} bits, compression {}", pack.0);
            }
        }
    }
}

#[test]
fn a_palette_without_a_colour_for_each_index_is_damage() {
    let damaged =
        "the TIFF file is damaged or incomplete: its palette does not have a colour for each index";
    for count in [3, 5] {
        assert_eq!(told(&indexed(2, PLAIN, colours(count))), damaged);
    }
    let none = indexed(2, PLAIN, (269, SHORT, vec![1]));
    assert_eq!(told(&none), "the TIFF file is damaged or incomplete: it has no palette");
}

#[test]
fn a_palette_and_alpha_are_refused_by_name() {
    let mut all = tags([40, 24], 1, 3, 8, 2);
    all.extend([colours(256), (338, SHORT, vec![2])]);
    let file = one_strip(all, vec![0; 40 * 24 * 2]);
    assert!(told(&file).starts_with(
        "TIFF with a palette and alpha cannot be processed; save it as RGB with alpha"
    ));
}

#[test]
fn frames_are_read_with_and_without_differences() {
    let samples: Vec<u8> = (0..40 * 24 * 3_u32).map(|i| ((i * i) >> 6).to_le_bytes()[0]).collect();
    let mut all = tags([40, 24], 50_000, 2, 8, 3);
    let plain = one_strip(all.clone(), zstandard(&samples));
    assert!(read(&plain).unwrap().as_bytes() == samples);
    all.push((317, SHORT, vec![2]));
    let mut sums = samples.clone();
    for row in sums.chunks_mut(120) {
        for index in 3..120 {
            row[index] = row[index].wrapping_add(row[index - 3]);
        }
    }
    let frame = zstandard(&samples);
    assert!(read(&one_strip(all.clone(), frame.clone())).unwrap().as_bytes() == sums);
    let short = one_strip(all, frame[..frame.len() - 100].to_vec());
    assert!(
        told(&short).starts_with("the TIFF file is damaged or incomplete: "),
        "{}",
        told(&short)
    );
}

/// Grey of a row of 40 pixels that is black in some columns.
fn row(black: std::ops::Range<usize>) -> Vec<u8> {
    (0..40).map(|column| if black.contains(&column) { 0 } else { 255 }).collect()
}

#[test]
fn rows_of_ccitt_group_3_are_read() {
    let four = [row(4..7), row(4..7), row(5..6), row(0..40)].concat();
    assert!(read(&crate::forms::group3()).unwrap().as_bytes() == four.repeat(6));
    // A row of 14 bits begins at a byte, and at a pair of them; no row depends on another one.
    let runs = "1011 10 00010010 00";
    for (compression, bits) in [
        (2, runs.repeat(24)),
        (32_771, runs.repeat(24)),
        (3, format!("000000000001 {runs}").repeat(24)),
    ] {
        let all = tags([40, 24], compression, 0, 1, 1);
        let pixels = read(&one_strip(all, bytes(&bits))).unwrap();
        assert!(pixels.as_bytes() == row(4..7).repeat(24), "compression {compression}");
    }
    let mut all = tags([40, 24], 3, 0, 1, 1);
    all.push((292, SHORT, vec![1]));
    let short = told(&one_strip(all, bytes(&FOUR_ROWS.repeat(5))));
    assert_eq!(short, "the TIFF file is damaged or incomplete: a chunk is too short");
}

/// A picture of 40 × 24 in strips of three rows, or in tiles of 16 × 16 samples in planes, deflated; the strips and tiles
/// at `broken` are cut short.
fn deflated_chunks(tiled: bool, broken: &[usize]) -> Vec<u8> {
    let mut all = tags([40, 24], 8, 2, 8, 3);
    let (count, length) = if tiled { (18, 16 * 16) } else { (8, 40 * 3 * 3) };
    let chunk = |index: usize| {
        let samples: Vec<u8> =
            (0..length).map(|at: usize| (at * 7 + index * 31).to_le_bytes()[0]).collect();
        let mut packed = deflated(&samples);
        packed.truncate(if broken.contains(&index) { 4 + index } else { packed.len() });
        packed
    };
    let chunks: Vec<_> = (0..count).map(chunk).collect();
    let mut file = crate::forms::File::new();
    if tiled {
        all.extend([(284, SHORT, vec![2]), (322, SHORT, vec![16]), (323, SHORT, vec![16])]);
        all.extend(file.chunks(&chunks, [324, 325]));
    } else {
        all.push((278, SHORT, vec![3]));
        all.extend(file.chunks(&chunks, [273, 279]));
    }
    let directory = file.directory(all);
    file.finish(directory)
}

#[test]
fn threads_that_share_chunks_make_the_pixels_and_the_errors_of_one() {
    let read = |file: &[u8], threads: usize| {
        let limits = Limits { threads, ..LIMITS };
        let source = decode(Cursor::new(file), &limits, Colours::All);
        let pixels = source.map(|source| source.window(Region::of(source.size())).unwrap());
        pixels.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {cause:?}")
        })
    };
    for tiled in [false, true] {
        for broken in [&[][..], &[7], &[5, 6], &[0, 3, 4, 5]] {
            let file = deflated_chunks(tiled, broken);
            let alone = read(&file, 1);
            assert_eq!(alone.is_ok(), broken.is_empty(), "{alone:?}");
            for threads in [2, 3, 64] {
                assert_eq!(read(&file, threads), alone, "{threads} threads, tiles: {tiled}");
            }
        }
    }
}

#[test]
fn threads_share_chunks_only_if_their_memory_is_within_the_limit() {
    let file = deflated_chunks(false, &[]);
    let told = |threads, max_bytes| {
        let limits = Limits { threads, max_bytes, ..LIMITS };
        tilemill::raster::decode::probe(Cursor::new(&file), &limits).unwrap().memory
    };
    let (alone, shared) = (told(1, 1 << 20), told(4, 1 << 20));
    assert!(alone < shared, "{alone} bytes, {shared} together");
    assert_eq!(told(4, shared), shared);
    assert_eq!(told(4, shared - 1), alone);
}
