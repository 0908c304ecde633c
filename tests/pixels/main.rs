//! Pixels: what is decoded, filtered and encoded, in memory.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "what test programs share has no crate to be public in, and each uses its part"
)]

mod decode;
mod forms;
mod hashes;
mod jpeg_inside;
mod same_bytes;
#[path = "../stills/mod.rs"]
mod stills;
mod tiff;
