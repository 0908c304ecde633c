//! The bytes of decoders, filters and encoders are those written down in `hashes.txt`.
//!
//! With `TILEMILL_BLESS=1` the file is written anew; a change of an old line means that
//! `raster::REVISION` must rise.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use sha2::{Digest, Sha256};
use tilemill::raster::decode::{Colours, Limits, Wanted, decode, open_page, probe};
use tilemill::raster::encode::{
    Encoder, OutputFormat, OutputOptions, PngSpeed, Subsampling, TiffCompression,
};
use tilemill::raster::filter::{Chain, Histogram, filters};
use tilemill::raster::grid::{Region, Size};
use tilemill::raster::pixels::{
    Alpha, Bands, PixelFormat, Pixels, SampleType, Samples, SamplesMut,
};
use tilemill::raster::source::{MemoryRaster, Raster};

use crate::stills::{self, LAST_FRAME, MOVING, read};

type Hashes = BTreeMap<String, String>;

const LIMITS: Limits =
    Limits { max_pixels: 1 << 24, max_side: 1 << 16, max_bytes: 1 << 28, threads: 2 };

/// Chains that together run every filter, at small and large radii.
const CHAINS: [&str; 61] = [
    "",
    "autolevels",
    "autolevels:5,blur",
    "bands:1,1,1",
    "bands:1",
    "blur",
    "blur:0.3",
    "blur:25",
    "blur:1.5,grayscale,invert,blur:4",
    "box",
    "box:9",
    "brightness",
    "brightness:0.7",
    "contrast",
    "contrast:0.4",
    "crop:3:5",
    "crop:7:1:20:13,blur",
    "denoise:8:3:1",
    "denoise:30:5:2",
    "denoise:2:2:0",
    "edges",
    "emboss",
    "equalize",
    "equalize,median",
    "flip",
    "flip:vertical,box",
    "gamma",
    "gamma:0.45",
    "gamma:2.2,saturation:0.3,sharpen:2:3:4",
    "grayscale",
    "grayscale:bt709",
    "grayscale,sepia,edges",
    "invert",
    "median",
    "median:2",
    "median:3",
    "median:7",
    "normalize",
    "normalize:0:99.9:16,blur",
    "pixelate:7",
    "pixelate",
    "posterize",
    "posterize:13",
    "resize:23",
    "resize:percent=37.5,sharpen",
    "resize:101:70",
    "resize:19:70:kernel=area",
    "resize:23:17:kernel=lanczos",
    "resize:percent=250:kernel=nearest",
    "resize:height=11:kernel=nearest",
    "rotate",
    "rotate:180",
    "rotate:270,crop:1:2:9:30",
    "saturation",
    "scale:-500:8000:16",
    "scale:40:9,blur",
    "sepia",
    "sepia:0.4",
    "sharpen",
    "sharpen:1.2:2:3",
    "threshold",
];

fn formats() -> impl Iterator<Item = PixelFormat> {
    let bands = [Bands::GREY, Bands::GREY_ALPHA, Bands::RGB, Bands::RGBA];
    let samples = [SampleType::U8, SampleType::U16];
    bands.into_iter().flat_map(move |bands| samples.map(|sample| PixelFormat { bands, sample }))
}

/// Formats that few files have, and that not every filter takes.
fn rarer_formats() -> [PixelFormat; 8] {
    let (masked, five) = (Bands::RGB.with(Alpha::Mask), Bands::unnamed(5));
    [
        PixelFormat::new(five, SampleType::U8),
        PixelFormat::new(five.with(Alpha::Opacity), SampleType::U16),
        PixelFormat::new(masked, SampleType::U8),
        PixelFormat::new(Bands::GREY.with(Alpha::Mask), SampleType::U16),
        PixelFormat::new(Bands::GREY, SampleType::F32),
        PixelFormat::new(Bands::RGBA, SampleType::F32),
        PixelFormat::new(Bands::GREY.with(Alpha::Mask), SampleType::F32),
        PixelFormat::new(five.with(Alpha::Mask), SampleType::F32),
    ]
}

/// Slopes and noise in integers, the same on every machine.
fn synthetic(size: Size, format: PixelFormat) -> Pixels {
    let mut pixels = Pixels::zeroed(size, format);
    let count = u32::try_from(format.samples_per_pixel()).unwrap();
    let places = (0..size.height).flat_map(|y| (0..size.width * count).map(move |i| (i, y)));
    match pixels.samples_mut() {
        SamplesMut::U8(samples) => {
            for (sample, (i, y)) in samples.iter_mut().zip(places) {
                [_, *sample] = value(i / count, y, i % count).to_le_bytes();
            }
        }
        SamplesMut::U16(samples) => {
            for (sample, (i, y)) in samples.iter_mut().zip(places) {
                *sample = value(i / count, y, i % count);
            }
        }
        SamplesMut::F32(samples) => {
            for (sample, (i, y)) in samples.iter_mut().zip(places) {
                let value = f32::from(value(i / count, y, i % count));
                let is_alpha = format.has_alpha() && i % count == count - 1;
                *sample = if is_alpha { value / 65_535.0 } else { (value - 9000.0) / 7.0 };
            }
        }
    }
    if format.bands.has_mask() { masked(&pixels) } else { pixels }
}

