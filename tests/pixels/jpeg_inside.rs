//! TIFF files with JPEG inside: their pixels are those of the streams, each as a file of its own.

use std::io::Cursor;

use jpeg_encoder::{ColorType, SamplingFactor};
use tilemill::raster::decode::{self, Colours, DecodeError, Limits, probe};
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::pixels::Pixels;

use crate::forms::{File, SHORT, Tag, jpeg, old_jpeg, shared, split, tags};

const LIMITS: Limits =
    Limits { max_pixels: 1 << 20, max_side: 1 << 12, max_bytes: 1 << 22, threads: 2 };

/// The picture has four tiles, which its edges cut, or two strips.
const SIDES: [u16; 2] = [50, 30];
const TILE: u16 = 32;
const STRIP: u16 = 16;

const WHITE_IS_ZERO: u16 = 0;
const GREY: u16 = 1;
const RGB: u16 = 2;
const INKS: u16 = 5;
const YCBCR: u16 = 6;

fn decoded(file: &[u8]) -> Result<Pixels, DecodeError> {
    let source = decode::decode(Cursor::new(file), &LIMITS, Colours::All)?;
    Ok(source.window(Region::of(source.size())).unwrap())
}

fn told(file: &[u8]) -> String {
    let error = decoded(file).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn samples(seed: usize, count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * (seed + 3)) ^ (i >> 4)).to_le_bytes()[0] / 2 + 60).collect()
}

fn stream(seed: usize, sides: [u16; 2], colours: ColorType, sampling: SamplingFactor) -> Vec<u8> {
    let pixels = usize::from(sides[0]) * usize::from(sides[1]);
    jpeg(&samples(seed, 4 * pixels), sides, colours, sampling)
}

fn tiled(photometric: u16, samples: u16, more: &[Tag], chunks: &[Vec<u8>]) -> Vec<u8> {
    let side = u32::from(TILE);
    let tile = [(322, SHORT, vec![side]), (323, SHORT, vec![side])];
    written(photometric, samples, [&tile, more].concat(), chunks, [324, 325])
}

fn in_strips(photometric: u16, samples: u16, more: &[Tag], chunks: &[Vec<u8>]) -> Vec<u8> {
    let rows = (278, SHORT, vec![STRIP.into()]);
    written(photometric, samples, [&[rows], more].concat(), chunks, [273, 279])
}

fn written(
    photometric: u16,
    samples: u16,
    more: Vec<Tag>,
    chunks: &[Vec<u8>],
    places: [u16; 2],
) -> Vec<u8> {
    let mut file = File::new();
    let mut all = tags(SIDES, 7, photometric, 8, samples);
    all.extend(more);
    all.extend(file.chunks(chunks, places));
    let directory = file.directory(all);
    file.finish(directory)
}

/// Where the segment of a marker begins.
fn place(stream: &[u8], marker: u8) -> usize {
    let mut place = 2;
    while stream[place + 1] != marker {
        let length = u16::from_be_bytes([stream[place + 2], stream[place + 3]]);
        place += 2 + usize::from(length);
    }
    place
}

/// The stream without the segments of a marker.
fn without(mut stream: Vec<u8>, marker: u8) -> Vec<u8> {
    let start = place(&stream, marker);
    let length = u16::from_be_bytes([stream[start + 2], stream[start + 3]]);
    stream.drain(start..start + 2 + usize::from(length));
    stream
}

/// A file whose components are red, green and blue, by their names.
fn named_rgb(stream: &[u8]) -> Vec<u8> {
    let mut file = without(stream.to_vec(), 0xE0);
    for (marker, first, step) in [(0xC0, 10, 3), (0xDA, 5, 2)] {
        let start = place(&file, marker) + first;
        for (index, name) in b"RGB".iter().enumerate() {
            file[start + index * step] = *name;
        }
    }
    file
}

/// Fails unless `pixels` at some place are those of a JPEG file, as far as the picture goes.
fn assert_same(pixels: &Pixels, [left, top]: [u16; 2], file: &[u8], what: &str) {
    let part = decoded(file).unwrap();
    let [left, top] = [left, top].map(usize::from);
    let (size, count) = (pixels.size(), pixels.bands().count());
    let width = (size.width as usize - left).min(part.size().width as usize);
    let rows = pixels.as_bytes().chunks_exact(pixels.row_bytes()).skip(top);
    let parts = part.as_bytes().chunks_exact(part.row_bytes());
    for (y, (row, expected)) in rows.zip(parts).enumerate() {
        let row = &row[left * count..(left + width) * count];
        assert_eq!(row, &expected[..width * count], "{what}, row {y}");
    }
}

