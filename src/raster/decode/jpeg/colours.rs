//! The colours of the components of a JPEG file, and how rows of components become pixels.

use super::frame::Frame;
use crate::pixels::{Bands, PixelFormat, SampleType};

/// The colours of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Meaning {
    Grey,
    YCbCr,
    Rgb,
    /// Inks; `light` if they are stored as the light that they let through, as Adobe does.
    Cmyk {
        light: bool,
    },
    /// The light that cyan, magenta and yellow let through, as `YCbCr`, and the light that black lets through.
    Ycck,
}

impl Meaning {
    /// The colours, decided as in libjpeg (`default_decompress_parms` of libjpeg-turbo 3.1), and so in Pillow,
    /// `OpenCV`, libvips and browsers: three components are `YCbCr` if there is a JFIF marker, whatever else is said;
    /// without it, Adobe's transform counts, and without that, ids that are the letters R, G and B.
    pub(super) fn of(frame: &Frame, jfif: bool, adobe: Option<u8>) -> Meaning {
        let ids: Vec<u8> = frame.components.iter().map(|part| part.id).collect();
        match (ids.len(), adobe) {
            (1, _) => Meaning::Grey,
            (3, _) if jfif => Meaning::YCbCr,
            (3, Some(0)) => Meaning::Rgb,
            (3, None) if ids == *b"RGB" => Meaning::Rgb,
            (3, _) => Meaning::YCbCr,
            (_, None) => Meaning::Cmyk { light: false },
            (_, Some(0)) => Meaning::Cmyk { light: true },
            (_, Some(_)) => Meaning::Ycck,
        }
    }

    /// The format of its pixels; inks take the place of RGBA.
    pub(in crate::decode) fn format(self) -> PixelFormat {
        let bands = match self {
            Meaning::Grey => Bands::GREY,
            Meaning::YCbCr | Meaning::Rgb => Bands::RGB,
            Meaning::Cmyk { .. } | Meaning::Ycck => Bands::RGBA,
        };
        PixelFormat::new(bands, SampleType::U8)
    }

    pub(super) fn is_inks(self) -> bool {
        matches!(self, Meaning::Cmyk { .. } | Meaning::Ycck)
    }

    /// One row of pixels from one row of each component.
    pub(super) fn pixels(self, parts: &[&[u8]], out: &mut [u8]) {
        match (self, parts) {
            (Meaning::YCbCr, [luma, blue, red]) => ycc_to_rgb(luma, blue, red, out),
            (_, [only]) => out.copy_from_slice(&only[..out.len()]),
            (_, [r, g, b]) => interleave(r, g, b, out),
            (_, [c, m, y, k]) => {
                let parts = c.iter().zip(*m).zip(y.iter().zip(*k));
                for (pixel, ((c, m), (y, k))) in out.as_chunks_mut::<4>().0.iter_mut().zip(parts) {
                    *pixel = self.inks([*c, *m, *y, *k]);
                }
            }
            _ => {}
        }
    }

    /// Four samples as inks, from 0 for none to 255.
    fn inks(self, [c, m, y, k]: [u8; 4]) -> [u8; 4] {
        match self {
            Meaning::Ycck => {
                // libjpeg inverts these three, and Adobe's CMYK is inverted once more: that cancels out.
                let [c, m, y] = converted(c, m, y);
                [c, m, y, 255 - k]
            }
            Meaning::Cmyk { light: true } => [c, m, y, k].map(|light| 255 - light),
            _ => [c, m, y, k],
        }
    }
}

fn interleave(r: &[u8], g: &[u8], b: &[u8], out: &mut [u8]) {
    let colours = r.iter().zip(g).zip(b);
    for (pixel, ((r, g), b)) in out.as_chunks_mut::<3>().0.iter_mut().zip(colours) {
        *pixel = [*r, *g, *b];
    }
}

/// Pixels that are converted at a time, with vector instructions.
const AT_ONCE: usize = 64;

fn ycc_to_rgb(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]) {
    let rows = luma.chunks(AT_ONCE).zip(blue.chunks(AT_ONCE)).zip(red.chunks(AT_ONCE));
    for (out, ((luma, blue), red)) in out.chunks_mut(3 * AT_ONCE).zip(rows) {
        let [mut r, mut g, mut b] = [[0_u8; AT_ONCE]; 3];
        let colours = r.iter_mut().zip(&mut g).zip(&mut b);
        let samples = luma.iter().zip(blue).zip(red);
        for (((r, g), b), ((y, cb), cr)) in colours.zip(samples) {
            [*r, *g, *b] = converted(*y, *cb, *cr);
        }
        interleave(&r, &g, &b, out);
    }
}

