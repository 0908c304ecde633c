//! BMP: one image, and the colours that the later versions of its header describe (`BITMAPV4HEADER`,
//! `BITMAPV5HEADER`).

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::container::Container;
use super::error::{DecodeError, RESAVE};
use super::limits::{Limits, MOST_METADATA, raster_bytes};
use super::{Decoder, Input, Stored};
use crate::colour::build::{self, Curve, Primaries};
use crate::colour::{Model, Profile};
use crate::format::Colours;
use crate::grid::Size;
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Bands, PixelFormat, Pixels, SampleType};
use crate::source::Rows;

/// Offset of the bitmap header, behind the file header.
const HEADER_AT: usize = 14;

/// Bytes of the headers: of the first version, and of the later ones, each longer than the one before.
const CORE: u32 = 12;
const INFO: [u32; 5] = [40, 52, 56, V4, V5];
const V4: u32 = 108;
const V5: u32 = 124;

/// The longest side that the library reads.
const LONGEST_SIDE: u32 = 0xFFFF;

/// Kinds of colours: by end points and gamma, by a profile in the file, by the name of one elsewhere.
const CALIBRATED: u32 = 0;
const EMBEDDED: u32 = u32::from_be_bytes(*b"MBED");
const LINKED: u32 = u32::from_be_bytes(*b"LINK");

struct Bmp<'r> {
    decoder: BmpDecoder<Input<'r>>,
    stored: Stored,
    metadata: Metadata,
    notes: Vec<String>,
}

fn broken(error: ImageError) -> DecodeError {
    match error {
        ImageError::IoError(error) => DecodeError::from_io(Container::Bmp, error),
        ImageError::Unsupported(_) => {
            DecodeError::unsupported(Container::Bmp, "unsupported features", RESAVE)
        }
        other => DecodeError::damaged(Container::Bmp, other),
    }
}

/// The decoder for a file, which has one image and no orientation.
pub(super) fn open<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let header = Header::read(&mut reader)?;
    header.check(limits)?;
    let icc = header.profile(&mut reader)?;
    let linked = header.colours() == Some(LINKED);
    let notes = linked.then(|| "the colour profile that it links to was not opened".to_owned());
    reader.seek(SeekFrom::Start(0))?;
    let mut decoder = BmpDecoder::new(reader).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let size = Size::new(width, height);
    limits.check_size(size)?;
    // Palettes and fewer bits than 8 become 8 bits.
    let alpha = decoder.color_type() == ColorType::Rgba8;
    let bands = if alpha { Bands::RGBA } else { Bands::RGB };
    let format = PixelFormat::new(bands, SampleType::U8);
    limits.check_memory(raster_bytes(size, format))?;
    decoder.set_limits(limits.for_library()).map_err(broken)?;
    let stored = Stored::new(size, format, Orientation::UPRIGHT);
    let metadata = Metadata { icc, ..Metadata::default() };
    Ok(Box::new(Bmp { decoder, stored, metadata, notes: notes.into_iter().collect() }))
}

impl Decoder for Bmp<'_> {
    fn stored(&self) -> Stored {
        self.stored
    }

    fn memory(&self) -> u64 {
        raster_bytes(self.stored.size, self.stored.format)
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn read(self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let mut pixels = Pixels::zeroed(self.stored.size, self.stored.format);
        self.decoder.read_image(pixels.as_bytes_mut()).map_err(broken)?;
        rows.push(pixels).map_err(DecodeError::keep)
    }
}

/// The bitmap header, as far as the file has it.
struct Header(Vec<u8>);

impl Header {
    fn read<R: BufRead + Seek>(reader: &mut R) -> io::Result<Header> {
        let mut header = Vec::new();
        reader.seek(SeekFrom::Start(HEADER_AT as u64))?;
        reader.by_ref().take(V5.into()).read_to_end(&mut header)?;
        Ok(Header(header))
    }

