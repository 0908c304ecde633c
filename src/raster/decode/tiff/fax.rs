//! CCITT groups 3 and 4: rows of black and white as the lengths of their runs (ITU-T T.4 and T.6; TIFF 6.0, sections
//! 10 and 11). White is 0, black is 1.

use std::io::{self, BufRead};
use std::ops::Range;

use fax::Color;
use fax::maps::{Mode, black, mode, white};

use super::bits::Bits;

/// How the rows of a chunk follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Each row by itself, from a multiple of so many bits on.
    Aligned(u8),
    /// Each row by itself, behind a mark that ends the row before it.
    Group3,
    /// As `Group3`, but a bit behind the mark says whether the row is by itself or as in `Group4`.
    Group3Mixed,
    /// Each row by its differences from the one above it.
    Group4,
}

/// The most memory for rows of this width: two lists of edges, which grow.
pub(super) fn memory(width: u32) -> u64 {
    u64::from(width) * 16
}

/// Fills `bytes` with rows of `width` pixels.
pub(super) fn unpack(
    scheme: Scheme,
    packed: impl BufRead,
    width: u32,
    bytes: &mut [u8],
) -> io::Result<()> {
    let mut page = Page { bits: Bits::new(packed), width, edges: Vec::new(), above: Vec::new() };
    bytes.fill(0);
    for row in bytes.chunks_exact_mut(width.div_ceil(8) as usize) {
        let is_read = page.next_row(scheme).is_some();
        if !is_read || page.bits.is_overrun() {
            return Err(page.bits.error());
        }
        page.draw(row);
    }
    Ok(())
}

/// A page that is read row by row.
struct Page<R> {
    bits: Bits<R>,
    width: u32,
    /// The columns at which the colour of a row changes, beginning with white.
    edges: Vec<u32>,
    /// Those of the row above.
    above: Vec<u32>,
}

impl<R: BufRead> Page<R> {
    fn next_row(&mut self, scheme: Scheme) -> Option<()> {
        std::mem::swap(&mut self.edges, &mut self.above);
        self.edges.clear();
        match scheme {
            Scheme::Aligned(unit) => self.bits.align(unit),
            // Some writers leave out the first mark.
            Scheme::Group3 => _ = self.bits.skip_mark(),
            Scheme::Group3Mixed => {
                self.bits.skip_mark()?;
                if self.bits.take()? == 0 {
                    return self.read_differences();
                }
            }
            Scheme::Group4 => return self.read_differences(),
        }
        self.read_runs()
    }

    fn read_runs(&mut self) -> Option<()> {
        let (mut at, mut colour) = (0, Color::White);
        while at < self.width {
            at = self.run(at, colour)?;
            colour = !colour;
        }
        Some(())
    }

    /// Reads a run that begins at `at`, and gives its end.
    fn run(&mut self, at: u32, colour: Color) -> Option<u32> {
        let mut end = at;
        loop {
            let part = match colour {
                Color::White => white::decode(&mut self.bits)?,
                Color::Black => black::decode(&mut self.bits)?,
            };
            end = end.checked_add(part.into())?;
            if part < 64 {
                self.turn(end);
                return Some(end);
            }
        }
    }

    /// The colour changes at a column. A run that goes beyond the row is cut off, as by libtiff, and one of no pixels
    /// is none.
    fn turn(&mut self, at: u32) {
        if self.edges.last() == Some(&at) {
            self.edges.pop();
        } else if at < self.width {
            self.edges.push(at);
        }
    }

    /// Reads a row by its differences from the one above it. The names a0, a1, b1, b2 are those of T.6.
    fn read_differences(&mut self) -> Option<()> {
        let (mut a0, mut colour) = (0, Color::White);
        // a0 lies before the first pixel at the start, and on a pixel later.
        let mut from = 0;
        while a0 < self.width {
            let [b1, b2] = self.edges_above(from, colour);
            match mode::decode(&mut self.bits)? {
                Mode::Pass => a0 = b2,
                Mode::Horizontal => {
                    let a1 = self.run(a0, colour)?;
                    a0 = self.run(a1, !colour)?;
                }
                Mode::Vertical(difference) => {
                    let a1 = b1.checked_add_signed(difference.into())?;
                    a0 = Some(a1).filter(|a1| *a1 >= a0)?;
                    self.turn(a0);
                    colour = !colour;
                }
                Mode::Extension | Mode::EOF => return None,
            }
            from = a0.saturating_add(1);
        }
        Some(())
    }

    /// b1 and b2: the first edge above, at `from` or behind it, to the colour other than `colour`, and the next one.
    fn edges_above(&self, from: u32, colour: Color) -> [u32; 2] {
        let first = self.above.partition_point(|edge| *edge < from);
        let is_to_white = first % 2 == 1;
        let first = first + usize::from(is_to_white != (colour == Color::Black));
        [first, first + 1].map(|index| self.above.get(index).copied().unwrap_or(self.width))
    }

    fn draw(&self, row: &mut [u8]) {
        for black in self.edges.chunks(2) {
            let end = black.get(1).copied().unwrap_or(self.width);
            blacken(row, black[0] as usize..end as usize);
        }
    }
}

