//! One frame of an animation, as viewers show it: drawn over what the frames before it leave.
//!
//! The image is transparent before the first frame, and where a frame is cleared. Viewers do the same, and ignore the
//! background colours that files declare.

use super::error::DecodeError;
use super::limits::{Limits, raster_bytes};
use super::{Decoder, Stored, overlay};
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{PixelFormat, Pixels};
use crate::source::Rows;

/// The most frames that can be chosen among, so that a file of nothing but frames costs little.
pub(super) const MOST_FRAMES: usize = 65_536;

/// What becomes of the place of a frame before the next one is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposal {
    Keep,
    Clear,
    /// It becomes what it was before the frame.
    Restore,
}

/// How a frame is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blend {
    /// Over what is there, by its alpha.
    Over,
    /// In place of what is there, alpha included.
    Replace,
}

/// A frame as its header describes it. It may reach over the edge of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) region: Region,
    pub(super) disposal: Disposal,
    pub(super) blend: Blend,
}

/// A step on the way to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// The number of the frame, from 0.
    number: usize,
    frame: Frame,
    /// Whether the frame is drawn; otherwise its place is cleared.
    drawn: bool,
}

/// The steps that lead to one frame.
#[derive(Debug)]
pub(super) struct Steps {
    image: Size,
    steps: Vec<Step>,
}

impl Steps {
    /// The steps that lead to the frame `page`. Frames that no pixel of it depends on are left out, so that they are not
    /// decoded.
    pub(super) fn to(
        page: u32,
        frames: &[Frame],
        image: Size,
        limits: &Limits,
    ) -> Result<Steps, DecodeError> {
        let number = usize::try_from(page).unwrap_or(usize::MAX);
        let last = u32::try_from(frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let frame = *frames.get(number).ok_or(DecodeError::NoPage { page, last })?;
        let mut steps = Steps { image, steps: Vec::new() };
        for (number, frame) in frames[..number].iter().enumerate() {
            steps.pass(number, *frame);
        }
        steps.add(Step { number, frame, drawn: true });
        limits.check_drawn(steps.pixels())?;
        Ok(steps)
    }

    /// Adds the effect that a frame has on those behind it.
    fn pass(&mut self, number: usize, frame: Frame) {
        let drawn = match frame.disposal {
            Disposal::Keep => true,
            Disposal::Clear => false,
            Disposal::Restore => return,
        };
        // Nothing has to be cleared before something is drawn.
        if drawn || !self.steps.is_empty() {
            self.add(Step { number, frame, drawn });
        }
    }

    fn add(&mut self, step: Step) {
        let is_full = step.frame.region.contains(Region::of(self.image));
        if is_full && (!step.drawn || step.frame.blend == Blend::Replace) {
            self.steps.clear();
        }
        self.steps.push(step);
    }

    /// Pixels of all steps together.
    fn pixels(&self) -> u64 {
        let pixels = self.steps.iter().map(|step| step.frame.region.size().pixels());
        pixels.fold(0, u64::saturating_add)
    }

    /// The frames that are drawn, with their numbers.
    fn drawn(&self) -> impl Iterator<Item = (usize, Frame)> {
        self.steps.iter().filter(|step| step.drawn).map(|step| (step.number, step.frame))
    }
}

/// The frames of a file, to be decoded.
pub(super) trait Frames {
    /// Decodes a frame in the format of the image. Numbers are asked for in ascending order.
    fn decode(&mut self, number: usize, size: Size) -> Result<Pixels, DecodeError>;

    /// The most bytes of memory that decoding a frame takes, with its pixels.
    fn memory(&self, size: Size) -> u64;
}

/// The decoder for one frame of an animation.
pub(super) struct Animated<F> {
    pub(super) frames: F,
    pub(super) steps: Steps,
    /// The format of the image, which has alpha.
    pub(super) format: PixelFormat,
    pub(super) orientation: Orientation,
    pub(super) metadata: Metadata,
}

impl<F: Frames> Decoder for Animated<F> {
    fn stored(&self) -> Stored {
        Stored::new(self.steps.image, self.format, self.orientation)
    }

    fn memory(&self) -> u64 {
        let largest = self.steps.drawn().map(|(_, frame)| self.frames.memory(frame.region.size()));
        raster_bytes(self.steps.image, self.format).saturating_add(largest.max().unwrap_or(0))
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn read(self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let Animated { mut frames, steps, format, .. } = *self;
        let mut image = Pixels::zeroed(steps.image, format);
        for Step { number, frame: Frame { region, blend, .. }, drawn } in steps.steps {
            if drawn {
                let pixels = frames.decode(number, region.size())?;
                overlay::draw(&mut image, &pixels, region, blend);
            } else {
                overlay::clear(&mut image, region);
            }
        }
        drop(frames);
        rows.push(image).map_err(DecodeError::keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Size = Size { width: 10, height: 8 };

    fn frame(width: u32, disposal: Disposal, blend: Blend) -> Frame {
        Frame { region: Region { x: 0, y: 0, width, height: 8 }, disposal, blend }
    }

    /// The numbers of the frames in the steps to the last one; those that are cleared are negative.
    fn numbers(frames: &[Frame]) -> Vec<i32> {
        let page = u32::try_from(frames.len() - 1).unwrap();
        let steps = Steps::to(page, frames, IMAGE, &Limits::NONE).unwrap().steps;
        let number = |step: &Step| i32::try_from(step.number).unwrap();
        steps.iter().map(|step| if step.drawn { number(step) } else { -number(step) }).collect()
    }

    #[test]
    fn only_frames_that_the_chosen_one_depends_on_are_decoded() {
        use Blend::{Over, Replace};
        use Disposal::{Clear, Keep, Restore};
        let [part, restored, cleared] =
            [Keep, Restore, Clear].map(|disposal| frame(4, disposal, Over));
        assert_eq!(numbers(&[part, part, part]), [0, 1, 2]);
        assert_eq!(numbers(&[part, restored, cleared, part]), [0, -2, 3]);
        assert_eq!(numbers(&[restored, cleared, part]), [2]);
        let [full, replaced, emptied] =
            [(Keep, Over), (Keep, Replace), (Clear, Over)].map(|(d, b)| frame(10, d, b));
        assert_eq!(numbers(&[part, full, part]), [0, 1, 2]);
        assert_eq!(numbers(&[part, replaced, part]), [1, 2]);
        assert_eq!(numbers(&[part, emptied, part]), [-1, 2]);
        assert_eq!(numbers(&[part, part, frame(11, Restore, Replace)]), [2]);
    }

    #[test]
    fn a_frame_that_is_not_there_and_too_many_pixels_are_refused() {
        let frames = [frame(10, Disposal::Keep, Blend::Over); 5];
        let told = |page, max_pixels| {
            let limits = Limits { max_pixels, ..Limits::NONE };
            Steps::to(page, &frames, IMAGE, &limits).unwrap_err().to_string()
        };
        let missing = "there is no page 5; the last page of the file is 4, counted from 0";
        assert_eq!(told(5, u64::MAX), missing);
        assert_eq!(told(5, 0), missing);
        let pixels =
            "the image has 320 pixels in the frames that this page is drawn from, the limit is 319";
        assert_eq!(told(3, 319), pixels);
        assert!(Steps::to(3, &frames, IMAGE, &Limits { max_pixels: 320, ..Limits::NONE }).is_ok());
    }
}
