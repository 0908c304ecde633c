//! TIFF files that are put together by hand, and rare forms of them, each of 40 × 24 pixels.

use std::io::Write;

use jpeg_encoder::{ColorType, SamplingFactor};
use weezl::BitOrder;

const WIDTH: usize = 40;
const HEIGHT: usize = 24;
const TILE: usize = 16;
const SIDES: [u16; 2] = [40, 24];

pub const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// Number, type, values.
pub type Tag = (u16, u16, Vec<u32>);

/// A file whose header and chunks are written, and the places of these.
pub struct File(Vec<u8>);

impl File {
    pub fn new() -> File {
        File(b"II*\0\0\0\0\0".to_vec())
    }

    fn add(&mut self, data: &[u8]) -> u32 {
        let place = u32::try_from(self.0.len()).unwrap();
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(2), 0);
        place
    }

    /// The tags that tell where chunks lie; an empty one lies nowhere.
    pub fn chunks(&mut self, chunks: &[Vec<u8>], [offsets, lengths]: [u16; 2]) -> [Tag; 2] {
        let places = chunks.iter().map(|data| if data.is_empty() { 0 } else { self.add(data) });
        let places = places.collect();
        let bytes = chunks.iter().map(|data| u32::try_from(data.len()).unwrap());
        [(offsets, LONG, places), (lengths, LONG, bytes.collect())]
    }

    /// A directory that is the last of its chain.
    pub fn directory(&mut self, mut tags: Vec<Tag>) -> u32 {
        tags.sort();
        let mut fields = Vec::new();
        for (tag, kind, values) in &tags {
            let short = |value: &u32| u16::try_from(*value).unwrap().to_le_bytes();
            let mut bytes: Vec<u8> = match *kind {
                UNDEFINED => values.iter().map(|value| value.to_le_bytes()[0]).collect(),
                SHORT => values.iter().flat_map(short).collect(),
                _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            };
            if bytes.len() > 4 {
                bytes = self.add(&bytes).to_le_bytes().to_vec();
            }
            bytes.resize(4, 0);
            let count = u32::try_from(values.len()).unwrap().to_le_bytes();
            fields.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count, &bytes].concat());
        }
        let count = u16::try_from(tags.len()).unwrap().to_le_bytes();
        self.add(&[&count[..], &fields, &[0; 4]].concat())
    }

    pub fn finish(mut self, first: u32) -> Vec<u8> {
        self.0[4..8].copy_from_slice(&first.to_le_bytes());
        self.0
    }
}

/// The tags of a picture of so many columns and rows, with the bits once for all samples.
pub fn tags(
    [width, height]: [u16; 2],
    compression: u16,
    photometric: u16,
    bits: u16,
    samples: u16,
) -> Vec<Tag> {
    let numbers = [
        (256, width),
        (257, height),
        (258, bits),
        (259, compression),
        (262, photometric),
        (277, samples),
    ];
    numbers.into_iter().map(|(tag, value)| (tag, SHORT, vec![value.into()])).collect()
}

fn samples(count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 7) ^ (i >> 5)).to_le_bytes()[0]).collect()
}

pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

fn old_lzw(bytes: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(bytes).unwrap()
}

/// Behind a smaller copy, in tiles of 16 bits of which one is left out, as differences.
fn preview() -> Vec<u8> {
    let mut file = File::new();
    let tile = deflated(&samples(TILE * TILE * 6));
    let chunks = [&tile[..], &tile, &[], &tile, &tile, &tile].map(<[u8]>::to_vec);
    let mut picture = tags(SIDES, 8, 2, 16, 3);
    picture.extend([(317, SHORT, vec![2]), (322, SHORT, vec![16]), (323, SHORT, vec![16])]);
    picture.extend(file.chunks(&chunks, [324, 325]));
    let picture = file.directory(picture);
    let mut small = tags(SIDES, 1, 1, 8, 1);
    small.extend(file.chunks(&[samples(WIDTH * HEIGHT)], [273, 279]));
    small.extend([(254, LONG, vec![1]), (330, LONG, vec![picture]), (274, SHORT, vec![3])]);
    let small = file.directory(small);
    file.finish(small)
}