/// The RGB of a `YCbCr` colour of JFIF.
pub(in crate::decode) fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    converted(y, cb, cr)
}

/// The RGB of a `YCbCr` colour of JFIF, in 65,536ths, rounded half up. 1.402, 0.34414, 0.71414 and 1.772 are split
/// into a whole number and a rest that fits in 16 bits, which every vector unit multiplies.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "clamped")]
fn converted(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [y, cb, cr].map(i16::from);
    let (cb, cr) = (cb - 128, cr - 128);
    let share = |a: i16, times: i16| i32::from(a) * i32::from(times);
    let rounded = |sum: i32| ((sum + 32_768) >> 16) as i16;
    let r = y + cr + rounded(share(cr, 26_345));
    let g = y - cr + rounded(share(cb, -22_554) + share(cr, 18_734));
    let b = y + 2 * cb + rounded(share(cb, -14_942));
    [r, g, b].map(|v| v.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::jpeg::frame::{Component, Frame, Scans};
    use crate::grid::Size;

    fn meaning(ids: &[u8], jfif: bool, adobe: Option<u8>) -> Meaning {
        let components = ids.iter().map(|id| Component { id: *id, sampling: [1, 1] }).collect();
        let (size, coding) = (Size::new(1, 1), 0xC0);
        let frame = Frame { size, coding, precision: 8, components, scans: Scans::default() };
        Meaning::of(&frame, jfif, adobe)
    }

    #[test]
    fn jfif_counts_before_adobe_and_adobe_before_letters() {
        for (ids, adobe) in [(b"RGB", Some(0)), (b"RGB", None), (b"\x01\x02\x03", Some(0))] {
            assert_eq!(meaning(ids, true, adobe), Meaning::YCbCr, "{ids:?} {adobe:?}");
            assert_eq!(meaning(ids, false, adobe), Meaning::Rgb, "{ids:?} {adobe:?}");
        }
        assert_eq!(meaning(b"RGB", false, Some(1)), Meaning::YCbCr);
        assert_eq!(meaning(b"rgb", false, None), Meaning::YCbCr);
        assert_eq!(meaning(b"\x01", true, Some(2)), Meaning::Grey);
        assert_eq!(meaning(b"CMYK", true, None), Meaning::Cmyk { light: false });
        assert_eq!(meaning(b"CMYK", true, Some(0)), Meaning::Cmyk { light: true });
        assert_eq!(meaning(b"CMYK", true, Some(2)), Meaning::Ycck);
    }

    #[test]
    fn colours_are_those_of_the_formula_rounded() {
        for (y, cb, cr) in [(0, 0, 0), (255, 255, 255), (128, 128, 128), (90, 17, 201), (3, 250, 4)]
        {
            let [fy, fb, fr] = [y, cb, cr].map(f64::from);
            let (fb, fr) = (fb - 128.0, fr - 128.0);
            let exact = [fy + 1.402 * fr, fy - 0.344_136 * fb - 0.714_136 * fr, fy + 1.772 * fb];
            let given = converted(y, cb, cr).map(f64::from);
            for (given, exact) in given.iter().zip(exact) {
                assert!((given - exact.clamp(0.0, 255.0)).abs() <= 0.502, "{y} {cb} {cr}");
            }
        }
    }

    #[test]
    fn a_row_is_the_same_whatever_its_length() {
        let row = |length: u8| (0..length).map(|at| at.wrapping_mul(37)).collect::<Vec<_>>();
        for length in [1, 63, 64, 65, 200] {
            let (y, mut out) = (row(length), vec![0; 3 * usize::from(length)]);
            Meaning::YCbCr.pixels(&[&y, &y, &y], &mut out);
            let single: Vec<u8> = y.iter().flat_map(|v| converted(*v, *v, *v)).collect();
            assert_eq!(out, single);
        }
    }

    #[test]
    fn inks_are_stored_as_light_by_adobe() {
        let pixel = |meaning: Meaning| {
            let mut out = [0; 4];
            meaning.pixels(&[&[10], &[20], &[30], &[40]], &mut out);
            out
        };
        assert_eq!(pixel(Meaning::Cmyk { light: false }), [10, 20, 30, 40]);
        assert_eq!(pixel(Meaning::Cmyk { light: true }), [245, 235, 225, 215]);
        assert_eq!(pixel(Meaning::Ycck)[3], 215);
    }
}
