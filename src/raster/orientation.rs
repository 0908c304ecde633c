//! The eight ways a stored image may have to be turned for viewing.

use serde::{Deserialize, Serialize};

use super::grid::{Region, Size};
use super::pixels::Pixels;

/// How the stored image is turned for viewing: axes exchanged or not, then mirrored.
///
/// The numbers 1 to 8 are those of the tag `Orientation` of TIFF 6.0 and Exif 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Orientation(u8);

impl Default for Orientation {
    fn default() -> Orientation {
        Orientation::UPRIGHT
    }
}

impl Orientation {
    /// As stored.
    pub const UPRIGHT: Orientation = Orientation(1);

    /// The orientation of an Exif tag, 1 to 8.
    #[must_use]
    pub fn from_exif(value: u8) -> Option<Orientation> {
        (1..=8).contains(&value).then_some(Orientation(value))
    }

    /// The value of its Exif tag, 1 to 8.
    #[must_use]
    pub fn to_exif(self) -> u8 {
        self.0
    }

    /// Whether width and height are exchanged between the stored and the viewed image.
    #[must_use]
    pub fn transposes(self) -> bool {
        self.0 >= 5
    }

    fn mirrors_columns(self) -> bool {
        matches!(self.0, 2 | 3 | 7 | 8)
    }

    pub(super) fn mirrors_rows(self) -> bool {
        matches!(self.0, 3 | 4 | 6 | 7)
    }

    /// The size of the viewed image for a stored one, and vice versa.
    #[must_use]
    pub fn size(self, size: Size) -> Size {
        if self.transposes() { size.transposed() } else { size }
    }

    /// The stored region that holds the pixels of a viewed region; `stored` is the size as stored.
    #[must_use]
    pub fn stored_region(self, viewed: Region, stored: Size) -> Region {
        let mut region = viewed;
        if self.transposes() {
            let Region { x, y, width, height } = viewed;
            region = Region { x: y, y: x, width: height, height: width };
        }
        if self.mirrors_columns() {
            region.x = stored.width - region.columns().end;
        }
        if self.mirrors_rows() {
            region.y = stored.height - region.rows().end;
        }
        region
    }

    /// The viewed region that shows the pixels of a stored region; `stored` is the size as stored.
    #[must_use]
    pub(super) fn viewed_region(self, region: Region, stored: Size) -> Region {
        let Region { mut x, mut y, width, height } = region;
        if self.mirrors_columns() {
            x = stored.width - region.columns().end;
        }
        if self.mirrors_rows() {
            y = stored.height - region.rows().end;
        }
        if self.transposes() {
            return Region { x: y, y: x, width: height, height: width };
        }
        Region { x, y, width, height }
    }

    /// Turns stored pixels into viewed ones.
    #[must_use]
    pub fn turn(self, stored: Pixels) -> Pixels {
        if self == Orientation::UPRIGHT {
            return stored;
        }
        match stored.format().bytes_per_pixel() {
            1 => self.turn_pixels::<1>(&stored),
            2 => self.turn_pixels::<2>(&stored),
            3 => self.turn_pixels::<3>(&stored),
            4 => self.turn_pixels::<4>(&stored),
            6 => self.turn_pixels::<6>(&stored),
            8 => self.turn_pixels::<8>(&stored),
            bytes => self.turn_wide(&stored, bytes),
        }
    }

    /// The pixels of a stored image in the order of the viewed one, by their index.
    fn order(self, stored: Size) -> impl Iterator<Item = usize> {
        let (width, height) = (stored.width as usize, stored.height as usize);
        let viewed = self.size(stored);
        (0..viewed.height as usize).flat_map(move |y| {
            (0..viewed.width as usize).map(move |x| {
                let (column, line) = if self.transposes() { (y, x) } else { (x, y) };
                let column = if self.mirrors_columns() { width - 1 - column } else { column };
                let line = if self.mirrors_rows() { height - 1 - line } else { line };
                line * width + column
            })
        })
    }

    fn turn_pixels<const BYTES: usize>(self, stored: &Pixels) -> Pixels {
        let mut viewed = Pixels::zeroed(self.size(stored.size()), stored.format());
        let (from, _) = stored.as_bytes().as_chunks::<BYTES>();
        let (to, _) = viewed.as_bytes_mut().as_chunks_mut::<BYTES>();
        for (pixel, index) in to.iter_mut().zip(self.order(stored.size())) {
            *pixel = from[index];
        }
        viewed
    }

    fn turn_wide(self, stored: &Pixels, bytes: usize) -> Pixels {
        let mut viewed = Pixels::zeroed(self.size(stored.size()), stored.format());
        let to = viewed.as_bytes_mut().chunks_exact_mut(bytes);
        for (pixel, index) in to.zip(self.order(stored.size())) {
            pixel.copy_from_slice(&stored.as_bytes()[index * bytes..][..bytes]);
        }
        viewed
    }
}

impl TryFrom<u8> for Orientation {
    type Error = String;

    fn try_from(value: u8) -> Result<Orientation, String> {
        Orientation::from_exif(value)
            .ok_or_else(|| format!("orientation {value} is not one of 1 to 8"))
    }
}

impl From<Orientation> for u8 {
    fn from(orientation: Orientation) -> u8 {
        orientation.0
    }
}
