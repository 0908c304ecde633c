//! GIF: the only frame of a file, placed on its image, or one of several.

use std::io::{BufRead, Read, Seek, SeekFrom};

use gif::{ColorOutput, DecodeOptions, DecodingError, DisposalMethod};

use super::container::Container;
use super::error::DecodeError;
use super::frames::{Animated, Blend, Disposal, Frame, Frames, MOST_FRAMES, Steps};
use super::limits::{Limits, raster_bytes};
use super::{Decoder, Input, Stored};
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType};
use crate::source::Rows;

const FORMAT: PixelFormat = PixelFormat::new(Bands::RGBA, SampleType::U8);

struct Gif<'r> {
    decoder: gif::Decoder<Input<'r>>,
    frame: Region,
    image: Size,
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::Io(error) => DecodeError::from_io(Container::Gif, error),
        other => DecodeError::damaged(Container::Gif, other),
    }
}

/// The decoder for a file of one frame, or for the frame `page` of an animation.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    if let Some(page) = page {
        let list = all_frames(&mut reader)?;
        if list.len() > 1 {
            return open_frame(reader, &list, page, limits);
        }
        DecodeError::check_only_page(Some(page))?;
        reader.seek(SeekFrom::Start(0))?;
    }
    let frame = only_frame(&mut reader)?;
    let decoder = library(reader)?;
    let image = extended(screen(&decoder), frame);
    limits.check_size(image)?;
    Ok(Box::new(Gif { decoder, frame, image }))
}

/// The decoder for a frame of an animation of several. Only the first frame enlarges the image, as in Chromium; later
/// ones are cut off.
fn open_frame<'r>(
    reader: Input<'r>,
    list: &[Frame],
    page: u32,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let decoder = library(reader)?;
    let image = extended(screen(&decoder), list[0].region);
    limits.check_size(image)?;
    let steps = Steps::to(page, list, image, limits)?;
    let (metadata, orientation) = (metadata(&decoder), Orientation::UPRIGHT);
    let frames = GifFrames { decoder, next: 0 };
    Ok(Box::new(Animated { frames, steps, format: FORMAT, orientation, metadata }))
}

/// The library's decoder at the start of a file.
fn library(mut reader: Input<'_>) -> Result<gif::Decoder<Input<'_>>, DecodeError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.read_info(reader).map_err(broken)
}

fn metadata(decoder: &gif::Decoder<Input<'_>>) -> Metadata {
    Metadata {
        icc: decoder.icc_profile().map(Vec::from),
        xmp: decoder.xmp_metadata().map(Vec::from),
        ..Metadata::default()
    }
}

fn screen<R: Read>(decoder: &gif::Decoder<R>) -> Size {
    Size::new(decoder.width().into(), decoder.height().into())
}

/// The size of the image: of the screen, extended if the frame exceeds it, since browsers show the whole frame.
fn extended(screen: Size, frame: Region) -> Size {
    let (right, bottom) = (frame.columns().end, frame.rows().end);
    Size::new(screen.width.max(right), screen.height.max(bottom))
}

impl Decoder for Gif<'_> {
    fn stored(&self) -> Stored {
        Stored::new(self.image, FORMAT, Orientation::UPRIGHT)
    }

    fn metadata(&mut self) -> Metadata {
        metadata(&self.decoder)
    }

    fn memory(&self) -> u64 {
        let apart = if self.fills() { 0 } else { raster_bytes(self.frame.size(), FORMAT) };
        raster_bytes(self.image, FORMAT).saturating_add(apart)
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Gif { frame, image, .. } = *self;
        let mut pixels = Pixels::zeroed(frame.size(), FORMAT);
        let next = self.decoder.next_frame_info().map_err(broken)?;
        let interlaced = next.is_some_and(|frame| frame.interlaced);
        fill(&mut self.decoder, interlaced, pixels.as_bytes_mut())?;
        if !self.fills() {
            // The image is transparent around the frame.
            let mut whole = Pixels::zeroed(image, FORMAT);
            whole.paste(frame.x, frame.y, &pixels);
            pixels = whole;
        }
        rows.push(pixels).map_err(DecodeError::keep)
    }
}

