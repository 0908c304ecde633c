//! A window as planes with a margin, in which pixels are compared with pixels at an offset.

use std::ops::AddAssign;

use super::Window;
use crate::sample::Whole;

/// A sum of values times their weights.
pub(super) trait Total: Copy + Default + AddAssign + Into<u64> {
    /// Adds `weights` to `sums`, each times its value if there are `values`.
    fn add(sums: &mut [Self], weights: &[u32], values: Option<&[u32]>);
}

macro_rules! total {
    ($($total:ty),*) => {$(
        impl Total for $total {
            fn add(sums: &mut [$total], weights: &[u32], values: Option<&[u32]>) {
                let sums = sums.iter_mut().zip(weights);
                match values {
                    None => sums.for_each(|(sum, &weight)| *sum += <$total>::from(weight)),
                    Some(values) => sums.zip(values).for_each(|((sum, &weight), &value)| {
                        *sum += <$total>::from(weight) * <$total>::from(value);
                    }),
                }
            }
        }
    )*};
}

total!(u32, u64);

/// The colours of a window as planes, grown by a margin on every side. Beyond the image, its edge pixels
/// are repeated.
pub(super) struct Field {
    /// Width and height of the wanted region.
    width: usize,
    height: usize,
    margin: usize,
    /// The values to compare, with few bits: colours weighted by alpha, then alpha.
    compared: Vec<Vec<i16>>,
    /// The values to average: colours times alpha.
    weighted: Vec<Vec<u32>>,
    /// Alpha, if there is any.
    opacity: Option<Vec<u32>>,
    /// The largest value of `compared`.
    scale: u32,
}

/// Bits of the `count` values of a pixel that are compared: with more, the sums of squares would exceed 32 bits.
fn compared_bits(count: usize) -> u32 {
    let quadruples = count.div_ceil(4).next_power_of_two().ilog2();
    10 - quadruples.div_ceil(2)
}

impl Field {
    pub(super) fn new<S: Whole>(samples: &[S], window: &Window<'_>, margin: i32) -> Field {
        let bands = window.pixels.bands();
        let (count, colours) = (bands.count(), bands.colours());
        let bits = S::FULL.to_u32().ilog2() + 1;
        let drop = bits.saturating_sub(compared_bits(count));
        let size = window.keep.size();
        let mut field = Field {
            width: size.width as usize,
            height: size.height as usize,
            margin: usize::try_from(margin).expect("it is not negative"),
            compared: vec![Vec::new(); count],
            weighted: vec![Vec::new(); colours],
            opacity: bands.has_alpha().then(Vec::new),
            scale: S::FULL.to_u32() >> drop,
        };
        let narrow = |value: u32| i16::try_from(value >> drop).expect("10 bits remain at most");
        field.for_each_place(window, |field, start| {
            let pixel = &samples[start * count..][..count];
            let alpha = if bands.has_alpha() { pixel[count - 1] } else { S::FULL };
            for (band, colour) in pixel[..colours].iter().enumerate() {
                let (colour, alpha, max) = (colour.to_u32(), alpha.to_u32(), S::FULL.to_u32());
                let product = u64::from(colour) * u64::from(alpha);
                let seen = (product + u64::from(max) / 2) / u64::from(max);
                let seen = u32::try_from(seen).expect("no larger than the colour");
                field.compared[band].push(narrow(seen));
                let weighted = if bands.has_alpha() { colour * alpha } else { colour };
                field.weighted[band].push(weighted);
            }
            if let Some(opacity) = &mut field.opacity {
                opacity.push(alpha.to_u32());
                field.compared[colours].push(narrow(alpha.to_u32()));
            }
        });
        field
    }

    /// Calls `push` with the window index of each pixel of the field, row by row.
    fn for_each_place(&mut self, window: &Window<'_>, mut push: impl FnMut(&mut Field, usize)) {
        let keep = window.keep.relative_to(window.at);
        let (across, down) = (window.at.width as usize, window.at.height as usize);
        let margin = self.margin;
        let place = |first: u32, step: usize, length: usize| {
            (first as usize + step).saturating_sub(margin).min(length - 1)
        };
        for y in 0..self.height + 2 * margin {
            let row = place(keep.y, y, down) * across;
            for x in 0..self.width + 2 * margin {
                push(self, row + place(keep.x, x, across));
            }
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// The number of colours of a pixel.
    pub(super) fn colours(&self) -> usize {
        self.weighted.len()
    }

    /// The number of values of a pixel that are compared.
    pub(super) fn compared(&self) -> usize {
        self.compared.len()
    }

    /// The largest value that a compared value can have.
    pub(super) fn scale(&self) -> u32 {
        self.scale
    }

    /// The squared differences between a row of pixels and those at an offset. The row begins `patch`
    /// pixels before the first wanted one, and row 0 lies `patch` rows above it.
    pub(super) fn differences(&self, row: usize, patch: usize, dx: i32, dy: i32, out: &mut [u32]) {
        out.fill(0);
        let first = self.margin - patch;
        for plane in &self.compared {
            let here = self.part(plane, first, first + row, (0, 0), out.len());
            let there = self.part(plane, first, first + row, (dx, dy), out.len());
            for ((sum, &here), &there) in out.iter_mut().zip(here).zip(there) {
                let difference = i32::from(here - there);
                *sum += (difference * difference).unsigned_abs();
            }
        }
    }

    /// One colour times alpha, of the pixels at an offset from a wanted row.
    pub(super) fn weighted(&self, band: usize, y: usize, dx: i32, dy: i32) -> &[u32] {
        let (plane, margin) = (&self.weighted[band], self.margin);
        self.part(plane, margin, margin + y, (dx, dy), self.width)
    }

    /// The alpha of the pixels at an offset from a wanted row, if there is alpha.
    pub(super) fn opacity(&self, y: usize, dx: i32, dy: i32) -> Option<&[u32]> {
        let plane = self.opacity.as_ref()?;
        Some(self.part(plane, self.margin, self.margin + y, (dx, dy), self.width))
    }

    fn part<'a, V>(
        &self,
        plane: &'a [V],
        x: usize,
        y: usize,
        (dx, dy): (i32, i32),
        length: usize,
    ) -> &'a [V] {
        let moved = |place: usize, by: i32| {
            place.checked_add_signed(by as isize).expect("offsets lie within the margin")
        };
        let stride = self.width + 2 * self.margin;
        &plane[moved(y, dy) * stride + moved(x, dx)..][..length]
    }
}
