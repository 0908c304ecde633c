//! Strips and tiles that are WebP images.

use std::io::{self, Cursor, Read, Take};

use image_webp::{DecodingError, WebPDecoder};

use super::directory::damaged;

/// The WebP images of one file.
#[derive(Debug)]
pub(super) struct WebP {
    /// Samples of a pixel of the file, 3 or 4.
    pub(super) samples: usize,
    /// Pixels in a row of a chunk.
    pub(super) width: u32,
    /// Bytes of the file.
    pub(super) length: u64,
}

/// Bytes per pixel that decoding takes: the library's, at most, and RGBA.
const BESIDE: u64 = 8 + 4;

impl WebP {
    /// The most memory that unpacking a chunk takes beside its `bytes`, if its data in the file are at most `packed`.
    pub(super) fn memory(&self, bytes: u64, packed: u64) -> u64 {
        let pixels = bytes / self.samples as u64;
        pixels.saturating_mul(BESIDE).saturating_add(packed.min(self.length))
    }

    /// Fills `bytes` with a chunk. As in libtiff, a file with alpha gets opaque pixels of an image without, and one
    /// without drops the alpha of an image.
    pub(super) fn unpack(&self, packed: Take<impl Read>, bytes: &mut [u8]) -> io::Result<()> {
        let image = whole(packed, self.length)?;
        let mut decoder = WebPDecoder::new(Cursor::new(image)).map_err(broken)?;
        let row = self.width as usize * self.samples;
        let height = bytes.len() / row.max(1);
        let (width, told) = decoder.dimensions();
        if width != self.width || told as usize != height || decoder.is_animated() {
            return Err(damaged("the WebP of a strip or tile has another size"));
        }
        let stored = if decoder.has_alpha() { 4 } else { 3 };
        if stored == self.samples {
            return decoder.read_image(bytes).map_err(broken);
        }
        let mut image = vec![0; bytes.len() / self.samples * stored];
        decoder.read_image(&mut image).map_err(broken)?;
        for (pixel, from) in bytes.chunks_exact_mut(self.samples).zip(image.chunks_exact(stored)) {
            pixel.fill(u8::MAX);
            pixel[..3].copy_from_slice(&from[..3]);
        }
        Ok(())
    }
}

/// The bytes of a chunk, of a file of `length` bytes.
pub(super) fn whole(mut packed: Take<impl Read>, length: u64) -> io::Result<Vec<u8>> {
    let most = packed.limit().min(length);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
    packed.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn broken(error: DecodingError) -> io::Error {
    match error {
        DecodingError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
