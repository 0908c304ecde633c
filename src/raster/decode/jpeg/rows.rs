//! Rows of pixels, decoded one after another from a JPEG stream in memory.

use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_jpeg::{JpegDecoder, RawDecodeSession};

use super::colours::Meaning;
use super::frame::Frame;
use super::planes::Planes;
use crate::decode::container::Container;
use crate::decode::error::DecodeError;

/// Damaged data are shown as far as they go, as in other decoders; limits have been checked before.
pub(super) fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
}

pub(super) fn broken(error: &DecodeErrors) -> DecodeError {
    DecodeError::damaged(Container::Jpeg, format!("{error:?}"))
}

/// The library's decoder, which has read the headers of a stream.
pub(super) type Library = JpegDecoder<ZCursor<Vec<u8>>>;

pub(super) fn library(stream: Vec<u8>) -> Result<Library, DecodeError> {
    let mut library = JpegDecoder::new_with_options(ZCursor::new(stream), options());
    library.decode_headers().map_err(|error| broken(&error))?;
    Ok(library)
}

/// The rows of pixels of a stream, from the first one on.
pub(super) struct PixelRows<'l> {
    session: RawDecodeSession<'l, ZCursor<Vec<u8>>>,
    planes: Planes,
    meaning: Meaning,
    /// Number of components that the pixels are made of.
    needed: usize,
}

impl<'l> PixelRows<'l> {
    /// The rows of a stream with this `frame`. If its components mean grey, all but the first are left out.
    pub(super) fn new(
        library: &'l mut Library,
        frame: &Frame,
        meaning: Meaning,
    ) -> Result<PixelRows<'l>, DecodeError> {
        let session = library.raw_output();
        let count = frame.components.len();
        let layout = session.layout().filter(|_| session.num_components() == Some(count));
        let planes = layout.and_then(|layout| Planes::new(&layout[..count], frame));
        let planes = planes.ok_or_else(|| {
            DecodeError::damaged(Container::Jpeg, "its frame is not the one in its header")
        })?;
        let needed = if meaning == Meaning::Grey { 1 } else { count };
        Ok(PixelRows { session, planes, meaning, needed })
    }

    /// Decodes row `y`, which is not above the last one decoded.
    pub(super) fn read(&mut self, y: usize, row: &mut [u8]) -> Result<(), DecodeError> {
        while !self.planes.has(y, self.needed) {
            self.planes.pull(&mut self.session).map_err(|error| broken(&error))?;
        }
        self.meaning.pixels(&self.planes.row(y, self.needed), row);
        Ok(())
    }
}
