//! A JPEG stream that is in memory as a whole: a strip or a tile of a TIFF file.

use std::io::Cursor;
use std::ops::Range;

use super::colours::Meaning;
use super::frame::Frame;
use super::rows::{PixelRows, library};
use super::segments::{self, Segments};
use crate::decode::container::Container;
use crate::decode::error::DecodeError;
use crate::grid::Size;

/// A stream whose frame has passed the checks, but whose size has not.
pub(in crate::decode) struct Stream {
    /// The bytes up to the end of the image, without segments that decoding does not need.
    bytes: Vec<u8>,
    frame: Frame,
}

impl Stream {
    /// Walks over the segments of a stream; no memory is taken for its pixels.
    pub(in crate::decode) fn new(mut bytes: Vec<u8>) -> Result<Stream, DecodeError> {
        let Segments { frame, height_at, image, beside, .. } =
            segments::walk(&mut Cursor::new(&bytes))?;
        frame.check()?;
        if frame.size.is_empty() || height_at.is_some() {
            return Err(DecodeError::damaged(Container::Jpeg, "its frame does not tell its size"));
        }
        leave_out(&mut bytes, &beside, image);
        Ok(Stream { bytes, frame })
    }

    pub(in crate::decode) fn size(&self) -> Size {
        self.frame.size
    }

    /// Number of components.
    pub(in crate::decode) fn components(&self) -> usize {
        self.frame.components.len()
    }

    /// Whether each component has a sample for every pixel.
    pub(in crate::decode) fn is_full(&self) -> bool {
        let most = self.frame.most();
        self.frame.components.iter().all(|part| part.sampling == most)
    }

    /// Bytes that decoding a stream of this kind takes beside the stream and its pixels, if the stream is of this
    /// `size`.
    pub(in crate::decode) fn memory(&self, size: Size) -> u64 {
        Frame { size, ..self.frame.clone() }.kept_bytes()
    }

    /// Decodes rows of pixels, which are as wide as the stream, until `pixels` are full.
    pub(in crate::decode) fn decode(
        self,
        meaning: Meaning,
        pixels: &mut [u8],
    ) -> Result<(), DecodeError> {
        let mut library = library(self.bytes)?;
        let mut rows = PixelRows::new(&mut library, &self.frame, meaning)?;
        let length = self.frame.size.width as usize * meaning.format().samples_per_pixel();
        for (y, row) in pixels.chunks_exact_mut(length).enumerate() {
            rows.read(y, row)?;
        }
        Ok(())
    }
}

/// Removes the gaps, which are in order, and the bytes behind `end`.
fn leave_out(bytes: &mut Vec<u8>, gaps: &[Range<u64>], end: u64) {
    let place = |at: u64| usize::try_from(at.min(end)).unwrap_or(usize::MAX);
    let (mut from, mut kept) = (0, 0);
    for gap in gaps.iter().chain([&(end..end)]) {
        let part = from..place(gap.start).max(from);
        let length = part.len();
        bytes.copy_within(part, kept);
        (from, kept) = (place(gap.end), kept + length);
    }
    bytes.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_what_follows_the_image_are_removed() {
        let without = |gaps: &[Range<u64>], end| {
            let mut bytes: Vec<u8> = (0..10).collect();
            leave_out(&mut bytes, gaps, end);
            bytes
        };
        assert_eq!(without(&[], 10), (0..10).collect::<Vec<_>>());
        assert_eq!(without(&[1..3, 5..6], 9), [0, 3, 4, 6, 7, 8]);
        assert_eq!(without(&[0..2, 7..8], 8), [2, 3, 4, 5, 6]);
    }
}
