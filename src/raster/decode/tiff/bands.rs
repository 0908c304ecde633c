//! The decoder of TIFF. A band is a row of tiles, a compressed strip, or some rows of uncompressed strips.

use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use super::super::error::DecodeError;
use super::super::limits::Limits;
use super::super::{Decoder, Input, Stored};
use super::broken;
use super::chunks::{Chunks, Filled, Packing};
use super::codec::Codec;
use super::directory::{Directory, Order, Tiff};
use super::jpeg::Jpeg;
use super::jpeg2000::Jpeg2000;
use super::kind::{self, Kind, Prediction, RECOMPRESS};
use super::layout::{Layout, Spot};
use super::lerc::{Lerc, Outer};
use super::picture::{JPEG, JPEG_2000_YCBCR, LERC, OLD_JPEG, OLD_WEBP, Picture, WEBP, YCBCR};
use super::places::{self, PLACE_BYTES, Places};
use super::samples;
use super::webp::WebP;
use crate::format::Colours;
use crate::grid::{Region, Size};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::pixels::{Pixels, SamplesMut};
use crate::source::Rows;

/// The most bytes that a thread may take for the chunk that it decodes beside others.
const MOST_SHARED: u64 = 16 << 20;

/// Why no lock is poisoned: a panic of one thread ends the decoding.
const UNBROKEN: &str = "no other thread has panicked";

/// The value of `FillOrder` for bytes whose bits are in reverse order.
const LOW_BIT_FIRST: u64 = 2;

/// The decoder for a picture.
pub(super) struct BandDecoder<'r> {
    file: Input<'r>,
    source: PageSamples,
    metadata: Metadata,
    orientation: Orientation,
    notes: Vec<String>,
}

/// The source of a picture's samples.
pub(super) struct PageSamples {
    chunks: Chunks,
    layout: Layout,
    order: Order,
    /// Threads that decode chunks.
    threads: usize,
    /// Bytes of memory that decoding takes.
    pub(super) memory: u64,
}

impl PageSamples {
    /// The samples of a picture of a supported kind. They begin `shift` bytes behind the places that the file lists.
    pub(super) fn open(
        tiff: &mut Tiff<'_>,
        directory: &Directory,
        picture: &Picture,
        kind: Kind,
        shift: u64,
        limits: &Limits,
    ) -> Result<PageSamples, DecodeError> {
        limits.check_size(picture.size)?;
        let layout = Layout::new(picture, kind);
        let plain = layout.plain(picture.compression);
        let lists = plain.count().saturating_mul(PLACE_BYTES);
        let scratch = if layout.is_direct() { 0 } else { layout.scratch_memory() };
        let memory = layout.band_memory().saturating_add(scratch).saturating_add(lists);
        // Before the lists are read.
        limits.check_memory(memory)?;
        let places = match picture.interchange {
            Some(place) => Places::one(place),
            None => places::read(tiff, directory, plain).map_err(broken)?,
        };
        let packing = match picture.compression {
            JPEG | OLD_JPEG => {
                Packing::Jpeg(Jpeg::open(tiff, directory, picture, &layout, &places, limits)?)
            }
            WEBP | OLD_WEBP => Packing::WebP(webp(tiff, &layout)),
            _ if kind::is_jpeg_2000(picture) => {
                Packing::Jpeg2000(jpeg_2000(tiff, picture, &layout))
            }
            LERC => Packing::Lerc(lerc(tiff, picture, &layout)?),
            _ => Packing::Bytes(Codec::of(picture)),
        };
        let packed = places.longest().min(tiff.length);
        let unpacking = packing.memory(plain.bytes(0), packed);
        let least = memory.saturating_add(unpacking);
        let turned = picture.fill_order == LOW_BIT_FIRST;
        let missing = samples::missing(picture.missing, kind, tiff.order);
        let row = usize::try_from(layout.row_bytes()).unwrap_or(usize::MAX);
        let chunks = Chunks { places, shift, packing, turned, missing, row };
        let one = PageSamples { chunks, layout, order: tiff.order, threads: 1, memory: least };
        let each = [layout.scratch_memory(), unpacking, packed];
        Ok(one.shared(limits, lists, each.into_iter().fold(0, u64::saturating_add)))
    }

    /// The same samples, whose chunks several threads decode, if that is of use and its memory is within the limits:
    /// that of `lists`, and of `each` thread.
    fn shared(self, limits: &Limits, lists: u64, each: u64) -> PageSamples {
        let mut layout = self.layout;
        let threads = u32::try_from(limits.threads).unwrap_or(u32::MAX);
        if threads < 2 || layout.by_rows || each > MOST_SHARED {
            return self;
        }
        layout.gather(threads);
        let all = Region::of(layout.size);
        let chunks = layout.spots(&(0..all.height.min(layout.height))).take(limits.threads).count();
        let memory = lists
            .saturating_add(layout.band_memory())
            .saturating_add(each.saturating_mul(chunks as u64));
        if chunks < 2 || limits.check_memory(memory).is_err() {
            return self;
        }
        PageSamples { layout, threads: chunks, memory, ..self }
    }

