//! The layout of a WebP file, so that a still image that the library would refuse or take for an animation can be
//! presented to it as a still image.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use super::frames::{self, Blend, Disposal};
use super::limits::MOST_METADATA;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;

/// Flags in the header of the extended format.
pub(super) const ANIMATED: u8 = 2;
const XMP: u8 = 4;
const EXIF: u8 = 8;
const ALPHA: u8 = 16;

/// Offset of the first chunk, behind `RIFF`, the length of the rest, and `WEBP`.
const FIRST_CHUNK: u64 = 12;
/// Flags of a frame: its place is cleared behind it, and it is drawn in place of what is there.
const CLEARED: u8 = 1;
const REPLACING: u8 = 2;

/// Bytes of the extended header, and of the header of a frame.
const EXTENDED: u64 = 10;
const FRAME_HEADER: u64 = 16;

/// The most chunks that are looked at, so that a file of nothing but chunks costs little.
const MOST_CHUNKS: usize = 1 << 16;

/// A chunk: its name, and the offset and length of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    name: [u8; 4],
    at: u64,
    length: u64,
}

/// A frame of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) size: Size,
    flags: u8,
    at: u64,
    end: u64,
}

/// The layout of a file in the extended format.
#[derive(Debug)]
pub(super) struct Layout {
    flags: u8,
    pub(super) canvas: Size,
    /// Whether the file is as long as it says.
    pub(super) whole: bool,
    /// Offset of the first of the chunks.
    behind: u64,
    chunks: Vec<Chunk>,
}

/// The layout, if the file at the start of `reader` is in the extended format.
pub(super) fn layout<R: BufRead + Seek>(reader: &mut R) -> io::Result<Option<Layout>> {
    match read_layout(reader) {
        // The library reports missing pixels.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        read => read,
    }
}

fn read_layout<R: BufRead + Seek>(reader: &mut R) -> io::Result<Option<Layout>> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(0))?;
    let file = head(reader)?;
    reader.seek(SeekFrom::Start(FIRST_CHUNK))?;
    let first = head(reader)?;
    if &first.name != b"VP8X" || first.length < EXTENDED {
        return Ok(None);
    }
    let mut fields = [0; 10];
    reader.read_exact(&mut fields)?;
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = fields;
    let canvas = size([w0, w1, w2, h0, h1, h2]);
    let chunks = chunks(reader, first.end(), u64::MAX)?;
    let whole = file.at + file.length <= length;
    Ok(Some(Layout { flags, canvas, whole, behind: first.end(), chunks }))
}

/// The chunks from `from` up to `to`, as far as the file goes.
fn chunks<R: BufRead + Seek>(reader: &mut R, from: u64, to: u64) -> io::Result<Vec<Chunk>> {
    let (mut chunks, mut next) = (Vec::new(), from);
    while next < to && chunks.len() < MOST_CHUNKS {
        reader.seek(SeekFrom::Start(next))?;
        match head(reader) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => chunks.push(read?),
        }
        next = chunks.last().map_or(to, Chunk::end);
    }
    Ok(chunks)
}

/// Whether a lossy image among the chunks has this size: the library allocates memory for it before it compares.
fn fits<R: BufRead + Seek>(reader: &mut R, chunks: &[Chunk], size: Size) -> io::Result<bool> {
    let Some(lossy) = chunks.iter().find(|chunk| &chunk.name == b"VP8 " && chunk.length >= 10)
    else {
        return Ok(true);
    };
    reader.seek(SeekFrom::Start(lossy.at))?;
    let mut fields = [0; 10];
    reader.read_exact(&mut fields)?;
    // The sides follow three bytes of tag and three of signature; two bits of each are a scale.
    let [_, _, _, _, _, _, w0, w1, h0, h1] = fields;
    let [width, height] = [[w0, w1], [h0, h1]].map(|side| u16::from_le_bytes(side) & 0x3FFF);
    Ok(Size::new(width.into(), height.into()) == size)
}

fn head<R: BufRead + Seek>(reader: &mut R) -> io::Result<Chunk> {
    let mut head = [0; 8];
    reader.read_exact(&mut head)?;
    let [n0, n1, n2, n3, length @ ..] = head;
    let length = u32::from_le_bytes(length).into();
    Ok(Chunk { name: [n0, n1, n2, n3], at: reader.stream_position()?, length })
}

/// A size stored as width - 1 and height - 1, of three bytes each.
fn size([w0, w1, w2, h0, h1, h2]: [u8; 6]) -> Size {
    let side = |bytes: [u8; 3]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1;
    Size::new(side([w0, w1, w2]), side([h0, h1, h2]))
}

impl Chunk {
    fn end(&self) -> u64 {
        self.at + self.length.next_multiple_of(2)
    }
}

