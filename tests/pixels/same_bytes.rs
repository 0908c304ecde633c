//! The bytes of a result depend on the image, the chain and the output options alone.

use std::io::Cursor;
use std::sync::Arc;

use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;
use tilemill::raster::decode::{Colours, Limits, decode};
use tilemill::raster::encode::{
    EncodedBand, Encoder, OutputFormat, OutputOptions, PngSpeed, TiffCompression,
};
use tilemill::raster::filter::{Chain, FilterSpec, Histogram, ParamKind, filters};
use tilemill::raster::grid::{Grid, Region, Size};
use tilemill::raster::orientation::Orientation;
use tilemill::raster::pixels::{Alpha, Bands, PixelFormat, Pixels, SampleType};
use tilemill::raster::source::{MemoryRaster, Source};

const LIMITS: Limits =
    Limits { max_pixels: 1 << 24, max_side: 1 << 20, max_bytes: 1 << 28, threads: 2 };

fn any_format() -> impl Strategy<Value = PixelFormat> {
    let bands = prop_oneof![
        Just(Bands::GREY),
        Just(Bands::GREY_ALPHA),
        Just(Bands::RGB),
        Just(Bands::RGBA)
    ];
    let sample = prop_oneof![Just(SampleType::U8), Just(SampleType::U16)];
    (bands, sample).prop_map(|(bands, sample)| PixelFormat { bands, sample })
}

/// Also floats, masks, and bands that are no colours.
fn any_rarer_format() -> impl Strategy<Value = PixelFormat> {
    let bands = prop_oneof![
        Just(Bands::GREY),
        Just(Bands::RGB),
        Just(Bands::unnamed(2)),
        Just(Bands::unnamed(5))
    ];
    let alpha = prop_oneof![Just(Alpha::None), Just(Alpha::Opacity), Just(Alpha::Mask)];
    let sample = prop_oneof![1 => Just(SampleType::U8), 1 => Just(SampleType::U16), 3 => Just(SampleType::F32)];
    (bands, alpha, sample).prop_map(|(b, alpha, sample)| PixelFormat::new(b.with(alpha), sample))
}

fn any_size() -> impl Strategy<Value = Size> {
    let side = || prop_oneof![1 => Just(1_u32), 6 => 1..=70_u32];
    (side(), side()).prop_map(|(width, height)| Size::new(width, height))
}

/// Noise, in part quiet and in part all black or all white, where rounding and clipping show.
fn any_image() -> impl Strategy<Value = Pixels> {
    (any_size(), any_format(), any::<u64>())
        .prop_map(|(size, format, seed)| noise(size, format, seed))
}

fn noise(size: Size, format: PixelFormat, seed: u64) -> Pixels {
    let mut pixels = Pixels::zeroed(size, format);
    let mut state = seed | 1;
    for byte in pixels.as_bytes_mut() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [.., middle, high] = state.to_le_bytes();
        *byte = match high >> 5 {
            0 => 0,
            1 => 255,
            2 => 120 + middle % 16,
            _ => middle,
        };
    }
    if format.sample == SampleType::F32 {
        let count = format.samples_per_pixel();
        for (index, sample) in pixels.as_bytes_mut().chunks_exact_mut(4).enumerate() {
            let is_alpha = format.has_alpha() && index % count == count - 1;
            let value = f32::from(sample[0]);
            let value = if is_alpha { value / 255.0 } else { (value - 99.0) * 3.7 };
            sample.copy_from_slice(&value.to_ne_bytes());
        }
    }
    if format.bands.has_mask() { masked(pixels) } else { pixels }
}

/// The pixels with full alpha, and every third of them empty.
fn masked(mut pixels: Pixels) -> Pixels {
    let (length, sample) = (pixels.format().bytes_per_pixel(), pixels.format().sample);
    let full = if sample == SampleType::F32 { 1_f32.to_ne_bytes() } else { [255; 4] };
    let full = &full[..sample.bytes()];
    for (index, pixel) in pixels.as_bytes_mut().chunks_exact_mut(length).enumerate() {
        if (index / 2).is_multiple_of(3) {
            pixel.fill(0);
        } else {
            pixel[length - full.len()..].copy_from_slice(full);
        }
    }
    pixels
}

