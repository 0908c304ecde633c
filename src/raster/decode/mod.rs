//! Files to rows of pixels: the format is recognised by content, limits are checked by the header, then the image is
//! decoded band after band.
//!
//! - [`container`]: the file formats that can be read
//! - `others`: formats that are recognised and not read
//! - [`error`]: why a file is not read
//! - [`limits`]: limits on size and memory
//! - `bmp`, `gif`, `jpeg`, `jpeg2000`, `png`, `tiff`, `webp`: decoders of one format, `jpeg`, `png` and `tiff` row by row
//!   where the file allows it
//! - `frames`: one frame of an animation
//! - `overlay`: a part that is drawn over an image
//! - `apng`: the frames of an animated PNG
//! - `chunks`: the metadata of PNG
//! - `described`: the colours of PNG
//! - `essential`: the chunks of PNG that its pixels need
//! - `gathered`: a reader of bytes that come piece by piece
//! - `part`: a part of an image whose decoder passes all rows on
//! - `riff`: the layout of a WebP file
//! - `sniff`: recognises the format of a file

use std::io::{BufRead, Seek};
use std::sync::Arc;

use super::colour::{CodePoints, Conversion, Converted, Model, Profile, Space};
pub use super::format::Colours;
use super::grid::{Region, Size};
use super::metadata::Metadata;
use super::orientation::Orientation;
use super::pixels::{Bands, Nodata, PixelFormat, StoredType};
use super::source::{MemoryRaster, Rows, Source};

#[cfg(test)]
mod animations;
mod apng;
mod bmp;
mod chunks;
pub mod container;
mod described;
pub mod error;
mod essential;
mod frames;
mod gathered;
mod gif;
mod jpeg;
mod jpeg2000;
pub mod limits;
mod others;
mod overlay;
mod part;
mod png;
mod riff;
mod sniff;
mod tiff;
mod webp;

pub use container::Container;
pub use error::{DecodeError, Quantity};
pub use limits::Limits;

/// The header of an image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file format.
    pub container: Container,
    /// Width and height as viewed, that is after the orientation.
    pub size: Size,
    /// The format of the decoded pixels.
    pub format: PixelFormat,
    /// The type of the file's own samples.
    pub own: StoredType,
    /// The value of empty pixels that the file declares, as in memory.
    pub nodata: Option<Nodata>,
    /// Whether its luma can be decoded without its other colours.
    pub has_luma: bool,
    /// The kind of colours that the file's profile is for; `None` if the pixels are sRGB.
    pub profile: Option<Model>,
    /// The code points of its colours, if no profile can express them.
    pub unsaid: Option<CodePoints>,
    /// Whether the file holds inks, which are always converted to RGB.
    pub inks: bool,
    /// How the stored pixels are turned for viewing.
    pub orientation: Orientation,
    /// Bytes of memory that decoding takes, beside the rows that it has passed on.
    pub memory: u64,
    /// Parts of the file that no result will have, in words for its owner.
    pub notes: Vec<String>,
}

impl Header {
    /// The format of the decoded pixels if `wanted` is asked for.
    #[must_use]
    pub fn format_for(&self, wanted: impl Into<Wanted>) -> PixelFormat {
        let wanted = wanted.into();
        if wanted.colours == Colours::Luma && self.has_luma && !self.converts(wanted) {
            return PixelFormat { bands: self.format.bands.to_grey(), ..self.format };
        }
        self.format
    }

    /// Whether pixels are converted to sRGB if `wanted` is asked for.
    fn converts(&self, wanted: Wanted) -> bool {
        self.profile.is_some() && wanted.space == Space::Srgb
    }

    /// Width and height as stored.
    #[must_use]
    pub fn stored_size(&self) -> Size {
        self.orientation.size(self.size)
    }
}

/// Which pixels of a file are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Their colours.
    pub colours: Colours,
    /// Their colour space.
    pub space: Space,
}

impl Wanted {
    /// These pixels in sRGB.
    #[must_use]
    pub fn in_srgb(self) -> Wanted {
        Wanted { space: Space::Srgb, ..self }
    }
}

impl From<Colours> for Wanted {
    fn from(colours: Colours) -> Wanted {
        Wanted { colours, space: Space::Stored }
    }
}