/// The pixels with a mask: a circle of them, and every seventh, are empty.
fn masked(pixels: &Pixels) -> Pixels {
    let (format, size) = (pixels.format(), pixels.size());
    let length = format.bytes_per_pixel();
    let full = match format.sample {
        SampleType::U8 => vec![255],
        SampleType::U16 => vec![255; 2],
        SampleType::F32 => 1_f32.to_ne_bytes().to_vec(),
    };
    let mut masked = pixels.clone();
    for (index, pixel) in masked.as_bytes_mut().chunks_exact_mut(length).enumerate() {
        let (x, y) = (index % size.width as usize, index / size.width as usize);
        if x.abs_diff(20).pow(2) + y.abs_diff(15).pow(2) < 100 || index % 7 == 0 {
            pixel.fill(0);
        } else {
            pixel[length - full.len()..].copy_from_slice(&full);
        }
    }
    masked
}

fn value(x: u32, y: u32, channel: u32) -> u16 {
    let noise = (x * 7919 + y * 104_729 + channel * 1299).wrapping_mul(2_654_435_761) >> 22;
    let slope = x * (300 + 90 * channel) + y * 211;
    u16::try_from((slope + noise) & 0xFFFF).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect()
}

/// The format, the size and the samples in little-endian order.
fn hash_pixels(pixels: &Pixels) -> String {
    let mut bytes = format!("{} {} ", pixels.format(), pixels.size()).into_bytes();
    match pixels.samples() {
        Samples::U8(samples) => bytes.extend(samples),
        Samples::U16(samples) => bytes.extend(samples.iter().flat_map(|v| v.to_le_bytes())),
        Samples::F32(samples) => bytes.extend(samples.iter().flat_map(|v| v.to_le_bytes())),
    }
    hash(&bytes)
}

fn decodes() -> Hashes {
    let decode =
        |name| (format!("decode {name}"), hash_pixels(&decoded(&read(name), Colours::All)));
    stills::all().map(decode).collect()
}

fn frames() -> Hashes {
    let frame = |name: &str, page| {
        let image = open_page(Cursor::new(read(name)), &LIMITS, Some(page)).unwrap();
        let raster = MemoryRaster::new(image.header().size, image.header().format);
        image.read(Colours::All, &mut &raster).unwrap();
        let pixels = raster.crop(Region::of(raster.size())).unwrap();
        (format!("frame {page} of {name}"), hash_pixels(&pixels))
    };
    let frames = |name: &'static str| (0..=LAST_FRAME).map(move |page| frame(name, page));
    MOVING.into_iter().flat_map(frames).collect()
}

/// What means something else than sRGB, in sRGB.
fn converted() -> Hashes {
    let names = stills::all();
    let files: Vec<_> = names.map(|name| (name, read(name))).collect();
    let others = files
        .iter()
        .filter(|(_, file)| probe(Cursor::new(file), &LIMITS).unwrap().profile.is_some());
    others
        .map(|(name, file)| {
            let wanted = Wanted::from(Colours::All).in_srgb();
            let source = decode(Cursor::new(file), &LIMITS, wanted).unwrap();
            let pixels = source.window(Region::of(source.size())).unwrap();
            (format!("sRGB {name}"), hash_pixels(&pixels))
        })
        .collect()
}

/// What can be decoded to luma alone.
fn lumas() -> Hashes {
    let files: Vec<_> = stills::all().map(|name| (name, read(name))).collect();
    let jpegs =
        files.iter().filter(|(_, file)| probe(Cursor::new(file), &LIMITS).unwrap().has_luma);
    jpegs
        .map(|(name, file)| (format!("luma {name}"), hash_pixels(&decoded(file, Colours::Luma))))
        .collect()
}

fn decoded(file: &[u8], colours: Colours) -> Pixels {
    let source = decode(Cursor::new(file), &LIMITS, colours).unwrap();
    source.window(Region::of(source.size())).unwrap()
}

