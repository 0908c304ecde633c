//! The frames of an animated PNG (PNG specification, third edition, 11.3.6). Each is presented to the library as a still
//! image, so that a frame is found without the ones before it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use flate2::Crc;
use png::Transformations;

use super::chunks::{self, CHECKSUM, MOST_CHUNKS, SIGNATURE, Said};
use super::container::Container;
use super::error::DecodeError;
use super::essential::AT_ONCE;
use super::frames::{Animated, Blend, Disposal, Frame, Frames, MOST_FRAMES, Steps};
use super::gathered::{Gather, Gathered};
use super::limits::{Limits, raster_bytes};
use super::png::{described, fill, finish, library, pixel_format};
use super::{Decoder, Input};
use crate::grid::{Region, Size};
use crate::pixels::{PixelFormat, Pixels};

/// The longest chunk that all frames share: a palette of 256 colours.
const MOST_SHARED: u32 = 768;

/// Bytes of the number at the start of the data of `fdAT`.
const NUMBER: u64 = 4;

fn broken(what: &'static str) -> DecodeError {
    DecodeError::damaged(Container::Png, what)
}

/// The decoder for the frame `page` of an animation.
pub(super) fn open<'r>(
    mut reader: BufReader<Input<'r>>,
    said: Said,
    page: u32,
    limits: &Limits,
) -> Result<Box<dyn Decoder + 'r>, DecodeError> {
    let Parts { header, shared, frames } = parts(&mut reader)?;
    limits.check_size(header.size())?;
    let told = usize::try_from(said.frames.unwrap_or(0)).unwrap_or(usize::MAX);
    let list = &frames[..frames.len().min(told)];
    let is_told = usize::try_from(page).is_ok_and(|page| page < told.min(MOST_FRAMES));
    if list.len() <= page as usize && is_told {
        return Err(broken("it ends before that frame"));
    }
    let shown: Vec<Frame> = list.iter().map(|(frame, _)| *frame).collect();
    if shown.iter().any(|frame| !Region::of(header.size()).contains(frame.region)) {
        return Err(broken("a frame does not lie within the image"));
    }
    let steps = Steps::to(page, &shown, header.size(), limits)?;
    let mut frames = PngFrames { reader, header, shared, list: list.to_vec(), format: None };
    let format = frames.format_of(page as usize)?;
    frames.format = Some(format);
    let orientation = said.metadata.orientation();
    let metadata = described(said, format);
    Ok(Box::new(Animated { frames, steps, format, orientation, metadata }))
}

/// The header of a PNG file, whose first eight bytes are its size.
#[derive(Clone, Copy, Debug, Default)]
struct Header([u8; 13]);

impl Header {
    fn size(self) -> Size {
        let [w3, w2, w1, w0, h3, h2, h1, h0, ..] = self.0;
        Size::new(u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]))
    }

    /// The header of a still image of another size.
    fn of(self, Size { width, height }: Size) -> Header {
        let mut header = self;
        header.0[..4].copy_from_slice(&width.to_be_bytes());
        header.0[4..8].copy_from_slice(&height.to_be_bytes());
        header
    }
}

/// The parts of a file that its frames need.
#[derive(Debug, Default)]
struct Parts {
    header: Header,
    /// The chunks that all frames share.
    shared: Vec<u8>,
    /// Each frame, and the offset of the first chunk of its pixels.
    frames: Vec<(Frame, u64)>,
}

fn parts<R: BufRead + Seek>(reader: &mut R) -> Result<Parts, DecodeError> {
    let mut parts = Parts::default();
    match parts.gather(reader) {
        // The frames before the end may be good.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(parts),
        Err(error) => Err(DecodeError::from_io(Container::Png, error)),
        Ok(()) => Ok(parts),
    }
}

