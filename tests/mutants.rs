//! Damaged files of every format are read as far as they go or refused: no panic, no hang, and no more
//! memory than the limit allows.
//!
//! Seeded: a failure names the file, the seed and the number of the mutant. With `TILEMILL_TEST_LONG`
//! there are twenty times as many.
//!
//! A program of its own, since it measures the memory of its process.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "what test programs share has no crate to be public in, and each uses its part"
)]

#[path = "pixels/forms.rs"]
mod forms;
#[path = "stills/mod.rs"]
mod stills;

use std::io::{self, Cursor};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jpeg_encoder::ColorType;
use rustix::time::{ClockId, clock_gettime};
use tilemill::raster::colour::Space;
use tilemill::raster::decode::{
    self, Colours, Container, Header, Limits, Wanted, metadata, metadata_of_page, open_page,
    probe_page,
};
use tilemill::raster::encode::{Encoder, OutputFormat, OutputOptions};
use tilemill::raster::grid::Size;
use tilemill::raster::metadata::Policy;
use tilemill::raster::pixels::{Bands, PixelFormat, Pixels, SampleType};
use tilemill::raster::source::{MemoryRaster, Rows};

use crate::stills::read;

/// Mutants of each format. Those after [`AT_LEAST`] are left out once they took 30 s of processor time: it is the
/// same beside other work.
const MUTANTS: u32 = 20_000;
const AT_LEAST: u32 = 5_000;

/// Decoding may take so much memory, and the decoded pixels as much as they are.
const LIMITS: Limits =
    Limits { max_pixels: 1 << 22, max_side: 1 << 14, max_bytes: 32 << 20, threads: 2 };

/// Beside what the header says: profiles and their tables, and what a file says beside its pixels.
const BESIDE: u64 = 12 << 20;

/// Memory is that of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The processor time that one mutant may take; most take a millisecond.
const MOST_TIME: Duration = Duration::from_secs(20);

/// An xorshift generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }
}

/// Values that lengths, sizes and offsets are often wrong by.
const NOTABLE: [u32; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF];

/// One to eight changes, near the start more often than elsewhere: there headers are.
fn mutate(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let near = if random.below(2) == 0 { file.len().min(256) } else { file.len() };
        let place = random.below(near);
        let length = random.below(16).min(file.len() - place);
        match random.below(40) % 9 {
            0 => file[place] ^= 1 << random.below(8),
            1 => file[place] = random.next().to_le_bytes()[0],
            2 => put(file, place, &NOTABLE[random.below(8)].to_le_bytes()),
            3 => put(file, place, &NOTABLE[random.below(8)].to_be_bytes()),
            4 => drop(file.drain(place..place + length)),
            5 => {
                let part = file[place..place + length].to_vec();
                file.splice(place..place, part);
            }
            6 => {
                let from = random.below(other.len());
                let end = (from + length).min(other.len());
                put(file, place, &other[from..end]);
            }
            7 if random.below(8) == 0 => file.truncate(random.below(file.len()).max(16)),
            _ => {}
        }
        if file.len() < 16 {
            file.resize(16, 0);
        }
    }
}

fn put(file: &mut [u8], place: usize, bytes: &[u8]) {
    let length = bytes.len().min(file.len() - place);
    file[place..place + length].copy_from_slice(&bytes[..length]);
}

/// PNG checks its chunks before it reads them: with right checksums damage comes further.
fn mend_checksums(file: &mut [u8]) {
    let mut place = 8;
    while let Some(head) = file.get(place..place + 8) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let Some(end) = place.checked_add(8 + length).filter(|end| end + 4 <= file.len()) else {
            return;
        };
        let mut crc = flate2::Crc::new();
        crc.update(&file[place + 4..end]);
        file[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        place = end + 4;
    }
}

/// The most memory this process had since [`forget_peak`], in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The processor time that this thread had so far. The time on a clock says little beside other work.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a clock of processor time starts at 0")
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn write_jpeg(
    encoder: jpeg_encoder::Encoder<&mut Vec<u8>>,
    size: Size,
    colours: ColorType,
    count: u32,
) {
    let samples = noise(size.width * size.height * count);
    let [width, height] = sides(size);
    encoder.encode(&samples, width, height, colours).unwrap();
}

