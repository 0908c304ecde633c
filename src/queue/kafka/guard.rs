//! A buffer that protects the decoder of `kafka-protocol`, which allocates by the lengths that it reads.
//!
//! The decoder reserves room for as many elements as an answer claims. An element takes at least one byte of the
//! answer, and up to a few hundred in memory: with this buffer, a false answer takes a few hundred times its length in
//! memory, and no more.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;

/// A field's tag is encoded like a length, and may exceed the number of bytes that follow.
const SLACK: u64 = 64;
/// The most bytes of a variable-length number.
const VARINT: u32 = 5;

/// The bytes of an answer in one of the newer encodings, where each variable-length number is a
/// length, and each counted element takes at least one byte: a number beyond the remaining bytes is an error.
///
/// This buffer cannot see where a number begins: a single byte before it is read in the same way. So it takes the
/// longest number that ends at the same byte, which is never smaller than the real one.
pub(super) struct Guarded {
    bytes: Bytes,
    /// The value of the consecutive digits so far, at most as many as a number has.
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
