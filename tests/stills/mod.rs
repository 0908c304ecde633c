//! The tests' own small images, for those who need no server.

use std::path::Path;

/// One of each kind that can be decoded.
pub const STILLS: [&str; 47] = [
    "adobe-rgb.jpg",
    "alpha.jp2",
    "aperio.tif",
    "baseline-420.jpg",
    "baseline-444.jpg",
    "big.tif",
    "bilevel.png",
    "cmyk.tif",
    "deep.jp2",
    "grey-16.tif",
    "grey-8.png",
    "grey.jpg",
    "group4.tif",
    "halved.jpg",
    "inks-16.tif",
    "inks.jpg",
    "interlaced.png",
    "irreversible.j2k",
    "lossless.webp",
    "lossy.webp",
    "noted.png",
    "noted.webp",
    "packbits.tif",
    "palette.png",
    "planes-16.tif",
    "progressive.jpg",
    "restarts.jpg",
    "reversible.jp2",
    "rgb-16.png",
    "rgb-lzw.tif",
    "rgb.bmp",
    "rgba-16.png",
    "rgba-8.png",
    "rgba-deflate.tif",
    "still.gif",
    "tabled-16.png",
    "tabled-alpha.png",
    "tabled.jpg",
    "tiled-16.tif",
    "turned.jpg",
    "wavelets.tif",
    "white-is-zero-16.tif",
    "white-is-zero.tif",
    "wide-16.png",
    "wide-alpha.png",
    "wide.jpg",
    "ycck.jpg",
];

/// What is stored in rarer ways.
pub const RARER: [&str; 9] = [
    "apart.jpg",
    "arithmetic.jpg",
    "calibrated.bmp",
    "coarse.jpg",
    "described.png",
    "embedded.bmp",
    "frame.webp",
    "reaching.gif",
    "upright.jpg",
];

/// TIFF of what is no picture of 8 or 16 bits, or of other colours than grey, RGB and inks.
pub const QUANTITIES: [&str; 12] = [
    "bands.tif",
    "doubles.tif",
    "float.tif",
    "halves.tif",
    "heights.tif",
    "lab-16.tif",
    "lab.tif",
    "lerc.tif",
    "masked.tif",
    "signed.j2k",
    "signed.tif",
    "webp.tif",
];

/// Animations, whose last frame needs the ones before it.
pub const MOVING: [&str; 4] = ["moving-16.png", "moving.gif", "moving.png", "moving.webp"];

/// The number of their last frame.
pub const LAST_FRAME: u32 = 4;

/// All that are read without a page.
pub fn all() -> impl Iterator<Item = &'static str> {
    STILLS.into_iter().chain(RARER).chain(QUANTITIES)
}

pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}