impl Parts {
    fn gather<R: BufRead + Seek>(&mut self, reader: &mut R) -> io::Result<()> {
        reader.seek(SeekFrom::Start(SIGNATURE))?;
        let (mut at, mut next) = (SIGNATURE, None);
        for _ in 0..MOST_CHUNKS {
            let (name, length) = head(reader)?;
            match &name {
                b"IEND" => return Ok(()),
                b"IDAT" | b"fdAT" => {
                    self.frames.extend(next.take().map(|frame| (frame, at)));
                    reader.seek_relative(i64::from(length) + CHECKSUM)?;
                }
                b"IHDR" | b"PLTE" | b"tRNS" | b"fcTL" if length <= MOST_SHARED => {
                    let data = chunks::data(reader, name, length)?;
                    let data = data.ok_or_else(|| damaged("a chunk has a wrong checksum"))?;
                    match &name {
                        b"IHDR" => self.header = Header(exactly(&data)?),
                        b"fcTL" => next = Some(frame(exactly(&data)?)?),
                        _ => self.shared.extend(chunk(name, &data)),
                    }
                }
                _ => reader.seek_relative(i64::from(length) + CHECKSUM)?,
            }
            if self.frames.len() == MOST_FRAMES {
                return Ok(());
            }
            at += u64::from(length) + 12;
        }
        Ok(())
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The data of a chunk that must have exactly as many.
fn exactly<const COUNT: usize>(data: &[u8]) -> io::Result<[u8; COUNT]> {
    data.try_into().map_err(|_| damaged("a chunk has a wrong length"))
}

/// Name and length of the next chunk.
fn head<R: Read>(reader: &mut R) -> io::Result<([u8; 4], u32)> {
    let mut head = [0; 8];
    reader.read_exact(&mut head)?;
    let [l3, l2, l1, l0, name @ ..] = head;
    Ok((name, u32::from_be_bytes([l3, l2, l1, l0])))
}

/// A whole chunk.
pub(super) fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
    let mut sum = Crc::new();
    sum.update(&name);
    sum.update(data);
    [&length[..], &name, data, &sum.sum().to_be_bytes()].concat()
}

/// A frame, from the data of `fcTL`.
fn frame(data: [u8; 26]) -> io::Result<Frame> {
    let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|place| data[at + place]));
    let [width, height, x, y] = [4, 8, 12, 16].map(number);
    let disposal = match data[24] {
        0 => Disposal::Keep,
        1 => Disposal::Clear,
        2 => Disposal::Restore,
        _ => return Err(damaged("a frame is removed in an unknown way")),
    };
    let blend = match data[25] {
        0 => Blend::Replace,
        1 => Blend::Over,
        _ => return Err(damaged("a frame is drawn in an unknown way")),
    };
    if width == 0 || height == 0 {
        return Err(damaged("a frame is empty"));
    }
    Ok(Frame { region: Region { x, y, width, height }, disposal, blend })
}

/// The frames of an animation.
struct PngFrames<'r> {
    reader: BufReader<Input<'r>>,
    header: Header,
    shared: Vec<u8>,
    list: Vec<(Frame, u64)>,
    /// The format of the image, once it is known.
    format: Option<PixelFormat>,
}

/// The library's reader of a frame.
type FrameReader<'a, 'r> = png::Reader<Gathered<Still<'a, BufReader<Input<'r>>>>>;

impl<'r> PngFrames<'r> {
    /// The reader of a frame, which gets alpha if it has none, and its format.
    fn library(
        &mut self,
        number: usize,
    ) -> Result<(FrameReader<'_, 'r>, PixelFormat), DecodeError> {
        let (frame, at) = self.list[number];
        let header = self.header.of(frame.region.size());
        let still = Still::of(&mut self.reader, header, &self.shared, at)?;
        let (reader, _) = library(still, Transformations::ALPHA, &Limits::NONE)?;
        let format = pixel_format(reader.output_color_type())?;
        Ok((reader, format))
    }

    fn format_of(&mut self, number: usize) -> Result<PixelFormat, DecodeError> {
        Ok(self.library(number)?.1)
    }
}

