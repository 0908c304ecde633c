//! The tests' own small images, for those who need no server.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

/// One of each kind that can be decoded.
pub const STILLS: [&str; 28] = [
    "baseline-420.jpg",
    "baseline-444.jpg",
    "big.tif",
    "bilevel.png",
    "cmyk.tif",
    "grey-16.tif",
    "grey-8.png",
    "grey.jpg",
    "inks-16.tif",
    "inks.jpg",
    "interlaced.png",
    "lossless.webp",
    "lossy.webp",
    "packbits.tif",
    "palette.png",
    "progressive.jpg",
    "rgb-16.png",
    "rgb-lzw.tif",
    "rgb.bmp",
    "rgba-16.png",
    "rgba-8.png",
    "rgba-deflate.tif",
    "still.gif",
    "tiled-16.tif",
    "turned.jpg",
    "wide-16.png",
    "wide-alpha.png",
    "ycck.jpg",
];

pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}