/// A filter with the first of any legal values, though not with such as take a test for ever.
fn any_values(spec: &'static FilterSpec) -> BoxedStrategy<String> {
    let value = |kind: ParamKind| match kind {
        ParamKind::Number { min, max, step, .. } => (0..=120_u32)
            .prop_map(move |n| (min + f64::from(n) * step).min(max).to_string())
            .boxed(),
        ParamKind::Integer { min, max, .. } => {
            (min..=max.min(min + 9)).prop_map(|n| n.to_string()).boxed()
        }
        ParamKind::List { .. } => {
            proptest::sample::select(&["1", "1,1,1", "1,1"][..]).prop_map(str::to_owned).boxed()
        }
        ParamKind::Choice { choices, .. } => {
            proptest::sample::select(choices).prop_map(str::to_owned).boxed()
        }
    };
    let values: Vec<_> = spec.params.iter().map(|param| value(param.kind)).collect();
    let text = |(values, given): (Vec<String>, usize)| {
        [&[spec.name.to_owned()], &values[..given]].concat().join(":")
    };
    (values, 0..=spec.params.len()).prop_map(text).boxed()
}

/// Filters that go by the whole image, and so stand first.
const FIRST: [&str; 3] = ["autolevels", "equalize", "normalize"];

fn any_filter(first: bool) -> impl Strategy<Value = String> {
    let specs = filters().iter().filter(move |spec| first == FIRST.contains(&spec.name));
    proptest::sample::select(specs.collect::<Vec<_>>()).prop_flat_map(any_values)
}

fn any_chain() -> impl Strategy<Value = Chain> {
    let first = proptest::option::weighted(0.2, any_filter(true));
    let others = proptest::collection::vec(any_filter(false), 0..=4);
    (first, others).prop_map(|(first, others)| {
        let all: Vec<String> = first.into_iter().chain(others).collect();
        all.join(",").parse().expect("the text is a chain")
    })
}

/// Every filter, each with some values.
fn every_filter() -> impl Strategy<Value = Vec<Chain>> {
    let one = |spec| any_values(spec).prop_map(|text| text.parse().expect("the text is a chain"));
    filters().iter().map(one).collect::<Vec<_>>()
}

/// The chain, informed of the image where it has to be.
fn informed(chain: &Chain, source: &Source) -> Chain {
    if !chain.surveys() {
        return chain.clone();
    }
    let image = source.window(Region::of(source.size())).unwrap();
    chain.informed(&Histogram::of(&image))
}

/// Whether a chain can be applied to an image, and does not make a large one of it.
fn is_tried(chain: &Chain, format: PixelFormat, size: Size) -> bool {
    chain.check(format, size).is_ok() && chain.output_size(size).pixels() < 40_000
}

/// The pixels that a chain needs to the right of one pixel.
fn reach(chain: &Chain) -> u32 {
    chain.needs(Region { x: 0, y: 0, width: 1, height: 1 }, Size::new(9000, 9000)).width
}

fn whole(source: &Source, chain: &Chain) -> Pixels {
    let (size, all) = (source.size(), Region::of(source.size()));
    let made = Region::of(chain.output_size(size));
    informed(chain, source).apply(&source.window(all).unwrap(), all, made, size)
}

fn tiled(source: &Source, chain: &Chain, tile: u32) -> Pixels {
    let (size, chain) = (source.size(), informed(chain, source));
    let made = chain.output_size(size);
    let mut result = Pixels::zeroed(made, chain.output_format(source.format()));
    for keep in Grid::new(made, tile).regions() {
        let at = chain.needs(keep, size);
        let part = chain.apply(&source.window(at).unwrap(), at, keep, size);
        result.paste(keep.x, keep.y, &part);
    }
    result
}

/// The image, the colours of its clear pixels replaced by those of another one.
fn with_other_hidden_colours(image: &Pixels, other: &Pixels) -> Pixels {
    let (mut changed, bytes) = (image.clone(), image.format().bytes_per_pixel());
    let alpha = bytes - image.format().sample.bytes();
    let pairs =
        changed.as_bytes_mut().chunks_exact_mut(bytes).zip(other.as_bytes().chunks_exact(bytes));
    for (pixel, other) in pairs.filter(|(pixel, _)| pixel[alpha..].iter().all(|byte| *byte == 0)) {
        pixel[..alpha].copy_from_slice(&other[..alpha]);
    }
    changed
}

/// Whether two images differ at most in the colours of clear pixels.
fn same_where_seen(one: &Pixels, other: &Pixels) -> bool {
    let bytes = one.format().bytes_per_pixel();
    let alpha = bytes - one.format().sample.bytes();
    let mut pairs = one.as_bytes().chunks_exact(bytes).zip(other.as_bytes().chunks_exact(bytes));
    let clear = |pixel: &[u8]| pixel[alpha..].iter().all(|byte| *byte == 0);
    pairs.all(|(one, other)| one == other || clear(one) && clear(other))
}