/// Samples without a pattern but that they repeat after 64 KiB: copies of them are made fast by a build that is not
/// optimised, too.
fn noise(length: u32) -> Vec<u8> {
    let sample = |i: u32| (i.wrapping_mul(2_654_435_761) >> 27).to_le_bytes()[0];
    let mut samples: Vec<u8> = (0..length.min(1 << 16)).map(sample).collect();
    let length = length as usize;
    samples = samples.repeat(length.div_ceil(samples.len()));
    samples.truncate(length);
    samples
}

/// What decoding may take by what the header says: its pixels come beside that, where they are given away
/// row by row.
fn most_memory(file: &[u8], page: Option<u32>) -> u64 {
    let header = probe_page(Cursor::new(file), &LIMITS, page);
    let pixels = |header: &Header| u64::try_from(header.format.bytes(header.size)).unwrap();
    header.map_or(0, |header| header.memory + pixels(&header)) + BESIDE
}

/// All that is ever done with an image that a user gives; whether it could be decoded.
fn read_all(file: &[u8], page: Option<u32>) -> bool {
    if let Ok(said) = metadata_of_page(Cursor::new(file), &LIMITS, page) {
        let _ = (said.kept(Policy::Safe), said.kept(Policy::All));
    }
    let decoded = [Colours::All, Colours::Luma].map(|colours| {
        let wanted = Wanted { colours, space: Space::Srgb };
        let Ok(image) = open_page(Cursor::new(file), &LIMITS, page) else { return false };
        let header = image.header();
        let raster = MemoryRaster::new(header.stored_size(), header.format_for(wanted));
        image.read(wanted, &mut &raster).is_ok()
    });
    decoded == [true; 2]
}

fn try_mutants(container: Container) {
    let long = std::env::var_os("TILEMILL_TEST_LONG").is_some();
    let (count, time) = if long { (20 * MUTANTS, 600) } else { (MUTANTS, 30) };
    let stills = stills::all().map(|name| (name, read(name)));
    let files = stills.chain(crate::forms::all()).map(|(name, file)| (name, file, None));
    let last = Some(stills::LAST_FRAME);
    let files: Vec<_> = files.chain(stills::MOVING.map(|name| (name, read(name), last))).collect();
    let is_own = |file: &Vec<u8>, page| {
        probe_page(Cursor::new(file), &LIMITS, page).unwrap().container == container
    };
    let own: Vec<_> = files.iter().filter(|(_, file, page)| is_own(file, *page)).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ container as u64);
    let (started, mut tried, mut good) = (spent(), 0, 0);
    while tried < count && (tried < AT_LEAST || spent().saturating_sub(started).as_secs() < time) {
        let (name, original, page) = own[random.below(own.len())];
        let other = &own[random.below(own.len())].1;
        let mut file = original.clone();
        mutate(&mut file, other, &mut random);
        if container == Container::Png && random.below(4) > 0 {
            mend_checksums(&mut file);
        }
        let most = most_memory(&file, *page);
        forget_peak();
        let (before, since) = (peak(), spent());
        let done = std::panic::catch_unwind(|| read_all(&file, *page));
        let (grown, took) = (peak().saturating_sub(before), spent().saturating_sub(since));
        let which = format!("{container} mutant {tried} of {name}");
        if done.is_err() || grown > most || took > MOST_TIME {
            let kept = std::env::temp_dir().join(format!("mutant-{tried}-{name}"));
            std::fs::write(&kept, &file).unwrap();
            panic!("{which}, kept as {}: {took:?}, {grown} bytes", kept.display());
        }
        tried += 1;
        good += u32::from(matches!(done, Ok(true)));
    }
    let seconds = spent().saturating_sub(started).as_secs_f64();
    eprintln!("{container}: {tried} mutants in {seconds:.1} s, {good} of them decoded");
    // Were all refused at the door, nothing would have been tried.
    assert!(good * 20 > tried, "{container}: only {good} of {tried} were decoded");
}

