//! The frame header of a JPEG file (ITU-T T.81, B.2.2), and which kinds of frames are read.

use crate::decode::container::Container;
use crate::decode::error::{DecodeError, RESAVE};
use crate::grid::Size;

/// Baseline, extended and progressive frames, with Huffman codes or with arithmetic coding.
const READ: [u8; 5] = [0xC0, 0xC1, PROGRESSIVE, 0xC9, PROGRESSIVE_ARITHMETIC];
const PROGRESSIVE: u8 = 0xC2;
const PROGRESSIVE_ARITHMETIC: u8 = 0xCA;
const LOSSLESS: [u8; 2] = [0xC3, 0xCB];

/// Buffers of samples, of enlarged chroma and of intermediate values, each about as large as a row of MCUs.
const ROWS_ON_THEIR_WAY: u64 = 8;

/// The remedy if only the order of the compressed data is not supported.
const INTERLEAVE: &str = "put its data in order without loss, as `jpegtran -copy all` does";

/// Bytes of a DCT coefficient.
const COEFFICIENT: u64 = 2;

/// The frame header, and how the components are spread over scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) size: Size,
    /// The code of its marker, which identifies the kind of coding.
    pub(super) coding: u8,
    /// Bits of a sample.
    pub(super) precision: u8,
    pub(super) components: Vec<Component>,
    pub(super) scans: Scans,
}

/// How the components are spread over scans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scans {
    /// Whether a scan lacks some of the components.
    pub(super) in_parts: bool,
    /// Whether such a scan has more than one component.
    pub(super) grouped: bool,
    /// Whether there are restart markers.
    pub(super) restarts: bool,
}

/// One colour of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks in an MCU, across and down: 1 to 4.
    pub(super) sampling: [u8; 2],
}

impl Frame {
    /// Parses the body of the segment; `None` if it contradicts itself.
    pub(super) fn read(coding: u8, body: &[u8]) -> Option<Frame> {
        let [precision, h1, h0, w1, w0, count, parts @ ..] = body else { return None };
        let [width, height] = [[*w1, *w0], [*h1, *h0]].map(u16::from_be_bytes);
        let components: Vec<_> =
            parts.as_chunks::<3>().0.iter().copied().map(Component::read).collect();
        let components = components.get(..usize::from(*count))?.to_vec();
        let size = Size::new(width.into(), height.into());
        let scans = Scans::default();
        Some(Frame { size, coding, precision: *precision, components, scans })
    }

    /// Refuses unsupported frames by name.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self.coding {
            coding if LOSSLESS.contains(&coding) => return refused("lossless coding", RESAVE),
            coding if !READ.contains(&coding) => return refused("hierarchical coding", RESAVE),
            _ => {}
        }
        if self.precision != 8 {
            let what = format!("samples of {} bits", self.precision);
            return refused(&what, "save it as PNG or TIFF of 16 bit");
        }
        if ![1, 3, 4].contains(&self.components.len()) {
            let what = format!("{} components", self.components.len());
            return refused(&what, "save it in grey, RGB or CMYK");
        }
        self.check_scans()?;
        self.check_sampling()
    }

    /// Refuses scans that the decoder silently confuses.
    fn check_scans(&self) -> Result<(), DecodeError> {
        let Scans { in_parts, grouped, restarts } = self.scans;
        if self.is_progressive() || !in_parts {
            return Ok(());
        }
        match (grouped, restarts) {
            (true, _) => refused("some of its colours in a scan of their own", INTERLEAVE),
            (_, true) => refused("colours in scans of their own and restart markers", INTERLEAVE),
            _ => Ok(()),
        }
    }

    fn check_sampling(&self) -> Result<(), DecodeError> {
        let most = self.most();
        for Component { sampling: [across, down], .. } in &self.components {
            if ![across, down].iter().all(|factor| (1..=4).contains(*factor)) {
                return Err(DecodeError::damaged(Container::Jpeg, "a sampling factor beyond 4"));
            }
            // The decoder does not support 3 across; factors that do not divide are unsupported in libjpeg, too.
            let known =
                *across != 3 && most[0].is_multiple_of(*across) && most[1].is_multiple_of(*down);
            if !known {
                let what =
                    format!("a component sampled {across}x{down} beside {}x{}", most[0], most[1]);
                return refused(&what, RESAVE);
            }
        }
        Ok(())
    }

    /// The largest sampling factors of all components, across and down.
    pub(super) fn most(&self) -> [u8; 2] {
        let most = |axis: usize| self.components.iter().map(|part| part.sampling[axis]).max();
        [most(0).unwrap_or(1).max(1), most(1).unwrap_or(1).max(1)]
    }

    /// Whether the decoder can give luma as a whole without the rest: for grey, and for 4:4:4, 4:2:2 and 4:2:0 unless
    /// it takes the components, by their ids, for other colours than `YCbCr`.
    pub(super) fn gives_luma(&self) -> bool {
        let in_one_go = self.is_progressive() || !self.scans.in_parts;
        let ids: Vec<u8> = self.components.iter().map(|part| part.id).collect();
        let sampling: Vec<[u8; 2]> = self.components.iter().map(|part| part.sampling).collect();
        let usual = matches!(sampling[..], [[1, 1]] | [[1, 1] | [2, 1 | 2], [1, 1], [1, 1]]);
        in_one_go && usual && ids != *b"RGB"
    }

    fn is_progressive(&self) -> bool {
        [PROGRESSIVE, PROGRESSIVE_ARITHMETIC].contains(&self.coding)
    }

    /// Bytes that decoding keeps beside the rows that it has passed on: some rows on their way to pixels; for an
    /// image in several scans also a coefficient for every sample in whole blocks, twice, since those of the
    /// scan being read are kept separately.
    pub(super) fn kept_bytes(&self) -> u64 {
        let most = self.most();
        let columns = u64::from(self.size.width).div_ceil(8 * u64::from(most[0]));
        let rows = u64::from(self.size.height).div_ceil(8 * u64::from(most[1]));
        let sampling = self.components.iter().map(|part| part.sampling);
        let blocks: u64 = sampling.map(|[a, d]| u64::from(a) * u64::from(d)).sum();
        let row = columns * blocks.max(1) * 64 * COEFFICIENT;
        let whole = if self.scans.in_parts || self.is_progressive() {
            2 * row.saturating_mul(rows)
        } else {
            0
        };
        whole.saturating_add(row.saturating_mul(ROWS_ON_THEIR_WAY))
    }
}

