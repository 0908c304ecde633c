//! How many tiles may be on their way: as many as keep the workers busy, and no more.

use std::time::Duration;

/// The time from sending a tile to seeing it on the board that the window aims at.
const TARGET: Duration = Duration::from_millis(500);
/// Never fewer tiles than this in flight, however slow they are, as long as no worker is known.
const MIN_TILES: u32 = 8;
/// How much one new latency moves the average.
const WEIGHT: f64 = 0.2;

/// The window of one server, shared by all its jobs.
///
/// With `w` tiles in flight that take `l` seconds each, `w / l` come back a second (Little's law), so
/// `w × target / l` in flight would take the target time.
#[derive(Debug)]
pub struct Window {
    tiles: u32,
    min_tiles: u32,
    max_tiles: u32,
    max_bytes: u64,
    /// Mean seconds from sending to board, recent ones counting more.
    latency: Option<f64>,
    /// Tiles that came back since the size was last changed.
    landed: u32,
}

impl Window {
    /// A window of the smallest size, which may grow to `max_tiles` tiles and `max_bytes` bytes.
    #[must_use]
    pub fn new(max_tiles: u32, max_bytes: u64) -> Self {
        Self {
            tiles: MIN_TILES,
            min_tiles: MIN_TILES,
            max_tiles,
            max_bytes,
            latency: None,
            landed: 0,
        }
    }

    /// Keeps at least as many tiles in flight as `threads` threads of `workers` workers need: one
    /// spare for a single worker, which takes it at once; one for each thread where tiles may be
    /// spread unevenly. More would only make the tiles of other jobs wait.
    pub fn serve(&mut self, workers: u32, threads: u32) {
        self.min_tiles = match workers {
            0 => MIN_TILES,
            1 => threads.saturating_add(1),
            _ => threads.saturating_mul(2),
        };
        self.tiles = self.tiles.max(self.min_tiles);
    }

    /// Notes the time that a tile took from sending to board.
    pub fn landed(&mut self, latency: Duration) {
        let new = latency.as_secs_f64();
        self.latency = Some(self.latency.map_or(new, |old| old + WEIGHT * (new - old)));
        self.landed += 1;
        if self.landed >= self.tiles {
            self.resize();
        }
    }

    /// At most doubles or halves, once for each window of tiles that came back.
    fn resize(&mut self) {
        self.landed = 0;
        let latency = self.latency.unwrap_or_default().max(1e-6);
        let factor = (TARGET.as_secs_f64() / latency).clamp(0.5, 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let wanted = (f64::from(self.tiles) * factor).min(f64::from(u32::MAX)) as u32;
        self.tiles = wanted.clamp(self.min_tiles, self.max_tiles.max(self.min_tiles));
    }

    /// Whether one more tile of `bytes` may be sent; one alone always may.
    #[must_use]
    pub fn has_room(&self, in_flight: InFlight, bytes: u64) -> bool {
        in_flight.tiles == 0
            || (in_flight.tiles < self.tiles && in_flight.bytes + bytes <= self.max_bytes)
    }
}

/// What is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Tiles.
    pub tiles: u32,
    /// Bytes of their pixels.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{InFlight, Window};

    fn sized(tiles: u32, bytes: u64) -> InFlight {
        InFlight { tiles, bytes }
    }

    #[test]
    fn fast_tiles_open_the_window_and_slow_ones_close_it_to_eight() {
        let mut window = Window::new(1000, u64::MAX);
        (0..5000).for_each(|_| window.landed(Duration::from_millis(5)));
        assert!(window.has_room(sized(999, 0), 1) && !window.has_room(sized(1000, 0), 1));
        (0..9000).for_each(|_| window.landed(Duration::from_mins(1)));
        assert!(window.has_room(sized(7, 0), 1) && !window.has_room(sized(8, 0), 1));
    }

    #[test]
    fn slow_tiles_close_the_window_to_what_the_fleet_works_on() {
        let mut window = Window::new(1000, u64::MAX);
        for (workers, threads, least) in [(1, 2, 3), (2, 6, 12), (0, 0, 8)] {
            window.serve(workers, threads);
            (0..9000).for_each(|_| window.landed(Duration::from_mins(1)));
            assert!(window.has_room(sized(least - 1, 0), 1));
            assert!(!window.has_room(sized(least, 0), 1));
        }
    }

    #[test]
    fn bytes_are_bounded_but_a_single_tile_always_passes() {
        let window = Window::new(1000, 100);
        assert!(window.has_room(sized(1, 60), 40) && !window.has_room(sized(1, 60), 41));
        assert!(window.has_room(sized(0, 0), 1_000_000));
    }
}