    fn long(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    /// The length of the header, which identifies its version.
    fn version(&self) -> u32 {
        self.long(0).unwrap_or(0)
    }

    /// Refuses by name features that the library would call damaged, or not name.
    fn check(&self, limits: &Limits) -> Result<(), DecodeError> {
        let refuse = |what: &str| Err(DecodeError::unsupported(Container::Bmp, what, RESAVE));
        let version = self.version();
        if !INFO.contains(&version) {
            // The library reads the first version, and reports shorter headers as damaged.
            return match version {
                0..=CORE => Ok(()),
                13..=64 => refuse("a header of OS/2"),
                _ => refuse(&format!("a header of {version} bytes")),
            };
        }
        let (Some(width), Some(height)) = (self.long(4), self.long(8)) else { return Ok(()) };
        // A negative height means rows from top to bottom.
        let height = height.cast_signed().unsigned_abs();
        if width.cast_signed() > 0 {
            limits.check_size(Size::new(width, height))?;
            if width.max(height) > LONGEST_SIDE {
                return refuse(&format!("a side of more than {LONGEST_SIDE} pixels"));
            }
        }
        let bits =
            self.0.get(14..).and_then(<[u8]>::first_chunk).map(|bits| u16::from_le_bytes(*bits));
        match self.long(16) {
            Some(0) if bits == Some(64) => refuse("64 bits for each pixel"),
            Some(4) => refuse("JPEG inside"),
            Some(5) => refuse("PNG inside"),
            Some(11..=13) => refuse("CMYK colours"),
            Some(number @ 6..) => refuse(&format!("compression {number}")),
            _ => Ok(()),
        }
    }

    /// The kind of colours that the header declares.
    fn colours(&self) -> Option<u32> {
        self.long(56).filter(|_| [V4, V5].contains(&self.version()))
    }

    /// The profile of its colours, if they are not sRGB.
    fn profile<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<Option<Vec<u8>>> {
        match self.colours() {
            Some(CALIBRATED) => Ok(self.calibrated()),
            Some(EMBEDDED) if self.version() == V5 => self.embedded(reader),
            _ => Ok(None),
        }
    }

    /// The profile in the file; the header has its offset, counted from the header, and its length.
    fn embedded<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<Option<Vec<u8>>> {
        let (Some(at), Some(length)) = (self.long(112), self.long(116)) else { return Ok(None) };
        if length as usize > MOST_METADATA {
            return Ok(None);
        }
        reader.seek(SeekFrom::Start(u64::from(at) + HEADER_AT as u64))?;
        let mut icc = Vec::new();
        reader.by_ref().take(length.into()).read_to_end(&mut icc)?;
        Ok(Some(icc).filter(|icc| icc.len() == length as usize && !icc.is_empty()))
    }

    /// A profile from end points, of which only the proportions matter, and gamma of red, green and blue. The header
    /// does not give the white point: browsers take that of sRGB.
    fn calibrated(&self) -> Option<Vec<u8>> {
        let number = |at: usize, one: f64| Some(f64::from(self.long(at)?.cast_signed()) / one);
        let point = |at: usize| {
            let [x, y, z] = [0, 4, 8].map(|part| number(at + part, f64::from(1 << 30)));
            let point = [x?, y?, z?];
            let sum: f64 = point.iter().sum();
            (sum > 0.0).then(|| point.map(|part| part / sum))
        };
        let gamma = |at: usize| number(at, 65_536.0).filter(|gamma| (0.1..10.0).contains(gamma));
        let colours = [point(60)?, point(72)?, point(84)?];
        let curves = [gamma(96)?, gamma(100)?, gamma(104)?].map(Curve::Power);
        let primaries = Primaries { colours, ..Primaries::srgb() };
        let icc = build::rgb("calibrated RGB of BMP", primaries, curves)?;
        Profile::of(Some(&icc), Model::Rgb).is_some().then_some(icc)
    }
}
