//! The chunks of a PNG file that its pixels need. Others never reach the library, which refuses files for the content
//! or the length of some of them; `chunks` has read those that matter.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

/// Bytes of the signature before the first chunk, of a chunk's checksum, and of its head.
const SIGNATURE: usize = 8;
const CHECKSUM: u64 = 4;
const HEAD: usize = 8;

/// The chunk that ends a file.
const END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];

/// Bytes that are read, and gathered, at a time: writers such as libpng begin a chunk every 8 KiB, the head of each is
/// looked at, and inflating slows down at the end of each piece it is given.
pub(super) const AT_ONCE: usize = 64 << 10;

/// A reader of the chunks that a decoder must know, and of the transparency of palettes and keys.
pub(super) struct Essential<R> {
    file: R,
    /// Gathered bytes of such chunks.
    ready: Vec<u8>,
    given: usize,
    /// Bytes of the current chunk that are still in the file.
    left: u64,
    pixels: bool,
    ended: bool,
}

impl<R: BufRead + Seek> Essential<R> {
    /// A reader of `file` from its start.
    pub(super) fn new(mut file: R) -> io::Result<Essential<R>> {
        file.seek(SeekFrom::Start(0))?;
        let (left, ready) = (SIGNATURE as u64, Vec::with_capacity(2 * AT_ONCE));
        Ok(Essential { file, ready, given: 0, left, pixels: false, ended: false })
    }

    /// Gathers the next bytes.
    fn refill(&mut self) -> io::Result<()> {
        self.given = 0;
        self.ready.clear();
        while self.ready.len() < AT_ONCE && !self.ended {
            if self.left == 0 {
                self.advance()?;
            } else {
                let room = (AT_ONCE - self.ready.len()) as u64;
                let mut part = self.file.by_ref().take(self.left.min(room));
                let got = part.read_to_end(&mut self.ready)? as u64;
                self.left -= got;
                self.ended = got == 0;
            }
        }
        Ok(())
    }

    /// Goes on to the next chunk, which is skipped if it is not needed, or to the end.
    fn advance(&mut self) -> io::Result<()> {
        let start = self.ready.len();
        self.file.by_ref().take(HEAD as u64).read_to_end(&mut self.ready)?;
        let &[l3, l2, l1, l0, ref name @ ..] = &self.ready[start..] else {
            self.ended = true;
            return Ok(());
        };
        let rest = u64::from(u32::from_be_bytes([l3, l2, l1, l0])) + CHECKSUM;
        // A lowercase first letter means that a decoder may skip the chunk.
        let needed = name.first().is_some_and(u8::is_ascii_uppercase) || name == b"tRNS";
        if needed || name.len() < 4 {
            self.pixels |= name == b"IDAT";
            self.left = rest;
            return Ok(());
        }
        self.ready.truncate(start);
        if self.pixels {
            // No more pixels follow.
            self.ready.extend(END);
            self.ended = true;
        } else {
            self.file.seek_relative(i64::try_from(rest).map_err(io::Error::other)?)?;
        }
        Ok(())
    }
}

impl<R: BufRead + Seek> BufRead for Essential<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.ready.len() && !self.ended {
            self.refill()?;
        }
        Ok(&self.ready[self.given..])
    }

    fn consume(&mut self, count: usize) {
        self.given += count;
    }
}

impl<R: BufRead + Seek> Read for Essential<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// The library requires `Seek`, but only reads forward.
impl<R> Seek for Essential<R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], &name, data, b"csum"].concat()
    }

    fn essential(file: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Essential::new(Cursor::new(file)).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn what_is_not_needed_is_left_out() {
        let signature = b"\x89PNG\r\n\x1a\n";
        let [header, colours, clear] = [(*b"IHDR", 13), (*b"PLTE", 6), (*b"tRNS", 1)]
            .map(|(name, n)| chunk(name, &vec![7; n]));
        let pixels = [chunk(*b"IDAT", &[1; 300]), chunk(*b"IDAT", b"")].concat();
        let needed = [&signature[..], &header, &colours, &clear, &pixels].concat();
        let others = [chunk(*b"cICP", &[0; 4]), chunk(*b"eXIf", &[0; 5000])].concat();
        let file = [&signature[..], &header, &others, &colours, &clear, &others, &pixels].concat();
        assert_eq!(essential(&file), needed);
        let behind = [&file[..], &others].concat();
        assert_eq!(essential(&behind), [&needed[..], &END].concat());
        // A chunk that is cut off, before the pixels or within its head.
        assert_eq!(essential(&file[..100]), [&signature[..], &header].concat());
        assert_eq!(essential(&file[..10]), file[..10]);
    }
}