impl Frames for PngFrames<'_> {
    fn decode(&mut self, number: usize, size: Size) -> Result<Pixels, DecodeError> {
        let (mut reader, format) = self.library(number)?;
        let mut pixels = Pixels::zeroed(size, format);
        fill(&mut reader, &mut pixels)?;
        finish(&mut reader)?;
        Ok(pixels)
    }

    fn memory(&self, size: Size) -> u64 {
        self.format.map_or(0, |format| raster_bytes(size, format))
    }
}

/// A still image that has the pixels of a frame: `fdAT` becomes `IDAT`.
struct Still<'a, R> {
    file: &'a mut R,
    /// Bytes of the current chunk that are still in the file, without its checksum.
    left: u64,
    /// The checksums of the chunk as it is in the file, and as it is passed on.
    sums: Option<[Crc; 2]>,
    ended: bool,
}

impl<'a, R: BufRead + Seek> Still<'a, R> {
    /// The image whose first chunk of pixels is at `at`.
    fn of(
        file: &'a mut R,
        header: Header,
        shared: &[u8],
        at: u64,
    ) -> io::Result<Gathered<Still<'a, R>>> {
        file.seek(SeekFrom::Start(at))?;
        let mut ready = b"\x89PNG\r\n\x1a\n".to_vec();
        ready.extend(chunk(*b"IHDR", &header.0));
        ready.extend(shared);
        let source = Still { file, left: 0, sums: None, ended: false };
        Ok(Gathered::new(source, ready))
    }

    fn take_data(&mut self, ready: &mut Vec<u8>) -> io::Result<()> {
        let most = self.left.min(AT_ONCE as u64);
        self.file.by_ref().take(most).read_to_end(ready)?;
        if ready.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= ready.len() as u64;
        for sum in self.sums.iter_mut().flatten() {
            sum.update(ready);
        }
        Ok(())
    }

    /// Passes on a checksum, which is wrong if that of the file is.
    fn take_sum(&mut self, [stored, passed]: [Crc; 2], ready: &mut Vec<u8>) -> io::Result<()> {
        let mut sum = [0; 4];
        self.file.read_exact(&mut sum)?;
        let difference = stored.sum() ^ u32::from_be_bytes(sum);
        ready.extend((passed.sum() ^ difference).to_be_bytes());
        Ok(())
    }

    /// Goes on to the next chunk of pixels, or to the end behind the last one of the frame.
    fn advance(&mut self, ready: &mut Vec<u8>) -> io::Result<()> {
        let (name, length) = head(self.file)?;
        let number = match &name {
            b"IDAT" => 0,
            b"fdAT" => NUMBER,
            b"IEND" | b"fcTL" => {
                ready.extend(chunk(*b"IEND", &[]));
                self.ended = true;
                return Ok(());
            }
            _ => return self.file.seek_relative(i64::from(length) + CHECKSUM),
        };
        let length = u64::from(length).checked_sub(number);
        let length = length.ok_or_else(|| damaged("a chunk has a wrong length"))?;
        let mut sums = [Crc::new(), Crc::new()];
        sums[0].update(&name);
        sums[1].update(b"IDAT");
        let mut skipped = Vec::new();
        self.file.by_ref().take(number).read_to_end(&mut skipped)?;
        sums[0].update(&skipped);
        ready.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
        ready.extend(b"IDAT");
        (self.left, self.sums) = (length, Some(sums));
        Ok(())
    }
}

impl<R: BufRead + Seek> Gather for Still<'_, R> {
    fn gather(&mut self, ready: &mut Vec<u8>) -> io::Result<()> {
        while ready.is_empty() && !self.ended {
            if self.left > 0 {
                self.take_data(ready)?;
            } else if let Some(sums) = self.sums.take() {
                self.take_sum(sums, ready)?;
            } else {
                self.advance(ready)?;
            }
        }
        Ok(())
    }
}