/// The image as stored.
#[derive(Clone, Copy, Debug)]
struct Stored {
    size: Size,
    format: PixelFormat,
    /// The type of the file's own samples.
    own: StoredType,
    orientation: Orientation,
    /// Whether the four samples of a pixel are cyan, magenta, yellow and black, not RGBA.
    inks: bool,
}

impl Stored {
    /// An image whose samples have the same type in memory as in the file.
    fn new(size: Size, format: PixelFormat, orientation: Orientation) -> Stored {
        Stored { size, format, own: format.sample.into(), orientation, inks: false }
    }
}

/// A file that is being read.
trait ReadSeek: BufRead + Seek + Send {}

impl<R: BufRead + Seek + Send> ReadSeek for R {}

/// One type for every reader, so that the decoders, which are much code, are compiled once.
type Input<'r> = Box<dyn ReadSeek + 'r>;

/// One still image of one format, whose header has been read.
trait Decoder {
    /// The image as its header describes it.
    fn stored(&self) -> Stored;

    /// Whether luma can be decoded without the other colours.
    fn has_luma(&self) -> bool {
        false
    }

    /// Bytes of memory that decoding takes, beside the rows that were passed on.
    fn memory(&self) -> u64;

    /// The metadata of the file.
    fn metadata(&mut self) -> Metadata {
        Metadata::default()
    }

    /// The value of empty pixels that the file declares, as in memory.
    fn nodata(&self) -> Option<Nodata> {
        None
    }

    /// Parts of the file that no result will have, in words for its owner.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Asks for a part of the stored image alone. Returns whether [`Decoder::read`] will pass on the rows of that part
    /// and no others; it will pass on all rows otherwise.
    fn narrow(&mut self, _part: Region) -> bool {
        false
    }

    /// Passes all rows on. The last of them are held back until the file is known to be good.
    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError>;
}

/// An image whose header has passed the limits.
pub struct Image<'r> {
    header: Header,
    metadata: Metadata,
    /// The profile of the pixels, if they are not sRGB.
    profile: Option<Profile>,
    decoder: Box<dyn Decoder + 'r>,
}

impl Image<'_> {
    /// Its header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The metadata of the image as viewed.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Passes all rows to `rows` as stored, in [`Header::format_for`] of `wanted`. The last of them
    /// are held back until the file is known to be good.
    pub fn read(self, wanted: impl Into<Wanted>, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let whole = Region::of(self.header.stored_size());
        self.read_part(wanted, whole, rows)
    }

    /// Passes the rows of a part of the stored image to `rows`, as those of an image of its own, and decodes no more
    /// than the format makes necessary. Damage elsewhere in the file may remain unnoticed.
    pub fn read_part(
        mut self,
        wanted: impl Into<Wanted>,
        part: Region,
        rows: &mut dyn Rows,
    ) -> Result<(), DecodeError> {
        let (wanted, stored) = (wanted.into(), self.header.stored_size());
        let is_whole = part == Region::of(stored) || self.decoder.narrow(part);
        let decode = |decoder: Box<dyn Decoder + '_>, colours, rows: &mut dyn Rows| {
            if is_whole {
                decoder.read(colours, rows)
            } else {
                part::read(decoder, colours, stored, part, rows)
            }
        };
        let inks = self.decoder.stored().inks;
        let profile = self.profile.filter(|_| inks || self.header.converts(wanted));
        let conversion = profile.and_then(|profile| profile.conversion(self.header.format));
        match conversion.or(inks.then_some(Conversion::Plain)) {
            None => {
                let luma = self.header.format_for(wanted) != self.header.format;
                decode(self.decoder, if luma { Colours::Luma } else { Colours::All }, rows)
            }
            Some(conversion) => {
                decode(self.decoder, Colours::All, &mut Converted { rows, conversion, inks })
            }
        }
    }
}

/// Reads the header of the image at the start of `reader` and checks it against the limits.
pub fn probe<R: BufRead + Seek + Send>(reader: R, limits: &Limits) -> Result<Header, DecodeError> {
    probe_page(reader, limits, None)
}

