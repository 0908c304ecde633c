//! Draws a part over an image.

use super::frames::Blend;
use crate::grid::{Region, Size};
use crate::pixels::{Pixels, Samples, SamplesMut};
use crate::sample::Whole;

/// The part of a region that lies in an image.
fn inside(region: Region, image: Size) -> Region {
    let (x, y) = (region.x.min(image.width), region.y.min(image.height));
    let width = region.width.min(image.width - x);
    Region { x, y, width, height: region.height.min(image.height - y) }
}

/// Makes a region transparent.
pub(super) fn clear(image: &mut Pixels, region: Region) {
    let region = inside(region, image.size());
    let (row, pixel) = (image.row_bytes(), image.format().bytes_per_pixel());
    let columns = region.x as usize * pixel..(region.x + region.width) as usize * pixel;
    for y in region.rows() {
        image.as_bytes_mut()[y as usize * row..][columns.clone()].fill(0);
    }
}

/// Draws `part`, which has the format of the image, at its region, as far as that lies in the image.
pub(super) fn draw(image: &mut Pixels, part: &Pixels, region: Region, blend: Blend) {
    let region = inside(region, image.size());
    if blend == Blend::Replace {
        return image.copy(region.x, region.y, part, Region::of(region.size()));
    }
    let (count, width) = (image.bands().count(), image.width() as usize);
    let rows = Rows { region, width, count, part_width: part.width() as usize };
    match (image.samples_mut(), part.samples()) {
        (SamplesMut::U8(image), Samples::U8(part)) => rows.draw_over(image, part),
        (SamplesMut::U16(image), Samples::U16(part)) => rows.draw_over(image, part),
        _ => unreachable!("frames have whole numbers, of the type of their image"),
    }
}

/// The rows of an image that a part is drawn over.
struct Rows {
    region: Region,
    /// Pixels in a row of the image.
    width: usize,
    /// Pixels in a row of the part.
    part_width: usize,
    /// Samples of a pixel.
    count: usize,
}

impl Rows {
    fn draw_over<S: Whole>(&self, image: &mut [S], part: &[S]) {
        let Rows { region, width, part_width, count } = *self;
        let length = region.width as usize * count;
        for (row, y) in region.rows().enumerate() {
            let to = (y as usize * width + region.x as usize) * count;
            let from = row * part_width * count;
            let (to, from) = (&mut image[to..to + length], &part[from..from + length]);
            for (under, over) in to.chunks_exact_mut(count).zip(from.chunks_exact(count)) {
                lay(under, over);
            }
        }
    }
}

/// Lays a pixel over another one, by the alpha in their last samples, which is not multiplied into the others (Porter
/// and Duff, "over"). Alpha and colours are rounded half up.
fn lay<S: Whole>(under: &mut [S], over: &[S]) {
    let (Some((&alpha, colours)), Some((below, ground))) =
        (over.split_last(), under.split_last_mut())
    else {
        return;
    };
    if alpha == S::FULL || alpha > S::default() && *below == S::default() {
        *below = alpha;
        ground.copy_from_slice(colours);
    } else if alpha > S::default() {
        let full = S::FULL.to_u64();
        // Parts of the sum of the weights, which is the alpha of both, times the largest alpha.
        let upper = alpha.to_u64() * full;
        let lower = below.to_u64() * (full - alpha.to_u64());
        let sum = upper + lower;
        for (sample, colour) in ground.iter_mut().zip(colours) {
            let mixed = colour.to_u64() * upper + sample.to_u64() * lower;
            *sample = S::from_u64((mixed + sum / 2) / sum);
        }
        *below = S::from_u64((sum + full / 2) / full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Bands;

    fn laid<S: Whole>(mut under: [S; 2], over: [S; 2]) -> [S; 2] {
        lay(&mut under, &over);
        under
    }

    #[test]
    fn a_pixel_is_mixed_with_the_one_below_by_alpha() {
        assert_eq!(laid([10_u8, 200], [30, 0]), [10, 200]);
        assert_eq!(laid([10_u8, 200], [30, 255]), [30, 255]);
        assert_eq!(laid([10_u8, 0], [30, 7]), [30, 7]);
        // 100 × 255 + 255 × 155 = 65,025: (30 × 25,500 + 10 × 39,525) / 65,025 = 17.84.
        assert_eq!(laid([10_u8, 255], [30, 100]), [18, 255]);
        // Alpha: (100 × 255 + 50 × 155) / 255 = 130.39; colour: (30 × 25,500 + 10 × 7,750) / 33,250 = 25.34.
        assert_eq!(laid([10_u8, 50], [30, 100]), [25, 130]);
        assert_eq!(laid([0_u16, 65_535], [65_535, 32_768]), [32_768, 65_535]);
        assert_eq!(laid([65_535_u16, 65_535], [65_535, 1]), [65_535, 65_535]);
    }

    fn grey(size: Size, samples: Vec<u8>) -> Pixels {
        Pixels::of(size, Bands::GREY_ALPHA, samples)
    }

    #[test]
    fn a_part_is_cut_off_at_the_edges() {
        let part = grey(Size::new(2, 2), vec![1, 255, 2, 255, 3, 255, 4, 0]);
        let region = Region { x: 2, y: 0, width: 2, height: 2 };
        let mut image = grey(Size::new(3, 2), vec![9; 12]);
        draw(&mut image, &part, region, Blend::Over);
        assert_eq!(image.as_bytes(), [9, 9, 9, 9, 1, 255, 9, 9, 9, 9, 3, 255]);
        let region = Region { x: 0, y: 1, ..region };
        draw(&mut image, &part, region, Blend::Replace);
        assert_eq!(image.as_bytes(), [9, 9, 9, 9, 1, 255, 1, 255, 2, 255, 3, 255]);
        clear(&mut image, Region { x: 1, ..region });
        assert_eq!(image.as_bytes(), [9, 9, 9, 9, 1, 255, 1, 255, 0, 0, 0, 0]);
        draw(&mut image, &part, Region { x: 7, y: 9, ..region }, Blend::Over);
        clear(&mut image, Region { x: 7, y: 9, ..region });
    }
}