impl Layout {
    fn find(&self, name: [u8; 4]) -> Option<Chunk> {
        self.chunks.iter().copied().find(|chunk| chunk.name == name)
    }

    pub(super) fn is_animated(&self) -> bool {
        self.flags & ANIMATED != 0
    }

    /// Number of frames of the animation.
    pub(super) fn frames(&self) -> u32 {
        let frames = self.chunks.iter().filter(|chunk| &chunk.name == b"ANMF").count();
        u32::try_from(frames).unwrap_or(u32::MAX)
    }

    /// The first frame, if there is one and it lies within the canvas.
    pub(super) fn frame<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<Option<Frame>> {
        let chunk = self.find(*b"ANMF");
        chunk.map_or(Ok(None), |chunk| self.frame_of(reader, chunk))
    }

    /// All frames; `None` if one of them does not lie within the canvas.
    pub(super) fn all_frames<R: BufRead + Seek>(
        &self,
        reader: &mut R,
    ) -> io::Result<Option<Vec<Frame>>> {
        let chunks = self.chunks.iter().filter(|chunk| &chunk.name == b"ANMF");
        chunks.map(|chunk| self.frame_of(reader, *chunk)).collect()
    }

    fn frame_of<R: BufRead + Seek>(
        &self,
        reader: &mut R,
        chunk: Chunk,
    ) -> io::Result<Option<Frame>> {
        if chunk.length <= FRAME_HEADER {
            return Ok(None);
        }
        reader.seek(SeekFrom::Start(chunk.at))?;
        let mut fields = [0; 16];
        reader.read_exact(&mut fields)?;
        let [x0, x1, x2, y0, y1, y2, side @ .., _, _, _, flags] = fields;
        // Positions are stored halved.
        let place = |bytes: [u8; 3]| 2 * u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        let (left, top, size) = (place([x0, x1, x2]), place([y0, y1, y2]), size(side));
        let (at, end) = (chunk.at + FRAME_HEADER, chunk.end());
        let within =
            left + size.width <= self.canvas.width && top + size.height <= self.canvas.height;
        Ok(within.then_some(Frame { left, top, size, flags, at, end }))
    }

    /// Whether the lossy image, if there is one, is as large as the canvas.
    pub(super) fn is_consistent<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<bool> {
        fits(reader, &self.chunks, self.canvas)
    }

    /// The metadata of the file.
    pub(super) fn metadata<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<Metadata> {
        let mut data = |name: [u8; 4]| -> io::Result<Option<Vec<u8>>> {
            let most = MOST_METADATA as u64;
            let Some(chunk) = self.find(name).filter(|chunk| chunk.length <= most) else {
                return Ok(None);
            };
            reader.seek(SeekFrom::Start(chunk.at))?;
            let mut data = Vec::new();
            reader.by_ref().take(chunk.length).read_to_end(&mut data)?;
            Ok(Some(data).filter(|data| data.len() as u64 == chunk.length))
        };
        let [icc, exif, xmp] = [data(*b"ICCP")?, data(*b"EXIF")?, data(*b"XMP ")?];
        Ok(Metadata { icc, exif, xmp, ..Metadata::default() })
    }

    /// A head whose flags for alpha and metadata match the chunks, and the range of the chunks in the file. `None` if
    /// the flags are right, or if missing chunks may have been cut off.
    pub(super) fn mended(&self) -> Option<(Vec<u8>, Range<u64>)> {
        let has = |name: &[u8; 4]| self.find(*name).is_some();
        let absent =
            [(ALPHA, has(b"VP8 ") && !has(b"ALPH")), (EXIF, !has(b"EXIF")), (XMP, !has(b"XMP "))];
        let absent = absent.into_iter().filter(|(_, absent)| *absent);
        let flags = absent.fold(self.flags, |flags, (flag, _)| flags & !flag);
        let head = || (extended(flags, self.canvas), self.behind..u64::MAX);
        (flags != self.flags && self.whole).then(head)
    }
}

impl Frame {
    /// How the frame is shown.
    pub(super) fn shown(&self) -> frames::Frame {
        let Frame { left, top, size: Size { width, height }, flags, .. } = *self;
        let is = |flag: u8| flags & flag != 0;
        frames::Frame {
            region: Region { x: left, y: top, width, height },
            disposal: if is(CLEARED) { Disposal::Clear } else { Disposal::Keep },
            blend: if is(REPLACING) { Blend::Replace } else { Blend::Over },
        }
    }