    /// The size of the picture.
    pub(super) fn size(&self) -> Size {
        self.layout.size
    }

    /// The part of the picture that is read.
    pub(super) fn part(&self) -> Region {
        self.layout.part
    }

    /// Reads only the chunks that a part of the picture crosses, and passes only that part on.
    pub(super) fn narrow(&mut self, part: Region) {
        self.layout.part = part;
    }

    /// Passes each band of the part on.
    pub(super) fn each_band(
        &self,
        file: &mut Input<'_>,
        mut pass: impl FnMut(Pixels) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let Layout { size, height, part, .. } = self.layout;
        let (left, wanted) = (self.layout.columns().left, part.rows());
        let is_direct = self.threads == 1 && self.layout.is_direct();
        let count = if is_direct { 0 } else { self.threads };
        let mut scratches = vec![self.layout.new_scratch(); count];
        let first = wanted.start / height * height;
        for top in (first..wanted.end).step_by(height as usize) {
            let end = size.height.min(top.saturating_add(height));
            let band = self.band(file, top..end, &mut scratches).map_err(broken)?;
            let rows = wanted.start.max(top)..wanted.end.min(end);
            let (x, y) = (part.x - left, rows.start - top);
            let seen = Region { x, y, width: part.width, height: rows.end - rows.start };
            pass(if seen.size() == band.size() { band } else { band.crop(seen) })?;
        }
        Ok(())
    }
}

fn jpeg_2000(tiff: &Tiff<'_>, picture: &Picture, layout: &Layout) -> Jpeg2000 {
    let ycc = picture.photometric == YCBCR || picture.compression == JPEG_2000_YCBCR;
    let (samples, width) = (layout.samples_per_pixel(), layout.grid.chunk.width);
    Jpeg2000 { stored: layout.kind.stored, samples, ycc, width, length: tiff.length }
}

fn webp(tiff: &Tiff<'_>, layout: &Layout) -> WebP {
    let (samples, width) = (layout.samples_per_pixel(), layout.grid.chunk.width);
    WebP { samples, width, length: tiff.length }
}

fn lerc(tiff: &Tiff<'_>, picture: &Picture, layout: &Layout) -> Result<Lerc, DecodeError> {
    let (samples, width) = (layout.samples_per_pixel(), layout.grid.chunk.width);
    let outer = match picture.lerc_outer {
        0 => Outer::None,
        1 => Outer::Deflate,
        2 => Outer::Zstandard,
        other => {
            return Err(kind::refused(&format!("LERC inside of compression {other}"), RECOMPRESS));
        }
    };
    let has_alpha = layout.kind.format.has_alpha() && samples > 1;
    let (stored, length) = (layout.kind.stored, tiff.length);
    Ok(Lerc { stored, samples, has_alpha, outer, width, length })
}

impl<'r> BandDecoder<'r> {
    /// A decoder of these samples.
    pub(super) fn new(file: Input<'r>, source: PageSamples) -> BandDecoder<'r> {
        let (metadata, orientation) = (Metadata::default(), Orientation::UPRIGHT);
        BandDecoder { file, source, metadata, orientation, notes: Vec::new() }
    }
}

impl BandDecoder<'_> {
    /// Adds the metadata and the orientation of the file.
    pub(super) fn with(self, metadata: Metadata, orientation: Orientation) -> Self {
        BandDecoder { metadata, orientation, ..self }
    }

    /// Adds notes for the owner of the file.
    pub(super) fn noting(self, notes: Vec<String>) -> Self {
        BandDecoder { notes, ..self }
    }

    /// Passes each band of another picture of the file on.
    pub(super) fn each_band_of(
        &mut self,
        other: &PageSamples,
        pass: impl FnMut(Pixels) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        other.each_band(&mut self.file, pass)
    }

    /// The size of the largest band.
    pub(super) fn largest(&self) -> Size {
        let Layout { size, height, .. } = self.source.layout;
        Size { height: height.min(size.height), ..size }
    }
}

impl Decoder for BandDecoder<'_> {
    fn stored(&self) -> Stored {
        let Layout { size, kind, .. } = self.source.layout;
        let Kind { format, stored, inks, .. } = kind;
        Stored { size, format, own: stored, orientation: self.orientation, inks }
    }

    fn metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn memory(&self) -> u64 {
        self.source.memory
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn narrow(&mut self, part: Region) -> bool {
        self.source.narrow(part);
        true
    }

    fn read(mut self: Box<Self>, _: Colours, rows: &mut dyn Rows) -> Result<(), DecodeError> {
        let BandDecoder { file, source, .. } = &mut *self;
        source.each_band(file, |band| rows.push(band).map_err(DecodeError::keep))
    }
}

