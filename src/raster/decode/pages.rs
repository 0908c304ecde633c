//! Counts the pages of a TIFF file.

use std::io::{Read, Seek};

use tiff::TiffResult;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

/// Counting ends here, so that a file of nothing but directories costs little.
pub(super) const MOST: usize = 100;

/// The bit of `NewSubfileType` that marks a smaller copy of another image of the file (TIFF 6.0).
const REDUCED: u32 = 1;

/// The number of pages, at least 1 and at most [`MOST`]; smaller copies do not count.
pub(super) fn count<R: Read + Seek>(reader: R) -> TiffResult<usize> {
    let mut decoder = Decoder::new(reader)?;
    let mut pages = 1;
    for _ in 1..MOST {
        if !decoder.more_images() {
            break;
        }
        decoder.next_image()?;
        let kind = decoder
            .find_tag_unsigned::<u32>(Tag::NewSubfileType)?
            .unwrap_or(0);
        pages += usize::from(kind & REDUCED == 0);
    }
    Ok(pages)
}