#[test]
fn no_mutant_of_any_format_panics_hangs_or_takes_too_much_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let only = std::env::var("TILEMILL_TEST_MUTANTS").ok();
    for container in Container::ALL {
        if only.as_ref().is_none_or(|only| *only == container.to_string()) {
            try_mutants(container);
        }
    }
}

/// Takes rows and keeps none.
struct Nowhere;

impl Rows for Nowhere {
    fn push(&mut self, _: Pixels) -> io::Result<()> {
        Ok(())
    }
}

/// A profile by table, as a JPEG of the tests has it.
fn profile(name: &str) -> Vec<u8> {
    metadata(Cursor::new(read(name)), &LIMITS).unwrap().icc.unwrap()
}

fn jpeg(size: Size, colours: ColorType, progressive: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.set_progressive(progressive);
    if colours == ColorType::Cmyk {
        encoder.add_icc_profile(&profile("inks.jpg")).unwrap();
    }
    let count = if colours == ColorType::Rgb { 3 } else { 4 };
    write_jpeg(encoder, size, colours, count);
    file
}

fn webp(size: Size, bands: Bands) -> Vec<u8> {
    let format = PixelFormat::new(bands, SampleType::U8);
    let length = size.width * size.height * u32::try_from(bands.count()).unwrap();
    let pixels = Pixels::from_bytes(size, format, &noise(length)).unwrap();
    let encoder = Encoder::new(OutputOptions::new(OutputFormat::WebP), size, format).unwrap();
    encoder.encode(&pixels, Cursor::new(Vec::new())).unwrap().into_inner()
}

/// An animation whose one frame is the image of a WebP, with a border around it.
fn framed(webp: &[u8], size: Size) -> Vec<u8> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let sides =
        |border: u32| [three(size.width + border - 1), three(size.height + border - 1)].concat();
    let chunk = |name: &[u8], data: &[u8]| {
        [name, &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    };
    let place = [three(1), three(1)].concat();
    let frame = [&place[..], &sides(0), &[100, 0, 0, 0], &webp[12..]].concat();
    let header = chunk(b"VP8X", &[&[18, 0, 0, 0][..], &sides(4)].concat());
    let body = [&b"WEBP"[..], &header, &chunk(b"ANIM", &[0; 6]), &chunk(b"ANMF", &frame)].concat();
    chunk(b"RIFF", &body)
}

/// An animation of two frames with alpha, the second over the first.
fn moving_webp(size: Size) -> Vec<u8> {
    let frame = framed(&webp(size, Bands::RGBA), size);
    let place = frame.windows(4).position(|name| name == b"ANMF").unwrap();
    let mut file = [&frame[..], &frame[place..]].concat();
    let length = u32::try_from(file.len() - 8).unwrap();
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

/// An animation of two frames, the second over the first.
fn moving_gif(size: Size) -> Vec<u8> {
    let mut file = gif(size);
    // Behind the header, the screen and a palette of two colours. A file ends with one byte.
    let frame = file[13 + 6..file.len() - 1].to_vec();
    file.truncate(file.len() - 1);
    file.extend(frame);
    file.push(0x3B);
    file
}

/// An animation of two frames of 16 bits, the second over the first.
fn moving_png(size: Size) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_animated(2, 0).unwrap();
    encoder.set_blend_op(png::BlendOp::Over).unwrap();
    let mut writer = encoder.write_header().unwrap();
    let samples = noise(size.width * size.height * 2);
    writer.write_image_data(&samples).unwrap();
    writer.write_image_data(&samples).unwrap();
    writer.finish().unwrap();
    file
}

/// A frame as large as the image, which begins one column later and so is decoded apart from it.
fn gif(size: Size) -> Vec<u8> {
    let [width, height] = sides(size);
    let mut file = Vec::new();
    let mut encoder =
        gif::Encoder::new(&mut file, width, height, &[0, 0, 0, 255, 255, 255]).unwrap();
    let pixels = vec![1; (size.width - 1) as usize * size.height as usize];
    let frame = gif::Frame {
        left: 1,
        width: width - 1,
        height,
        buffer: pixels.into(),
        ..Default::default()
    };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    file
}