fn blacken(row: &mut [u8], black: Range<usize>) {
    let (first, last) = (black.start / 8, black.end / 8);
    let (head, tail) = (0xFF_u8 >> (black.start % 8), !(0xFF_u8 >> (black.end % 8)));
    if first == last {
        row[first] |= head & tail;
        return;
    }
    row[first] |= head;
    row[first + 1..last].fill(0xFF);
    if tail != 0 {
        row[last] |= tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of bits, whose groups are separated for reading.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|c| *c != b' ').map(|c| c - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |sum, i| sum << 1 | bits.get(i).unwrap_or(&0));
        bits.chunks(8).map(byte).collect()
    }

    fn unpacked(scheme: Scheme, bits: &str, width: u32, rows: usize) -> io::Result<Vec<u8>> {
        let mut pixels = vec![7; width.div_ceil(8) as usize * rows];
        unpack(scheme, &bytes(bits)[..], width, &mut pixels)?;
        Ok(pixels)
    }

    const EOL: &str = "000000000001";

    /// Four white, three black, five white.
    const FIRST: &str = "1011 10 1100";

    /// No white, twelve black.
    const SECOND: &str = "00110101 0000111";

    const ROWS: [u8; 4] = [0b0000_1110, 0, 0xFF, 0xF0];

    #[test]
    fn rows_of_their_own_begin_at_bytes_words_or_marks() {
        let aligned = format!("{FIRST} 000000 {SECOND}");
        assert_eq!(unpacked(Scheme::Aligned(8), &aligned, 12, 2).unwrap(), ROWS);
        assert_eq!(unpacked(Scheme::Aligned(16), &aligned, 12, 2).unwrap(), ROWS);
        let words = format!("{FIRST} 000000 00000000 {SECOND}");
        assert!(unpacked(Scheme::Aligned(16), &words, 12, 2).is_err());
        for fill in ["", "0", "0000000", "0000000000000000"] {
            let marked = format!("{EOL} {FIRST} {fill} {EOL} {SECOND}");
            assert_eq!(unpacked(Scheme::Group3, &marked, 12, 2).unwrap(), ROWS);
            let first_is_bare = format!("{FIRST} {fill} {EOL} {SECOND}");
            assert_eq!(unpacked(Scheme::Group3, &first_is_bare, 12, 2).unwrap(), ROWS);
        }
    }

    #[test]
    fn a_bit_behind_the_mark_tells_rows_apart() {
        // The same row, then one that keeps its first edge, moves its second one right by two, and ends early.
        let mixed = format!("{EOL} 1 {FIRST} {EOL} 0 1 1 1 {EOL} 0 1 000011 1 {EOL} 1 {SECOND}");
        let rows = [&ROWS[..2], &ROWS[..2], &[0b0000_1111, 0b1000_0000], &ROWS[2..]].concat();
        assert_eq!(unpacked(Scheme::Group3Mixed, &mixed, 12, 4).unwrap(), rows);
        assert!(unpacked(Scheme::Group3Mixed, FIRST, 12, 1).is_err());
    }

    #[test]
    fn rows_are_read_by_differences() {
        // Runs; both edges moved left; passed over; black from the start on.
        let bits = format!("001 1011 10 1 000010 010 1 0001 1 001 {SECOND}");
        let rows = [0b0000_1110, 0, 0b0011_1100, 0, 0, 0, 0xFF, 0xF0];
        let whole = unpacked(Scheme::Group4, &bits, 12, 4);
        assert_eq!(whole.unwrap(), rows);
        // An edge may lie on the first pixel, and one above it is to its right.
        assert_eq!(
            unpacked(Scheme::Group4, &format!("001 {SECOND} 1 1"), 12, 2).unwrap(),
            [0xFF, 0xF0, 0xFF, 0xF0]
        );
    }

    #[test]
    fn long_runs_are_sums() {
        // 2560 and 40 white: more than a row has, as libtiff reads it.
        let row = "000000011111 00101001";
        assert_eq!(unpacked(Scheme::Aligned(8), row, 2600, 1).unwrap(), [0; 325]);
        assert_eq!(unpacked(Scheme::Aligned(8), row, 2599, 1).unwrap(), [0; 325]);
        assert!(unpacked(Scheme::Aligned(8), row, 2601, 1).is_err());
        // More black than two bytes count.
        let black = ["000000011111"; 27].concat();
        let row = format!("00110101 {black} 0000110111");
        let width = 27 * 2560;
        assert_eq!(unpacked(Scheme::Aligned(8), &row, width, 1).unwrap(), [0xFF; 27 * 320]);
    }

    #[test]
    fn codes_that_are_wrong_are_damage_and_the_end_is_the_end() {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        let kind = |scheme, bits: &str| unpacked(scheme, bits, 12, 1).unwrap_err().kind();
        let zeros = "0".repeat(64);
        // No code; the end of the page; uncompressed mode; an edge left of the one before it.
        for bits in ["00000000", EOL, "0000001 111", "010"] {
            assert_eq!(kind(Scheme::Group4, &format!("{bits} {zeros}")), InvalidData, "{bits}");
        }
        for (scheme, bits) in [
            (Scheme::Group4, ""),
            (Scheme::Group4, "001 1011"),
            (Scheme::Group3, "1011 10"),
            (Scheme::Group3Mixed, &zeros),
            // A white run of 12 whose last zeros are not there.
            (Scheme::Aligned(8), "1011 10 11"),
        ] {
            assert_eq!(kind(scheme, bits), UnexpectedEof, "{bits}");
        }
    }

    #[test]
    fn black_is_drawn_bit_by_bit() {
        for (start, end) in (0..24).flat_map(|start| (start + 1..=24).map(move |end| (start, end)))
        {
            let mut row = [0; 3];
            blacken(&mut row, start..end);
            let bit = |column: usize| row[column / 8] >> (7 - column % 8) & 1 == 1;
            assert!((0..24).all(|column| bit(column) == (start..end).contains(&column)));
        }
    }
}
