//! Opens the decoder for a format, once it is sure that the file holds one still image.

use std::io::{BufRead, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ImageError, ImageResult};

use super::container::Container;
use super::error::DecodeError;
use super::{Limits, jpeg, tiff};
use crate::raster::grid::Size;

type Decoder<'r> = Box<dyn ImageDecoder + 'r>;

/// What a decoder is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its header only.
    Probe,
    /// Its pixels.
    Decode,
}

/// A decoder that has read the header; that of JPEG takes in the file as far as `purpose` needs it.
pub(super) fn open<'r, R: BufRead + Seek + 'r>(
    mut reader: R,
    container: Container,
    limits: &Limits,
    purpose: Purpose,
) -> Result<Decoder<'r>, DecodeError> {
    let broken = |error: ImageError| DecodeError::from_image(container, error);
    refuse_several(&mut reader, container, limits)?;
    reader.seek(SeekFrom::Start(0))?;
    match container {
        Container::Jpeg => open_jpeg(reader, purpose),
        Container::Png => open_png(reader, limits),
        Container::Tiff => tiff::open(reader),
        Container::WebP => open_webp(reader),
        Container::Bmp => boxed(BmpDecoder::new(reader)).map_err(broken),
        Container::Gif => boxed(GifDecoder::new(reader)).map_err(broken),
    }
}

fn open_jpeg<'r, R: BufRead + Seek + 'r>(
    mut reader: R,
    purpose: Purpose,
) -> Result<Decoder<'r>, DecodeError> {
    let extent = jpeg::extent(&mut reader)?;
    reader.seek(SeekFrom::Start(0))?;
    let bytes = match purpose {
        Purpose::Probe => extent.header,
        Purpose::Decode => extent.image,
    };
    boxed(JpegDecoder::new(reader.take(bytes)))
        .map_err(|error| DecodeError::from_image(Container::Jpeg, error))
}

fn boxed<'r, D: ImageDecoder + 'r>(decoder: ImageResult<D>) -> ImageResult<Decoder<'r>> {
    decoder.map(|decoder| Box::new(decoder) as Decoder<'r>)
}

fn animated(container: Container) -> DecodeError {
    DecodeError::Unsupported { container, what: "an animation".to_owned() }
}

/// Refuses what a first pass over the file shows: sizes that would make a decoder take memory
/// at once, and further frames.
fn refuse_several<R: BufRead + Seek>(
    reader: &mut R,
    container: Container,
    limits: &Limits,
) -> Result<(), DecodeError> {
    match container {
        Container::Png => check_png_header(reader, limits),
        Container::Gif => refuse_frames(reader),
        Container::Jpeg | Container::Tiff | Container::WebP | Container::Bmp => Ok(()),
    }
}

/// The decoder takes memory for a row as soon as it is opened.
fn check_png_header<R: BufRead + Seek>(reader: &mut R, limits: &Limits) -> Result<(), DecodeError> {
    let mut decoder = png::Decoder::new(reader);
    let info =
        decoder.read_header_info().map_err(|error| DecodeError::damaged(Container::Png, error))?;
    limits.check_size(Size::new(info.width, info.height))
}

fn open_png<'r, R: BufRead + Seek + 'r>(
    reader: R,
    limits: &Limits,
) -> Result<Decoder<'r>, DecodeError> {
    let broken = |error| DecodeError::from_image(Container::Png, error);
    let decoder = PngDecoder::with_limits(reader, limits.for_decoder()).map_err(broken)?;
    if decoder.is_apng().map_err(broken)? {
        return Err(animated(Container::Png));
    }
    Ok(Box::new(decoder))
}

fn open_webp<'r, R: BufRead + Seek + 'r>(reader: R) -> Result<Decoder<'r>, DecodeError> {
    let decoder = WebPDecoder::new(reader)
        .map_err(|error| DecodeError::from_image(Container::WebP, error))?;
    if decoder.has_animation() {
        return Err(animated(Container::WebP));
    }
    Ok(Box::new(decoder))
}

fn refuse_frames<R: BufRead + Seek>(reader: &mut R) -> Result<(), DecodeError> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let broken = |error| DecodeError::damaged(Container::Gif, error);
    let mut decoder = options.read_info(reader).map_err(broken)?;
    decoder.next_frame_info().map_err(broken)?;
    // What follows the first frame may be broken as long as it is no second one.
    match decoder.next_frame_info() {
        Ok(Some(_)) => Err(animated(Container::Gif)),
        Ok(None) | Err(_) => Ok(()),
    }
}
