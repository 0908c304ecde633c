//! The bits of a chunk, one after the other, as CCITT groups 3 and 4 need them.

use std::io::{self, BufRead};

use fax::BitReader;

use super::directory::{damaged, too_short};

/// Zero bits behind the data, since codes are looked up by more bits than they have.
const PADDING: u8 = 16;

/// The bits of a chunk, the high bit of each byte first.
pub(super) struct Bits<R> {
    packed: R,
    /// Bits that are not taken yet, in the low end: at least 16, as long as there are as many.
    held: u32,
    count: u8,
    /// Those of them that are padding.
    padding: u8,
    /// Bits that have been taken.
    taken: u64,
    /// The error of the reader.
    failed: Option<io::Error>,
}

impl<R: BufRead> Bits<R> {
    pub(super) fn new(packed: R) -> Bits<R> {
        let mut bits = Bits { packed, held: 0, count: 0, padding: 0, taken: 0, failed: None };
        bits.fill();
        bits
    }

    fn fill(&mut self) {
        while self.count < 16 && self.padding == 0 {
            if let Some(byte) = self.byte() {
                self.held = self.held << 8 | u32::from(byte);
                self.count += 8;
            } else {
                self.held <<= PADDING;
                self.count += PADDING;
                self.padding = PADDING;
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = match self.packed.fill_buf() {
            Ok(block) => *block.first()?,
            Err(error) => {
                self.failed = Some(error);
                return None;
            }
        };
        self.packed.consume(1);
        Some(byte)
    }

    fn skip(&mut self, bits: u8) {
        self.count = self.count.saturating_sub(bits);
        self.taken += u64::from(bits);
        self.fill();
    }

    pub(super) fn take(&mut self) -> Option<u16> {
        let bit = self.peek(1)?;
        self.skip(1);
        Some(bit)
    }

    pub(super) fn align(&mut self, unit: u8) {
        while !self.taken.is_multiple_of(unit.into()) {
            self.skip(1);
        }
    }

    /// Skips the mark EOL, eleven zeros or more and a one, if it is next. No code begins with as many zeros.
    pub(super) fn skip_mark(&mut self) -> Option<()> {
        if self.peek(11)? != 0 {
            return None;
        }
        while self.take()? == 0 {}
        Some(())
    }

    /// Whether bits behind the data have been taken.
    pub(super) fn is_overrun(&self) -> bool {
        self.count < self.padding
    }

    pub(super) fn error(&mut self) -> io::Error {
        match self.failed.take() {
            Some(error) => error,
            None if self.padding > 0 => too_short(),
            None => damaged("a code of CCITT is wrong, or begins uncompressed pixels"),
        }
    }
}

impl<R: BufRead> BitReader for Bits<R> {
    type Error = ();

    fn peek(&self, bits: u8) -> Option<u16> {
        let rest = self.count.checked_sub(bits)?;
        let mask = (1_u32 << bits) - 1;
        u16::try_from(self.held >> rest & mask).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), ()> {
        self.skip(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        self.count & 7
    }
}