/// Red, green, blue and alpha in planes of tiles, by the old LZW, under the tags of strips.
fn planes() -> Vec<u8> {
    let mut file = File::new();
    let chunks = vec![old_lzw(&samples(TILE * TILE)); 4 * 6];
    let mut all = tags(SIDES, 5, 2, 8, 4);
    all.extend([(284, SHORT, vec![2]), (322, SHORT, vec![16]), (323, SHORT, vec![16])]);
    all.extend([(338, SHORT, vec![2]), (317, SHORT, vec![2])]);
    all.extend(file.chunks(&chunks, [273, 279]));
    let all = file.directory(all);
    file.finish(all)
}

/// Four bits of grey, in runs, with bits turned round and lengths that are not told.
fn four_bits() -> Vec<u8> {
    let mut file = File::new();
    let rows = samples(WIDTH / 2 * HEIGHT);
    let strips = rows.chunks(WIDTH / 2 * 8).map(|strip| {
        let parts = strip
            .chunks(128)
            .flat_map(|part| [&[u8::try_from(part.len() - 1).unwrap()][..], part].concat());
        parts.map(u8::reverse_bits).collect::<Vec<u8>>()
    });
    let [offsets, _] = file.chunks(&strips.collect::<Vec<_>>(), [273, 279]);
    let mut all = tags(SIDES, 32_773, 0, 4, 1);
    all.extend([offsets, (278, SHORT, vec![8]), (266, SHORT, vec![2])]);
    let all = file.directory(all);
    file.finish(all)
}

/// Grey with alpha of 16 bits in planes of uncompressed strips, multiplied, white as zero.
fn strips() -> Vec<u8> {
    let mut file = File::new();
    let strips = vec![samples(WIDTH * 8 * 2); 2 * 3];
    let mut all = tags(SIDES, 1, 0, 16, 2);
    all.extend(file.chunks(&strips, [273, 279]));
    all.extend([(278, SHORT, vec![8]), (284, SHORT, vec![2]), (338, SHORT, vec![1])]);
    let all = file.directory(all);
    file.finish(all)
}

/// A frame of Zstandard that declares a window of 128 MiB, with the bytes as they are.
pub fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, 17 << 3];
    for block in bytes.chunks(1 << 17) {
        frame.extend(&(block.len() << 3).to_le_bytes()[..3]);
        frame.extend(block);
    }
    // An empty block is the last.
    frame.extend([1, 0, 0]);
    frame
}

/// The bytes of bits; spaces between them are ignored.
pub fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|c| *c != b' ').map(|c| c - b'0').collect();
    let byte = |bits: &[u8]| (0..8).fold(0, |sum, i| sum << 1 | bits.get(i).unwrap_or(&0));
    bits.chunks(8).map(byte).collect()
}

/// A file whose only strip has all rows.
pub fn one_strip(mut tags: Vec<Tag>, strip: Vec<u8>) -> Vec<u8> {
    let mut file = File::new();
    tags.extend(file.chunks(&[strip], [273, 279]));
    let directory = file.directory(tags);
    file.finish(directory)
}

/// A palette in which each component of each colour is another number.
pub fn colours(count: u32) -> Tag {
    (320, SHORT, (0..3 * count).map(|index| index * 5003 % 65_521).collect())
}

/// Indexes of four bits, in tiles that Zstandard compresses.
fn indexes() -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    let mut file = File::new();
    let tile = compress_to_vec(&samples(TILE * TILE / 2)[..], CompressionLevel::Fastest);
    let mut all = tags(SIDES, 50_000, 3, 4, 1);
    all.extend([(322, SHORT, vec![16]), (323, SHORT, vec![16]), colours(16)]);
    all.extend(file.chunks(&vec![tile; 6], [324, 325]));
    let all = file.directory(all);
    file.finish(all)
}

/// A JPEG stream of these samples.
pub fn jpeg(
    samples: &[u8],
    [width, height]: [u16; 2],
    colours: ColorType,
    sampling: SamplingFactor,
) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut stream, 80);
    encoder.set_sampling_factor(sampling);
    encoder.encode(samples, width, height, colours).unwrap();
    stream
}

/// The tables of a JPEG stream, as a stream of their own, and the stream without them and without JFIF's segment.
pub fn split(stream: &[u8]) -> [Vec<u8>; 2] {
    let [mut tables, mut rest] = [stream[..2].to_vec(), stream[..2].to_vec()];
    let mut place = 2;
    while stream[place + 1] != 0xDA {
        let length = u16::from_be_bytes([stream[place + 2], stream[place + 3]]);
        let segment = &stream[place..place + 2 + usize::from(length)];
        match segment[1] {
            0xDB | 0xC4 => tables.extend(segment),
            0xE0 => {}
            _ => rest.extend(segment),
        }
        place += segment.len();
    }
    tables.extend([0xFF, 0xD9]);
    rest.extend(&stream[place..]);
    [tables, rest]
}

