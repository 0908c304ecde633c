//! A buffer for the decoder of `kafka-protocol`, which allocates by whatever lengths it reads.
//!
//! It reserves room for as many elements as it is told of. Each takes a byte of the answer at least, and up
//! to a few hundred in memory: an answer that lies may take so many times its length, and no more.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;

/// A tag of a field has the same form as a length, and may exceed what follows it.
const SLACK: u64 = 64;
/// The most bytes of a variable-length number.
const VARINT: u32 = 5;

/// The bytes of an answer in one of the newer encodings, where each variable-length number is a
/// length, and everything counted takes a byte at least: one beyond what is left is an error.
///
/// Where a number begins is not known here: a single byte before it is read in the same way. So the number is
/// taken that ends where it ends and has as many digits as it can, which is never the smaller one.
pub(super) struct Guarded {
    bytes: Bytes,
    /// Of the digits behind each other that are not the last of a number, as many as one can have.
    number: u64,
    digits: u32,
}

impl Guarded {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, number: 0, digits: 0 }
    }

    fn follow(&mut self, byte: u8) -> Result<u8, TryGetError> {
        if self.digits == VARINT {
            self.number >>= 7;
            self.digits -= 1;
        }
        self.number |= u64::from(byte & 0x7F) << (7 * self.digits);
        self.digits += 1;
        let is_last = byte & 0x80 == 0;
        if is_last || self.digits == VARINT {
            let number = self.number;
            if is_last {
                (self.number, self.digits) = (0, 0);
            }
            let available = self.bytes.remaining();
            if number > available as u64 + SLACK {
                let requested = usize::try_from(number).unwrap_or(usize::MAX);
                return Err(TryGetError { requested, available });
            }
        }
        Ok(byte)
    }
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.bytes.try_get_u8()?;
        self.follow(byte)
    }
}

impl ByteBuf for Guarded {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.peek_bytes(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.bytes.get_bytes(size)
    }
}