impl Gif<'_> {
    /// Whether the frame fills the image.
    fn fills(&self) -> bool {
        self.frame.size() == self.image
    }
}

/// Fills `pixels` with the frame whose header the decoder has read.
fn fill<R: Read>(
    decoder: &mut gif::Decoder<R>,
    interlaced: bool,
    pixels: &mut [u8],
) -> Result<(), DecodeError> {
    if pixels.is_empty() {
        return Ok(());
    }
    if interlaced {
        return decoder.read_into_buffer(pixels).map_err(broken);
    }
    // The decoder keeps an index of the palette for each pixel that it is asked for at a time.
    for row in pixels.chunks_exact_mut(decoder.line_length()) {
        if !decoder.fill_buffer(row).map_err(broken)? {
            return Err(DecodeError::damaged(Container::Gif, "image truncated"));
        }
    }
    Ok(())
}

/// The frames of an animation.
struct GifFrames<'r> {
    decoder: gif::Decoder<Input<'r>>,
    /// The number of the frame that is next in the file.
    next: usize,
}

impl Frames for GifFrames<'_> {
    fn decode(&mut self, number: usize, size: Size) -> Result<Pixels, DecodeError> {
        let mut pixels = Pixels::zeroed(size, FORMAT);
        loop {
            // The library skips the data of a frame that is not asked for.
            let frame = self.decoder.next_frame_info().map_err(broken)?;
            let frame = frame.ok_or_else(|| DecodeError::damaged(Container::Gif, "no frame"))?;
            let interlaced = frame.interlaced;
            self.next += 1;
            if self.next > number {
                fill(&mut self.decoder, interlaced, pixels.as_bytes_mut())?;
                return Ok(pixels);
            }
        }
    }

    fn memory(&self, size: Size) -> u64 {
        raster_bytes(size, FORMAT)
    }
}

/// The region of a frame.
fn region(frame: &gif::Frame<'_>) -> Region {
    let gif::Frame { left, top, width, height, .. } = *frame;
    let [x, y, width, height] = [left, top, width, height].map(u32::from);
    Region { x, y, width, height }
}

/// How a frame is shown.
fn shown(frame: &gif::Frame<'_>) -> Frame {
    let disposal = match frame.dispose {
        DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
        DisposalMethod::Background => Disposal::Clear,
        DisposalMethod::Previous => Disposal::Restore,
    };
    let blend = if frame.transparent.is_some() { Blend::Over } else { Blend::Replace };
    Frame { region: region(frame), disposal, blend }
}

/// All frames, up to damage.
fn all_frames<R: BufRead>(reader: &mut R) -> Result<Vec<Frame>, DecodeError> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    let mut frames = Vec::new();
    while frames.len() < MOST_FRAMES
        && let Ok(Some(frame)) = decoder.next_frame_info()
    {
        frames.push(shown(frame));
    }
    Ok(frames)
}

/// The most frames that are counted, so that a file of nothing but frames costs little.
const MOST_COUNTED: u32 = 10_000;

/// The number of frames in words; the decoder has passed `known` of them already.
fn count<R: BufRead>(decoder: &mut gif::Decoder<R>, known: u32) -> String {
    let mut frames = known;
    while let Ok(Some(_)) = decoder.next_frame_info() {
        frames += 1;
        if frames == MOST_COUNTED {
            return format!("{MOST_COUNTED} or more frames");
        }
    }
    format!("{frames} frames")
}

fn only_frame<R: BufRead + Seek>(reader: &mut R) -> Result<Region, DecodeError> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    let frame = decoder.next_frame_info().map_err(broken)?;
    let frame = frame.ok_or_else(|| DecodeError::damaged(Container::Gif, "it has no frame"))?;
    let frame = region(frame);
    let size = frame.size();
    // Whatever follows the first frame may be broken, unless it is a second frame.
    match decoder.next_frame_info() {
        Ok(Some(_)) => Err(DecodeError::animation(Container::Gif, &count(&mut decoder, 2))),
        Ok(None) | Err(_) if size.is_empty() => Err(DecodeError::EmptyImage { size }),
        Ok(None) | Err(_) => Ok(frame),
    }
}