/// Like [`probe`], for a page of the file; see [`open_page`].
pub fn probe_page<R: BufRead + Seek + Send>(
    reader: R,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Header, DecodeError> {
    Ok(opened(Box::new(reader), limits, page)?.header)
}

/// The metadata of the image at the start of `reader`, as viewed.
pub fn metadata<R: BufRead + Seek + Send>(
    reader: R,
    limits: &Limits,
) -> Result<Metadata, DecodeError> {
    metadata_of_page(reader, limits, None)
}

/// Like [`metadata`], for a page of the file; see [`open_page`].
pub fn metadata_of_page<R: BufRead + Seek + Send>(
    reader: R,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Metadata, DecodeError> {
    Ok(opened(Box::new(reader), limits, page)?.metadata)
}

/// Opens the image at the start of `reader` for decoding. No memory is taken for its pixels before
/// the header has passed the limits.
pub fn open<'r, R: BufRead + Seek + Send + 'r>(
    reader: R,
    limits: &Limits,
) -> Result<Image<'r>, DecodeError> {
    open_page(reader, limits, None)
}

/// Like [`open`], for a page of the file, counted from 0 in the order of the file. Without a number it is the first
/// page that is no smaller copy and no mask of another one. The pages of an animation are its frames, as they are shown:
/// each over what the frames before it leave. Without a number an animation of several frames is refused.
pub fn open_page<'r, R: BufRead + Seek + Send + 'r>(
    reader: R,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Image<'r>, DecodeError> {
    opened(Box::new(reader), limits, page)
}

/// Decodes the image at the start of `reader` into memory.
pub fn decode<R: BufRead + Seek + Send>(
    reader: R,
    limits: &Limits,
    wanted: impl Into<Wanted>,
) -> Result<Source, DecodeError> {
    let wanted = wanted.into();
    let image = open(reader, limits)?;
    let header = image.header().clone();
    let raster = MemoryRaster::new(header.stored_size(), header.format_for(wanted));
    image.read(wanted, &mut &raster)?;
    Ok(Source::new(Arc::new(raster), header.orientation))
}

fn opened<'r>(
    mut reader: Input<'r>,
    limits: &Limits,
    page: Option<u32>,
) -> Result<Image<'r>, DecodeError> {
    let container = sniff::sniff(&mut reader)?;
    // The decoders of the other formats count pages or frames.
    if matches!(container, Container::Jpeg | Container::Bmp | Container::Jpeg2000) {
        DecodeError::check_only_page(page)?;
    }
    let mut decoder = match container {
        Container::Jpeg => jpeg::open(reader, limits)?,
        Container::Png => png::open(reader, limits, page)?,
        Container::Tiff => tiff::open(reader, limits, page)?,
        Container::Gif => gif::open(reader, limits, page)?,
        Container::WebP => webp::open(reader, limits, page)?,
        Container::Jpeg2000 => jpeg2000::open(reader, limits)?,
        Container::Bmp => bmp::open(reader, limits)?,
    };
    let Stored { size, format, orientation, inks, .. } = decoder.stored();
    let metadata = decoder.metadata().viewed(orientation, orientation.size(size));
    let model = if inks { Model::Inks } else { Model::of(format.bands) };
    // No profile is for floats, nor for bands that are no colours.
    let has_colours = format.sample.is_whole() && format.bands.are_colours();
    let icc = metadata.icc.as_deref().filter(|_| has_colours);
    let profile = Profile::of(icc, model);
    let profiled = profile.as_ref().map(|_| model);
    let header = Header { unsaid: metadata.unsaid(), ..header(container, &*decoder, profiled) };
    limits.check_memory(header.memory)?;
    Ok(Image { header, metadata, profile, decoder })
}

/// Inks become RGB whatever is wanted, so no later code has to handle them.
fn header(container: Container, decoder: &dyn Decoder, profile: Option<Model>) -> Header {
    let Stored { size, format, own, orientation, inks } = decoder.stored();
    Header {
        container,
        size: orientation.size(size),
        format: if inks { PixelFormat { bands: Bands::RGB, ..format } } else { format },
        own,
        nodata: decoder.nodata(),
        has_luma: decoder.has_luma(),
        profile: profile.filter(|_| !inks),
        unsaid: None,
        inks,
        orientation,
        memory: decoder.memory(),
        notes: decoder.notes(),
    }
}
