//! The metadata of a PNG file, gathered from its chunks.
//!
//! The decoder's library reads only chunks before the pixels, although some writers put them behind; and
//! it inflates them without a limit on memory.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::ZlibDecoder;

use super::described::Described;
use super::limits::MOST_METADATA;
use crate::colour::CodePoints;
use crate::metadata::{Metadata, Resolution, exif_block};

/// Bytes of the signature, and of the checksum behind each chunk.
pub(super) const SIGNATURE: u64 = 8;
pub(super) const CHECKSUM: i64 = 4;

/// The most chunks that are looked at, so that a file of nothing but chunks costs little.
pub(super) const MOST_CHUNKS: u32 = 1 << 20;

/// The keyword of XMP (XMP specification, part 3, 1.1.5).
const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp";

/// The content of the chunks.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) metadata: Metadata,
    pub(super) resolution: Option<Resolution>,
    pub(super) colours: Described,
    /// Number of frames, if the file says that it is an animation.
    pub(super) frames: Option<u32>,
    /// Whether the image is the first frame.
    is_frame: bool,
}

impl Said {
    /// Number of frames of an animation; `None` if the image is the only one.
    pub(super) fn animation(&self) -> Option<u32> {
        self.frames.filter(|frames| *frames > 1 || !self.is_frame)
    }
}

/// Reads the head of every chunk and the data of those that matter. Chunks that cannot be read are ignored;
/// the first of a kind counts.
pub(super) fn said<R: BufRead + Seek>(reader: &mut R) -> io::Result<Said> {
    let mut said = Said::default();
    match gather(reader, &mut said) {
        // The decoder reports missing pixels.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(said),
        Err(error) => Err(error),
        Ok(()) => Ok(said),
    }
}

fn gather<R: BufRead + Seek>(reader: &mut R, said: &mut Said) -> io::Result<()> {
    reader.seek(SeekFrom::Start(SIGNATURE))?;
    let (mut left, mut pixels) = (MOST_METADATA, false);
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        reader.read_exact(&mut head)?;
        let [l3, l2, l1, l0, name @ ..] = head;
        let length = u32::from_be_bytes([l3, l2, l1, l0]);
        let wanted = match &name {
            b"IEND" => return Ok(()),
            // Behind the pixels these do not count: a program that shows rows as they arrive has no use for them.
            b"cICP" | b"iCCP" | b"sRGB" | b"gAMA" | b"cHRM" | b"acTL" | b"fcTL" => !pixels,
            b"eXIf" | b"iTXt" | b"pHYs" => true,
            _ => false,
        };
        pixels |= &name == b"IDAT";
        let fits = usize::try_from(length).ok().filter(|length| wanted && *length <= left);
        let Some(fits) = fits else {
            reader.seek_relative(i64::from(length) + CHECKSUM)?;
            continue;
        };
        left -= fits;
        if let Some(data) = data(reader, name, length)? {
            said.keep(name, &data);
        }
    }
    Ok(())
}

/// The data of a chunk; `None` if its checksum is wrong. Memory is allocated as data arrive.
pub(super) fn data<R: BufRead>(
    reader: &mut R,
    name: [u8; 4],
    length: u32,
) -> io::Result<Option<Vec<u8>>> {
    let mut data = Vec::new();
    reader.by_ref().take(length.into()).read_to_end(&mut data)?;
    let mut sum = [0; 4];
    reader.read_exact(&mut sum)?;
    let mut crc = Crc::new();
    crc.update(&name);
    crc.update(&data);
    Ok((crc.sum() == u32::from_be_bytes(sum)).then_some(data))
}

impl Said {
    fn keep(&mut self, name: [u8; 4], data: &[u8]) {
        let Metadata { exif, xmp, .. } = &mut self.metadata;
        let colours = &mut self.colours;
        match &name {
            b"cICP" if colours.cicp.is_none() => colours.cicp = CodePoints::read(data),
            b"iCCP" if colours.icc.is_none() => colours.icc = profile(data),
            // The data are a rendering intent.
            b"sRGB" => colours.srgb |= matches!(data, [0..=3]),
            b"gAMA" if colours.gamma.is_none() => {
                colours.gamma = numbers(data).map(|[gamma]| gamma);
            }
            b"cHRM" if colours.places.is_none() => colours.places = numbers(data),
            b"acTL" if self.frames.is_none() => self.frames = frames(data),
            b"fcTL" => self.is_frame = true,
            b"eXIf" if exif.is_none() => *exif = exif_block(data),
            b"iTXt" if xmp.is_none() => *xmp = packet(data),
            b"pHYs" if self.resolution.is_none() => self.resolution = resolution(data),
            _ => {}
        }
    }
}

/// `COUNT` numbers below 2^31; `None` for other data.
fn numbers<const COUNT: usize>(data: &[u8]) -> Option<[u32; COUNT]> {
    let (numbers, []) = data.as_chunks::<4>() else { return None };
    let numbers = <[[u8; 4]; COUNT]>::try_from(numbers).ok()?.map(u32::from_be_bytes);
    numbers.iter().all(|number| *number < 1 << 31).then_some(numbers)
}

/// The number of frames, from data that also say how often they are played; an invalid animation is none (PNG
/// specification, 11.3.6).
fn frames(data: &[u8]) -> Option<u32> {
    numbers(data).map(|[frames, _]| frames).filter(|frames| *frames > 0)
}

/// The bytes before the first zero, and those behind it.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

/// The profile, from data of a name, the only compression method, and the profile.
fn profile(data: &[u8]) -> Option<Vec<u8>> {
    match split(data)?.1 {
        [0, deflated @ ..] => inflated(deflated),
        _ => None,
    }
}

/// An XMP packet, from data of a keyword, whether and how the text is compressed, its language, the translated
/// keyword, and the text.
fn packet(data: &[u8]) -> Option<Vec<u8>> {
    let (keyword, rest) = split(data)?;
    let [compressed, _, rest @ ..] = rest else { return None };
    let text = split(split(rest)?.1)?.1;
    if keyword != XMP_KEYWORD {
        return None;
    }
    let text = if *compressed == 0 { text.to_vec() } else { inflated(text)? };
    std::str::from_utf8(&text).is_ok().then_some(text)
}

/// The inflated data; `None` if there are too many.
fn inflated(deflated: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    ZlibDecoder::new(deflated).take(MOST_METADATA as u64 + 1).read_to_end(&mut whole).ok()?;
    (whole.len() <= MOST_METADATA).then_some(whole)
}

/// The resolution, from pixels per unit across and down, and the unit; only metres count.
fn resolution(data: &[u8]) -> Option<Resolution> {
    match *data {
        [x3, x2, x1, x0, y3, y2, y1, y0, 1] => {
            let [x, y] = [[x3, x2, x1, x0], [y3, y2, y1, y0]].map(u32::from_be_bytes);
            Resolution::per_metre(x, y)
        }
        _ => None,
    }
}
