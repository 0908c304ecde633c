//! Rare forms of TIFF beside the usual form of the same picture.

use weezl::BitOrder;
use weezl::encode::Encoder;

use super::directory::Order;
use super::handmade::{File, STRIPS, TILES, deflated, packed, read};

const PLAIN: u64 = 1;
const LZW: u64 = 5;
const DEFLATE: u64 = 8;
const PACK_BITS: u64 = 32_773;
const ZSTANDARD: u64 = 50_000;
/// The form of LZW that libtiff wrote before TIFF 6.0; its number in the file is that of LZW.
const OLD_LZW: u64 = 105;

const CODECS: [u64; 6] = [PLAIN, LZW, OLD_LZW, DEFLATE, PACK_BITS, ZSTANDARD];
const ORDERS: [Order; 2] = [Order::Little, Order::Big];

const WIDTH: u64 = 21;
const HEIGHT: u64 = 10;

/// A picture, and how a file holds it.
#[derive(Clone, Copy, Debug)]
struct Form {
    order: Order,
    bits: u64,
    format: u64,
    bands: u64,
    planar: bool,
    tiled: bool,
    codec: u64,
    predictor: u64,
}

const GREY: Form = Form {
    order: Order::Little,
    bits: 8,
    format: 1,
    bands: 1,
    planar: false,
    tiled: false,
    codec: PLAIN,
    predictor: 1,
};

