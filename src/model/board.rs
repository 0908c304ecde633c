//! The board: which tiles of a job are in its canvas. It is published whole, so that a missed update costs nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::worker::WorkerId;

/// The last failed attempt at a tile that is not in the canvas yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The worker that it failed on.
    pub worker: WorkerId,
    /// Why it failed.
    pub cause: String,
}

/// A tile that workers could not take on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutOff {
    /// How often it was put off.
    pub times: u32,
    /// Why the last worker could not take it on.
    pub cause: String,
}

/// One bit for each tile of a job, and the failed attempts at those that lack theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    tiles: u32,
    done: u32,
    bits: Vec<u8>,
    attempts: u32,
    failed: BTreeMap<u32, FailedAttempt>,
    put_off: BTreeMap<u32, PutOff>,
    /// When the first tile was done; unknown for a canvas that another process began.
    began: Option<Timestamp>,
}

impl Board {
    /// A board of `tiles` tiles, none of them done.
    #[must_use]
    pub fn new(tiles: u32) -> Self {
        let bits = vec![0; tiles.div_ceil(8) as usize];
        Self::of(tiles, 0, bits)
    }

    fn of(tiles: u32, done: u32, bits: Vec<u8>) -> Self {
        let (failed, put_off) = (BTreeMap::new(), BTreeMap::new());
        Self { tiles, done, bits, attempts: 1, failed, put_off, began: None }
    }

    /// A board from its bits, tile 0 in the lowest bit of the first byte.
    ///
    /// Returns `None` unless `bits` has exactly one bit per tile and no stray bit after the last.
    #[must_use]
    pub fn from_bits(tiles: u32, bits: Vec<u8>) -> Option<Self> {
        let right_length = bits.len() == tiles.div_ceil(8) as usize;
        let stray =
            bits.last().is_some_and(|last| !tiles.is_multiple_of(8) && last >> (tiles % 8) != 0);
        if !right_length || stray {
            return None;
        }
        let done = bits.iter().map(|byte| byte.count_ones()).sum();
        Some(Self::of(tiles, done, bits))
    }

    /// Whether its parts agree: those of a board that was decoded may not.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let same = |board: Self| board.done == self.done && board.tiles == self.tiles;
        Self::from_bits(self.tiles, self.bits.clone()).is_some_and(same)
    }

    /// Tiles in the job.
    #[must_use]
    pub const fn tiles(&self) -> u32 {
        self.tiles
    }

    /// Tiles in the canvas.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.done
    }

    /// Whether every tile is in the canvas.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.done == self.tiles
    }

    /// Whether `tile` is in the canvas; no tile beyond the last is.
    #[must_use]
    pub fn has(&self, tile: u32) -> bool {
        tile < self.tiles && self.bits[(tile / 8) as usize] & (1 << (tile % 8)) != 0
    }

    /// Marks `tile` as done and forgets its failures. Returns whether it was not done before.
    pub fn set(&mut self, tile: u32) -> bool {
        if tile >= self.tiles || self.has(tile) {
            return false;
        }
        self.bits[(tile / 8) as usize] |= 1 << (tile % 8);
        if self.done == 0 {
            self.began = Some(Timestamp::now());
        }
        self.done += 1;
        self.failed.remove(&tile);
        self.put_off.remove(&tile);
        true
    }

    /// The byte of the bitmap that holds `tile`'s bit: its offset and its value.
    #[must_use]
    pub fn byte_of(&self, tile: u32) -> (u64, u8) {
        (u64::from(tile / 8), self.bits[(tile / 8) as usize])
    }

    /// Notes a failed attempt, unless the tile is done or a later attempt is noted.
    pub fn fail(&mut self, tile: u32, attempt: FailedAttempt) {
        let known = self.failed.get(&tile).map_or(0, |failed| failed.attempt);
        if tile < self.tiles && !self.has(tile) && attempt.attempt > known {
            self.attempts = self.attempts.max(attempt.attempt + 1);
            self.failed.insert(tile, attempt);
        }
    }

    /// Notes that a worker could not take a tile on, unless the tile is done.
    pub fn put_off(&mut self, tile: u32, cause: String) {
        if tile < self.tiles && !self.has(tile) {
            let times = self.times_put_off(tile).saturating_add(1);
            self.put_off.insert(tile, PutOff { times, cause });
        }
    }

    /// How often workers could not take a tile on.
    #[must_use]
    pub fn times_put_off(&self, tile: u32) -> u32 {
        self.put_off.get(&tile).map_or(0, |put_off| put_off.times)
    }

    /// Why tiles wait that no worker could take on so far.
    #[must_use]
    pub fn obstacle(&self) -> Option<&str> {
        self.put_off.values().next().map(|put_off| put_off.cause.as_str())
    }

    /// When the first tile was done, if that is known.
    #[must_use]
    pub const fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// The most attempts that any tile has needed so far, at least 1.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The tiles that are not done and whose last attempt failed.
    pub fn failed(&self) -> impl Iterator<Item = (u32, &FailedAttempt)> {
        self.failed.iter().map(|(tile, failed)| (*tile, failed))
    }

    /// The number of the next attempt at `tile`, from 1.
    #[must_use]
    pub fn next_attempt(&self, tile: u32) -> u32 {
        self.failed.get(&tile).map_or(1, |failed| failed.attempt + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, FailedAttempt};
    use crate::model::worker::WorkerId;

    fn failure(attempt: u32) -> FailedAttempt {
        FailedAttempt { attempt, worker: WorkerId::new("w"), cause: "c".into() }
    }

    #[test]
    fn a_board_counts_each_tile_once() {
        let mut board = Board::new(9);
        assert!(board.set(8) && !board.set(8) && !board.set(9));
        assert_eq!((board.done(), board.has(8), board.has(0)), (1, true, false));
        (0..8).for_each(|tile| assert!(board.set(tile)));
        assert!(board.is_complete());
    }

    #[test]
    fn a_tile_that_is_put_off_is_no_attempt_and_an_obstacle_until_it_is_done() {
        let mut board = Board::new(2);
        board.put_off(1, "too old".into());
        board.put_off(1, "still too old".into());
        assert_eq!((board.times_put_off(1), board.next_attempt(1)), (2, 1));
        assert_eq!(board.obstacle(), Some("still too old"));
        board.set(1);
        assert_eq!((board.times_put_off(1), board.obstacle()), (0, None));
    }

    #[test]
    fn bits_that_do_not_fit_the_tile_count_are_refused() {
        assert!(Board::from_bits(9, vec![0xFF, 0x01]).is_some_and(|board| board.is_complete()));
        assert!(Board::from_bits(9, vec![0xFF, 0x02]).is_none());
        assert!(Board::from_bits(9, vec![0xFF]).is_none());
    }

    #[test]
    fn the_next_attempt_follows_the_latest_failure_until_the_tile_is_done() {
        let mut board = Board::new(2);
        assert_eq!(board.next_attempt(1), 1);
        board.fail(1, failure(2));
        board.fail(1, failure(1));
        assert_eq!(board.next_attempt(1), 3);
        board.set(1);
        board.fail(1, failure(3));
        assert_eq!(board.next_attempt(1), 1);
    }
}