#[test]
fn tiles_have_the_pixels_of_their_streams() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1, F_4_2};
    for sampling in [F_1_1, F_2_1, F_2_2, F_1_2, F_4_1, F_4_2] {
        let streams = [0, 1].map(|seed| stream(seed, [TILE; 2], ColorType::Rgb, sampling));
        let [tables, _] = split(&streams[0]);
        let bare = streams.each_ref().map(|stream| split(stream)[1].clone());
        for (chunks, tags) in [(&streams, vec![]), (&bare, vec![shared(&tables)])] {
            let pixels = decoded(&tiled(YCBCR, 3, &tags, chunks)).unwrap();
            assert_eq!(pixels.size(), Size::new(50, 30));
            for (column, stream) in [0, TILE].into_iter().zip(&streams) {
                assert_same(&pixels, [column, 0], stream, &format!("{sampling:?}"));
            }
        }
    }
}

#[test]
fn an_old_style_strip_has_the_pixels_of_its_stream() {
    use SamplingFactor::{F_1_1, F_2_1, F_2_2};
    let short = |tag, value| (tag, SHORT, vec![value]);
    for sampling in [F_1_1, F_2_1, F_2_2] {
        let stream = stream(1, [40, 24], ColorType::Rgb, sampling);
        let length = u32::try_from(stream.len()).unwrap();
        for more in [
            vec![],
            vec![short(262, 6), short(258, 8), short(277, 3)],
            // libtiff takes RGB for a mistake.
            vec![short(262, 2)],
            // Neither the length nor the strip has to be right.
            vec![short(514, 0), short(273, 8), short(279, 1)],
            vec![short(514, length + 999), short(279, 0)],
        ] {
            let pixels = decoded(&old_jpeg(&stream, &more)).unwrap();
            assert_same(&pixels, [0, 0], &stream, &format!("{more:?}"));
            assert_eq!(pixels.size(), Size::new(40, 24));
        }
    }
    let grey = stream(1, [40, 24], ColorType::Luma, SamplingFactor::F_1_1);
    let pixels = decoded(&old_jpeg(&grey, &[short(262, 1)])).unwrap();
    assert_same(&pixels, [0, 0], &grey, "grey");
}

#[test]
fn other_forms_of_old_style_jpeg_are_refused_by_their_names() {
    let stream = stream(1, [40, 24], ColorType::Rgb, SamplingFactor::F_2_2);
    let short = |tag, value| (tag, SHORT, vec![value]);
    let end = "cannot be processed; save it as RGB, as `tiff2rgba` does: ";
    for (more, form) in [
        (vec![short(513, 0)], "whose tables are in tags"),
        (vec![short(278, 8)], "in several strips"),
        (vec![short(322, 16), short(323, 16)], "in tiles"),
        (vec![short(284, 2), short(277, 3)], "in planes"),
    ] {
        let told = told(&old_jpeg(&stream, &more));
        assert_eq!(told, format!("TIFF with old-style JPEG inside {form} {end}"));
    }
    let damaged = "the TIFF file is damaged or incomplete: ";
    for more in [short(513, 10), short(256, 41), short(514, 700), short(513, 60_000)] {
        let told = told(&old_jpeg(&stream, &[more]));
        assert!(told.starts_with(damaged), "{told}");
    }
}

#[test]
fn the_tables_of_a_stream_count_before_those_that_are_shared() {
    let grey = |seed| stream(seed, [TILE; 2], ColorType::Luma, SamplingFactor::F_1_1);
    let [mut tables, bare] = split(&grey(0));
    let whole = [grey(0), grey(1)];
    let quantisation = place(&tables, 0xDB) + 5;
    tables[quantisation..quantisation + 64].fill(1);
    let pixels = decoded(&tiled(GREY, 1, &[shared(&tables)], &whole)).unwrap();
    assert_same(&pixels, [TILE, 0], &whole[1], "its own tables");
    let other = decoded(&tiled(GREY, 1, &[shared(&tables)], &[bare, grey(1)])).unwrap();
    assert!(other != pixels);
}