/// Width and height as tags hold them.
fn sides(size: Size) -> [u16; 2] {
    [size.width, size.height].map(|side| u16::try_from(side).unwrap())
}

/// Uncompressed strips of all rows: one, or one for each plane.
fn tiff(size: Size, photometric: u16, bands: u16, bits: u16, planar: bool) -> Vec<u8> {
    let plane = (size.width * u32::from(bits)).div_ceil(8) * size.height;
    let mut file = crate::forms::File::new();
    let mut tags = crate::forms::tags(sides(size), 1, photometric, bits, bands);
    let strips = if planar {
        vec![noise(plane); bands.into()]
    } else {
        vec![noise(plane * u32::from(bands))]
    };
    tags.extend(file.chunks(&strips, [273, 279]));
    tags.push((278, crate::forms::SHORT, vec![size.height]));
    tags.push((284, crate::forms::SHORT, vec![if planar { 2 } else { 1 }]));
    let directory = file.directory(tags);
    file.finish(directory)
}

/// Deflated strips of 700 rows: a band has one for each thread.
fn strips(size: Size) -> Vec<u8> {
    let mut file = crate::forms::File::new();
    let mut tags = crate::forms::tags(sides(size), 8, 1, 8, 1);
    let strip = crate::forms::deflated(&noise(size.width * 700));
    let count = size.height.div_ceil(700) as usize;
    tags.extend(file.chunks(&vec![strip; count], [273, 279]));
    tags.push((278, crate::forms::SHORT, vec![700]));
    let directory = file.directory(tags);
    file.finish(directory)
}

/// One strip by JPEG.
fn jpeg_inside(size: Size, progressive: bool) -> Vec<u8> {
    let tags = crate::forms::tags(sides(size), 7, 6, 8, 3);
    crate::forms::one_strip(tags, jpeg(size, ColorType::Rgb, progressive))
}

/// White rows by CCITT group 4, each of one bit: as the one above it.
fn group4(size: Size) -> Vec<u8> {
    let mut file = tiff(size, 0, 1, 1, false);
    let length = (size.width.div_ceil(8) * size.height) as usize;
    file[8..8 + length].fill(0xFF);
    let compression = [3, 1, 3, 0, 1, 0, 0, 0, 1];
    let place = 8 + length + file[8 + length..].windows(9).position(|b| b == compression).unwrap();
    file[place + 8] = 4;
    file
}

/// One strip by Zstandard, in a window as large as it.
fn zstandard(size: Size) -> Vec<u8> {
    let tags = crate::forms::tags(sides(size), 50_000, 1, 8, 1);
    let samples = noise(size.width * size.height);
    crate::forms::one_strip(tags, crate::forms::zstandard(&samples))
}

/// Floats in one strip as they are, some of which are no numbers.
fn floats(size: Size) -> Vec<u8> {
    with_kind(tiff(size, 1, 2, 32, false), 3)
}

/// Samples of 16 bits with a sign, in one strip as they are.
fn signed(size: Size) -> Vec<u8> {
    with_kind(tiff(size, 1, 1, 16, false), 2)
}

/// A TIFF of [`tiff`] whose samples are of this kind: its tag of planes says so instead.
fn with_kind(mut file: Vec<u8>, kind: u8) -> Vec<u8> {
    // The tags are in order: none but resolution lies between these two, and files of one plane need neither.
    let planes = [0x1C, 1, 3, 0, 1, 0, 0, 0];
    let place = file.windows(8).rposition(|bytes| bytes == planes).unwrap();
    if file[place + 8] == 1 {
        file[place..place + 2].copy_from_slice(&339_u16.to_le_bytes());
        file[place + 8] = kind;
    }
    file
}

