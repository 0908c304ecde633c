//! Quarter turns and reflections of the whole image.

use super::{Filter, Window};
use crate::grid::{Region, Size};
use crate::orientation::Orientation;
use crate::pixels::Pixels;

/// Each pixel keeps its samples.
#[derive(Debug)]
pub(super) struct Turn(Orientation);

impl Turn {
    /// The turn that an Exif tag of this `number`, 1 to 8, asks for.
    pub(super) fn of(number: u8) -> Turn {
        Turn(Orientation::from_exif(number).expect("a number from 1 to 8"))
    }
}

impl Filter for Turn {
    fn changes_nothing(&self) -> bool {
        true
    }

    fn moves(&self) -> bool {
        true
    }

    fn output_size(&self, input: Size) -> Size {
        self.0.size(input)
    }

    fn needs(&self, output: Region, input: Size) -> Region {
        self.0.stored_region(output, input)
    }

    fn apply(&self, window: Window<'_>) -> Pixels {
        let needed = self.needs(window.keep, window.image);
        if needed == window.at {
            return self.0.turn(window.pixels.into_owned());
        }
        self.0.turn(window.pixels.crop(needed.relative_to(window.at)))
    }
}