/// The file, its bands encoded from the last to the first when `backwards`.
fn encode(encoder: &Encoder, pixels: &Pixels, backwards: bool) -> Vec<u8> {
    let mut order: Vec<u32> = (0..encoder.band_count()).collect();
    if backwards {
        order.reverse();
    }
    let mut bands: Vec<EncodedBand> =
        order.iter().map(|&index| band(encoder, pixels, index)).collect();
    bands.sort_by_key(EncodedBand::index);
    let mut writer = encoder.writer(Cursor::new(Vec::new())).unwrap();
    for band in &bands {
        writer.push(band).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn band(encoder: &Encoder, pixels: &Pixels, index: u32) -> EncodedBand {
    let rows = encoder.input_rows(index);
    let region =
        Region { x: 0, y: rows.start, width: pixels.width(), height: rows.end - rows.start };
    encoder.encode_band(index, &pixels.crop(region)).unwrap()
}

fn encoder(format: OutputFormat, quality: u8, pixels: &Pixels) -> Encoder {
    let options = OutputOptions { quality, ..OutputOptions::new(format) };
    Encoder::new(options, pixels.size(), pixels.format()).unwrap()
}

/// Every way to write a PNG or a TIFF.
fn lossless() -> impl Iterator<Item = OutputOptions> {
    let speeds = [PngSpeed::Fast, PngSpeed::Balanced, PngSpeed::Small];
    let png = OutputOptions::new(OutputFormat::Png);
    let tiff = OutputOptions::new(OutputFormat::Tiff);
    let compressions = [TiffCompression::None, TiffCompression::Deflate];
    let pngs = speeds.map(|png_speed| OutputOptions { png_speed, ..png });
    let tiffs = compressions.map(|tiff_compression| OutputOptions { tiff_compression, ..tiff });
    pngs.into_iter().chain(tiffs)
}

fn decoded(file: &[u8]) -> Pixels {
    decoded_to(file, Colours::All)
}

fn decoded_to(file: &[u8], colours: Colours) -> Pixels {
    let source = decode(Cursor::new(file), &LIMITS, colours).unwrap();
    source.window(Region::of(source.size())).unwrap()
}

const COMMON: [SamplingFactor; 3] =
    [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2];

fn any_sampling() -> impl Strategy<Value = SamplingFactor> {
    let rare = [SamplingFactor::F_1_2, SamplingFactor::F_4_1, SamplingFactor::F_4_2];
    prop_oneof![3 => proptest::sample::select(&COMMON), 1 => proptest::sample::select(rare.to_vec())]
}

fn jpeg(rgb: &[u8], size: Size, sampling: SamplingFactor, progressive: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 95);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    let [width, height] = [size.width, size.height].map(|side| u16::try_from(side).unwrap());
    encoder.encode(rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

fn eight_bit(bands: Bands) -> PixelFormat {
    PixelFormat::new(bands, SampleType::U8)
}

/// Where a pixel of the viewed image lies in the stored one, from the wording of the Exif standard:
/// what the 0th row and the 0th column of the stored image show.
fn stored_place(exif: u8, stored: Size, x: u32, y: u32) -> (u32, u32) {
    let (right, bottom) = (stored.width - 1, stored.height - 1);
    match exif {
        1 => (x, y),
        2 => (right - x, y),
        3 => (right - x, bottom - y),
        4 => (x, bottom - y),
        5 => (y, x),
        6 => (y, bottom - x),
        7 => (right - y, bottom - x),
        8 => (right - y, x),
        other => panic!("no orientation {other}"),
    }
}

#[test]
fn an_image_of_several_bands_is_read_back() {
    for format in [OutputFormat::Png, OutputFormat::Tiff] {
        let pixels = noise(Size::new(801, 700), PixelFormat::new(Bands::RGB, SampleType::U16), 1);
        let file = encoder(format, 90, &pixels).encode(&pixels, Cursor::new(Vec::new())).unwrap();
        assert!(decoded(&file.into_inner()) == pixels, "{format}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn tiles_of_any_size_make_the_whole(image in any_image(), chain in any_chain(), tile in 1..=80_u32) {
        prop_assume!(is_tried(&chain, image.format(), image.size()));
        let source = Source::from(image);
        // Tiny tiles over wide halos take long and prove no more than small ones.
        let tile = if reach(&chain) > 60 { tile.max(9) } else { tile.max(3) };
        prop_assert!(tiled(&source, &chain, tile) == whole(&source, &chain), "chain {chain}, tile {tile}");
    }

    #[test]
    fn tiles_make_the_whole_under_every_filter(
        image in any_image(), chains in every_filter(), tile in 1..=80_u32
    ) {
        let (format, size) = (image.format(), image.size());
        let source = Source::from(image);
        for chain in chains.into_iter().filter(|chain| is_tried(chain, format, size)) {
            let tile = tile.max(reach(&chain) / 6);
            prop_assert!(tiled(&source, &chain, tile) == whole(&source, &chain), "chain {chain}, tile {tile}");
        }
    }

    #[test]
    fn tiles_of_one_pixel_make_the_whole(seed: u64, format in any_format(), chain in any_chain()) {
        prop_assume!(is_tried(&chain, format, Size::new(9, 7)));
        let source = Source::from(noise(Size::new(9, 7), format, seed));
        prop_assert!(tiled(&source, &chain, 1) == whole(&source, &chain), "chain {chain}");
    }

    #[test]
    fn tiles_make_the_whole_of_floats_masks_and_bands_without_a_name(
        size in any_size(), format in any_rarer_format(), seed: u64, chains in every_filter(),
        tile in 1..=80_u32
    ) {
        let source = Source::from(noise(size, format, seed));
        for chain in chains.into_iter().filter(|chain| is_tried(chain, format, size)) {
            let tile = tile.max(reach(&chain) / 6);
            let [one, other] = [tiled(&source, &chain, tile), whole(&source, &chain)];
            // As bytes: a NaN equals no other.
            prop_assert!(one.as_bytes() == other.as_bytes(), "{format}, {chain}, tile {tile}");
        }
    }

    #[test]
    fn an_empty_pixel_stays_empty_and_no_other_becomes_so(
        size in any_size(), sample in prop_oneof![Just(SampleType::U8), Just(SampleType::F32)],
        seed: u64, chains in every_filter()
    ) {
        let format = PixelFormat::new(Bands::RGB.with(Alpha::Mask), sample);
        let image = noise(size, format, seed);
        let alpha = |pixels: &Pixels| {
            let length = pixels.format().bytes_per_pixel();
            let last = length - pixels.format().sample.bytes();
            let each = pixels.as_bytes().chunks_exact(length);
            each.map(|pixel| pixel[last..].iter().all(|byte| *byte == 0)).collect::<Vec<_>>()
        };
        let stay = |chain: &Chain| is_tried(chain, format, size) && !chain.moves();
        for chain in chains.into_iter().filter(stay) {
            let made = whole(&Source::from(image.clone()), &chain);
            prop_assert!(alpha(&made) == alpha(&image), "{chain}");
        }
    }

    #[test]
    fn what_cannot_be_seen_changes_nothing_that_can(
        size in any_size(), sixteen: bool, seed: u64, other: u64, chains in every_filter()
    ) {
        let sample = if sixteen { SampleType::U16 } else { SampleType::U8 };
        let format = PixelFormat::new(Bands::RGBA, sample);
        let image = noise(size, format, seed);
        let changed = with_other_hidden_colours(&image, &noise(size, format, other));
        for chain in chains.into_iter().filter(|chain| is_tried(chain, format, size)) {
            let [one, other] = [&image, &changed].map(|i| whole(&Source::from(i.clone()), &chain));
            prop_assert!(same_where_seen(&one, &other), "{chain}");
        }
    }

    #[test]
    fn the_luma_of_a_jpeg_is_what_grayscale_makes_of_its_colours(
        seed: u64, size in any_size(), sampling in any_sampling(), progressive: bool
    ) {
        // Colours that no rounding of theirs can push out of range.
        let samples = noise(size, eight_bit(Bands::RGB), seed);
        let colours: Vec<u8> = samples.as_bytes().iter().map(|byte| 96 + byte / 4).collect();
        // Where four columns share a chroma the encoder writes scans of their own, which are refused.
        let shared = [SamplingFactor::F_4_1, SamplingFactor::F_4_2].contains(&sampling);
        let file = jpeg(&colours, size, sampling, progressive || shared);
        let luma = decoded_to(&file, Colours::Luma);
        let (all, grey) = (Region::of(size), "grayscale".parse::<Chain>().unwrap());
        let expected = grey.apply(&decoded(&file), all, all, size);
        if luma.bands() == Bands::RGB {
            prop_assert!(!COMMON.contains(&sampling));
        } else {
            let pairs = luma.as_bytes().iter().zip(expected.as_bytes());
            prop_assert!(pairs.clone().all(|(a, b)| a.abs_diff(*b) <= 1), "{sampling:?} {size}");
        }
    }

    #[test]
    fn a_turned_source_shows_the_stored_pixels_in_their_places(
        image in any_image(), exif in 1..=8_u8, corners: [u32; 4]
    ) {
        let stored = image.size();
        let source = Source::new(Arc::new(MemoryRaster::from(image.clone())), Orientation::from_exif(exif).unwrap());
        let size = source.size();
        let (x, y) = (corners[0] % size.width, corners[1] % size.height);
        let (width, height) = (1 + corners[2] % (size.width - x), 1 + corners[3] % (size.height - y));
        let region = Region { x, y, width, height };
        let mut expected = Pixels::zeroed(region.size(), image.format());
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let (x, y) = stored_place(exif, stored, x + column, y + row);
            expected.paste(column, row, &image.crop(Region { x, y, width: 1, height: 1 }));
        }
        prop_assert!(source.window(region).unwrap() == expected, "orientation {exif}, {region}");
    }

    #[test]
    fn a_lossless_file_decodes_to_the_same_pixels(image in any_image()) {
        for options in lossless() {
            let encoder = Encoder::new(options, image.size(), image.format()).unwrap();
            prop_assert!(decoded(&encode(&encoder, &image, false)) == image, "{options:?}");
        }
    }

    #[test]
    fn lossless_webp_keeps_eight_bits(size in any_size(), alpha: bool, seed: u64) {
        let bands = if alpha { Bands::RGBA } else { Bands::RGB };
        let image = noise(size, eight_bit(bands), seed);
        let file = encode(&encoder(OutputFormat::WebP, 0, &image), &image, false);
        prop_assert!(decoded(&file) == image);
    }
}

#[test]
fn files_of_several_bands_do_not_depend_on_the_order_of_their_encoding() {
    for (bands, sample) in [(Bands::GREY, SampleType::U8), (Bands::RGBA, SampleType::U16)] {
        let image = noise(Size::new(700, 4100), PixelFormat::new(bands, sample), 5);
        for format in OutputFormat::ALL {
            let encoder = encoder(format, 80, &image);
            assert!(encoder.band_count() >= 2 || format == OutputFormat::WebP, "{format}");
            let file = encode(&encoder, &image, false);
            assert!(encode(&encoder, &image, true) == file, "{format}");
            if matches!(format, OutputFormat::Png | OutputFormat::Tiff) {
                assert!(decoded(&file) == image, "{format}");
            }
        }
    }
}

#[test]
fn joined_jpeg_bands_are_what_one_encoder_makes_of_the_whole() {
    use jpeg_encoder::{ColorType, SamplingFactor};
    for (bands, colours) in [(Bands::GREY, ColorType::Luma), (Bands::RGB, ColorType::Rgb)] {
        for (quality, chroma, block) in
            [(75, SamplingFactor::F_2_2, 16), (90, SamplingFactor::F_1_1, 8)]
        {
            let image = noise(Size::new(1003, 2771), eight_bit(bands), 11);
            let block = if bands == Bands::GREY { 8 } else { block };
            let mut expected = Vec::new();
            let mut whole = jpeg_encoder::Encoder::new(&mut expected, quality);
            whole.set_sampling_factor(chroma);
            whole.set_restart_interval(1003_u16.div_ceil(block));
            whole.encode(image.as_bytes(), 1003, 2771, colours).unwrap();
            let encoder = encoder(OutputFormat::Jpeg, quality, &image);
            assert!(encoder.band_count() > 2);
            let file = encode(&encoder, &image, false);
            assert!(file == expected, "{bands}, quality {quality}");
            assert_eq!(decoded(&file).size(), image.size());
        }
    }
}

#[test]
fn a_flat_image_stays_flat_under_any_blur() {
    for sigma in ["0.1", "0.7", "2", "33.3", "100"] {
        let chain: Chain = format!("blur:{sigma}").parse().unwrap();
        for value in [0, 1, 77, 128, 254, 255] {
            for depth in [SampleType::U8, SampleType::U16] {
                let mut image =
                    Pixels::zeroed(Size::new(5, 9), PixelFormat::new(Bands::RGBA, depth));
                image.as_bytes_mut().fill(value);
                let blurred = whole(&Source::from(image.clone()), &chain);
                let clear = value == 0;
                assert!(clear || blurred == image, "sigma {sigma}, value {value}, {depth:?}");
            }
        }
    }
}
