//! What cannot be processed is refused in words, before memory is taken for it.

use std::io::{Cursor, Write};

use tilemill::raster::colour::Model;
use tilemill::raster::decode::{
    self, Colours, Container, DecodeError, Header, Limits, Wanted, open_page, probe, probe_page,
};
use tilemill::raster::encode::{Encoder, OutputFormat, OutputOptions};
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::metadata::Metadata;
use tilemill::raster::pixels::{Alpha, Bands, PixelFormat, Pixels, SampleType};
use tilemill::raster::source::{MemoryRaster, Raster, Source};

use crate::stills::{self, read};

const LIMITS: Limits =
    Limits { max_pixels: 1 << 20, max_side: 1 << 12, max_bytes: 1 << 22, threads: 1 };
const NO_LIMITS: Limits = Limits::NONE;

fn decode(file: impl AsRef<[u8]> + Send, limits: &Limits) -> Result<Source, DecodeError> {
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
    for name in stills::all() {
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
    let end = "frames cannot be processed; `page` chooses one of them, counted from 0";
    for (name, format) in [("gif", "GIF"), ("webp", "WebP"), ("png", "PNG")] {
        let told = refusal(&format!("animated.{name}"));
        assert_eq!(told, format!("{format} with an animation of 2 {end}"));
    }
}

#[test]
fn a_page_is_chosen_by_its_number_and_the_first_one_is_taken_without() {
    let file = read("pages.tif");
    let page = |page| {
        let image = open_page(Cursor::new(&file), &LIMITS, page)?;
        let raster = MemoryRaster::new(image.header().stored_size(), image.header().format);
        let notes = image.header().notes.clone();
        image.read(Colours::All, &mut &raster)?;
        let all = Region::of(raster.size());
        Ok::<_, DecodeError>((notes, raster.crop(all).unwrap()))
    };
    let (notes, first) = page(None).unwrap();
    let told = "the first of 3 pages was taken; `page` chooses another one, counted from 0";
    assert_eq!(notes, [told]);
    let pages = [0, 1, 2].map(|number| page(Some(number)).unwrap());
    assert!(pages.iter().all(|(notes, _)| notes.is_empty()));
    // Its pages are alike: tests/reference/pages.py tells others apart.
    assert!(pages.iter().all(|(_, pixels)| *pixels == first));
    let missing = page(Some(3)).unwrap_err().to_string();
    assert_eq!(missing, "there is no page 3; the last page of the file is 2, counted from 0");
    for name in ["grey-8.png", "arithmetic.jpg"] {
        let file = read(name);
        assert!(probe_page(Cursor::new(&file), &LIMITS, Some(0)).is_ok());
        let missing = probe_page(Cursor::new(&file), &LIMITS, Some(1)).unwrap_err().to_string();
        let told = "there is no page 1; the last page of the file is 0, counted from 0";
        assert_eq!(missing, told, "{name}");
    }
}

#[test]
fn other_formats_are_called_by_their_names() {
    let signatures: [(&[u8], &str); 5] = [
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\xFF\x0A\xFA\x7F\x01\x90", "JPEG XL"),
        (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
    ];
    for (bytes, name) in signatures {
        let told = probe(Cursor::new(bytes), &LIMITS).unwrap_err().to_string();
        let readable = "readable formats are JPEG, PNG, TIFF, WebP, BMP, GIF, JPEG 2000";
        assert_eq!(told, format!("{name} cannot be processed; {readable}"));
    }
}

#[test]
fn files_of_other_programs_are_refused_with_advice_that_fits() {
    let advice: [(&[u8], &str); 6] = [
        (b"IIRO\x08\0\0\0", "a raw file of Olympus (ORF) cannot be processed; develop it and"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx ", "a raw file of Canon (CR3) cannot"),
        (b"8BPS\0\x01", "a Photoshop document (PSD) cannot be processed; save a copy as PNG"),
        (b"<?xml?>\n<svg>", "SVG cannot be processed; export it as PNG at the size you want"),
        (b"P6 3 3 255\n", "Netpbm (PBM, PGM, PPM, PAM) cannot be processed; save a copy"),
        (b"\0\0\x01\0\x02\0\x10\x10\0\0", "an icon (ICO) cannot be processed; save the image"),
    ];
    for (bytes, words) in advice {
        let told = probe(Cursor::new(bytes), &LIMITS).unwrap_err().to_string();
        assert!(told.starts_with(words), "{told}");
    }
    for bytes in [&b"P8 is no map"[..], b"<html><svg>", b"\0\0\x01\0", b"\0\0\0\x18ftypxxxx"] {
        let refused = probe(Cursor::new(bytes), &LIMITS).unwrap_err();
        assert!(matches!(refused, DecodeError::NotAnImage), "{refused:?}");
    }
}

#[test]
fn colours_that_are_described_have_a_profile_and_a_frame_is_a_still() {
    for name in ["calibrated.bmp", "embedded.bmp", "described.png"] {
        assert_eq!((header(name).profile, header(name).unsaid), (Some(Model::Rgb), None), "{name}");
    }
    let unsaid = |points: [u8; 4]| {
        let header = probe(Cursor::new(with_chunk(*b"cICP", &points)), &LIMITS).unwrap();
        header.unsaid.map(|points| points.to_string())
    };
    assert_eq!(unsaid([9, 16, 0, 1]).as_deref(), Some("BT.2100 PQ (cICP 9, 16)"));
    for points in [[1, 13, 0, 1], [9, 16, 9, 1], [2, 2, 0, 1]] {
        assert_eq!(unsaid(points), None);
    }
    // Turned by its Exif, which says so of the whole.
    assert_eq!(header("frame.webp").size, Size::new(43 + 8, 61 + 9));
    let frame = decode(read("frame.webp"), &LIMITS).unwrap();
    assert_eq!(frame.format().bands, Bands::RGBA);
    assert_eq!(header("reaching.gif").size, Size::new(70, 43));
}

#[test]
fn what_is_no_image_is_refused() {
    for bytes in [&b""[..], b"B", b"hello, this is a text", b"RIFF\0\0\0\0WAVEfmt ", &[0; 64]] {
        let refused = probe(Cursor::new(bytes), &LIMITS).unwrap_err();
        assert!(matches!(refused, DecodeError::NotAnImage), "{refused:?}");
    }
}

#[test]
fn every_limit_names_the_value_and_the_quantity() {
    let refused =
        |limits: Limits| probe(Cursor::new(read("rgb-16.png")), &limits).unwrap_err().to_string();
    assert_eq!(
        refused(Limits { max_pixels: 2622, ..LIMITS }),
        "the image has 2623 pixels, the limit is 2622"
    );
    assert_eq!(
        refused(Limits { max_side: 60, ..LIMITS }),
        "the image has 61 pixels a side, the limit is 60"
    );
    assert_eq!(
        refused(Limits { max_bytes: 15_737, ..LIMITS }),
        "the image has 15738 bytes of memory while it is decoded, the limit is 15737"
    );
    let enough = Limits { max_pixels: 2623, max_side: 61, max_bytes: 15_738, threads: 1 };
    assert!(decode(read("rgb-16.png"), &enough).is_ok());
}

#[test]
fn a_file_cut_short_is_damaged() {
    for name in stills::all() {
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
    let usual =
        Limits { max_pixels: 1_100_000_000, max_side: 65_535, max_bytes: 4 << 30, threads: 1 };
    let refused = |limits: &Limits| decode(&jpeg, limits).unwrap_err().to_string();
    let pixels = "the image has 4294836225 pixels, the limit is 1100000000";
    assert_eq!(refused(&usual), pixels);
    // Rows of a baseline image are given away as they come; a progressive one is final in its last scan.
    let anything = Limits { max_pixels: u64::MAX, ..usual };
    let header = probe(Cursor::new(&jpeg), &anything).unwrap();
    assert!(header.memory < 64 << 20, "{} bytes", header.memory);
    let mut jpeg = read("progressive.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    let room = probe(Cursor::new(&jpeg), &anything).unwrap_err().to_string();
    let told = "bytes of memory while it is decoded, the limit is 4294967296";
    assert!(room.ends_with(told), "{room}");
}

#[test]
fn pixels_mean_what_the_profile_says_or_srgb() {
    let window = |name: &str, wanted: Wanted| {
        let source = decode::decode(Cursor::new(read(name)), &LIMITS, wanted).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    let stored = Wanted::from(Colours::All);
    for name in ["wide-16.png", "wide-alpha.png", "tabled-16.png", "tabled-alpha.png", "tabled.jpg"]
    {
        assert_eq!(header(name).profile, Some(Model::Rgb));
        let converted = window(name, stored.in_srgb());
        assert_eq!(converted.format(), header(name).format);
        assert!(converted != window(name, stored), "{name}");
    }
    // Inks are RGB for everybody, and a file without a profile is sRGB already.
    for name in ["inks.jpg", "inks-16.tif", "ycck.jpg", "cmyk.tif", "rgb-16.png"] {
        assert_eq!(header(name).inks, name != "rgb-16.png");
        assert_eq!((header(name).profile, header(name).format.bands), (None, Bands::RGB));
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
    let frame = read("still.gif").windows(9).position(|bytes| bytes[..6] == *b"\x2C\0\0\0\0\x3D");
    let gif = patched("still.gif", frame.unwrap() + 5, &[0, 0, 5, 0]);
    let refused = probe(Cursor::new(gif), &LIMITS).unwrap_err();
    assert_eq!(refused.to_string(), "the image is empty: 0 × 5 pixels");
    // A screen without pixels grows to its frame.
    let gif = patched("still.gif", 6, &[0, 0, 5, 0]);
    assert_eq!(probe(Cursor::new(gif), &LIMITS).unwrap().size, Size::new(61, 43));
    for file in [patched("rgb.bmp", 18, &[0; 4]), patched("grey-8.png", 16, &[0; 4])] {
        assert!(probe(Cursor::new(file), &LIMITS).is_err());
    }
}

#[test]
fn no_damaged_byte_makes_a_decoder_panic() {
    for name in stills::all() {
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

#[test]
fn colours_may_come_in_scans_of_their_own() {
    let pixels = |apart: bool| {
        let samples: Vec<u8> =
            (0..64 * 64 * 3_u32).map(|i| (i / 7).to_le_bytes()[0] / 2 + 60).collect();
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
        // With tables of their own this encoder writes scans of their own.
        encoder.set_optimized_huffman_tables(apart);
        encoder.encode(&samples, 64, 64, jpeg_encoder::ColorType::Rgb).unwrap();
        assert_eq!(file.windows(2).filter(|pair| *pair == [0xFF, 0xDA]).count() > 1, apart);
        let source = decode(file, &LIMITS).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    assert!(pixels(true) == pixels(false));
}

fn said(file: &[u8]) -> Metadata {
    decode::metadata(Cursor::new(file), &LIMITS).unwrap()
}

fn holds(block: Option<&Vec<u8>>, text: &[u8]) -> bool {
    block.is_some_and(|block| block.windows(text.len()).any(|bytes| bytes == text))
}

#[test]
fn metadata_behind_the_pixels_and_in_rare_forms_is_read() {
    for name in ["noted.png", "noted.webp", "group4.tif"] {
        assert!(holds(said(&read(name)).exif.as_ref(), b"(c) Somebody"), "{name}");
        assert_eq!(header(name).orientation.to_exif(), 6, "{name}");
        assert_eq!(header(name).size, Size::new(43, 61), "{name}");
    }
    for name in ["noted.png", "noted.webp"] {
        assert!(holds(said(&read(name)).xmp.as_ref(), b"<x:xmpmeta"), "{name}");
    }
    assert!(said(&read("noted.webp")).icc.is_some() && said(&read("tabled-16.png")).icc.is_some());
    // 300 pixels to an inch, which these formats do not say in Exif.
    let resolution = [&[0x1A, 1, 5, 0, 1, 0, 0, 0][..], &[0x1B, 1, 5, 0, 1, 0, 0, 0]];
    for name in ["noted.png", "wide.jpg"] {
        let exif = said(&read(name)).exif;
        assert!(resolution.iter().all(|entry| holds(exif.as_ref(), entry)), "{name}");
        assert!(holds(exif.as_ref(), &[44, 1, 0, 0, 1, 0, 0, 0]), "{name}");
    }
}

/// A chunk of a PNG.
fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&name[..], data].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
}

/// The small PNG with one more chunk before its pixels.
fn with_chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let (png, header) = (read("grey-8.png"), 8 + 25);
    [&png[..header], &chunk(name, data), &png[header..]].concat()
}

/// Half a gibibyte, deflated.
fn bomb() -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(1));
    let block = vec![b' '; 1 << 20];
    for _ in 0..512 {
        zlib.write_all(&block).unwrap();
    }
    zlib.finish().unwrap()
}

/// A WebP whose Exif block is said to have nearly four gibibytes.
fn with_long_exif() -> Vec<u8> {
    let webp = read("lossy.webp");
    // The flag says that there is Exif; then the size of the canvas, less one.
    let canvas =
        [&[8, 0, 0, 0][..], &60_u32.to_le_bytes()[..3], &42_u32.to_le_bytes()[..3]].concat();
    let extended = [&b"VP8X\x0A\0\0\0"[..], &canvas].concat();
    let exif = [&b"EXIF"[..], &0xFFFF_FFF0_u32.to_le_bytes(), b"II*\0"].concat();
    // The file is said to be as long.
    [b"RIFF\xF8\xFF\xFF\xFFWEBP", &extended[..], &webp[12..], &exif].concat()
}

/// A value of this process in bytes: `VmHWM` is the most memory that it had, `VmPeak` the most it asked for.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn the_metadata_of_a_small_file_takes_no_gigabytes() {
    let bomb = bomb();
    let profile = with_chunk(*b"iCCP", &[b"bomb\0\0", &bomb[..]].concat());
    let packet = with_chunk(*b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &bomb[..]].concat());
    for file in [profile, packet, with_long_exif()] {
        let said = said(&file);
        assert!(said.icc.is_none() && said.xmp.is_none() && said.exif.is_none());
        assert!(decode(&file, &LIMITS).is_ok());
    }
    let (had, asked) = (status("VmHWM"), status("VmPeak"));
    assert!(had < 256 << 20 && asked < 3 << 30, "{had} bytes in memory, {asked} asked for");
}

#[test]
fn a_row_may_be_longer_than_all_that_is_said_beside_it() {
    let format = PixelFormat::new(Bands::RGBA, SampleType::U16);
    let mut pixels = Pixels::zeroed(Size::new(2_500_000, 1), format);
    pixels.as_bytes_mut()[19_999_999] = 7;
    let png = OutputOptions::new(OutputFormat::Png);
    let encoder = Encoder::new(png, pixels.size(), format).unwrap();
    let file = encoder.encode(&pixels, Cursor::new(Vec::new())).unwrap().into_inner();
    let source = decode(&file, &NO_LIMITS).unwrap();
    assert!(source.window(Region::of(source.size())).unwrap() == pixels);
}

/// How a TIFF of 32 × 16 pixels is made.
#[derive(Clone, Copy)]
struct Tiff<'a> {
    photometric: u16,
    bands: u16,
    extra: &'a [u16],
    tiled: bool,
    /// Deflated, as differences of neighbours.
    predicted: bool,
}

impl Tiff<'_> {
    fn file(self, more: &[(u16, u16)]) -> Vec<u8> {
        let mut samples: Vec<u8> =
            (0..32 * 16 * u32::from(self.bands)).map(|i| i.to_le_bytes()[0]).collect();
        if self.predicted {
            samples = crate::forms::deflated(&samples);
        }
        let mut file = crate::forms::File::new();
        let (compression, predictor) = if self.predicted { (8, 2) } else { (1, 1) };
        let mut tags = crate::forms::tags([32, 16], compression, self.photometric, 8, self.bands);
        let (places, sides) = if self.tiled {
            ([324, 325], vec![(322, 32), (323, 16)])
        } else {
            ([273, 279], vec![(278, 16), (284, 1)])
        };
        tags.extend(file.chunks(&[samples], places));
        let shorts = sides.into_iter().chain([(317, predictor)]).chain(more.iter().copied());
        tags.extend(shorts.map(|(tag, value)| (tag, crate::forms::SHORT, vec![value.into()])));
        if !self.extra.is_empty() {
            let extra = self.extra.iter().map(|value| u32::from(*value)).collect();
            tags.push((338, crate::forms::SHORT, extra));
        }
        let directory = file.directory(tags);
        file.finish(directory)
    }
}

const PLAIN: Tiff<'_> =
    Tiff { photometric: 2, bands: 3, extra: &[], tiled: false, predicted: false };

#[test]
fn bands_beside_the_colours_are_bands_without_a_name() {
    let (grey, rgb, inks) = (1, 2, 5);
    let known: [(u16, u16, &[u16], Bands); 14] = [
        (grey, 1, &[], Bands::GREY),
        (grey, 2, &[2], Bands::GREY_ALPHA),
        (rgb, 3, &[], Bands::RGB),
        (rgb, 4, &[1], Bands::RGBA),
        (rgb, 4, &[2], Bands::RGBA),
        (inks, 4, &[], Bands::RGB),
        (grey, 2, &[0], Bands::unnamed(2)),
        (grey, 2, &[], Bands::unnamed(2)),
        (grey, 3, &[0, 0], Bands::unnamed(3)),
        (rgb, 4, &[0], Bands::unnamed(4)),
        (rgb, 4, &[], Bands::unnamed(4)),
        (rgb, 5, &[0, 1], Bands::unnamed(4).with(Alpha::Opacity)),
        (rgb, 5, &[2, 0], Bands::unnamed(5)),
        (grey, 9, &[], Bands::unnamed(9)),
    ];
    for (tiled, predicted) in [(false, false), (false, true), (true, false), (true, true)] {
        for (photometric, count, extra, bands) in known {
            let file = Tiff { photometric, bands: count, extra, tiled, predicted }.file(&[]);
            let header = probe(Cursor::new(&file), &LIMITS).unwrap();
            assert_eq!(header.format, PixelFormat::new(bands, SampleType::U8));
            assert!(decode(&file, &LIMITS).is_ok(), "{photometric}, {count} bands");
        }
        for extra in [&[0][..], &[0, 0]] {
            let bands = 4 + u16::try_from(extra.len()).unwrap();
            let file = Tiff { photometric: inks, bands, extra, tiled, predicted }.file(&[]);
            let told = decode(&file, &LIMITS).unwrap_err().to_string();
            assert!(told.starts_with("TIFF with CMYK colours and other bands"), "{told}");
        }
    }
}

#[test]
fn what_is_not_undone_within_limits_is_refused_by_its_name() {
    let mut plain = PLAIN.file(&[]);
    let compression = [3, 1, 3, 0, 1, 0, 0, 0, 1];
    let place = plain.windows(9).position(|bytes| bytes == compression).unwrap() + 8;
    plain[place] = 6;
    let told = |file: &[u8]| decode(file, &LIMITS).unwrap_err().to_string();
    let end = "cannot be processed; save it as RGB, as `tiff2rgba` does";
    assert_eq!(
        told(&plain),
        format!("TIFF with old-style JPEG inside whose tables are in tags {end}")
    );
    let end = "cannot be processed; save it with LZW or deflate, as `tiffcp -c lzw` does";
    for (compression, group) in [(2, 3), (3, 3), (4, 4)] {
        plain[place] = compression;
        assert_eq!(told(&plain), format!("TIFF with CCITT group {group} of 8-bit samples {end}"));
    }
}

fn all_of(file: &[u8]) -> Pixels {
    let source = decode(file, &LIMITS).unwrap();
    source.window(Region::of(source.size())).unwrap()
}

#[test]
fn bits_may_lie_the_other_way_round() {
    let (plain, turned) = (all_of(&PLAIN.file(&[(266, 1)])), all_of(&PLAIN.file(&[(266, 2)])));
    let reversed: Vec<u8> = plain.as_bytes().iter().map(|byte| byte.reverse_bits()).collect();
    assert_eq!(turned.as_bytes(), reversed);
}

#[test]
fn rare_forms_of_tiff_are_read() {
    let formats = [
        (Bands::RGB, SampleType::U16),
        (Bands::RGBA, SampleType::U8),
        (Bands::GREY, SampleType::U8),
        (Bands::GREY_ALPHA, SampleType::U16),
        (Bands::RGB, SampleType::U8),
        (Bands::RGB, SampleType::U16),
        (Bands::GREY, SampleType::U8),
        (Bands::RGB, SampleType::U8),
        (Bands::RGB, SampleType::U8),
        (Bands::RGB, SampleType::U8),
    ];
    let forms = crate::forms::all();
    assert_eq!(forms.len(), formats.len());
    for ((name, file), (bands, sample)) in forms.into_iter().zip(formats) {
        let is_zstandard = ["indexes", "frames"].contains(&name);
        // The decoder of Zstandard may take 6 MiB for any block.
        let limits = if is_zstandard { Limits { max_bytes: 1 << 23, ..LIMITS } } else { LIMITS };
        let header = probe(Cursor::new(&file), &limits).unwrap();
        assert_eq!(header.format, PixelFormat::new(bands, sample), "{name}");
        assert_eq!(header.orientation.to_exif(), if name == "preview" { 3 } else { 1 });
        let source = decode(&file, &limits).unwrap();
        let pixels = source.window(Region::of(source.size())).unwrap();
        assert!(pixels.as_bytes().iter().any(|byte| *byte != pixels.as_bytes()[0]), "{name}");
    }
}

#[test]
fn a_tiff_of_more_tiles_than_memory_has_places_for_is_refused_by_its_header() {
    let tiles = [(322, 1), (323, 1)];
    let mut file = Tiff { tiled: true, ..PLAIN }.file(&[]);
    let sides = [256, 257].into_iter().chain(tiles.map(|(tag, _)| tag));
    for (tag, side) in sides.zip([4000_u16, 4000, 1, 1]) {
        let entry = [&u16::to_le_bytes(tag)[..], &[3, 0, 1, 0, 0, 0]].concat();
        let place = file.windows(8).position(|bytes| bytes == entry).unwrap() + 8;
        file[place..place + 2].copy_from_slice(&side.to_le_bytes());
    }
    let limits = Limits { max_pixels: 1 << 24, ..LIMITS };
    let refused = decode(&file, &limits).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLarge { value: 384_000_000.., .. }), "{refused:?}");
}

