//! The mosaic of a followed job as events: each tile once, with its pixels and the worker that made it.
//!
//! Events are made once for all clients that follow the job. An event `tiles` carries the grid, the names of workers,
//! whether the tiles of earlier events are to be forgotten, tiles whose last attempt failed, and, in base64, for each
//! tile: its index (u32); the number of its worker in the list from 1, or 0 if it is unknown (u16); the attempt, with
//! the highest bit set if the tile was taken over from a worker that died (u16); milliseconds (u32); and the pixels of
//! its slot, row by row, four bytes each. All numbers are little-endian.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::hub::event;
use crate::locked::Locked;
use crate::model::board::Board;
use crate::model::job::JobId;
use crate::model::mosaic::{Maker, Mosaic, Slot};

/// The most bytes of an event, roughly, so that no page is busy with one for long.
const EVENT_BYTES: usize = 48 << 10;
/// The most failed tiles in an event.
const FAILED: usize = 100;

/// A mosaic, with the events for clients that know an earlier revision of it.
pub(super) struct Live {
    mosaic: Mosaic,
    failed: Vec<FailedTile>,
    /// The revision at which each tile last changed; 0 for a tile that is not back.
    since: Vec<u32>,
    /// The revision at which it began anew, because tiles that were back before no longer were.
    began: u32,
    /// Tiles that are back.
    done: u32,
    /// The most attempts at one tile.
    attempts: u32,
    revision: u32,
    /// The events that lead from an earlier revision to this one, for each that a client knew.
    told: Mutex<BTreeMap<u32, Vec<Bytes>>>,
}

/// A tile whose last attempt failed, and that is not back yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FailedTile {
    tile: u32,
    worker: String,
    attempt: u32,
    cause: String,
}

#[derive(Serialize)]
struct TilesEvent<'a> {
    job: JobId,
    columns: u32,
    rows: u32,
    /// Side of a tile's slot, in pixels.
    slot: u32,
    workers: Vec<String>,
    /// Whether the tiles of earlier events are to be forgotten.
    anew: bool,
    failed: &'a [FailedTile],
    packed: String,
}

impl Live {
    /// The revision after `before`; `before` itself if nothing has changed.
    pub(super) fn follow(
        before: Option<&Arc<Self>>,
        mosaic: Mosaic,
        board: Option<&Board>,
    ) -> Arc<Self> {
        let failed = board.map_or_else(Vec::new, failed_tiles);
        let tiles = usize::try_from(mosaic.grid().len()).unwrap_or(usize::MAX);
        // Another collector may have begun with an empty canvas.
        let known = before.filter(|known| known.is_within(&mosaic, tiles));
        let changed: Vec<u32> = match known {
            Some(known) => mosaic.changed_since(&known.mosaic).collect(),
            None => (0..).take(tiles).filter(|tile| mosaic.has(*tile)).collect(),
        };
        if let Some(known) = known.filter(|known| changed.is_empty() && known.failed == failed) {
            return Arc::clone(known);
        }
        let revision = before.map_or(0, |before| before.revision) + 1;
        let mut since = known.map_or_else(|| vec![0; tiles], |known| known.since.clone());
        for tile in &changed {
            since[*tile as usize] = revision;
        }
        let done = u32::try_from(since.iter().filter(|since| **since > 0).count());
        let (done, attempts) = (done.unwrap_or(u32::MAX), board.map_or(1, Board::attempts));
        let began = known.map_or(revision, |known| known.began);
        let told = Mutex::default();
        Arc::new(Self { mosaic, failed, since, began, done, attempts, revision, told })
    }

    /// Whether all tiles that are back here are in `mosaic`, too, and it has as many `tiles`.
    fn is_within(&self, mosaic: &Mosaic, tiles: usize) -> bool {
        let back = (0..).zip(&self.since).filter(|(_, since)| **since > 0);
        self.since.len() == tiles && back.map(|(tile, _)| tile).all(|tile| mosaic.has(tile))
    }

    /// Whether this shows a job with `done` tiles and `attempts` already.
    pub(super) fn tells(&self, done: u32, attempts: u32) -> bool {
        (self.done, self.attempts) == (done, attempts)
    }

