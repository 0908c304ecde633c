//! GIF: whether a file holds one image.

use std::io::{BufRead, Seek, SeekFrom};

use image::codecs::gif::GifDecoder;

use super::container::Container;
use super::error::DecodeError;
use super::limits::Limits;
use super::whole::Whole;
use super::{Decoder, Input};

/// The decoder for a file of one frame.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    refuse_frames(&mut reader)?;
    reader.seek(SeekFrom::Start(0))?;
    let decoder = GifDecoder::new(reader);
    let decoder = decoder.map_err(|error| DecodeError::from_image(Container::Gif, error))?;
    Ok(Box::new(Whole::new(Container::Gif, decoder, limits)?))
}

fn refuse_frames<R: BufRead + Seek>(reader: &mut R) -> Result<(), DecodeError> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let broken = |error| DecodeError::damaged(Container::Gif, error);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    decoder.next_frame_info().map_err(broken)?;
    // What follows the first frame may be broken as long as it is no second one.
    match decoder.next_frame_info() {
        Ok(Some(_)) => Err(DecodeError::animated(Container::Gif)),
        Ok(None) | Err(_) => Ok(()),
    }
}