#[test]
fn white_may_be_zero() {
    let all = |name: &str| {
        let source = decode(read(name), &LIMITS).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    assert!(all("white-is-zero.tif") == all("grey-8.png"));
    assert!(all("white-is-zero-16.tif") == all("grey-16.tif"));
    assert!(all("planes-16.tif") == all("rgb-16.png"));
}

/// The file with a name of four letters changed wherever it stands.
fn renamed(name: &str, from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut file = read(name);
    let places: Vec<usize> =
        (0..file.len() - 4).filter(|place| file[*place..place + 4] == from).collect();
    assert!(!places.is_empty());
    for place in places {
        file[place..place + 4].copy_from_slice(&to);
    }
    file
}

#[test]
fn a_profile_that_leads_nowhere_is_none_and_one_by_another_table_is_one() {
    for file in [renamed("wide.jpg", *b"rTRC", *b"xTRC"), renamed("tabled.jpg", *b"A2B0", *b"xxxx")]
    {
        assert_eq!(probe(Cursor::new(&file), &LIMITS).unwrap().profile, None);
        for colours in [Colours::All, Colours::Luma] {
            let wanted = Wanted::from(colours);
            let pixels = |wanted| {
                let source = decode::decode(Cursor::new(&file), &LIMITS, wanted).unwrap();
                source.window(Region::of(source.size())).unwrap()
            };
            assert!(pixels(wanted) == pixels(wanted.in_srgb()));
        }
    }
    let pixels = |file: &[u8]| {
        let wanted = Wanted::from(Colours::Luma).in_srgb();
        let source = decode::decode(Cursor::new(file), &LIMITS, wanted).unwrap();
        source.window(Region::of(source.size())).unwrap()
    };
    assert!(pixels(&renamed("tabled.jpg", *b"A2B0", *b"A2B1")) == pixels(&read("tabled.jpg")));
}
