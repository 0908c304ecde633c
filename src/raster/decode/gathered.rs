//! A reader of bytes that are gathered piece by piece, for the library of PNG.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

/// Where the bytes come from.
pub(super) trait Gather {
    /// Appends bytes to `ready`, which is empty. It stays empty at the end.
    fn gather(&mut self, ready: &mut Vec<u8>) -> io::Result<()>;
}

/// Reads the bytes of a source.
pub(super) struct Gathered<S> {
    source: S,
    ready: Vec<u8>,
    given: usize,
}

impl<S: Gather> Gathered<S> {
    /// The bytes `first`, then those of `source`.
    pub(super) fn new(source: S, first: Vec<u8>) -> Gathered<S> {
        Gathered { source, ready: first, given: 0 }
    }
}

impl<S: Gather> BufRead for Gathered<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.ready.len() {
            self.given = 0;
            self.ready.clear();
            self.source.gather(&mut self.ready)?;
        }
        Ok(&self.ready[self.given..])
    }

    fn consume(&mut self, count: usize) {
        self.given += count;
    }
}

impl<S: Gather> Read for Gathered<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// The library requires `Seek`, but only reads forward.
impl<S> Seek for Gathered<S> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}
