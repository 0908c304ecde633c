//! TIFF beyond what the general decoder does: counting pages, and grey with alpha.

use std::io::{BufRead, Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageResult};
use tiff::TiffResult;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::Tag;

use super::container::Container;
use super::error::DecodeError;

/// Counting ends here, so that a file of nothing but directories costs little.
const MOST_PAGES: usize = 100;

/// The bit of `NewSubfileType` that marks a smaller copy of another image of the file (TIFF 6.0).
const REDUCED: u32 = 1;

const BLACK_IS_ZERO: u16 = 1;
const INTERLEAVED: u16 = 1;
const UNSIGNED: u16 = 1;

/// A decoder for the only page of a file.
pub(super) fn open<'r, R: BufRead + Seek + 'r>(
    mut reader: R,
) -> Result<Box<dyn ImageDecoder + 'r>, DecodeError> {
    let broken = |error| DecodeError::damaged(Container::Tiff, error);
    let pages = count_pages(&mut reader).map_err(broken)?;
    if pages > 1 {
        let more = if pages == MOST_PAGES { " or more" } else { "" };
        let what = format!("{pages}{more} pages");
        return Err(DecodeError::Unsupported { container: Container::Tiff, what });
    }
    let grey_alpha = grey_alpha(&mut reader).map_err(broken)?;
    reader.seek(SeekFrom::Start(0))?;
    if let Some(colours) = grey_alpha {
        return Ok(Box::new(GreyAlpha::new(reader, colours).map_err(broken)?));
    }
    let decoder = TiffDecoder::new(reader)
        .map_err(|error| DecodeError::from_image(Container::Tiff, error))?;
    Ok(Box::new(decoder))
}

/// The number of pages, at least 1 and at most [`MOST_PAGES`]; smaller copies do not count.
fn count_pages<R: Read + Seek>(reader: R) -> TiffResult<usize> {
    let mut decoder = Decoder::new(reader)?;
    let mut pages = 1;
    for _ in 1..MOST_PAGES {
        if !decoder.more_images() {
            break;
        }
        decoder.next_image()?;
        let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType)?.unwrap_or(0);
        pages += usize::from(kind & REDUCED == 0);
    }
    Ok(pages)
}

/// The colours of a file of interleaved, unsigned grey and alpha; `None` for any other file.
fn grey_alpha<R: BufRead + Seek>(reader: &mut R) -> TiffResult<Option<ColorType>> {
    reader.seek(SeekFrom::Start(0))?;
    let mut decoder = Decoder::new(reader)?;
    let colours = match decoder.colortype() {
        Ok(tiff::ColorType::Multiband { bit_depth: 8, num_samples: 2 }) => ColorType::La8,
        Ok(tiff::ColorType::Multiband { bit_depth: 16, num_samples: 2 }) => ColorType::La16,
        _ => return Ok(None),
    };
    let photometric: Option<u16> = decoder.find_tag_unsigned(Tag::PhotometricInterpretation)?;
    let layout = decoder.find_tag_unsigned(Tag::PlanarConfiguration)?.unwrap_or(INTERLEAVED);
    let formats: Option<Vec<u16>> = decoder.find_tag_unsigned_vec(Tag::SampleFormat)?;
    let plain = photometric == Some(BLACK_IS_ZERO)
        && layout == INTERLEAVED
        && formats.is_none_or(|formats| formats.iter().all(|&format| format == UNSIGNED));
    Ok(plain.then_some(colours))
}

/// Grey with alpha, which the general decoder refuses.
struct GreyAlpha<R: BufRead + Seek> {
    decoder: Decoder<R>,
    dimensions: (u32, u32),
    colours: ColorType,
    orientation: Orientation,
    limits: Limits,
}

impl<R: BufRead + Seek> GreyAlpha<R> {
    fn new(reader: R, colours: ColorType) -> TiffResult<GreyAlpha<R>> {
        let mut decoder = Decoder::new(reader)?;
        let dimensions = decoder.dimensions()?;
        let tag = decoder.find_tag_unsigned::<u8>(Tag::Orientation)?.unwrap_or(1);
        let orientation = Orientation::from_exif(tag).unwrap_or(Orientation::NoTransforms);
        Ok(GreyAlpha { decoder, dimensions, colours, orientation, limits: Limits::default() })
    }
}

impl<R: BufRead + Seek> ImageDecoder for GreyAlpha<R> {
    fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    fn color_type(&self) -> ColorType {
        self.colours
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        Ok(self.orientation)
    }

    fn set_limits(&mut self, limits: image::Limits) -> ImageResult<()> {
        limits.check_dimensions(self.dimensions.0, self.dimensions.1)?;
        let bytes = usize::try_from(limits.max_alloc.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        self.limits.decoding_buffer_size = bytes;
        self.limits.intermediate_buffer_size = bytes;
        Ok(())
    }

    fn read_image(self, buffer: &mut [u8]) -> ImageResult<()> {
        let format = image::ImageFormat::Tiff.into();
        let mut decoder = self.decoder.with_limits(self.limits);
        decoder
            .read_image_bytes(buffer)
            .map_err(|error| ImageError::Decoding(image::error::DecodingError::new(format, error)))
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}
