//! What cannot be processed is refused in words, before memory is taken for it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Cursor;

use tilemill::raster::colour::Model;
use tilemill::raster::decode::{
    self, Colours, Container, DecodeError, Header, Limits, Wanted, probe,
};
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::pixels::Channels;
use tilemill::raster::source::Source;

use stills::{STILLS, read};

mod stills;

const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_side: 1 << 12, max_bytes: 1 << 22 };
const NO_LIMITS: Limits = Limits { max_pixels: u64::MAX, max_side: u32::MAX, max_bytes: u64::MAX };

fn decode(file: impl AsRef<[u8]>, limits: &Limits) -> Result<Source, DecodeError> {
    decode::decode(Cursor::new(file), limits, Colours::All)
}

fn refusal(name: &str) -> String {
    let refused = probe(Cursor::new(read(name)), &LIMITS).unwrap_err();
    let text = refused.to_string();
    assert_eq!(decode(read(name), &LIMITS).unwrap_err().to_string(), text, "{name}");
    text
}

fn header(name: &str) -> Header {
    probe(Cursor::new(read(name)), &LIMITS).unwrap()
}

#[test]
fn a_probe_and_a_decode_agree() {
    for name in STILLS {
        let source = decode(read(name), &LIMITS).unwrap();
        assert_eq!((source.size(), source.format()), (header(name).size, header(name).format));
    }
}