/// The tag of tables that JPEG streams share.
pub fn shared(tables: &[u8]) -> Tag {
    (347, UNDEFINED, tables.iter().map(|byte| (*byte).into()).collect())
}

/// Tiles by JPEG in 4:2:0 with shared tables; one of them is left out.
fn jpeg_tiles() -> Vec<u8> {
    let mut file = File::new();
    let tile = jpeg(&samples(TILE * TILE * 3), [16, 16], ColorType::Rgb, SamplingFactor::F_2_2);
    let [tables, tile] = split(&tile);
    let chunks = [&tile[..], &tile, &[], &tile, &tile, &tile].map(<[u8]>::to_vec);
    let mut all = tags(SIDES, 7, 6, 8, 3);
    all.extend([(322, SHORT, vec![16]), (323, SHORT, vec![16]), shared(&tables)]);
    all.extend(file.chunks(&chunks, [324, 325]));
    let all = file.directory(all);
    file.finish(all)
}

/// Differences of 16 bits by Zstandard.
fn frames() -> Vec<u8> {
    let mut all = tags(SIDES, 50_000, 2, 16, 3);
    all.push((317, SHORT, vec![2]));
    one_strip(all, zstandard(&samples(WIDTH * HEIGHT * 6)))
}

/// Four rows of 40 pixels by CCITT group 3: black from 4 to 7, by its runs; the same by differences; black from 5 to 6,
/// by differences; black.
pub const FOUR_ROWS: &str = "000000000001 1 1011 10 00010010 000000000001 0 1 1 1 \
    000000000001 0 011 010 1 000000000001 1 00110101 000001101100";

/// Rows by CCITT group 3, of which some depend on the row above.
pub fn group3() -> Vec<u8> {
    let mut all = tags(SIDES, 3, 0, 1, 1);
    all.push((292, LONG, vec![1]));
    one_strip(all, bytes(&FOUR_ROWS.repeat(HEIGHT / 4)))
}

/// Planes of strips by JPEG, each with its own tables, of bits that are said to be turned round.
fn jpeg_planes() -> Vec<u8> {
    let mut file = File::new();
    let strip = jpeg(&samples(WIDTH * 8), [SIDES[0], 8], ColorType::Luma, SamplingFactor::F_1_1);
    let mut all = tags(SIDES, 7, 2, 8, 3);
    all.extend(file.chunks(&vec![strip; 3 * 3], [273, 279]));
    all.extend([(278, SHORT, vec![8]), (284, SHORT, vec![2]), (266, SHORT, vec![2])]);
    let all = file.directory(all);
    file.finish(all)
}

/// Old-style JPEG: a whole stream in one strip, behind other bytes, and tags that tell less than others do.
pub fn old_jpeg(stream: &[u8], more: &[Tag]) -> Vec<u8> {
    let mut file = File::new();
    file.add(b"something else");
    let [offsets, lengths] = file.chunks(&[stream.to_vec()], [273, 279]);
    let place = [(513, LONG, offsets.2.clone()), (514, LONG, lengths.2.clone())];
    let mut all: Vec<Tag> = vec![offsets, lengths];
    all.extend([(256, 40), (257, 24), (259, 6)].map(|(tag, value)| (tag, SHORT, vec![value])));
    all.extend(place);
    all.retain(|tag| more.iter().all(|other| other.0 != tag.0));
    all.extend(more.iter().cloned());
    let all = file.directory(all);
    file.finish(all)
}

/// Old-style JPEG in 4:2:0.
fn old_jpeg_strip() -> Vec<u8> {
    let colours = samples(WIDTH * HEIGHT * 3);
    old_jpeg(&jpeg(&colours, SIDES, ColorType::Rgb, SamplingFactor::F_2_2), &[])
}

/// A file of each form, with its name.
pub fn all() -> [(&'static str, Vec<u8>); 10] {
    [
        ("preview", preview()),
        ("planes", planes()),
        ("four-bits", four_bits()),
        ("strips", strips()),
        ("indexes", indexes()),
        ("frames", frames()),
        ("group3", group3()),
        ("jpeg-tiles", jpeg_tiles()),
        ("jpeg-planes", jpeg_planes()),
        ("old-jpeg", old_jpeg_strip()),
    ]
}
