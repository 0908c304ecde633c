//! Reads the rows of an image that a preview needs, and surveys the whole image if the filters need that.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::Undrawn;
use crate::raster::decode::{self, DecodeError, Limits, Wanted};
use crate::raster::filter::Histogram;
use crate::raster::grid::Region;
use crate::raster::metadata::Metadata;
use crate::raster::pixels::{PixelFormat, Pixels};
use crate::raster::source::Rows;

/// The most bytes of a window that is remembered, since the next preview is often of the same part.
const REMEMBERED: usize = 8 << 20;

/// What a part needs of its image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed {
    /// The form of the pixels.
    pub(super) wanted: Wanted,
    /// The window of the upright image.
    pub(super) window: Region,
    /// Whether the whole image is surveyed, too.
    pub(super) survey: bool,
}

/// What was read.
#[derive(Clone)]
pub(super) struct Material {
    /// The pixels of `window`, upright.
    pub(super) pixels: Arc<Pixels>,
    /// The window of these pixels, which contains the one that was needed.
    pub(super) window: Region,
    /// The survey of the whole image, if it was needed.
    pub(super) histogram: Option<Arc<Histogram>>,
    /// The metadata on colours in the file.
    pub(super) colours: Arc<Metadata>,
}

/// What is remembered of an image: its last window, and a survey for each form of pixels.
#[derive(Default)]
pub(super) struct Known {
    last: Option<(Wanted, Material)>,
    surveys: Vec<(Wanted, Arc<Histogram>)>,
}

impl Known {
    fn survey(&self, wanted: Wanted) -> Option<Arc<Histogram>> {
        let known = self.surveys.iter().find(|(of, _)| *of == wanted);
        known.map(|(_, histogram)| Arc::clone(histogram))
    }

    fn find(&self, needed: &Needed) -> Option<Material> {
        let (of, last) = self.last.as_ref()?;
        let fits = *of == needed.wanted && last.window.contains(needed.window);
        let histogram = self.survey(needed.wanted).filter(|_| needed.survey);
        let found = || Material { histogram: histogram.clone(), ..last.clone() };
        (fits && needed.survey == histogram.is_some()).then(found)
    }

    fn remember(&mut self, wanted: Wanted, read: &Material) {
        if let Some(histogram) = read.histogram.clone().filter(|_| self.survey(wanted).is_none()) {
            self.surveys.push((wanted, histogram));
        }
        let is_small = read.pixels.as_bytes().len() <= REMEMBERED;
        self.last = is_small.then(|| (wanted, Material { histogram: None, ..read.clone() }));
    }
}

/// Reads images.
pub(super) struct Reader {
    pub(super) file: Arc<File>,
    pub(super) limits: Limits,
    pub(super) page: Option<u32>,
    /// Cancelled when the client has gone.
    pub(super) stop: CancellationToken,
}

impl Reader {
    /// Reads what is `needed`, or finds it in `known`. The lock on `known` also guards the position in the file, which
    /// clones of its handle share.
    pub(super) fn read(
        &self,
        mut known: OwnedMutexGuard<Known>,
        needed: Needed,
    ) -> Result<Material, Undrawn> {
        if let Some(found) = known.find(&needed) {
            return Ok(found);
        }
        let surveyed = known.survey(needed.wanted).filter(|_| needed.survey);
        let mut read = self.decode(needed, needed.survey && surveyed.is_none())?;
        read.histogram = read.histogram.or(surveyed);
        known.remember(needed.wanted, &read);
        Ok(read)
    }

    fn decode(&self, needed: Needed, survey: bool) -> Result<Material, Undrawn> {
        (&*self.file).rewind()?;
        let image = decode::open_page(BufReader::new(&*self.file), &self.limits, self.page)?;
        let header = image.header().clone();
        let metadata = image.metadata();
        let (icc, cicp) = (metadata.icc.clone(), metadata.cicp);
        let format = header.format_for(needed.wanted);
        let stored = header.orientation.stored_region(needed.window, header.stored_size());
        let region = if survey { stored } else { Region::of(stored.size()) };
        let mut strip = Strip::new(region, format, survey, self.stop.clone());
        let read = if survey {
            image.read(needed.wanted, &mut strip)
        } else {
            image.read_part(needed.wanted, stored, &mut strip)
        };
        match read {
            Err(DecodeError::Keep { source }) => return Err(source.into()),
            read => read?,
        }
        Ok(Material {
            pixels: Arc::new(header.orientation.turn(strip.pixels)),
            window: needed.window,
            histogram: strip.histogram.map(Arc::new),
            colours: Arc::new(Metadata { icc, cicp, ..Metadata::default() }),
        })
    }
}

/// Receives the rows of one image, and keeps one region.
struct Strip {
    region: Region,
    pixels: Pixels,
    /// Rows that have arrived.
    rows: u32,
    histogram: Option<Histogram>,
    stop: CancellationToken,
}

impl Strip {
    fn new(region: Region, format: PixelFormat, survey: bool, stop: CancellationToken) -> Self {
        let histogram = survey.then(|| Histogram::new(format));
        Self { region, pixels: Pixels::zeroed(region.size(), format), rows: 0, histogram, stop }
    }
}

impl Rows for Strip {
    fn push(&mut self, rows: Pixels) -> io::Result<()> {
        if self.stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.add(&rows);
        }
        let (top, end) = (self.rows, self.rows + rows.height());
        let wanted = self.region.rows();
        let (first, last) = (wanted.start.max(top), wanted.end.min(end));
        if first < last {
            let part = Region { y: first - top, height: last - first, ..self.region };
            self.pixels.copy(0, first - self.region.y, &rows, part);
        }
        self.rows = end;
        Ok(())
    }
}