/// One strip that is a lossless WebP.
fn webp_inside(size: Size) -> Vec<u8> {
    let tags = crate::forms::tags(sides(size), 50_001, 2, 8, 3);
    crate::forms::one_strip(tags, webp(size, Bands::RGB))
}

/// One strip that is a LERC blob of noise.
fn lerc_inside(size: Size) -> Vec<u8> {
    let samples = noise(size.width * size.height);
    let lossless = lerc::Precision::Lossless;
    let blob = lerc::encode_slice(size.width, size.height, &samples, lossless).unwrap();
    crate::forms::one_strip(crate::forms::tags(sides(size), 34_887, 1, 8, 1), blob)
}

/// Indexes into a palette, in one deflated strip.
fn palette(size: Size) -> Vec<u8> {
    let mut tags = crate::forms::tags(sides(size), 8, 3, 8, 1);
    tags.push(crate::forms::colours(256));
    let indexes = noise(size.width * size.height);
    crate::forms::one_strip(tags, crate::forms::deflated(&indexes))
}

/// Of each kind that is decoded in a way of its own one whose pixels take more than 32 MiB: what is smaller
/// the allocator may keep when it is free, so that it cannot be seen to come.
#[test]
fn decoding_takes_what_the_header_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let size = Size::new(6000, 5700);
    let limits = Limits { max_bytes: 1 << 30, max_pixels: 1 << 30, threads: 8, ..LIMITS };
    let files = [
        ("baseline JPEG", jpeg(size, ColorType::Rgb, false)),
        ("progressive JPEG", jpeg(size, ColorType::Rgb, true)),
        ("JPEG of inks", jpeg(size, ColorType::Cmyk, false)),
        ("WebP", webp(size, Bands::RGB)),
        ("WebP with alpha", webp(size, Bands::RGBA)),
        ("WebP in a frame", framed(&webp(size, Bands::RGB), size)),
        ("GIF", gif(size)),
        ("white is zero", tiff(size, 0, 1, 8, false)),
        ("one bit", tiff(size, 1, 1, 1, false)),
        ("planes", tiff(size, 2, 3, 8, true)),
        ("inks in planes", tiff(size, 5, 4, 16, true)),
        ("CCITT group 4", group4(size)),
        ("Zstandard", zstandard(size)),
        ("palette", palette(size)),
        ("JPEG inside", jpeg_inside(size, false)),
        ("progressive JPEG inside", jpeg_inside(size, true)),
        ("four bits", tiff(size, 1, 1, 4, false)),
        ("inks, uncompressed", tiff(size, 5, 4, 8, false)),
        ("floats", floats(size)),
        ("signed", signed(size)),
        ("seven bands", tiff(size, 1, 7, 8, false)),
        ("twelve bits", tiff(size, 1, 1, 12, false)),
        ("Lab", tiff(size, 8, 3, 8, false)),
        ("WebP inside", webp_inside(size)),
        ("LERC inside", lerc_inside(size)),
        ("strips that threads share", strips(size)),
        ("JPEG 2000", stills::read("flat.jp2")),
    ];
    let moving = [
        ("a frame of a GIF", moving_gif(size)),
        ("a frame of a WebP", moving_webp(size)),
        ("a frame of a PNG", moving_png(size)),
    ];
    let files = files.map(|(name, file)| (name, file, None));
    for (name, file, page) in
        files.into_iter().chain(moving.map(|(name, file)| (name, file, Some(1))))
    {
        let open = || decode::open_page(Cursor::new(&file), &limits, page).unwrap();
        let image = open();
        let told = image.header().memory;
        drop(image);
        forget_peak();
        let before = peak();
        let wanted = Wanted { colours: Colours::All, space: Space::Srgb };
        open().read(wanted, &mut Nowhere).unwrap();
        let grown = peak().saturating_sub(before);
        let mebibytes = |bytes: u64| bytes >> 20;
        eprintln!("{name}: {} MiB, told {} MiB", mebibytes(grown), mebibytes(told));
        assert!(grown <= told + BESIDE, "{name}: {grown} bytes, told {told}");
    }
}
