//! WebP: a still image, or one frame of an animation.

use std::io::{self, Seek, SeekFrom};

use image_webp::{DecodingError, WebPDecoder};

use super::container::Container;
use super::error::DecodeError;
use super::frames::{Animated, Frames, Steps};
use super::limits::{Limits, MOST_METADATA, raster_bytes};
use super::riff::{self, Frame, Headed, Layout};
use super::{Decoder, Input, Stored};
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType};
use crate::source::Rows;

/// Bytes per pixel that the library holds beside its output. Without alpha: RGBA of a lossless image, or luma
/// and half as much chroma of a lossy one. Lossy with alpha: these, and alpha as the green of a lossless image.
/// Lossless with alpha, where the output is RGBA itself: what it predicts from.
const BESIDE_OPAQUE: u64 = 4;
const BESIDE_LOSSY_ALPHA: u64 = 8;
const BESIDE_LOSSLESS_ALPHA: u64 = 1;

const RGBA: PixelFormat = PixelFormat::new(Bands::RGBA, SampleType::U8);

struct WebP<'r> {
    decoder: WebPDecoder<Input<'r>>,
    stored: Stored,
    metadata: Metadata,
    /// Bytes per pixel that the library holds beside its output.
    beside: u64,
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) => DecodeError::from_io(Container::WebP, error),
        other => DecodeError::damaged(Container::WebP, other),
    }
}

fn broken_off(error: io::Error) -> DecodeError {
    DecodeError::from_io(Container::WebP, error)
}

fn misread(what: &'static str) -> DecodeError {
    DecodeError::damaged(Container::WebP, what)
}

/// The decoder for a file of one image, or for the frame `page` of an animation.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let layout = riff::layout(&mut reader)?;
    match layout.as_ref().filter(|layout| layout.is_animated()) {
        Some(layout) if page.is_some() && layout.frames() > 1 => {
            return open_frame(reader, layout, page.unwrap_or(0), limits);
        }
        animated => {
            DecodeError::check_only_page(page)?;
            if let Some(layout) = animated {
                return open_animated(reader, layout, limits);
            }
        }
    }
    let Some(layout) = layout else { return Ok(Box::new(WebP::new(reader, limits, None)?)) };
    if !layout.is_consistent(&mut reader).map_err(broken_off)? {
        return Err(misread("its parts are of different sizes"));
    }
    let reader: Input<'r> = match layout.mended() {
        None => reader,
        Some((head, part)) => Box::new(Headed::new(head, reader, part)),
    };
    Ok(Box::new(WebP::new(reader, limits, None)?))
}

/// The decoder for an animation, which must be of one frame.
fn open_animated<'r>(
    mut reader: Input<'r>,
    layout: &Layout,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let frames = layout.frames();
    if frames > 1 {
        return Err(DecodeError::animated(Container::WebP, frames));
    }
    limits.check_size(layout.canvas)?;
    if !layout.whole {
        return Err(misread("it ends too early"));
    }
    let frame = layout.frame(&mut reader).map_err(broken_off)?;
    let frame = frame.ok_or_else(|| misread("it has no frame"))?;
    let metadata = layout.metadata(&mut reader)?;
    let still = frame.still(&mut reader).map_err(broken_off)?;
    let (head, part) = still.ok_or_else(|| misread("its frame is of another size"))?;
    let still: Input<'r> = Box::new(Headed::new(head, reader, part));
    let decoder = WebP::new(still, limits, Some(metadata))?;
    if frame.size == layout.canvas {
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(Placed { decoder, frame, canvas: layout.canvas }))
}

/// The decoder for a frame of an animation of several.
fn open_frame<'r>(
    mut reader: Input<'r>,
    layout: &Layout,
    page: u32,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    limits.check_size(layout.canvas)?;
    if !layout.whole {
        return Err(misread("it ends too early"));
    }
    let list = layout.all_frames(&mut reader).map_err(broken_off)?;
    let list = list.ok_or_else(|| misread("a frame does not lie within its image"))?;
    let shown: Vec<_> = list.iter().map(Frame::shown).collect();
    let steps = Steps::to(page, &shown, layout.canvas, limits)?;
    let metadata = layout.metadata(&mut reader)?;
    let orientation = metadata.orientation();
    let frames = WebPFrames { reader, list };
    Ok(Box::new(Animated { frames, steps, format: RGBA, orientation, metadata }))
}

/// The frames of an animation.
struct WebPFrames<'r> {
    reader: Input<'r>,
    list: Vec<Frame>,
}