#[test]
fn strips_have_the_pixels_of_their_streams_and_the_last_may_be_too_long() {
    for last in [SIDES[1] - STRIP, STRIP, 200] {
        let strip =
            |seed, rows| stream(seed, [SIDES[0], rows], ColorType::Rgb, SamplingFactor::F_2_2);
        let streams = [strip(0, STRIP), strip(1, last)];
        let pixels = decoded(&in_strips(YCBCR, 3, &[], &streams)).unwrap();
        assert_same(&pixels, [0, 0], &streams[0], "first");
        assert_same(&pixels, [0, STRIP], &streams[1], &format!("{last} rows"));
    }
}

#[test]
fn progressive_streams_are_read() {
    let mut whole = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut whole, 80);
    encoder.set_progressive(true);
    encoder.encode(&samples(0, 32 * 32 * 3), TILE, TILE, ColorType::Rgb).unwrap();
    let pixels = decoded(&tiled(YCBCR, 3, &[], &[whole.clone(), whole.clone()])).unwrap();
    assert_same(&pixels, [TILE, 0], &whole, "progressive");
}

#[test]
fn the_tags_tell_the_colours_and_the_markers_do_not() {
    let plain = stream(0, [TILE; 2], ColorType::Ycbcr, SamplingFactor::F_1_1);
    let mut adobe = named_rgb(&plain);
    adobe.splice(2..2, *b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\x01");
    for chunk in [plain.clone(), named_rgb(&plain), adobe] {
        let pixels = decoded(&tiled(RGB, 3, &[], &[chunk.clone(), chunk.clone()])).unwrap();
        assert_same(&pixels, [TILE, 0], &named_rgb(&plain), "RGB");
        let pixels = decoded(&tiled(YCBCR, 3, &[], &[chunk.clone(), chunk])).unwrap();
        assert_same(&pixels, [TILE, 0], &plain, "YCbCr");
    }
    let inks = without(stream(0, [TILE; 2], ColorType::Cmyk, SamplingFactor::F_1_1), 0xEE);
    let pixels = decoded(&tiled(INKS, 4, &[], &[inks.clone(), inks.clone()])).unwrap();
    assert_same(&pixels, [TILE, 0], &inks, "inks");
}

#[test]
fn grey_may_be_light_or_dark() {
    let grey = stream(0, [TILE; 2], ColorType::Luma, SamplingFactor::F_1_1);
    let chunks = [grey.clone(), grey.clone()];
    let light = decoded(&tiled(GREY, 1, &[], &chunks)).unwrap();
    assert_same(&light, [TILE, 0], &grey, "grey");
    let dark = decoded(&tiled(WHITE_IS_ZERO, 1, &[], &chunks)).unwrap();
    let turned: Vec<u8> = dark.as_bytes().iter().map(|sample| !sample).collect();
    assert_eq!(turned, light.as_bytes());
}

#[test]
fn planes_are_streams_of_one_component() {
    let planes = [0, 1, 2].map(|seed| {
        let grey = |rows| stream(seed, [SIDES[0], rows], ColorType::Luma, SamplingFactor::F_1_1);
        [grey(STRIP), grey(SIDES[1] - STRIP)]
    });
    let turned = (266, SHORT, vec![2]);
    let more = [(284, SHORT, vec![2]), turned, (317, SHORT, vec![2])];
    let pixels = decoded(&in_strips(RGB, 3, &more, &planes.concat())).unwrap();
    for (index, plane) in planes.iter().enumerate() {
        let all = [decoded(&plane[0]).unwrap(), decoded(&plane[1]).unwrap()];
        let expected = all.each_ref().map(Pixels::as_bytes).concat();
        let given: Vec<u8> = pixels.as_bytes().iter().skip(index).step_by(3).copied().collect();
        assert_eq!(given, expected, "plane {index}");
    }
}

#[test]
fn a_tile_that_is_left_out_is_black_or_what_stands_for_no_data() {
    let tile = stream(0, [TILE; 2], ColorType::Rgb, SamplingFactor::F_2_2);
    for chunks in [[Vec::new(), tile.clone()], [Vec::new(), Vec::new()]] {
        let pixels = decoded(&tiled(YCBCR, 3, &[], &chunks)).unwrap();
        assert!(pixels.as_bytes()[..usize::from(TILE) * 3].iter().all(|sample| *sample == 0));
    }
}

#[test]
fn streams_that_are_not_their_chunks_are_damage() {
    let rgb = |sides| stream(0, sides, ColorType::Rgb, SamplingFactor::F_1_1);
    let tile = rgb([TILE; 2]);
    let grey = stream(0, [TILE; 2], ColorType::Luma, SamplingFactor::F_1_1);
    let sampled = stream(0, [TILE; 2], ColorType::Rgb, SamplingFactor::F_2_1);
    for (photometric, chunk, words) in [
        (YCBCR, rgb([TILE, 40]), "of 32 × 32 pixels has 32 × 40"),
        (YCBCR, rgb([40, TILE]), "of 32 × 32 pixels has 40 × 32"),
        (YCBCR, rgb([TILE, 24]), "of 32 × 32 pixels has 32 × 24"),
        (YCBCR, grey, "1 components instead of 3"),
        (RGB, sampled, "fewer samples than pixels"),
        (YCBCR, split(&tile)[1].clone(), "damaged"),
        (YCBCR, tile[2..].to_vec(), "does not begin as JPEG does"),
        (YCBCR, tile[..tile.len() - 2].to_vec(), "the end of the image is missing"),
        (YCBCR, vec![0xFF], "damaged"),
    ] {
        for chunks in [[chunk.clone(), tile.clone()], [tile.clone(), chunk]] {
            let text = told(&tiled(photometric, 3, &[], &chunks));
            assert!(text.starts_with("the TIFF file is damaged") && text.contains(words), "{text}");
        }
    }
    let text = told(&tiled(YCBCR, 3, &[shared(&tile[2..])], &[tile.clone(), tile]));
    assert!(text.contains("its JPEG tables are damaged"), "{text}");
}

#[test]
fn a_stream_may_not_take_more_memory_than_the_first_one() {
    let tile = stream(0, [TILE; 2], ColorType::Rgb, SamplingFactor::F_1_1);
    let mut progressive = tile.clone();
    let frame = place(&tile, 0xC0);
    progressive[frame + 1] = 0xC2;
    let text = told(&tiled(YCBCR, 3, &[], &[tile, progressive]));
    assert!(text.contains("coded in another way"), "{text}");
}

#[test]
fn what_is_not_read_is_refused_by_its_name() {
    let tile = stream(0, [TILE; 2], ColorType::Rgb, SamplingFactor::F_1_1);
    let frame = place(&tile, 0xC0);
    let changed = |at: usize, value: u8| {
        let mut tile = tile.clone();
        tile[frame + at] = value;
        tiled(YCBCR, 3, &[], &[tile.clone(), tile])
    };
    let two = [tile.clone(), tile.clone()];
    let recompress = "save it with LZW or deflate, as `tiffcp -c lzw` does";
    let to_rgb = "save it as RGB, as `tiff2rgba` does";
    for (file, what, remedy) in [
        (changed(4, 12), "that holds JPEG with samples of 12 bits", recompress),
        (changed(1, 0xC3), "that holds JPEG with lossless coding", recompress),
        (tiled(YCBCR, 3, &[(284, SHORT, vec![2])], &two), "with YCbCr colours in planes", to_rgb),
        (tiled(YCBCR, 4, &[(338, SHORT, vec![2])], &two), "with YCbCr colours and alpha", to_rgb),
        (
            tiled(GREY, 2, &[(338, SHORT, vec![2])], &two),
            "with JPEG inside of grey and alpha",
            recompress,
        ),
        (
            tiled(RGB, 3, &[shared(&vec![0; 70_000])], &two),
            "with JPEG tables of more than 64 KiB",
            recompress,
        ),
    ] {
        let text = probe(Cursor::new(&file), &LIMITS).unwrap_err().to_string();
        assert_eq!(text, format!("TIFF {what} cannot be processed; {remedy}"));
    }
}

#[test]
fn a_long_strip_in_several_scans_is_refused_by_its_header() {
    let sides = [SIDES[0], STRIP];
    let mut strip = stream(0, sides, ColorType::Rgb, SamplingFactor::F_1_1);
    let frame = place(&strip, 0xC0);
    strip[frame + 1] = 0xC2;
    strip[frame + 5..frame + 7].copy_from_slice(&[0xFF, 0xFF]);
    let file = in_strips(YCBCR, 3, &[], &[Vec::new(), strip]);
    let refused = probe(Cursor::new(&file), &LIMITS).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLarge { value: 40_000_000.., .. }), "{refused:?}");
}
