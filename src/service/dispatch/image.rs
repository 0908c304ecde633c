//! The image of one job in work, from which its tiles are cut.

use tokio_util::sync::DropGuard;

use crate::raster::source::Source;

/// The image that tiles are cut from.
pub(super) enum Image {
    /// Being decoded; the rows so far can be cut. Dropping this stops the decoding.
    Coming(Option<Source>, #[expect(dead_code, reason = "held only for its `Drop`")] DropGuard),
    /// Completely decoded.
    Ready(Source),
    /// No longer needed, unless the board loses tiles.
    Released,
}

impl Image {
    /// Notes that decoding has begun: the first rows follow.
    pub(super) fn open(&mut self, opened: Source) {
        if let Self::Coming(source, _) = self {
            *source = Some(opened);
        }
    }

    /// Notes that all rows are decoded.
    pub(super) fn complete(&mut self) {
        if let Self::Coming(Some(source), _) = self {
            *self = Self::Ready(source.clone());
        }
    }

    /// What is decoded so far, if anything is.
    pub(super) fn source(&self) -> Option<&Source> {
        match self {
            Self::Coming(source, _) => source.as_ref(),
            Self::Ready(source) => Some(source),
            Self::Released => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::Image;
    use crate::raster::grid::Size;
    use crate::raster::orientation::Orientation;
    use crate::raster::pixels::{Bands, PixelFormat, SampleType};
    use crate::raster::source::{MemoryRaster, Source};

    fn source() -> Source {
        let format = PixelFormat::new(Bands::GREY, SampleType::U8);
        let raster = MemoryRaster::new(Size::new(1, 1), format);
        Source::new(Arc::new(raster), Orientation::default())
    }

    #[test]
    fn decoding_ends_with_its_image_and_an_image_is_there_from_its_first_row_on() {
        let stop = CancellationToken::new();
        let mut image = Image::Coming(None, stop.clone().drop_guard());
        image.complete();
        assert!(matches!(image, Image::Coming(..)) && image.source().is_none());
        image.open(source());
        assert!(image.source().is_some() && !stop.is_cancelled());
        image.complete();
        assert!(matches!(image, Image::Ready(_)) && stop.is_cancelled());
    }

    #[test]
    fn a_released_image_takes_no_rows_that_come_too_late() {
        let mut image = Image::Released;
        image.open(source());
        image.complete();
        assert!(matches!(image, Image::Released) && image.source().is_none());
    }
}
