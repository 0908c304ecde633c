//! A part of an image whose decoder passes all rows on.

use std::io;

use super::{DecodeError, Decoder};
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::pixels::Pixels;
use crate::source::Rows;

/// Passes on the rows of `part` of an image of size `stored`, and ends decoding behind the last of them.
pub(super) fn read(
    decoder: Box<dyn Decoder + '_>,
    colours: Colours,
    stored: Size,
    part: Region,
    rows: &mut dyn Rows,
) -> Result<(), DecodeError> {
    let mut part = Part { rows, wanted: part, passed: 0, ended: false, height: stored.height };
    match decoder.read(colours, &mut part) {
        Err(DecodeError::Keep { .. }) if part.ended => Ok(()),
        read => read,
    }
}

struct Part<'a> {
    rows: &'a mut dyn Rows,
    wanted: Region,
    /// Rows of the image that have arrived.
    passed: u32,
    /// Whether no more rows are needed.
    ended: bool,
    /// Rows of the image.
    height: u32,
}

impl Rows for Part<'_> {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        let (top, end) = (self.passed, self.passed + rows.height());
        let wanted = self.wanted.rows();
        let (first, last) = (wanted.start.max(top), wanted.end.min(end));
        self.passed = end;
        if first < last {
            let part = Region { y: first - top, height: last - first, ..self.wanted };
            self.rows.push(rows.crop(part))?;
        }
        // With the last row of the image the decoder finds out whether the file is good.
        self.ended = end >= wanted.end && end < self.height;
        // An error is the way to end the decoding.
        if self.ended { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::{Colours, Limits, open_page, probe};
    use crate::grid::{Region, Size};
    use crate::pixels::Pixels;
    use crate::source::{MemoryRaster, Raster};

    const LIMITS: Limits = Limits { threads: 2, ..Limits::NONE };

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/../../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn part(file: &[u8], part: Region) -> Pixels {
        let image = open_page(Cursor::new(file), &LIMITS, None).unwrap();
        let raster = MemoryRaster::new(part.size(), image.header().format);
        image.read_part(Colours::All, part, &mut &raster).unwrap();
        raster.crop(Region::of(part.size())).unwrap()
    }

    #[test]
    fn a_part_has_the_pixels_of_the_whole() {
        let names = [
            "rgb-16.png",
            "interlaced.png",
            "baseline-420.jpg",
            "progressive.jpg",
            "tiled-16.tif",
            "rgb-lzw.tif",
            "planes-16.tif",
            "packbits.tif",
            "masked.tif",
            "float.tif",
            "webp.tif",
            "grey-16.tif",
            "lossless.webp",
            "still.gif",
            "rgb.bmp",
            "rgba-deflate.tif",
        ];
        for name in names {
            let file = read(name);
            let stored = probe(Cursor::new(&file), &Limits::NONE).unwrap().stored_size();
            let Size { width, height } = stored;
            let whole = part(&file, Region::of(stored));
            for region in [
                Region { x: 1, y: 2, width: width - 3, height: height / 2 },
                Region { x: width / 2, y: height / 2, width: 1, height: 1 },
                Region { x: width / 3, y: height - 1, width: width / 3, height: 1 },
                Region { x: 0, y: 0, width, height: 1 },
            ] {
                let (expected, found) = (whole.crop(region), part(&file, region));
                assert!(found.as_bytes() == expected.as_bytes(), "{name}, {region}");
            }
        }
    }
}
