//! The pure raster core: pixels in, pixels out, without files, network, threads or a clock.
//!
//! - [`sample`]: the three sample types and their arithmetic
//! - [`mod@format`]: the samples of a pixel
//! - [`pixels`]: a rectangle of pixels in memory
//! - [`grid`]: sizes, regions and the tiles of an image
//! - [`colour`]: colour profiles, and conversion to sRGB
//! - [`metadata`]: what files hold beside their pixels
//! - [`orientation`]: the eight ways a stored image may be turned
//! - [`preview`]: small pictures of large ones
//! - [`pyramid`]: ever smaller copies of a picture, in tiles
//! - [`reduce`]: a smaller copy of a picture, made while its rows arrive
//! - [`source`]: a decoded image, cut into windows in viewing orientation
//! - [`view`]: any pixels as a screen shows them
//! - [`decode`]: files to sources, with limits checked before memory is taken
//! - [`filter`]: the filters, their parameters and chains of them
//! - [`encode`]: pixels to files, in bands that can be encoded in any order

pub mod colour;
pub mod decode;
pub mod encode;
pub mod filter;
pub mod format;
pub mod grid;
pub mod metadata;
pub mod orientation;
pub mod pixels;
pub mod preview;
pub mod pyramid;
pub mod reduce;
pub mod sample;
pub mod source;
pub mod view;

/// The revision of the bytes that this core makes. It rises only when the same image, chain and
/// output options would give other bytes than before.
pub const REVISION: u32 = 6;