impl Frames for WebPFrames<'_> {
    fn decode(&mut self, number: usize, _: Size) -> Result<Pixels, DecodeError> {
        let still = self.list[number].still(&mut self.reader).map_err(broken_off)?;
        let (head, part) = still.ok_or_else(|| misread("a frame is of another size"))?;
        let still: Input<'_> = Box::new(Headed::new(head, &mut self.reader, part));
        let decoder = WebP::new(still, &Limits::NONE, Some(Metadata::default()))?;
        let pixels = decoder.pixels()?;
        Ok(if pixels.bands() == Bands::RGBA { pixels } else { with_alpha(&pixels) })
    }

    fn memory(&self, size: Size) -> u64 {
        // Either the library's own memory comes beside the pixels, or a copy of them with alpha.
        let pixels = size.pixels();
        raster_bytes(size, RGBA).saturating_add(BESIDE_LOSSY_ALPHA.saturating_mul(pixels))
    }
}

impl<'r> WebP<'r> {
    /// For a still image. `told` replaces the file's metadata.
    fn new(
        mut reader: Input<'r>,
        limits: &Limits,
        told: Option<Metadata>,
    ) -> Result<WebP<'r>, DecodeError> {
        reader.seek(SeekFrom::Start(0))?;
        let mut decoder = WebPDecoder::new(reader).map_err(broken)?;
        let (width, height) = decoder.dimensions();
        let size = Size::new(width, height);
        limits.check_size(size)?;
        // The library allocates as many bytes as the file declares.
        decoder.set_memory_limit(MOST_METADATA);
        // Metadata that cannot be read are ignored.
        let metadata = told.unwrap_or_else(|| Metadata {
            icc: decoder.icc_profile().ok().flatten(),
            exif: decoder.exif_metadata().ok().flatten(),
            xmp: decoder.xmp_metadata().ok().flatten(),
            ..Metadata::default()
        });
        let bands = if decoder.has_alpha() { Bands::RGBA } else { Bands::RGB };
        let format = PixelFormat::new(bands, SampleType::U8);
        let orientation = metadata.orientation();
        let stored = Stored::new(size, format, orientation);
        let beside = match bands {
            Bands::RGBA if decoder.is_lossy() => BESIDE_LOSSY_ALPHA,
            Bands::RGBA => BESIDE_LOSSLESS_ALPHA,
            _ => BESIDE_OPAQUE,
        };
        Ok(WebP { decoder, stored, metadata, beside })
    }

    /// Decodes the image, and frees the library's memory.
    fn pixels(mut self) -> Result<Pixels, DecodeError> {
        let mut pixels = Pixels::zeroed(self.stored.size, self.stored.format);
        self.decoder.read_image(pixels.as_bytes_mut()).map_err(broken)?;
        Ok(pixels)
    }
}

impl Decoder for WebP<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn memory(&self) -> u64 {
        let Stored { size, format, .. } = self.stored;
        raster_bytes(size, format).saturating_add(self.beside.saturating_mul(size.pixels()))
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn read(self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        rows.push(self.pixels()?).map_err(DecodeError::keep)
    }
}

/// A frame that does not fill its image; the image is transparent around it.
struct Placed<'r> {
    decoder: WebP<'r>,
    frame: Frame,
    canvas: Size,
}

impl Decoder for Placed<'_> {
    fn stored(&self) -> Stored {
        Stored { size: self.canvas, format: RGBA, ..self.decoder.stored }
    }

    fn memory(&self) -> u64 {
        let canvas = raster_bytes(self.canvas, RGBA);
        let opaque = raster_bytes(self.frame.size, RGBA);
        self.decoder.memory().saturating_add(canvas).saturating_add(opaque)
    }

    fn metadata(&mut self) -> Metadata {
        self.decoder.metadata()
    }

    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Frame { left, top, .. } = self.frame;
        let canvas = Pixels::zeroed(self.canvas, self.stored().format);
        let mut placed = Place { canvas, left, top };
        Box::new(self.decoder).read(colours, &mut placed)?;
        rows.push(placed.canvas).map_err(DecodeError::keep)
    }
}

/// Receives the rows of a frame, and places them on the canvas.
struct Place {
    canvas: Pixels,
    left: u32,
    top: u32,
}

impl Rows for Place {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        let height = rows.height();
        let rows = if rows.bands() == Bands::RGBA { rows } else { with_alpha(&rows) };
        self.canvas.paste(self.left, self.top, &rows);
        self.top += height;
        Ok(())
    }
}

fn with_alpha(rgb: &Pixels) -> Pixels {
    let (pixels, _) = rgb.as_bytes().as_chunks::<3>();
    let samples: Vec<u8> = pixels.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]).collect();
    Pixels::of(rgb.size(), Bands::RGBA, samples)
}
