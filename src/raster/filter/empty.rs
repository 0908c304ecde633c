//! Empty pixels of an image with a mask: they stay empty, and all others full, whatever a filter makes of alpha.

use crate::grid::Region;
use crate::pixels::Pixels;
use crate::sample::{Sample, with_samples, with_samples_mut};

/// Which pixels of a region are empty; nothing for an image without a mask.
pub(super) struct Empty(Option<Vec<bool>>);

impl Empty {
    /// Of a region of `pixels`.
    pub(super) fn of(pixels: &Pixels, region: Region) -> Empty {
        let is_masked = pixels.bands().has_mask();
        Empty(
            is_masked.then(
                || with_samples!(pixels.samples(), samples => is_empty(samples, pixels, region)),
            ),
        )
    }

    /// Empties the same pixels of what a filter made of the region, and fills the alpha of all others.
    pub(super) fn restore(&self, pixels: &mut Pixels) {
        let count = pixels.bands().count();
        if let (Some(empty), true) = (&self.0, pixels.bands().has_mask()) {
            with_samples_mut!(pixels.samples_mut(), samples => restore(samples, count, empty));
        }
    }
}

fn is_empty<S: Sample>(samples: &[S], pixels: &Pixels, region: Region) -> Vec<bool> {
    let (width, count) = (pixels.width() as usize, pixels.bands().count());
    let rows = region.rows().flat_map(|y| {
        let start = (y as usize * width + region.x as usize) * count;
        samples[start..][..region.width as usize * count].chunks_exact(count)
    });
    rows.map(|pixel| pixel[count - 1] == S::default()).collect()
}

fn restore<S: Sample>(samples: &mut [S], count: usize, empty: &[bool]) {
    for (pixel, is_empty) in samples.chunks_exact_mut(count).zip(empty) {
        if *is_empty {
            pixel.fill(S::default());
        } else {
            pixel[count - 1] = S::FULL;
        }
    }
}
