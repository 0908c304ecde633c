//! Adler-32, in parts that can be combined (RFC 1950).

/// The largest prime below 2^16.
const MODULUS: u32 = 65_521;

/// How many bytes can be summed before the sums may overflow 32 bits.
const CHUNK: usize = 5_552;

/// The checksum of some bytes, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adler32 {
    /// 1 plus the sum of the bytes.
    low: u32,
    /// The sum of all values that `low` went through.
    high: u32,
    length: u64,
}

impl Adler32 {
    /// The checksum of no bytes.
    pub(super) const EMPTY: Adler32 = Adler32 { low: 1, high: 0, length: 0 };

    pub(super) fn of(bytes: &[u8]) -> Adler32 {
        let (mut low, mut high) = (1, 0);
        for chunk in bytes.chunks(CHUNK) {
            for &byte in chunk {
                low += u32::from(byte);
                high += low;
            }
            low %= MODULUS;
            high %= MODULUS;
        }
        Adler32 { low, high, length: bytes.len() as u64 }
    }

    /// The checksum of these bytes followed by those of `next`.
    pub(super) fn followed_by(self, next: Adler32) -> Adler32 {
        let modulus = u64::from(MODULUS);
        let before = u64::from(self.low) + modulus - 1;
        let low = (before + u64::from(next.low)) % modulus;
        let carried = before % modulus * (next.length % modulus);
        let high = (u64::from(self.high) + u64::from(next.high) + carried) % modulus;
        let narrow = |sum| u32::try_from(sum).expect("a remainder of a 32-bit modulus fits");
        Adler32 { low: narrow(low), high: narrow(high), length: self.length + next.length }
    }

    pub(super) fn value(self) -> u32 {
        self.high << 16 | self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_known_text_is_known() {
        assert_eq!(Adler32::of(b"Wikipedia").value(), 0x11E6_0398);
    }

    #[test]
    fn parts_combine_to_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8 | 0xC0).collect();
        for cut in [0, 1, 5_552, 65_521, 199_999, 200_000] {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(Adler32::of(left).followed_by(Adler32::of(right)), Adler32::of(&bytes));
        }
    }
}
