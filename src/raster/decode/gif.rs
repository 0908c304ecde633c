//! GIF: whether a file holds one image, and where.

use std::io::{BufRead, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::gif::GifDecoder;

use super::container::Container;
use super::error::DecodeError;
use super::limits::{Limits, raster_bytes};
use super::whole::{Beside, Whole};
use super::{Decoder, Input};
use crate::raster::grid::Size;
use crate::raster::metadata::Metadata;
use crate::raster::pixels::{Channels, Depth, PixelFormat};

/// The decoder for a file of one frame.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let frame = only_frame(&mut reader)?;
    reader.seek(SeekFrom::Start(0))?;
    let decoder = GifDecoder::new(reader);
    let mut decoder = decoder.map_err(|error| DecodeError::from_image(Container::Gif, error))?;
    let metadata = Metadata {
        icc: decoder.icc_profile().ok().flatten(),
        exif: None,
        xmp: decoder.xmp_metadata().ok().flatten(),
    };
    let (width, height) = decoder.dimensions();
    let memory = frame.bytes_apart(Size::new(width, height));
    let beside = Beside { metadata, memory, ..Beside::default() };
    Ok(Box::new(Whole::new(Container::Gif, decoder, limits, beside)?))
}

/// Where a frame lies in the image.
struct Frame {
    left: u32,
    top: u32,
    size: Size,
}

impl Frame {
    /// Bytes of the frame if it has to be decoded apart from its image: if its rows are not those of it.
    fn bytes_apart(&self, image: Size) -> u64 {
        let fits = u64::from(self.top) + u64::from(self.size.height) <= u64::from(image.height);
        let within = self.left == 0 && self.size.width == image.width && fits;
        if within {
            0
        } else {
            raster_bytes(self.size, PixelFormat::new(Channels::Rgba, Depth::Eight))
        }
    }
}

/// Frames are counted up to here, so that a file of nothing but frames costs little.
const MOST_FRAMES: u32 = 10_000;

/// How many frames there are, of which `known` are known.
fn count<R: BufRead>(decoder: &mut gif::Decoder<R>, known: u32) -> String {
    let mut frames = known;
    while let Ok(Some(_)) = decoder.next_frame_info() {
        frames += 1;
        if frames == MOST_FRAMES {
            return format!("{MOST_FRAMES} or more");
        }
    }
    frames.to_string()
}

fn only_frame<R: BufRead + Seek>(reader: &mut R) -> Result<Frame, DecodeError> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let broken = |error| DecodeError::damaged(Container::Gif, error);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    let frame = decoder.next_frame_info().map_err(broken)?;
    let frame = frame.ok_or_else(|| DecodeError::damaged(Container::Gif, "it has no frame"))?;
    let size = Size::new(frame.width.into(), frame.height.into());
    let frame = Frame { left: frame.left.into(), top: frame.top.into(), size };
    // What follows the first frame may be broken as long as it is no second one.
    match decoder.next_frame_info() {
        Ok(Some(_)) => Err(DecodeError::animated(Container::Gif, &count(&mut decoder, 2))),
        Ok(None) | Err(_) => Ok(frame),
    }
}