    pub(super) fn revision(&self) -> u32 {
        self.revision
    }

    /// The events for a client that knows the revision `seen`, or nothing if `seen` is 0.
    pub(super) fn news(&self, job: JobId, seen: u32) -> Vec<Bytes> {
        if seen >= self.revision {
            return Vec::new();
        }
        let tiles = (0..).zip(&self.since).filter(|(_, since)| **since > seen);
        let make = || self.events(job, tiles.map(|(tile, _)| tile), seen < self.began);
        // Held while the events are made, so that other clients wait for them instead of making them, too.
        let mut told = self.told.locked();
        told.entry(seen).or_insert_with(make).clone()
    }

    fn events(&self, job: JobId, tiles: impl Iterator<Item = u32>, anew: bool) -> Vec<Bytes> {
        let mut events = Vec::new();
        let mut packed = Packed::default();
        for slot in tiles.filter_map(|tile| self.mosaic.slot(tile)) {
            packed.push(&slot);
            if packed.bytes.len() >= EVENT_BYTES {
                let packed = std::mem::take(&mut packed);
                events.push(self.event(job, packed, anew && events.is_empty()));
            }
        }
        if events.is_empty() || !packed.bytes.is_empty() {
            events.push(self.event(job, packed, anew && events.is_empty()));
        }
        events
    }

    fn event(&self, job: JobId, Packed { workers, bytes, .. }: Packed, anew: bool) -> Bytes {
        let (grid, slot) = (self.mosaic.grid(), self.mosaic.slot_side());
        let (columns, rows, failed) = (grid.columns(), grid.rows(), &*self.failed);
        let packed = STANDARD.encode(bytes);
        event("tiles", &TilesEvent { job, columns, rows, slot, workers, anew, failed, packed })
    }
}

fn failed_tiles(board: &Board) -> Vec<FailedTile> {
    let failed = board.failed().take(FAILED);
    failed
        .map(|(tile, failed)| FailedTile {
            tile,
            worker: failed.worker.to_string(),
            attempt: failed.attempt,
            cause: failed.cause.clone(),
        })
        .collect()
}

/// Tiles as bytes, and the workers that they name.
#[derive(Default)]
struct Packed {
    workers: Vec<String>,
    numbers: HashMap<String, u16>,
    bytes: Vec<u8>,
}

impl Packed {
    fn push(&mut self, slot: &Slot) {
        let maker = slot.maker.as_ref();
        let worker = maker.map_or(0, |maker| self.number(maker.worker.as_str()));
        let history = maker.map_or(0, Maker::history);
        self.bytes.extend_from_slice(&slot.tile.to_le_bytes());
        self.bytes.extend_from_slice(&worker.to_le_bytes());
        self.bytes.extend_from_slice(&history.to_le_bytes());
        self.bytes.extend_from_slice(&maker.map_or(0, |maker| maker.millis).to_le_bytes());
        self.bytes.extend_from_slice(slot.pixels.as_flattened());
    }