#[test]
fn tiles_and_rows_hold_the_same_picture() {
    let all = |name: &str| {
        let source = decode(read(name), &LIMITS).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    assert!(all("tiled-16.tif") == all("rgb-16.png"));
}

/// The file with its alpha said to be multiplied into the colours, which it is not.
fn with_associated_alpha(name: &str) -> Vec<u8> {
    let mut file = read(name);
    // The tag ExtraSamples, one value of 16 bits: 2, not associated.
    let entry = [0x52, 1, 3, 0, 1, 0, 0, 0, 2, 0];
    let place = file.windows(entry.len()).position(|bytes| bytes == entry).unwrap();
    file[place + 8] = 1;
    file
}

#[test]
fn colours_that_are_multiplied_by_alpha_are_divided_by_it() {
    let all = |file: Vec<u8>| {
        let source = decode(file, &LIMITS).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    let (stored, divided) =
        (all(read("rgba-deflate.tif")), all(with_associated_alpha("rgba-deflate.tif")));
    let pairs = stored.as_bytes().chunks_exact(4).zip(divided.as_bytes().chunks_exact(4));
    for (stored, divided) in pairs {
        let alpha = u32::from(stored[3]).max(1);
        let expected = (u32::from(stored[0]) * 255 + alpha / 2) / alpha;
        assert_eq!((u32::from(divided[0]), divided[3]), (expected.min(255), stored[3]));
    }
}

#[test]
fn an_exif_orientation_turns_the_image() {
    assert_eq!(header("baseline-420.jpg").size, Size::new(61, 43));
    assert_eq!(header("turned.jpg").size, Size::new(43, 61));
    assert_eq!(header("turned.jpg").orientation.to_exif(), 6);
    let upright = decode(read("baseline-420.jpg"), &LIMITS).unwrap();
    let turned = decode(read("turned.jpg"), &LIMITS).unwrap();
    let corner = Region { x: 0, y: 42, width: 1, height: 1 };
    let turned = turned.window(Region { x: 0, y: 0, width: 1, height: 1 }).unwrap();
    assert_eq!(turned, upright.window(corner).unwrap());
}

#[test]
fn several_images_in_one_file_are_refused() {
    let end = "cannot be processed; save it as one still image in grey or RGB";
    assert_eq!(refusal("animated.gif"), format!("GIF with an animation {end}"));
    assert_eq!(refusal("animated.webp"), format!("WebP with an animation {end}"));
    assert_eq!(refusal("animated.png"), format!("PNG with an animation {end}"));
    assert_eq!(refusal("pages.tif"), format!("TIFF with 3 pages {end}"));
    assert!(refusal("float.tif").ends_with(end));
}

#[test]
fn what_is_no_image_is_refused() {
    for bytes in [&b""[..], b"B", b"hello, this is a text", b"RIFF\0\0\0\0WAVEfmt ", &[0; 64]] {
        let refused = probe(Cursor::new(bytes), &LIMITS).unwrap_err();
        assert!(matches!(refused, DecodeError::NotAnImage), "{refused:?}");
    }
}

#[test]
fn every_limit_names_the_value_and_the_setting() {
    let refused =
        |limits: Limits| probe(Cursor::new(read("rgb-16.png")), &limits).unwrap_err().to_string();
    assert_eq!(
        refused(Limits { max_pixels: 2622, ..LIMITS }),
        "the image has 2623 pixels, the limit is 2622 (limits.max_megapixels)"
    );
    assert_eq!(
        refused(Limits { max_side: 60, ..LIMITS }),
        "the image has 61 pixels a side, the limit is 60 (limits.max_side)"
    );
    assert_eq!(
        refused(Limits { max_bytes: 15_737, ..LIMITS }),
        "the image has 15738 bytes of memory while it is decoded, the limit is 15737 \
         (limits.decode_memory)"
    );
    let enough = Limits { max_pixels: 2623, max_side: 61, max_bytes: 15_738 };
    assert!(decode(read("rgb-16.png"), &enough).is_ok());
}

#[test]
fn a_file_cut_short_is_damaged() {
    for name in STILLS {
        let file = read(name);
        for cut in [file.len() / 3, file.len() / 2, file.len() * 9 / 10] {
            let container = header(name).container;
            match decode(&file[..cut], &LIMITS) {
                Err(DecodeError::Damaged { container: told, .. }) => assert_eq!(told, container),
                other => panic!("{name} cut to {cut} of {} bytes: {other:?}", file.len()),
            }
        }
    }
}

/// Writes a number into a file at a place.
fn patched(name: &str, place: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = read(name);
    file[place..place + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_huge_size_in_a_small_file_is_refused_by_its_header() {
    let jpeg = read("grey.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let sixty_thousand = [0xEA, 0x60, 0xEA, 0x60];
    let files = [
        patched("grey.jpg", frame + 5, &sixty_thousand),
        patched("still.gif", 6, &[0x60, 0xEA, 0x60, 0xEA]),
        patched("rgb.bmp", 18, &[0x60, 0xEA, 0, 0, 0x60, 0xEA, 0, 0]),
    ];
    for file in files {
        let refused = decode(&file, &LIMITS).unwrap_err();
        assert!(
            matches!(refused, DecodeError::TooLarge { value: 3_600_000_000, .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn the_largest_jpeg_there_can_be_is_refused_by_its_header() {
    let mut jpeg = read("baseline-420.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    let usual = Limits { max_pixels: 1_100_000_000, max_side: 65_535, max_bytes: 4 << 30 };
    let refused = |limits: &Limits| decode(&jpeg, limits).unwrap_err().to_string();
    let pixels = "the image has 4294836225 pixels, the limit is 1100000000 (limits.max_megapixels)";
    assert_eq!(refused(&usual), pixels);
    let room = refused(&Limits { max_pixels: u64::MAX, ..usual });
    assert!(room.contains("1288") && room.ends_with("4294967296 (limits.decode_memory)"), "{room}");
}

#[test]
fn pixels_mean_what_the_profile_says_or_srgb() {
    let window = |name: &str, wanted: Wanted| {
        let source = decode::decode(Cursor::new(read(name)), &LIMITS, wanted).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    let stored = Wanted::from(Colours::All);
    for name in ["wide-16.png", "wide-alpha.png"] {
        assert_eq!(header(name).profile, Some(Model::Rgb));
        let converted = window(name, stored.in_srgb());
        assert_eq!(converted.format(), header(name).format);
        assert!(converted != window(name, stored), "{name}");
    }
    // Inks are RGB for everybody, and a file without a profile is sRGB already.
    for name in ["inks.jpg", "inks-16.tif", "ycck.jpg", "cmyk.tif", "rgb-16.png"] {
        assert_eq!((header(name).profile, header(name).format.channels), (None, Channels::Rgb));
        assert!(window(name, stored) == window(name, stored.in_srgb()), "{name}");
    }
}

#[test]
fn a_png_row_of_gigabytes_is_refused_before_memory_is_taken() {
    let mut file = read("grey-8.png");
    file[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]);
    let mut crc = flate2::Crc::new();
    crc.update(&file[12..29]);
    file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let refused = probe(Cursor::new(&file), &LIMITS).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLarge { value: 0x7FFF_FFFF, .. }), "{refused:?}");
}

#[test]
fn an_image_without_pixels_is_refused() {
    let gif = patched("still.gif", 6, &[0, 0, 5, 0]);
    let refused = probe(Cursor::new(gif), &LIMITS).unwrap_err();
    assert_eq!(refused.to_string(), "the image is empty: 0 × 5 pixels");
    for file in [patched("rgb.bmp", 18, &[0; 4]), patched("grey-8.png", 16, &[0; 4])] {
        assert!(probe(Cursor::new(file), &LIMITS).is_err());
    }
}

#[test]
fn no_damaged_byte_makes_a_decoder_panic() {
    for name in STILLS {
        let file = read(name);
        for place in (0..file.len()).step_by(file.len() / 150 + 1) {
            let mut damaged = file.clone();
            damaged[place] ^= 0x55;
            let _ = decode(damaged, &LIMITS);
        }
    }
}

#[test]
fn containers_know_their_extensions() {
    for container in Container::ALL {
        assert!(!container.extensions().is_empty() && container.mime().starts_with("image/"));
    }
    assert!(probe(Cursor::new(read("still.gif")), &NO_LIMITS).is_ok());
}
