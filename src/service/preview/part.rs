//! The part of a result that a preview shows.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::raster::grid::{Region, Size};
use crate::refusal::{Code, Refusal};

/// Side of a preview in pixels, unless the client gives one.
const SIDE: u32 = 512;
/// The longest side of a preview in pixels.
const MAX_SIDE: u32 = 1024;

/// A part of a result, as a client names it.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Its left column in the result. By default the part is centred.
    x: Option<u32>,
    /// Its top row in the result. By default the part is centred.
    y: Option<u32>,
    /// Its width in pixels, 512 by default. After it is clipped at the image's edge, it may be at most 1024.
    #[param(minimum = 1)]
    width: Option<u32>,
    /// Its height in pixels; defaults and limits are those of `width`.
    #[param(minimum = 1)]
    height: Option<u32>,
}

impl Part {
    /// The region of this part in an image of size `image`, clipped at the edges.
    pub fn within(self, image: Size) -> Result<Region, Refusal> {
        let (width, height) = (self.width.unwrap_or(SIDE), self.height.unwrap_or(SIDE));
        let middle = |all: u32, part: u32| all.saturating_sub(part) / 2;
        let x = self.x.unwrap_or(middle(image.width, width));
        let y = self.y.unwrap_or(middle(image.height, height));
        let clipped = Region {
            x,
            y,
            width: width.min(image.width.saturating_sub(x)),
            height: height.min(image.height.saturating_sub(y)),
        };
        if clipped.size().is_empty() {
            let outside = Region { x, y, width, height };
            return Err(refused("the preview shows no pixel of the image", outside, image));
        }
        if clipped.width.max(clipped.height) > MAX_SIDE {
            let limit = Size::new(MAX_SIDE, MAX_SIDE);
            return Err(refused("the preview is too large", clipped.size(), limit));
        }
        Ok(clipped)
    }
}

fn refused(what: &str, value: impl std::fmt::Display, limit: Size) -> Refusal {
    let refusal = Refusal::new(Code::InvalidOption, what).value(value);
    Refusal { limit: Some(format!("{limit} pixels")), ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(part: [Option<u32>; 4], image: Size) -> Result<Region, String> {
        let [x, y, width, height] = part;
        Part { x, y, width, height }.within(image).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_part_is_in_the_middle_unless_given_and_ends_where_the_image_does() {
        let image = Size::new(2000, 300);
        let region = |x, y, width, height| Ok(Region { x, y, width, height });
        assert_eq!(within([None; 4], image), region(744, 0, 512, 300));
        assert_eq!(within([Some(10), None, Some(20), Some(100)], image), region(10, 100, 20, 100));
        assert_eq!(within([Some(1990), Some(299), None, None], image), region(1990, 299, 10, 1));
        assert_eq!(
            within([Some(1000), Some(0), Some(5000), None], image),
            region(1000, 0, 1000, 300)
        );
    }

    #[test]
    fn a_part_that_shows_nothing_or_too_much_is_refused_with_the_numbers() {
        let image = Size::new(2000, 300);
        assert_eq!(
            within([Some(2000), None, None, None], image).unwrap_err(),
            "the preview shows no pixel of the image: 512 × 512 at (2000, 0), the limit is 2000 × 300 pixels"
        );
        assert!(within([None, None, Some(0), None], image).is_err());
        assert_eq!(
            within([Some(0), None, Some(1025), None], image).unwrap_err(),
            "the preview is too large: 1025 × 300, the limit is 1024 × 1024 pixels"
        );
    }
}
