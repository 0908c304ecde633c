//! How many tiles may be in flight: as many as keep the workers busy, and no more.

use std::iter::Sum;
use std::time::Duration;

/// The latency that the window aims at, from sending a tile to seeing it on the board.
const TARGET: Duration = Duration::from_millis(500);
/// The weight of a new latency in the moving average.
const WEIGHT: f64 = 0.2;

/// The window of one job: how many of its tiles may be in flight.
///
/// With `w` tiles in flight that take `l` seconds each, `w / l` come back per second (Little's law), so
/// with `w × target / l` in flight each would take the target time. Each job has its own window, because its tiles
/// may take a thousand times as long as those of another.
#[derive(Debug)]
pub struct Window {
    tiles: u32,
    /// The moving average of seconds from sending to board.
    latency: Option<f64>,
    /// Tiles that came back since the size was last changed.
    landed: u32,
}

/// The bounds of all windows of a server.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Tiles of a job that are kept in flight, however slow they are.
    pub min_tiles: u32,
    /// The most tiles of all jobs together in flight.
    pub max_tiles: u32,
    /// The most bytes of pixels of all jobs together in flight.
    pub max_bytes: u64,
}

/// The tiles in flight of a job whose latency is unknown, or while no worker is known.
const MIN_TILES: u32 = 8;

impl Bounds {
    /// Bounds before any worker is known.
    #[must_use]
    pub fn new(max_tiles: u32, max_bytes: u64) -> Self {
        Self { min_tiles: MIN_TILES, max_tiles, max_bytes }
    }

    /// Sets the minimum to what `threads` threads of `workers` workers need, plus a few. More would
    /// only make the tiles of other jobs wait. A single worker gets a quarter more than its threads;
    /// several get twice as many, since tiles may be spread unevenly.
    pub fn serve(&mut self, workers: u32, threads: u32) {
        self.min_tiles = match workers {
            0 => MIN_TILES,
            1 => threads.saturating_add(threads / 4),
            _ => threads.saturating_mul(2),
        };
    }

    /// Whether one more tile of `bytes` may be sent besides `in_flight`; a single one always may.
    #[must_use]
    pub fn have_room(&self, in_flight: InFlight, bytes: u64) -> bool {
        in_flight.tiles == 0
            || (in_flight.tiles < self.max_tiles && in_flight.bytes + bytes <= self.max_bytes)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { tiles: MIN_TILES, latency: None, landed: 0 }
    }
}

impl Window {
    /// Notes the time that a tile took from sending to board.
    pub fn landed(&mut self, latency: Duration, bounds: &Bounds) {
        let new = latency.as_secs_f64();
        self.latency = Some(self.latency.map_or(new, |old| old + WEIGHT * (new - old)));
        self.landed += 1;
        if self.landed >= self.tiles {
            self.resize(bounds);
        }
    }

    /// Resizes the window, at most to its double or half, once for each window of tiles that came back.
    fn resize(&mut self, bounds: &Bounds) {
        self.landed = 0;
        let latency = self.latency.unwrap_or_default().max(1e-6);
        let factor = (TARGET.as_secs_f64() / latency).clamp(0.5, 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let wanted = (f64::from(self.tiles) * factor).min(f64::from(u32::MAX)) as u32;
        self.tiles = wanted.clamp(bounds.min_tiles.max(1), bounds.max_tiles.max(bounds.min_tiles));
    }

    /// Whether one more tile may be sent besides `tiles` of the same job.
    #[must_use]
    pub fn has_room(&self, tiles: u32, bounds: &Bounds) -> bool {
        tiles < self.tiles.max(bounds.min_tiles)
    }
}

/// The tiles in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Tiles.
    pub tiles: u32,
    /// Bytes of their pixels.
    pub bytes: u64,
}

impl InFlight {
    /// Adds one tile of `bytes`.
    pub fn add(&mut self, bytes: u64) {
        self.tiles += 1;
        self.bytes += bytes;
    }

    /// Removes one tile of `bytes`.
    pub fn remove(&mut self, bytes: u64) {
        self.tiles -= 1;
        self.bytes -= bytes;
    }
}

impl Sum for InFlight {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            tiles: sum.tiles + part.tiles,
            bytes: sum.bytes + part.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bounds, InFlight, Window};

    fn sized(tiles: u32, bytes: u64) -> InFlight {
        InFlight { tiles, bytes }
    }

    /// How many tiles fit into the window of a job whose tiles took `latency`.
    fn settled(latency: Duration, bounds: &Bounds) -> u32 {
        let mut window = Window::default();
        (0..9000).for_each(|_| window.landed(latency, bounds));
        (0..=u32::MAX).find(|tiles| !window.has_room(*tiles, bounds)).unwrap()
    }

    #[test]
    fn fast_tiles_open_the_window_and_slow_ones_close_it_to_what_the_fleet_works_on() {
        let mut bounds = Bounds::new(1000, u64::MAX);
        for (workers, threads, least) in [(0, 0, 8), (1, 2, 2), (1, 16, 20), (2, 6, 12)] {
            bounds.serve(workers, threads);
            assert_eq!(settled(Duration::from_millis(5), &bounds), 1000);
            assert_eq!(settled(Duration::from_mins(1), &bounds), least);
        }
    }

    #[test]
    fn all_windows_are_bounded_but_a_single_tile_always_passes() {
        let bounds = Bounds::new(1000, 100);
        assert!(bounds.have_room(sized(1, 60), 40) && !bounds.have_room(sized(1, 60), 41));
        assert!(!bounds.have_room(sized(1000, 0), 1));
        assert!(bounds.have_room(sized(0, 0), 1_000_000));
    }
}
