//! Strips and tiles that a file leaves out, with samples of every type.

use super::directory::Order;
use super::handmade::{File, STRIPS, TILES, deflated, packed, read};
use crate::pixels::{Pixels, Samples};

/// A type of samples: sample format, bits, a value of `GDAL_NODATA`, and its bits in the file.
const TYPES: [(u64, u64, &str, u64); 14] = [
    (1, 1, "1", 1),
    (1, 2, "2", 2),
    (1, 4, "9", 9),
    (1, 8, "200", 200),
    (1, 12, "2748", 0xABC),
    (1, 16, "40000", 40_000),
    (1, 32, "3000000000", 3_000_000_000),
    (2, 8, "-100", 156),
    (2, 16, "-9999", 0xD8F1),
    (2, 32, "-9999", 0xFFFF_D8F1),
    (3, 16, "-9984", 0xF0E0),
    (3, 32, "-9999", 0xC61C_3C00),
    (3, 64, "-9999", 0xC0C3_8780_0000_0000),
    (3, 32, "nan", 0x7FC0_0000),
];

const SIDES: [u64; 2] = [13, 12];
const NODATA: u16 = 42_113;

/// Rows of samples that all have these bits; each row begins at a byte.
fn rows(order: Order, bits: u64, value: u64, [width, height]: [u64; 2]) -> Vec<u8> {
    let row = packed(order, bits, &vec![value; usize::try_from(width).unwrap()]);
    row.repeat(usize::try_from(height).unwrap())
}

/// How the samples of a file lie.
#[derive(Clone, Copy, Debug)]
struct Form {
    order: Order,
    compressed: bool,
    tiled: bool,
    planes: u64,
}

impl Form {
    fn all() -> impl Iterator<Item = Form> {
        (0..16).map(|bits: u64| Form {
            order: if bits & 1 == 0 { Order::Little } else { Order::Big },
            compressed: bits & 2 != 0,
            tiled: bits & 4 != 0,
            planes: 1 + (bits >> 3),
        })
    }

    /// The file. Every third chunk has the bits `missing` in all samples, or is left out where there are none.
    fn file(self, (format, bits): (u64, u64), nodata: &str, missing: Option<u64>) -> Vec<u8> {
        let Form { order, compressed, tiled, planes } = self;
        let chunk = if tiled { [7, 4] } else { [SIDES[0], 4] };
        let count = planes * if tiled { 6 } else { 3 };
        let pack = |bytes: Vec<u8>| if compressed { deflated(&bytes) } else { bytes };
        let stored = |value| pack(rows(order, bits, value, chunk));
        let data = |index| match missing {
            Some(value) if index % 3 == 1 => stored(value),
            None if index % 3 == 1 => Vec::new(),
            _ => stored(1),
        };
        let chunks: Vec<Vec<u8>> = (0..count).map(data).collect();
        let compression = if compressed { 8 } else { 1 };
        let file = File::of(order, SIDES, [compression, 1, bits, planes]).with(339, &[format]);
        let file = file.with(284, &[planes]).saying(NODATA, nodata);
        let file = if tiled {
            file.with(322, &[chunk[0]]).with(323, &[chunk[1]]).chunks(TILES, &chunks)
        } else {
            file.with(278, &[chunk[1]]).chunks(STRIPS, &chunks)
        };
        file.finish()
    }
}

fn empty_pixels(pixels: &Pixels) -> usize {
    let count = pixels.bands().count();
    let alphas = |alpha: &dyn Fn(usize) -> bool| {
        (count - 1..pixels.samples().len()).step_by(count).filter(|place| alpha(*place)).count()
    };
    match pixels.samples() {
        Samples::U8(samples) => alphas(&|place| samples[place] == 0),
        Samples::U16(samples) => alphas(&|place| samples[place] == 0),
        Samples::F32(samples) => alphas(&|place| samples[place] == 0.0),
    }
}

#[test]
fn a_chunk_that_is_left_out_has_the_declared_value_in_every_sample() {
    for (form, (format, bits, text, value)) in
        Form::all().flat_map(|form| TYPES.map(|kind| (form, kind)))
    {
        // Samples of fewer bits than 8 are grey alone.
        if form.planes > 1 && bits < 8 {
            continue;
        }
        let what = format!("{form:?}, format {format}, {bits} bits");
        let kind = (format, bits);
        let sparse = read(&form.file(kind, text, None)).unwrap();
        let full = read(&form.file(kind, text, Some(value))).unwrap();
        assert!(sparse.as_bytes() == full.as_bytes(), "{what}");
        assert!(empty_pixels(&sparse) > 0, "{what}");
    }
}

#[test]
fn a_chunk_that_is_left_out_is_zero_without_a_value_that_fits() {
    for (form, (format, bits, ..)) in Form::all().flat_map(|form| TYPES.map(|kind| (form, kind))) {
        if form.planes > 1 && bits < 8 {
            continue;
        }
        let kind = (format, bits);
        let unfit = if format == 3 { "none" } else { "-3000000001" };
        let sparse = read(&form.file(kind, unfit, None)).unwrap();
        let full = read(&form.file(kind, unfit, Some(0))).unwrap();
        assert!(sparse.as_bytes() == full.as_bytes(), "{form:?}, format {format}, {bits} bits");
    }
}
