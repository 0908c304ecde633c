//! The chunks of a PNG file that its pixels need. Others never reach the library, which refuses files for the content
//! or the length of some of them; `chunks` has read those that matter.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::gathered::{Gather, Gathered};

/// Bytes of the signature before the first chunk, of a chunk's checksum, and of its head.
const SIGNATURE: usize = 8;
const CHECKSUM: u64 = 4;
const HEAD: usize = 8;

/// The chunk that ends a file.
const END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];

/// Bytes that are read, and gathered, at a time: writers such as libpng begin a chunk every 8 KiB, the head of each is
/// looked at, and inflating slows down at the end of each piece it is given.
pub(super) const AT_ONCE: usize = 64 << 10;

/// The chunks that a decoder must know, and of the transparency of palettes and keys.
pub(super) struct Essential<R> {
    file: R,
    /// Bytes of the current chunk that are still in the file.
    left: u64,
    pixels: bool,
    ended: bool,
}

impl<R: BufRead + Seek> Essential<R> {
    /// A reader of `file` from its start.
    pub(super) fn of(mut file: R) -> io::Result<Gathered<Essential<R>>> {
        file.seek(SeekFrom::Start(0))?;
        let source = Essential { file, left: SIGNATURE as u64, pixels: false, ended: false };
        Ok(Gathered::new(source, Vec::with_capacity(2 * AT_ONCE)))
    }

    /// Goes on to the next chunk, which is skipped if it is not needed, or to the end.
    fn advance(&mut self, ready: &mut Vec<u8>) -> io::Result<()> {
        let start = ready.len();
        self.file.by_ref().take(HEAD as u64).read_to_end(ready)?;
        let &[l3, l2, l1, l0, ref name @ ..] = &ready[start..] else {
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
        ready.truncate(start);
        if self.pixels {
            // No more pixels follow.
            ready.extend(END);
            self.ended = true;
        } else {
            self.file.seek_relative(i64::try_from(rest).map_err(io::Error::other)?)?;
        }
        Ok(())
    }
}

impl<R: BufRead + Seek> Gather for Essential<R> {
    fn gather(&mut self, ready: &mut Vec<u8>) -> io::Result<()> {
        while ready.len() < AT_ONCE && !self.ended {
            if self.left == 0 {
                self.advance(ready)?;
            } else {
                let room = (AT_ONCE - ready.len()) as u64;
                let got = self.file.by_ref().take(self.left.min(room)).read_to_end(ready)? as u64;
                self.left -= got;
                self.ended = got == 0;
            }
        }
        Ok(())
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
        Essential::of(Cursor::new(file)).unwrap().read_to_end(&mut out).unwrap();
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
