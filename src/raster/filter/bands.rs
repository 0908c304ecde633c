//! `bands`: some bands of an image, in another order.

use super::unfit::Unfit;
use super::{Filter, FilterSpec, ParamKind, ParamSpec, Window};
use crate::pixels::{Bands, PixelFormat, Pixels};
use crate::sample::{Sample, with_samples};

pub(super) const SPEC: FilterSpec = FilterSpec {
    name: "bands",
    summary: "Chooses bands by their numbers; three become red, green and blue, one becomes grey; alpha stays.",
    params: &[ParamSpec {
        name: "numbers",
        summary: "the bands in the order of the result, counted from 1",
        kind: ParamKind::List { min: 1, max: 65_535, most: 64, default: &[1] },
    }],
    build: |values| Box::new(Choice { numbers: values.list(0).to_vec() }),
};

#[derive(Debug)]
struct Choice {
    /// Counted from 1.
    numbers: Vec<u16>,
}

impl Filter for Choice {
    fn accepts(&self, input: PixelFormat) -> Result<(), Unfit> {
        let there = input.bands.colours();
        match self.numbers.iter().find(|number| usize::from(**number) > there) {
            Some(&number) => Err(Unfit::NoBand { number, there }),
            None => Ok(()),
        }
    }

    fn output_format(&self, input: PixelFormat) -> PixelFormat {
        let bands = match self.numbers.len() {
            3 => Bands::RGB,
            count => Bands::unnamed(u16::try_from(count).expect("64 at most")),
        };
        PixelFormat { bands: bands.with(input.bands.alpha()), ..input }
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let pixels = &window.pixels;
        let bands = self.output_format(pixels.format()).bands;
        with_samples!(pixels.samples(), samples => {
            Pixels::of(pixels.size(), bands, self.chosen(samples, pixels.bands()))
        })
    }
}

impl Choice {
    fn chosen<S: Sample>(&self, samples: &[S], bands: Bands) -> Vec<S> {
        let mut chosen =
            Vec::with_capacity(samples.len() / bands.count() * (self.numbers.len() + 1));
        for pixel in samples.chunks_exact(bands.count()) {
            chosen.extend(self.numbers.iter().map(|number| pixel[usize::from(*number) - 1]));
            chosen.extend_from_slice(&pixel[bands.colours()..]);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::Chain;
    use crate::grid::{Region, Size};
    use crate::pixels::{Bands, PixelFormat, Pixels, SampleType};

    #[test]
    fn bands_are_chosen_by_number_and_named_by_their_count() {
        let size = Size::new(2, 1);
        let five = Pixels::of::<u8>(size, Bands::unnamed(5), vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let all = Region::of(size);
        let chosen = |chain: &str| Chain::parse(chain).unwrap().apply(&five, all, all, size);
        assert_eq!(
            chosen("bands:4,3,1"),
            Pixels::of::<u8>(size, Bands::RGB, vec![4, 3, 1, 9, 8, 6])
        );
        assert_eq!(chosen("bands:5"), Pixels::of::<u8>(size, Bands::GREY, vec![5, 10]));
        assert_eq!(
            chosen("bands:2,2"),
            Pixels::of::<u8>(size, Bands::unnamed(2), vec![2, 2, 7, 7])
        );
    }

    #[test]
    fn a_band_that_is_not_there_is_refused() {
        let chain = Chain::parse("invert, bands : 1, 4 ,2").unwrap();
        assert_eq!(chain.to_string(), "invert,bands:1,4,2");
        let rgb = PixelFormat::new(Bands::RGB, SampleType::U8);
        assert_eq!(
            chain.check(rgb, Size::new(1, 1)).unwrap_err().to_string(),
            "bands cannot be applied to RGB 8 bit: it asks for band 4, and there are 3"
        );
    }
}
