//! TIFF files that tests put together, in either byte order.

use std::io::Cursor;

use super::directory::Order;
use crate::decode::{Colours, DecodeError, Limits, open_page};
use crate::grid::Region;
use crate::pixels::Pixels;
use crate::source::{MemoryRaster, Raster};

pub(super) const ASCII: u16 = 2;
pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;

/// Tags of offsets and lengths.
pub(super) const STRIPS: [u16; 2] = [273, 279];
pub(super) const TILES: [u16; 2] = [324, 325];

/// A number of `width` bytes in the order of the file.
pub(super) fn number(order: Order, width: usize, value: u64) -> Vec<u8> {
    match order {
        Order::Little => value.to_le_bytes()[..width].to_vec(),
        Order::Big => value.to_be_bytes()[8 - width..].to_vec(),
    }
}

/// Numbers of `width` bytes in the order of the file.
pub(super) fn numbers(order: Order, width: usize, values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| number(order, width, *value)).collect()
}

/// A row of samples of so many bits; those of other than whole bytes have their high bits first.
pub(super) fn packed(order: Order, bits: u64, samples: &[u64]) -> Vec<u8> {
    if bits.is_multiple_of(8) {
        return numbers(order, usize::try_from(bits / 8).unwrap(), samples);
    }
    let each = |sample: &u64| (0..bits).rev().map(move |bit| sample >> bit & 1 == 1).collect();
    let all: Vec<bool> = samples.iter().flat_map(|sample| -> Vec<bool> { each(sample) }).collect();
    let byte =
        |bits: &[bool]| (0..8).fold(0, |sum, at| sum << 1 | u8::from(bits.get(at) == Some(&true)));
    all.chunks(8).map(byte).collect()
}

pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, bytes).unwrap();
    zlib.finish().unwrap()
}

/// A file of one directory.
pub(super) struct File {
    order: Order,
    bytes: Vec<u8>,
    /// Tag, type, count and bytes of each field.
    fields: Vec<(u16, u16, usize, Vec<u8>)>,
}

impl File {
    pub(super) fn new(order: Order) -> File {
        let start = if order == Order::Big { &b"MM\0*\0\0\0\0"[..] } else { b"II*\0\0\0\0\0" };
        File { order, bytes: start.to_vec(), fields: Vec::new() }
    }

    /// A file of a picture of these columns and rows, compression, photometric, bits and samples.
    pub(super) fn of(order: Order, [width, height]: [u64; 2], kind: [u64; 4]) -> File {
        let [compression, photometric, bits, samples] = kind;
        let tags = [
            (256, width),
            (257, height),
            (258, bits),
            (259, compression),
            (262, photometric),
            (277, samples),
        ];
        tags.into_iter().fold(File::new(order), |file, (tag, value)| file.with(tag, &[value]))
    }

    /// Adds a field of short numbers, in place of one of the same tag.
    pub(super) fn with(mut self, tag: u16, values: &[u64]) -> File {
        self.fields.retain(|(other, ..)| *other != tag);
        let bytes = numbers(self.order, 2, values);
        self.fields.push((tag, SHORT, values.len(), bytes));
        self
    }

    /// Adds a text.
    pub(super) fn saying(mut self, tag: u16, text: &str) -> File {
        self.fields.push((tag, ASCII, text.len() + 1, [text.as_bytes(), &[0]].concat()));
        self
    }

    pub(super) fn without(mut self, tag: u16) -> File {
        self.fields.retain(|(other, ..)| *other != tag);
        self
    }

    /// Writes chunks, and their places into fields of these tags; an empty chunk lies nowhere.
    pub(super) fn chunks(mut self, [offsets, lengths]: [u16; 2], chunks: &[Vec<u8>]) -> File {
        let places: Vec<u64> =
            chunks.iter().map(|chunk| if chunk.is_empty() { 0 } else { self.add(chunk) }).collect();
        let counts: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        for (tag, values) in [(offsets, places), (lengths, counts)] {
            let bytes = numbers(self.order, 4, &values);
            self.fields.push((tag, LONG, values.len(), bytes));
        }
        self
    }

    /// Adds bytes at an even offset, and gives that.
    pub(super) fn add(&mut self, bytes: &[u8]) -> u64 {
        let place = self.bytes.len() as u64;
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        place
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.fields.sort();
        let mut directory = number(self.order, 2, self.fields.len() as u64);
        for (tag, kind, count, mut bytes) in std::mem::take(&mut self.fields) {
            if bytes.len() > 4 {
                let place = self.add(&bytes);
                bytes = number(self.order, 4, place);
            }
            bytes.resize(4, 0);
            directory.extend(numbers(self.order, 2, &[tag.into(), kind.into()]));
            directory.extend(number(self.order, 4, count as u64));
            directory.extend(bytes);
        }
        directory.extend([0; 4]);
        let place = self.add(&directory);
        self.bytes[4..8].copy_from_slice(&number(self.order, 4, place));
        self.bytes
    }
}

/// The pixels of a file.
pub(super) fn read(file: &[u8]) -> Result<Pixels, DecodeError> {
    let image = open_page(Cursor::new(file), &Limits::NONE, None)?;
    let raster = MemoryRaster::new(image.header().stored_size(), image.header().format);
    image.read(Colours::All, &mut &raster)?;
    Ok(raster.crop(Region::of(raster.size())).unwrap())
}