    /// The head of a file that holds this frame as a still image, and the range of its chunks in the file; `None` if
    /// its image has another size than the frame.
    pub(super) fn still<R: BufRead + Seek>(
        &self,
        reader: &mut R,
    ) -> io::Result<Option<(Vec<u8>, Range<u64>)>> {
        let parts = chunks(reader, self.at, self.end)?;
        let mut alpha = parts.iter().any(|part| &part.name == b"ALPH");
        if let Some(part) = parts.iter().find(|part| &part.name == b"VP8L" && part.length >= 5) {
            reader.seek(SeekFrom::Start(part.at))?;
            let mut fields = [0; 5];
            reader.read_exact(&mut fields)?;
            // The bit for alpha.
            alpha |= fields[4] & 16 != 0;
        }
        let head = extended(if alpha { ALPHA } else { 0 }, self.size);
        Ok(fits(reader, &parts, self.size)?.then_some((head, self.at..self.end)))
    }
}

/// The head of a file in the extended format. It declares the largest possible length, so the chunks end where the
/// file does.
fn extended(flags: u8, canvas: Size) -> Vec<u8> {
    let side = |length: u32| (length - 1).to_le_bytes();
    let ([w0, w1, w2, _], [h0, h1, h2, _]) = (side(canvas.width), side(canvas.height));
    let fields = [flags, 0, 0, 0, w0, w1, w2, h0, h1, h2];
    [&b"RIFF\xF6\xFF\xFF\xFFWEBPVP8X\x0A\0\0\0"[..], &fields].concat()
}

/// A reader of `head`, followed by a part of a file.
pub(super) struct Headed<R> {
    head: Vec<u8>,
    file: R,
    /// Start and end of the part.
    from: u64,
    to: u64,
    place: u64,
    /// The position of the file, once it is known.
    file_at: Option<u64>,
}

impl<R: BufRead + Seek> Headed<R> {
    pub(super) fn new(head: Vec<u8>, file: R, part: Range<u64>) -> Headed<R> {
        Headed { head, file, from: part.start, to: part.end, place: 0, file_at: None }
    }

    fn behind_head(&self) -> u64 {
        self.place.saturating_sub(self.head.len() as u64)
    }
}

impl<R: BufRead + Seek> BufRead for Headed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(head) =
            usize::try_from(self.place).ok().and_then(|place| self.head.get(place..))
            && !head.is_empty()
        {
            return Ok(head);
        }
        let at = self.from.saturating_add(self.behind_head());
        if at >= self.to {
            return Ok(&[]);
        }
        if self.file_at != Some(at) {
            self.file.seek(SeekFrom::Start(at))?;
            self.file_at = Some(at);
        }
        let bytes = self.file.fill_buf()?;
        let most = usize::try_from(self.to - at).unwrap_or(usize::MAX);
        Ok(&bytes[..bytes.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        if self.place >= self.head.len() as u64 {
            self.file.consume(count);
            self.file_at = self.file_at.map(|at| at + count as u64);
        }
        self.place += count as u64;
    }
}

impl<R: BufRead + Seek> Read for Headed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead + Seek> Seek for Headed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.place = place.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [&name[..], &length, data, &[0][..data.len() % 2]].concat()
    }

    fn file(header: &[u8], chunks: &[u8]) -> Vec<u8> {
        let body = [&b"WEBP"[..], &chunk(*b"VP8X", header), chunks].concat();
        [&b"RIFF"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
    }

    #[test]
    fn flags_that_are_not_true_are_mended_in_a_whole_file() {
        let chunks =
            [chunk(*b"abcd", b"odd"), chunk(*b"VP8 ", &[0; 9]), chunk(*b"EXIF", b"II")].concat();
        // A header may be longer than its known fields.
        let header = [EXIF | XMP | ALPHA, 0, 0, 0, 4, 0, 0, 6, 0, 0, 9, 9];
        let whole = file(&header, &chunks);
        let layout = layout(&mut Cursor::new(&whole)).unwrap().unwrap();
        assert_eq!((layout.canvas, layout.frames()), (Size::new(5, 7), 0));
        let (head, part) = layout.mended().unwrap();
        let mut read = Vec::new();
        Headed::new(head, Cursor::new(&whole), part).read_to_end(&mut read).unwrap();
        assert_eq!((read[20], &read[20 + 10..]), (EXIF, &chunks[..]));
        let cut = Layout { whole: false, ..layout };
        assert!(cut.mended().is_none());
    }

    #[test]
    fn other_bytes_stand_before_a_part_wherever_it_is_read_from() {
        let mut headed = Headed::new(b"head".to_vec(), Cursor::new(b"0123456789"), 3..7);
        let mut read = |from: SeekFrom| {
            headed.seek(from).unwrap();
            let mut out = Vec::new();
            headed.read_to_end(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(read(SeekFrom::Start(0)), "head3456");
        assert_eq!(
            (read(SeekFrom::Start(6)), read(SeekFrom::Current(-3))),
            ("56".into(), "456".into())
        );
        assert_eq!(
            (read(SeekFrom::Start(2)), read(SeekFrom::Start(9))),
            ("ad3456".into(), String::new())
        );
    }
}
