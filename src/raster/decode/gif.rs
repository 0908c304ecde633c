//! GIF: the only frame of a file, placed on its image.

use std::io::{BufRead, Seek, SeekFrom};

use gif::{ColorOutput, DecodeOptions, DecodingError};

use super::container::Container;
use super::error::DecodeError;
use super::limits::{Limits, raster_bytes};
use super::{Decoder, Input, Stored};
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType};
use crate::source::Rows;

const FORMAT: PixelFormat = PixelFormat::new(Bands::RGBA, SampleType::U8);

struct Gif<'r> {
    decoder: gif::Decoder<Input<'r>>,
    frame: Frame,
    image: Size,
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::Io(error) => DecodeError::from_io(Container::Gif, error),
        other => DecodeError::damaged(Container::Gif, other),
    }
}

/// The decoder for a file of one frame.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let frame = only_frame(&mut reader)?;
    reader.seek(SeekFrom::Start(0))?;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let decoder = options.read_info(reader).map_err(broken)?;
    let image = frame.extended(Size::new(decoder.width().into(), decoder.height().into()));
    limits.check_size(image)?;
    Ok(Box::new(Gif { decoder, frame, image }))
}

impl Decoder for Gif<'_> {
    fn stored(&self) -> Stored {
        Stored::new(self.image, FORMAT, Orientation::UPRIGHT)
    }

    fn memory(&self) -> u64 {
        let apart =
            if self.frame.fills(self.image) { 0 } else { raster_bytes(self.frame.size, FORMAT) };
        raster_bytes(self.image, FORMAT).saturating_add(apart)
    }

    fn metadata(&mut self) -> Metadata {
        Metadata {
            icc: self.decoder.icc_profile().map(Vec::from),
            xmp: self.decoder.xmp_metadata().map(Vec::from),
            ..Metadata::default()
        }
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Gif { frame, image, .. } = *self;
        let mut pixels = Pixels::zeroed(frame.size, FORMAT);
        self.fill(pixels.as_bytes_mut())?;
        if !frame.fills(image) {
            // The image is transparent around the frame.
            let mut whole = Pixels::zeroed(image, FORMAT);
            whole.paste(frame.left, frame.top, &pixels);
            pixels = whole;
        }
        rows.push(pixels).map_err(DecodeError::keep)
    }
}

impl Gif<'_> {
    /// Fills `pixels` with the frame.
    fn fill(&mut self, pixels: &mut [u8]) -> Result<(), DecodeError> {
        let frame = self.decoder.next_frame_info().map_err(broken)?;
        if frame.is_some_and(|frame| frame.interlaced) {
            return self.decoder.read_into_buffer(pixels).map_err(broken);
        }
        // The decoder keeps an index of the palette for each pixel that it is asked for at a time.
        for row in pixels.chunks_exact_mut(self.decoder.line_length()) {
            if !self.decoder.fill_buffer(row).map_err(broken)? {
                return Err(DecodeError::damaged(Container::Gif, "image truncated"));
            }
        }
        Ok(())
    }
}

/// The position and the size of a frame in the image.
#[derive(Clone, Copy)]
struct Frame {
    left: u32,
    top: u32,
    size: Size,
}

impl Frame {
    /// The size of the image, extended if the frame exceeds the screen: browsers show the whole frame.
    fn extended(&self, screen: Size) -> Size {
        let (right, bottom) = (self.left + self.size.width, self.top + self.size.height);
        Size::new(screen.width.max(right), screen.height.max(bottom))
    }

    fn fills(&self, image: Size) -> bool {
        self.size == image
    }
}

/// The most frames that are counted, so that a file of nothing but frames costs little.
const MOST_FRAMES: u32 = 10_000;

/// The number of frames in words; the decoder has passed `known` of them already.
fn count<R: BufRead>(decoder: &mut gif::Decoder<R>, known: u32) -> String {
    let mut frames = known;
    while let Ok(Some(_)) = decoder.next_frame_info() {
        frames += 1;
        if frames == MOST_FRAMES {
            return format!("{MOST_FRAMES} or more frames");
        }
    }
    format!("{frames} frames")
}

fn only_frame<R: BufRead + Seek>(reader: &mut R) -> Result<Frame, DecodeError> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    let frame = decoder.next_frame_info().map_err(broken)?;
    let frame = frame.ok_or_else(|| DecodeError::damaged(Container::Gif, "it has no frame"))?;
    let size = Size::new(frame.width.into(), frame.height.into());
    let frame = Frame { left: frame.left.into(), top: frame.top.into(), size };
    // Whatever follows the first frame may be broken, unless it is a second frame.
    match decoder.next_frame_info() {
        Ok(Some(_)) => Err(DecodeError::animation(Container::Gif, &count(&mut decoder, 2))),
        Ok(None) | Err(_) if size.is_empty() => Err(DecodeError::EmptyImage { size }),
        Ok(None) | Err(_) => Ok(frame),
    }
}