fn filtered() -> Hashes {
    let size = Size::new(53, 41);
    let all = || formats().chain(rarer_formats());
    let cases = CHAINS.iter().flat_map(|chain| all().map(move |format| (chain, format)));
    let fits = |(text, format): &(&&str, PixelFormat)| {
        text.parse::<Chain>().unwrap().check(*format, size).is_ok()
    };
    cases
        .filter(fits)
        .map(|(text, format)| {
            let chain: Chain = text.parse().unwrap();
            let all = Region::of(size);
            let image = synthetic(size, format);
            let chain =
                if chain.surveys() { chain.informed(&Histogram::of(&image)) } else { chain };
            let made = Region::of(chain.output_size(size));
            let pixels = chain.apply(&image, all, made, size);
            (format!("filter \"{text}\" {format}"), hash_pixels(&pixels))
        })
        .collect()
}

fn encoded() -> Hashes {
    let mut hashes = Hashes::new();
    for (format, output) in formats().flat_map(|format| OutputFormat::ALL.map(|o| (format, o))) {
        let qualities: &[u8] = if output == OutputFormat::Jpeg { &[60, 92] } else { &[0] };
        let image = synthetic(several_bands(output, format), format);
        for &quality in qualities {
            let name = format!("encode {output} {quality} {format}");
            hashes.insert(name, hash(&encode(output, quality, &image)));
        }
    }
    hashes
}

/// High enough for several bands of every format that has them.
fn several_bands(output: OutputFormat, format: PixelFormat) -> Size {
    if output == OutputFormat::WebP {
        return Size::new(90, 70);
    }
    let bytes = 803 * u32::try_from(format.bytes_per_pixel()).unwrap();
    Size::new(803, (2_300_000 / bytes).max(900))
}

/// Ways to write that are not the usual ones.
fn encoded_otherwise() -> Hashes {
    let [jpeg, png, tiff] =
        [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Tiff].map(OutputOptions::new);
    let half = OutputOptions { subsampling: Subsampling::Half, ..jpeg };
    let quarter = OutputOptions { subsampling: Subsampling::Quarter, ..jpeg };
    let small = OutputOptions { png_speed: PngSpeed::Small, ..png };
    let balanced = OutputOptions { png_speed: PngSpeed::Balanced, ..png };
    let deflated = OutputOptions { tiff_compression: TiffCompression::Deflate, ..tiff };
    let ways = [
        ("JPEG 4:2:2", half),
        ("JPEG 4:2:0", quarter),
        ("PNG small", small),
        ("PNG balanced", balanced),
        ("TIFF deflate", deflated),
    ];
    let formats = [SampleType::U8, SampleType::U16].map(|d| PixelFormat::new(Bands::RGB, d));
    let cases = formats.into_iter().flat_map(|format| ways.map(|way| (format, way)));
    cases
        .map(|(format, (name, options))| {
            let image = synthetic(Size::new(403, 600), format);
            let encoder = Encoder::new(options, image.size(), format).unwrap();
            let file = encoder.encode(&image, Cursor::new(Vec::new())).unwrap().into_inner();
            (format!("encode {name} {format}"), hash(&file))
        })
        .collect()
}

fn encode(format: OutputFormat, quality: u8, pixels: &Pixels) -> Vec<u8> {
    let options = OutputOptions { quality, background: [30, 60, 90], ..OutputOptions::new(format) };
    let encoder = Encoder::new(options, pixels.size(), pixels.format()).unwrap();
    assert!(encoder.band_count() > 1 || format == OutputFormat::WebP);
    encoder.encode(pixels, Cursor::new(Vec::new())).unwrap().into_inner()
}

#[test]
fn every_filter_is_in_a_chain_that_is_hashed() {
    let chains: Vec<Chain> = CHAINS.iter().map(|text| text.parse().unwrap()).collect();
    for filter in filters() {
        let hashed = chains.iter().flat_map(Chain::specs).any(|spec| spec.name == filter.name);
        assert!(hashed, "add {} to CHAINS and bless", filter.name);
    }
}

#[test]
fn bytes_are_those_written_down() {
    let mut hashes = decodes();
    hashes.extend(frames());
    hashes.extend(lumas());
    hashes.extend(converted());
    hashes.append(&mut filtered());
    hashes.append(&mut encoded());
    hashes.append(&mut encoded_otherwise());
    let lines: Vec<String> = hashes.iter().map(|(name, hash)| format!("{name} {hash}")).collect();
    let text = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hashes.txt");
    if std::env::var_os("TILEMILL_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let changed: Vec<&str> =
        text.lines().filter(|line| !written.lines().any(|old| old == *line)).collect();
    let gone = written.lines().count().saturating_sub(text.lines().count());
    assert!(
        changed.is_empty() && gone == 0,
        "{gone} lines too many, and these differ: {changed:#?}"
    );
}