impl PageSamples {
    /// Some rows of the picture, made with a scratch for each thread; without any, chunks are read where they go.
    fn band(
        &self,
        file: &mut Input<'_>,
        rows: Range<u32>,
        scratches: &mut [Vec<u64>],
    ) -> io::Result<Pixels> {
        let Layout { kind, .. } = self.layout;
        let size = Size::new(self.layout.columns().width, rows.end - rows.start);
        let mut band = Pixels::zeroed(size, kind.format);
        let mut spots = self.layout.spots(&rows);
        match scratches {
            [] => spots.try_for_each(|spot| self.fill(file, band.as_bytes_mut(), spot, &rows))?,
            [scratch] => spots.try_for_each(|spot| {
                let part = self.layout.part_of(scratch, spot);
                self.fill(file, part, spot, &rows)?;
                self.layout.place(part, &mut band, spot);
                Ok::<(), io::Error>(())
            })?,
            _ => self.fill_together(file, &spots.collect::<Vec<_>>(), &mut band, scratches)?,
        }
        if kind.inverted {
            samples::to_light(&mut band);
        }
        if let SamplesMut::F32(floats) = band.samples_mut() {
            samples::unify_nans(floats);
        }
        Ok(band)
    }

    /// Fills a band with its chunks, which threads decode that take turns at the file. Of several errors it is that of
    /// the first chunk.
    fn fill_together(
        &self,
        file: &mut Input<'_>,
        spots: &[Spot],
        band: &mut Pixels,
        scratches: &mut [Vec<u64>],
    ) -> io::Result<()> {
        let (next, file, band) = (AtomicUsize::new(0), Mutex::new(file), Mutex::new(band));
        let decode = |spot: Spot, scratch: &mut Vec<u64>| {
            let (chunk, part) = (self.chunk(spot), self.layout.part_of(scratch, spot));
            let packed = self.chunks.packed(&mut file.lock().expect(UNBROKEN), chunk)?;
            let filled = self.chunks.fill(chunk, packed.as_deref(), part)?;
            self.to_samples(part, filled);
            self.layout.place(part, &mut band.lock().expect(UNBROKEN), spot);
            Ok::<(), io::Error>(())
        };
        let work = |scratch: &mut Vec<u64>| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let spot = spots.get(index)?;
                if let Err(error) = decode(*spot, scratch) {
                    return Some((index, error));
                }
            }
        };
        let failures = thread::scope(|scope| {
            let threads = scratches.iter_mut().map(|scratch| scope.spawn(|| work(scratch)));
            let threads: Vec<_> = threads.collect();
            let ended = threads.into_iter().map(ScopedJoinHandle::join);
            ended
                .filter_map(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        let first = failures.into_iter().min_by_key(|(index, _)| *index);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The number of the chunk of a spot.
    fn chunk(&self, spot: Spot) -> u64 {
        let grid = self.layout.grid;
        let row = u64::from(spot.top / grid.chunk.height);
        let first = u64::from(spot.plane) * grid.count();
        first + row * u64::from(grid.across) + u64::from(spot.column)
    }

    /// Fills `bytes` with the samples of the chunk of a spot, or with those `rows` of its strips that a band takes.
    fn fill(
        &self,
        file: &mut Input<'_>,
        bytes: &mut [u8],
        spot: Spot,
        rows: &Range<u32>,
    ) -> io::Result<()> {
        let Layout { grid, by_rows, .. } = self.layout;
        let filled = if by_rows {
            let lengths = [grid.chunk.height.into(), self.layout.row_bytes()];
            let first = u64::from(spot.plane) * grid.count();
            self.chunks.read_rows(file, first, rows.clone(), lengths, bytes)?;
            Filled::Stored
        } else {
            self.chunks.read(file, self.chunk(spot), bytes)?
        };
        self.to_samples(bytes, filled);
        Ok(())
    }

    /// Makes samples of this machine of those of the file.
    fn to_samples(&self, bytes: &mut [u8], filled: Filled) {
        let kind = self.layout.kind;
        let (width, row) = (kind.sample_bytes(), self.layout.row_samples());
        let count = self.layout.samples_per_pixel();
        match kind.prediction {
            Prediction::Floating if filled == Filled::Stored => {
                samples::undo_floating_prediction(bytes, width, row, count);
            }
            Prediction::Horizontal if filled == Filled::Stored => {
                samples::to_native(bytes, width, self.order);
                samples::undo_prediction(bytes, width, row, count);
            }
            _ if filled == Filled::Native => {}
            _ => samples::to_native(bytes, width, self.order),
        }
    }
}