fn refused(what: &str, remedy: &str) -> Result<(), DecodeError> {
    Err(DecodeError::unsupported(Container::Jpeg, what, remedy))
}

impl Component {
    fn read([id, sampling, _]: [u8; 3]) -> Component {
        Component { id, sampling: [sampling >> 4, sampling & 15] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of 3 components with these sampling factors, a nibble for each direction.
    fn frame(coding: u8, sampling: [u8; 3]) -> Frame {
        let [a, b, c] = sampling;
        Frame::read(coding, &[8, 0, 1, 0, 2, 3, 1, a, 0, 2, b, 1, 3, c, 1]).unwrap()
    }

    fn refusal(frame: &Frame) -> String {
        frame.check().unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_read_is_refused_by_its_name() {
        assert!(frame(0xC0, [0x22, 0x11, 0x11]).check().is_ok());
        assert!(frame(0xC9, [0x11, 0x21, 0x21]).check().is_ok());
        assert!(refusal(&frame(0xC3, [0x11; 3])).starts_with("JPEG with lossless coding cannot"));
        assert!(refusal(&frame(0xC5, [0x11; 3])).contains("hierarchical"));
        let uneven = refusal(&frame(0xC0, [0x41, 0x31, 0x11]));
        assert!(uneven.contains("sampled 3x1 beside 4x1"), "{uneven}");
        assert!(refusal(&frame(0xC0, [0x31, 0x11, 0x11])).contains("sampled 3x1 beside 3x1"));
        assert!(refusal(&frame(0xC0, [0x13, 0x12, 0x11])).contains("sampled 1x2 beside 1x3"));
        assert!(frame(0xC0, [0x13, 0x11, 0x11]).check().is_ok());
        let deep = Frame { precision: 12, ..frame(0xC1, [0x11; 3]) };
        assert!(refusal(&deep).contains("samples of 12 bits"));
        assert!(refusal(&frame(0xC0, [0x11, 0x51, 0x11])).contains("damaged"));
        let mut two = frame(0xC0, [0x11; 3]);
        two.components.pop();
        assert!(refusal(&two).contains("2 components"));
    }

    #[test]
    fn scans_that_the_decoder_confuses_are_refused() {
        let frame = |coding, grouped, restarts| {
            let scans = Scans { in_parts: true, grouped, restarts };
            Frame { scans, ..frame(coding, [0x22, 0x11, 0x11]) }
        };
        assert!(frame(0xC0, false, false).check().is_ok());
        assert!(refusal(&frame(0xC0, true, false)).contains("jpegtran"));
        assert!(refusal(&frame(0xC0, false, true)).contains("restart markers"));
        assert!(frame(PROGRESSIVE, true, true).check().is_ok());
    }

    #[test]
    fn luma_alone_can_be_read_with_the_usual_samplings() {
        for (sampling, gives) in
            [(0x11, true), (0x21, true), (0x22, true), (0x12, false), (0x41, false)]
        {
            assert_eq!(frame(0xC0, [sampling, 0x11, 0x11]).gives_luma(), gives, "{sampling:x}");
        }
        assert!(!frame(0xC0, [0x22, 0x21, 0x11]).gives_luma());
        let scans = Scans { in_parts: true, ..Scans::default() };
        assert!(!Frame { scans, ..frame(0xC0, [0x11; 3]) }.gives_luma());
        assert!(Frame { scans, ..frame(PROGRESSIVE, [0x11; 3]) }.gives_luma());
    }

    #[test]
    fn what_is_refined_is_kept() {
        // One MCU of 16 × 16 pixels in 4:2:0 has 6 blocks of 64 samples.
        let row = 6 * 64 * COEFFICIENT;
        let kept = |coding| frame(coding, [0x22, 0x11, 0x11]).kept_bytes();
        assert_eq!(kept(0xC0), row * ROWS_ON_THEIR_WAY);
        assert_eq!(kept(PROGRESSIVE), row * (ROWS_ON_THEIR_WAY + 2));
        let scans = Scans { in_parts: true, ..Scans::default() };
        let in_parts = Frame { scans, ..frame(0xC0, [0x22, 0x11, 0x11]) };
        assert_eq!(in_parts.kept_bytes(), kept(PROGRESSIVE));
    }
}
