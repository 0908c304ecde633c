//! Associated alpha: divides colours by the alpha that the file has multiplied into them.

use std::io;

use super::super::error::DecodeError;
use super::super::{Decoder, Stored};
use crate::format::Colours;
use crate::grid::Region;
use crate::metadata::Metadata;
use crate::pixels::{Pixels, SamplesMut};
use crate::sample::{Sample, Whole};
use crate::source::Rows;

/// A decoder over one whose colours are multiplied by alpha.
pub(super) struct Associated<'r>(pub(super) Box<dyn Decoder + 'r>);

impl Decoder for Associated<'_> {
    fn stored(&self) -> Stored {
        self.0.stored()
    }

    fn memory(&self) -> u64 {
        self.0.memory()
    }

    fn notes(&self) -> Vec<String> {
        self.0.notes()
    }

    fn metadata(&mut self) -> Metadata {
        self.0.metadata()
    }

    fn narrow(&mut self, part: Region) -> bool {
        self.0.narrow(part)
    }

    fn read(self: Box<Self>, colours: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        self.0.read(colours, &mut Divided(rows))
    }
}

/// Passes rows on with their colours divided by alpha.
struct Divided<'a>(&'a mut dyn Rows);

impl Rows for Divided<'_> {
    fn push(&mut self, mut rows: Pixels) -> io::Result<()> {
        let count = rows.bands().count();
        match rows.samples_mut() {
            SamplesMut::U8(samples) => divide(samples, count, quotient),
            SamplesMut::U16(samples) => divide(samples, count, quotient),
            SamplesMut::F32(samples) => {
                divide(samples, count, |v, alpha| {
                    let quotient = f32::from_f64(v.to_f64() / alpha.to_f64());
                    if alpha == 0.0 { 0.0 } else { quotient }
                });
            }
        }
        self.0.push(rows)
    }
}

fn divide<S: Copy>(samples: &mut [S], count: usize, quotient: impl Fn(S, S) -> S) {
    for pixel in samples.chunks_exact_mut(count) {
        let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
        for colour in colours {
            *colour = quotient(*colour, *alpha);
        }
    }
}

/// `colour` / `alpha` × full intensity, rounded half up. A colour above its alpha becomes full intensity;
/// with alpha 0 it becomes 0.
fn quotient<S: Whole>(colour: S, alpha: S) -> S {
    let (max, colour, alpha) = (S::FULL.to_u64(), colour.to_u64(), alpha.to_u64());
    let scaled = (colour * max + alpha / 2).checked_div(alpha).unwrap_or(0);
    S::from_u64(scaled.min(max))
}

#[cfg(test)]
mod tests {
    use super::quotient;

    #[test]
    fn a_colour_comes_back_from_its_product_with_alpha() {
        assert_eq!([quotient(120_u8, 249), quotient(244_u8, 249)], [123, 250]);
        assert_eq!([quotient(7_u8, 255), quotient(9_u8, 0), quotient(200_u8, 100)], [7, 0, 255]);
        assert_eq!(quotient(30_000_u16, 60_000), 32_768);
    }
}