/// The bits of a sample, some of which differ from their neighbours in every byte.
fn sample(bits: u64, x: u64, y: u64, band: u64) -> u64 {
    let mixed = (x * 3 + y * 17 + band * 91 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed.rotate_left(23) >> (64 - bits)
}

fn packed_bits(bytes: &[u8]) -> Vec<u8> {
    let parts = bytes.chunks(128);
    parts.flat_map(|part| [&[u8::try_from(part.len() - 1).unwrap()][..], part].concat()).collect()
}

impl Form {
    /// Samples of a row of a chunk, of the first of `bands` bands on, in the order of the file.
    fn row(self, left: u64, y: u64, width: u64, bands: std::ops::Range<u64>) -> Vec<u8> {
        let count = usize::try_from(bands.end - bands.start).unwrap();
        let pixel = |x| bands.clone().map(move |band| sample(self.bits, x, y, band));
        let samples: Vec<u64> = (left..left + width).flat_map(pixel).collect();
        match self.predictor {
            2 => {
                let mask = u64::MAX >> (64 - self.bits);
                let before = |at: usize| at.checked_sub(count).map_or(0, |at| samples[at]);
                let differences: Vec<u64> = (0..samples.len())
                    .map(|at| samples[at].wrapping_sub(before(at)) & mask)
                    .collect();
                packed(self.order, self.bits, &differences)
            }
            3 => {
                let bytes = packed(Order::Big, self.bits, &samples);
                let width = usize::try_from(self.bits / 8).unwrap();
                let planes: Vec<u8> = (0..width)
                    .flat_map(|plane| bytes.iter().skip(plane).step_by(width).copied())
                    .collect();
                let before = |at: usize| at.checked_sub(count).map_or(0, |at| planes[at]);
                (0..planes.len()).map(|at| planes[at].wrapping_sub(before(at))).collect()
            }
            _ => packed(self.order, self.bits, &samples),
        }
    }

    /// The chunks, before compression.
    fn chunks(self) -> Vec<Vec<u8>> {
        let [wide, high] = if self.tiled { [8, 4] } else { [WIDTH, 4] };
        let planes = if self.planar { self.bands } else { 1 };
        let bands = |plane| if self.planar { plane..plane + 1 } else { 0..self.bands };
        let mut chunks = Vec::new();
        for plane in 0..planes {
            for top in (0..HEIGHT).step_by(4) {
                for left in (0..WIDTH).step_by(usize::try_from(wide).unwrap()) {
                    let end = if self.tiled { top + high } else { HEIGHT.min(top + high) };
                    let rows = (top..end).flat_map(|y| self.row(left, y, wide, bands(plane)));
                    chunks.push(rows.collect());
                }
            }
        }
        chunks
    }

    fn compress(self, bytes: &[u8]) -> Vec<u8> {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        match self.codec {
            PLAIN => bytes.to_vec(),
            LZW => Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(bytes).unwrap(),
            OLD_LZW => Encoder::new(BitOrder::Lsb, 8).encode(bytes).unwrap(),
            DEFLATE => deflated(bytes),
            PACK_BITS => packed_bits(bytes),
            _ => compress_to_vec(bytes, CompressionLevel::Fastest),
        }
    }

    /// The file; `places` are the tags of offsets and lengths.
    fn file_with(self, places: [u16; 2], change: impl Fn(Vec<u8>) -> Vec<u8>) -> File {
        let photometric = if self.bands == 3 { 2 } else { 1 };
        let codec = if self.codec == OLD_LZW { LZW } else { self.codec };
        let kind = [codec, photometric, self.bits, self.bands];
        let mut file = File::of(self.order, [WIDTH, HEIGHT], kind).with(339, &[self.format]);
        file = file.with(284, &[1 + u64::from(self.planar)]);
        file = if self.tiled { file.with(322, &[8]).with(323, &[4]) } else { file.with(278, &[4]) };
        if self.predictor > 1 {
            file = file.with(317, &[self.predictor]);
        }
        let chunks: Vec<_> =
            self.chunks().iter().map(|chunk| change(self.compress(chunk))).collect();
        file.chunks(places, &chunks)
    }

    fn file(self) -> File {
        self.file_with(if self.tiled { TILES } else { STRIPS }, |chunk| chunk)
    }

    /// The samples are those of the same picture without compression, differences and planes.
    fn assert_usual(self, file: File, what: &str) {
        let usual = Form { planar: false, tiled: false, codec: PLAIN, predictor: 1, ..self };
        let [usual, given] = [usual.file(), file].map(|file| read(&file.finish()));
        let given = given.unwrap_or_else(|error| panic!("{what}, {self:?}: {error}"));
        assert!(usual.unwrap().as_bytes() == given.as_bytes(), "{what}, {self:?}");
    }
}

/// Sample formats and bits of all types.
const TYPES: [(u64, u64); 9] =
    [(1, 8), (1, 12), (1, 16), (1, 32), (2, 8), (2, 16), (3, 16), (3, 32), (3, 64)];

/// Forms of every type, in either byte order, in strips and tiles.
fn forms() -> impl Iterator<Item = Form> {
    let types = TYPES.into_iter().map(|(format, bits)| Form { bits, format, ..GREY });
    let forms = types.flat_map(|form| ORDERS.map(|order| Form { order, ..form }));
    forms.flat_map(|form| [false, true].map(|tiled| Form { tiled, ..form }))
}

#[test]
fn the_samples_of_a_picture_are_its_own() {
    let pixels = read(&GREY.file().finish()).unwrap();
    let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    let expected: Vec<u8> = places.map(|(x, y)| sample(8, x, y, 0).to_le_bytes()[0]).collect();
    assert!(pixels.as_bytes() == expected);
}

#[test]
fn planes_hold_the_same_picture_with_every_codec() {
    for form in forms() {
        for (codec, bands) in CODECS.into_iter().zip([2, 3, 5, 3, 4, 2]) {
            let form = Form { bands, codec, ..form };
            form.assert_usual(form.file(), "pixels");
            let form = Form { planar: true, ..form };
            form.assert_usual(form.file(), "planes");
        }
    }
}

#[test]
fn differences_are_undone_in_samples_of_every_width() {
    for form in forms().filter(|form| form.bits != 12) {
        for (codec, bands) in [(LZW, 1), (OLD_LZW, 2), (DEFLATE, 3), (ZSTANDARD, 4), (DEFLATE, 5)] {
            for planar in [false, bands > 1] {
                let form = Form { codec, bands, planar, predictor: 2, ..form };
                form.assert_usual(form.file(), "predictor 2");
                if form.format == 3 {
                    let form = Form { predictor: 3, ..form };
                    form.assert_usual(form.file(), "predictor 3");
                }
            }
        }
    }
}

#[test]
fn differences_mean_nothing_without_a_codec_that_has_them() {
    for form in forms() {
        for (codec, predictor) in [(PLAIN, 2), (PACK_BITS, 2), (PLAIN, 3), (PACK_BITS, 7)] {
            let form = Form { codec, ..form };
            form.assert_usual(form.file().with(317, &[predictor]), "predictor");
        }
    }
}

#[test]
fn bits_may_be_turned_with_every_codec() {
    let turn = |chunk: Vec<u8>| chunk.into_iter().map(u8::reverse_bits).collect::<Vec<u8>>();
    for form in forms() {
        for codec in CODECS {
            let form = Form { codec, ..form };
            let places = if form.tiled { TILES } else { STRIPS };
            let file = form.file_with(places, turn).with(266, &[2]);
            form.assert_usual(file, "turned bits");
        }
    }
}

/// Rows of 40 pixels, of which those from 4 to 7 are black.
#[test]
fn bits_may_be_turned_with_ccitt() {
    let runs = "1011 10 00010010 00";
    let later = "111".repeat(7);
    for (compression, bits) in [
        (2, runs.repeat(8)),
        (32_771, runs.repeat(8)),
        (3, format!("000000000001 {runs}").repeat(8)),
        (4, format!("001 1011 10 1 {later}")),
    ] {
        let bits: Vec<u64> =
            bits.bytes().filter(|c| *c != b' ').map(|c| u64::from(c - b'0')).collect();
        let strip = packed(Order::Little, 1, &bits);
        let turned: Vec<u8> = strip.iter().map(|byte| byte.reverse_bits()).collect();
        let file = |strip| {
            let file = File::of(Order::Little, [40, 8], [compression, 0, 1, 1]);
            file.chunks(STRIPS, &[strip])
        };
        let row: Vec<u8> = (0..40).map(|x| if (4..7).contains(&x) { 0 } else { 255 }).collect();
        let usual = read(&file(strip).finish()).unwrap();
        assert!(usual.as_bytes() == row.repeat(8), "compression {compression}");
        let turned = read(&file(turned).with(266, &[2]).finish()).unwrap();
        assert!(turned.as_bytes() == row.repeat(8), "compression {compression}");
    }
}

#[test]
fn lengths_may_be_missing() {
    for form in forms() {
        for codec in CODECS {
            for planar in [false, true] {
                let form = Form { codec, planar, bands: 2, ..form };
                let [_, lengths] = if form.tiled { TILES } else { STRIPS };
                form.assert_usual(form.file().without(lengths), "no lengths");
            }
        }
    }
}

#[test]
fn the_bits_of_a_sample_may_stand_once_or_for_each_band() {
    for form in forms() {
        let form = Form { bands: 3, ..form };
        form.assert_usual(form.file(), "bits once");
        form.assert_usual(form.file().with(258, &[form.bits; 3]), "bits for each band");
    }
}

#[test]
fn places_may_stand_under_the_names_of_strips_or_of_tiles() {
    for form in forms() {
        for codec in [PLAIN, DEFLATE] {
            let form = Form { codec, bands: 2, planar: codec == PLAIN, ..form };
            for places in [STRIPS, TILES, [STRIPS[0], TILES[1]], [TILES[0], STRIPS[1]]] {
                form.assert_usual(form.file_with(places, |chunk| chunk), "other tags");
            }
        }
    }
}