    fn number(&mut self, worker: &str) -> u16 {
        if let Some(number) = self.numbers.get(worker) {
            return *number;
        }
        self.workers.push(worker.to_owned());
        let number = u16::try_from(self.workers.len()).unwrap_or(0);
        self.numbers.insert(worker.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::board::FailedAttempt;
    use crate::model::worker::WorkerId;
    use crate::raster::grid::Size;

    fn painted(mosaic: &mut Mosaic, tile: u32, worker: &str) {
        let side = mosaic.slot_side() as usize;
        let maker =
            Maker { worker: WorkerId::new(worker), attempt: 1, millis: 7, taken_over: false };
        mosaic.paint(Slot { tile, pixels: vec![[9; 4]; side * side], maker: Some(maker) });
    }

    /// The tiles in events, each with its worker.
    fn told(events: &[Bytes]) -> Vec<(u32, String)> {
        let mut told = Vec::new();
        for text in events {
            let json = text.strip_prefix(b"event: tiles\ndata: ").unwrap();
            let event: serde_json::Value = serde_json::from_slice(json).unwrap();
            let bytes = STANDARD.decode(event["packed"].as_str().unwrap()).unwrap();
            let slot = usize::try_from(event["slot"].as_u64().unwrap()).unwrap();
            for tile in bytes.chunks_exact(12 + 4 * slot * slot) {
                let worker = usize::from(tile[4]) - 1;
                let name = event["workers"][worker].as_str().unwrap();
                told.push((u32::from(tile[0]), name.to_owned()));
            }
        }
        told
    }

    #[test]
    fn each_tile_is_told_once_and_all_tiles_to_a_new_listener() {
        let job = JobId::generate();
        let mut mosaic = Mosaic::new(Size::new(40, 10), 10);
        painted(&mut mosaic, 2, "a");
        let first = Live::follow(None, mosaic.clone(), None);
        painted(&mut mosaic, 0, "b");
        let second = Live::follow(Some(&first), mosaic.clone(), None);
        painted(&mut mosaic, 0, "a");
        let third = Live::follow(Some(&second), mosaic.clone(), None);
        assert!(Arc::ptr_eq(&third, &Live::follow(Some(&third), mosaic, None)));
        let tile = |tile, worker: &str| (tile, worker.to_owned());
        assert_eq!(told(&third.news(job, 2)), [tile(0, "a")]);
        assert_eq!(told(&third.news(job, 1)), [tile(0, "a")]);
        assert_eq!(told(&third.news(job, 0)), [tile(0, "a"), tile(2, "a")]);
        assert_eq!(told(&second.news(job, 1)), [tile(0, "b")]);
        assert!(third.news(job, 3).is_empty());
        let [one, another] = [(); 2].map(|()| third.news(job, 0));
        assert!(one.iter().zip(&another).all(|(a, b)| a.as_ptr() == b.as_ptr()), "made twice");
    }

    #[test]
    fn tiles_that_are_not_back_any_more_are_forgotten() {
        let job = JobId::generate();
        let empty = Mosaic::new(Size::new(40, 10), 10);
        let mut mosaic = empty.clone();
        painted(&mut mosaic, 2, "a");
        let first = Live::follow(None, mosaic, None);
        let mut mosaic = empty;
        painted(&mut mosaic, 1, "b");
        let second = Live::follow(Some(&first), mosaic.clone(), None);
        painted(&mut mosaic, 0, "b");
        let third = Live::follow(Some(&second), mosaic, None);
        let is_anew =
            |events: &[Bytes]| String::from_utf8_lossy(&events[0]).contains(r#""anew":true"#);
        let tile = |tile, worker: &str| (tile, worker.to_owned());
        let news = second.news(job, first.revision());
        assert_eq!((told(&news), is_anew(&news)), (vec![tile(1, "b")], true));
        let news = third.news(job, second.revision());
        assert_eq!((told(&news), is_anew(&news)), (vec![tile(0, "b")], false));
        // A client that missed the second, and one that knows nothing.
        for seen in [first.revision(), 0] {
            let news = third.news(job, seen);
            assert_eq!((told(&news).len(), is_anew(&news)), (2, true));
        }
    }

    #[test]
    fn many_tiles_are_told_in_several_events() {
        let mut mosaic = Mosaic::new(Size::new(100, 100), 1);
        (0..10_000).for_each(|tile| painted(&mut mosaic, tile, "w"));
        let live = Live::follow(None, mosaic, None);
        let events = live.news(JobId::generate(), 0);
        assert!(events.len() > 10, "{}", events.len());
        assert_eq!(told(&events).len(), 10_000);
    }

    #[test]
    fn failed_tiles_are_told_even_if_no_tile_is_back() {
        let job = JobId::generate();
        let mosaic = Mosaic::new(Size::new(40, 10), 10);
        let mut board = Board::new(4);
        let before = Live::follow(None, mosaic.clone(), Some(&board));
        let cause = "too hard".to_owned();
        board.fail(3, FailedAttempt { attempt: 1, worker: WorkerId::new("w"), cause });
        let after = Live::follow(Some(&before), mosaic, Some(&board));
        let [event] = &after.news(job, before.revision())[..] else { panic!("one event") };
        let event = String::from_utf8_lossy(event);
        assert!(event.contains(r#""failed":[{"tile":3,"worker":"w","attempt":1,"#), "{event}");
    }
}
