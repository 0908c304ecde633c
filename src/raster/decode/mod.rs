//! Files to pixels: the format by content, the limits by header, then the raster.
//!
//! - [`container`]: the file formats that can be read
//! - [`error`]: why a file is not read
//! - `open`: the decoder for a format, once it is sure that the file holds one still image
//! - `jpeg`: whether a JPEG file goes on to its end
//! - `tiff`: pages of a TIFF file, and grey with alpha

use std::io::{BufRead, Seek};

use image::{ColorType, ExtendedColorType, ImageDecoder};

use self::open::Purpose;
use super::grid::Size;
use super::orientation::Orientation;
use super::pixels::{Channels, Depth, PixelFormat, Pixels};
use super::source::Source;

pub mod container;
pub mod error;
mod jpeg;
mod open;
mod tiff;

pub use container::Container;
pub use error::DecodeError;

/// What an image may need. All limits are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the image (`limits.max_megapixels`).
    pub max_pixels: u64,
    /// Pixels of its longer side (`limits.max_side`).
    pub max_side: u32,
    /// Bytes of the decoded raster (`limits.decode_memory`).
    pub max_bytes: u64,
}

/// What the header of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file format.
    pub container: Container,
    /// Width and height as viewed, that is after the orientation.
    pub size: Size,
    /// The format of the decoded pixels.
    pub format: PixelFormat,
    /// How the stored pixels are turned for viewing.
    pub orientation: Orientation,
}

impl Header {
    /// Bytes of the decoded raster.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.format.bytes(self.size)).unwrap_or(u64::MAX)
    }
}

/// Reads the header of the image at the start of `reader` and checks it against the limits.
pub fn probe<R: BufRead + Seek>(reader: R, limits: &Limits) -> Result<Header, DecodeError> {
    let (header, _) = open_checked(reader, limits, Purpose::Probe)?;
    Ok(header)
}

/// Decodes the image at the start of `reader`. No memory is taken for the raster before the header
/// has passed the limits.
pub fn decode<R: BufRead + Seek>(reader: R, limits: &Limits) -> Result<Source, DecodeError> {
    let (header, decoder) = open_checked(reader, limits, Purpose::Decode)?;
    let stored = header.orientation.size(header.size);
    let mut pixels = Pixels::zeroed(stored, header.format);
    decoder
        .read_image(pixels.as_bytes_mut())
        .map_err(|error| DecodeError::from_image(header.container, error))?;
    Ok(Source::new(pixels, header.orientation))
}

fn open_checked<'r, R: BufRead + Seek + 'r>(
    mut reader: R,
    limits: &Limits,
    purpose: Purpose,
) -> Result<(Header, Box<dyn ImageDecoder + 'r>), DecodeError> {
    let container = Container::sniff(&mut reader)?;
    let mut decoder = open::open(reader, container, limits, purpose)?;
    let header = header(container, decoder.as_mut(), limits)?;
    Ok((header, decoder))
}

fn header(
    container: Container,
    decoder: &mut dyn ImageDecoder,
    limits: &Limits,
) -> Result<Header, DecodeError> {
    let damaged = |error| DecodeError::from_image(container, error);
    let (width, height) = decoder.dimensions();
    let format = pixel_format(container, decoder)?;
    limits.check(Size::new(width, height), format)?;
    decoder.set_limits(limits.for_decoder()).map_err(damaged)?;
    let orientation = decoder.orientation().map_err(damaged)?.to_exif();
    let orientation = Orientation::from_exif(orientation).unwrap_or(Orientation::UPRIGHT);
    let size = orientation.size(Size::new(width, height));
    Ok(Header { container, size, format, orientation })
}

fn pixel_format(
    container: Container,
    decoder: &dyn ImageDecoder,
) -> Result<PixelFormat, DecodeError> {
    let unsupported = |what: &str| DecodeError::Unsupported { container, what: what.to_owned() };
    // The decoder would turn these inks into colours without their profile, that is wrongly.
    let inks = [ExtendedColorType::Cmyk8, ExtendedColorType::Cmyk16];
    if inks.contains(&decoder.original_color_type()) {
        return Err(unsupported("CMYK colours"));
    }
    let (channels, depth) = match decoder.color_type() {
        ColorType::L8 => (Channels::Grey, Depth::Eight),
        ColorType::La8 => (Channels::GreyAlpha, Depth::Eight),
        ColorType::Rgb8 => (Channels::Rgb, Depth::Eight),
        ColorType::Rgba8 => (Channels::Rgba, Depth::Eight),
        ColorType::L16 => (Channels::Grey, Depth::Sixteen),
        ColorType::La16 => (Channels::GreyAlpha, Depth::Sixteen),
        ColorType::Rgb16 => (Channels::Rgb, Depth::Sixteen),
        ColorType::Rgba16 => (Channels::Rgba, Depth::Sixteen),
        _ => return Err(unsupported("floating-point samples")),
    };
    Ok(PixelFormat { channels, depth })
}

impl Limits {
    /// Checks a size before the format of its pixels is known, taking one byte for each.
    fn check_size(&self, size: Size) -> Result<(), DecodeError> {
        self.check(size, PixelFormat::new(Channels::Grey, Depth::Eight))
    }

    fn check(&self, size: Size, format: PixelFormat) -> Result<(), DecodeError> {
        if size.is_empty() {
            return Err(DecodeError::EmptyImage { size });
        }
        let longer = u64::from(size.width.max(size.height));
        let bytes = u64::try_from(format.bytes(size)).unwrap_or(u64::MAX);
        let too_large = [
            ("pixels", size.pixels(), self.max_pixels, "limits.max_megapixels"),
            ("pixels a side", longer, u64::from(self.max_side), "limits.max_side"),
            ("bytes when decoded", bytes, self.max_bytes, "limits.decode_memory"),
        ];
        match too_large.into_iter().find(|(_, value, limit, _)| value > limit) {
            Some((what, value, limit, setting)) => {
                Err(DecodeError::TooLarge { what, value, limit, setting })
            }
            None => Ok(()),
        }
    }

    /// Room for the raster and as much again for what the decoder needs on the way.
    fn for_decoder(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_image_width = Some(self.max_side);
        limits.max_image_height = Some(self.max_side);
        limits.max_alloc = Some(self.max_bytes.saturating_mul(2));
        limits
    }
}
