//! Tracks the tiles of one job that were sent and are not on the board yet, and finds lost ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::load::Load;
use super::standing::Standing;
use super::window::InFlight;
use crate::model::board::Board;
use crate::queue::Progress;

/// The longest pause before a tile that was put off is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A tile in flight.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// When it was sent.
    pub sent_at: Instant,
    /// The partition of the task topic it was sent to.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// The attempt at the tile, from 1.
    pub attempt: u32,
    /// How often the tile had been put off before it was sent.
    pub put_off: u32,
    /// Bytes of its pixels.
    pub bytes: u64,
    /// The partition of the result topic that its result goes through.
    pub results_partition: u32,
    /// The end of `results_partition` as it was seen after the task was committed; `None` before that.
    pub results_end: Option<u64>,
}

/// What a board shows about the tiles that were in flight.
#[derive(Debug, Default)]
pub struct Observed {
    /// The latencies of tiles that have landed.
    pub landed: Vec<Duration>,
    /// Tiles whose attempt failed, to be sent again.
    pub failed: usize,
    /// Tiles that their workers could not take on, to be sent again after a while.
    pub put_off: usize,
}

/// The tiles of a job that are in flight, and those that it still has to send.
///
/// A tile is sent again only when the queue no longer holds it: its task is committed or gone, the results
/// partition is committed beyond the end that was seen after that, and the board lacks the tile.
/// Time plays no part, so load never looks like loss. A task counts as gone, too, if its partition ends before
/// its offset or does not exist: the topic was made anew, or has lost its newest records.
#[derive(Debug)]
pub struct Flights {
    tiles: u32,
    on_way: BTreeMap<u32, Flight>,
    /// Every tile below this was sent or found on the board in this round.
    cursor: u32,
    /// Tiles to be sent again.
    again: BTreeSet<u32>,
    /// Tiles that were put off, and until when.
    waiting: BTreeMap<u32, Instant>,
    /// Tiles that were taken to be sent.
    taken: BTreeSet<u32>,
    load: Load,
}

impl Flights {
    /// The flights of a job of `tiles` tiles, of which none was sent.
    #[must_use]
    pub fn new(tiles: u32) -> Self {
        Self {
            tiles,
            on_way: BTreeMap::new(),
            cursor: 0,
            again: BTreeSet::new(),
            waiting: BTreeMap::new(),
            taken: BTreeSet::new(),
            load: Load::default(),
        }
    }

    /// The tiles in flight.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.load.in_flight()
    }

    /// The number of tiles in flight through `partition` of the task topic.
    #[must_use]
    pub fn count_in(&self, partition: u32) -> u32 {
        self.load.count_in(partition)
    }

    /// Takes the next tile that is neither on the board nor in flight, if there is one. It is not taken twice.
    pub fn take_next(&mut self, board: &Board) -> Option<u32> {
        let tile = self.take_again(board).or_else(|| self.take_further(board))?;
        self.taken.insert(tile);
        Some(tile)
    }

    fn take_again(&mut self, board: &Board) -> Option<u32> {
        while let Some(tile) = self.again.pop_first() {
            if self.is_open(tile, board) {
                return Some(tile);
            }
        }
        None
    }

    fn take_further(&mut self, board: &Board) -> Option<u32> {
        let idle = self.on_way.is_empty() && self.taken.is_empty() && self.waiting.is_empty();
        if self.cursor == self.tiles && idle && !board.is_complete() {
            // The board has lost tiles: look at all of them again.
            self.cursor = 0;
        }
        let open = (self.cursor..self.tiles).find(|tile| self.is_open(*tile, board));
        self.cursor = open.map_or(self.tiles, |tile| tile + 1);
        open
    }

    fn is_open(&self, tile: u32, board: &Board) -> bool {
        let held = self.on_way.contains_key(&tile) || self.waiting.contains_key(&tile);
        !board.has(tile) && !held && !self.taken.contains(&tile)
    }

    /// Puts back a tile that was taken and could not be sent.
    pub fn put_back(&mut self, tile: u32) {
        self.taken.remove(&tile);
        self.again.insert(tile);
    }

    /// Notes that a tile was sent.
    pub fn sent(&mut self, tile: u32, flight: Flight) {
        self.taken.remove(&tile);
        self.load.add(flight.partition, flight.bytes);
        self.on_way.insert(tile, flight);
    }

    /// Takes in a board: tiles on it have landed, and failed ones are to be sent again.
    pub fn observe(&mut self, board: &Board, now: Instant) -> Observed {
        let landed = self.remove(|tile, _| board.has(tile));
        let failed = self.remove(|tile, flight| board.next_attempt(tile) > flight.attempt);
        let landed = landed.into_iter().map(|(_, flight)| now.duration_since(flight.sent_at));
        let observed = Observed {
            landed: landed.collect(),
            failed: failed.len(),
            put_off: self.wait_for_others(board, now),
        };
        self.again.extend(failed.into_iter().map(|(tile, _)| tile));
        observed
    }

    /// Holds back the tiles that were put off, and releases those that have waited long enough. Returns the
    /// number of tiles that were put off.
    fn wait_for_others(&mut self, board: &Board, now: Instant) -> usize {
        let put_off = self.remove(|tile, flight| board.times_put_off(tile) > flight.put_off);
        let count = put_off.len();
        let until = |tile| now + pause(board.times_put_off(tile));
        self.waiting.extend(put_off.into_iter().map(|(tile, _)| (tile, until(tile))));
        let over = self.waiting.extract_if(.., |_, until| *until <= now);
        self.again.extend(over.map(|(tile, _)| tile));
        count
    }

    /// Notes which tasks are committed. Tiles that were sent after the question are left out, since the answer does not
    /// cover them.
    pub fn settle(&mut self, standing: &Standing) {
        let Standing { asked_at, tasks, results } = standing;
        for flight in self.on_way.values_mut().filter(|flight| flight.sent_at <= *asked_at) {
            let task = tasks.get(flight.partition as usize);
            let is_past =
                |task: &Progress| task.committed > flight.offset || task.end <= flight.offset;
            if task.is_none_or(is_past) && flight.results_end.is_none() {
                let results = results.get(flight.results_partition as usize);
                flight.results_end = Some(results.map_or(0, |progress| progress.end));
            }
        }
    }

    /// Takes in a board that was read after the answer: tiles that the queue no longer holds and the
    /// board lacks are lost, and are to be sent again. Returns their number.
    pub fn find_lost(&mut self, board: &Board, standing: &Standing) -> usize {
        let lost = self.remove(|tile, flight| {
            let results = standing.results.get(flight.results_partition as usize);
            let passed = |end: u64| {
                results.is_none_or(|progress| progress.committed >= end.min(progress.end))
            };
            flight.results_end.is_some_and(passed) && !board.has(tile)
        });
        let count = lost.len();
        self.again.extend(lost.into_iter().map(|(tile, _)| tile));
        count
    }

    fn remove(&mut self, mut gone: impl FnMut(u32, &Flight) -> bool) -> Vec<(u32, Flight)> {
        let removed: Vec<_> =
            self.on_way.extract_if(.., |tile, flight| gone(*tile, flight)).collect();
        for (_, flight) in &removed {
            self.load.remove(flight.partition, flight.bytes);
        }
        removed
    }
}

/// How long a tile waits after it was put off `times` times: 1, 2, 4 … 30 s.
fn pause(times: u32) -> Duration {
    LONGEST_PAUSE.min(Duration::from_secs(1 << times.saturating_sub(1).min(8)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Flight, Flights};
    use crate::model::board::{Board, FailedAttempt};
    use crate::model::worker::WorkerId;
    use crate::queue::Progress;
    use crate::service::dispatch::standing::Standing;

    fn flight(offset: u64) -> Flight {
        let sent_at = Instant::now();
        Flight {
            sent_at,
            partition: 0,
            offset,
            attempt: 1,
            put_off: 0,
            bytes: 10,
            results_partition: 0,
            results_end: None,
        }
    }

    fn progress(committed: u64, end: u64) -> Progress {
        Progress { committed, end }
    }

    fn standing(tasks: Progress, results: Progress) -> Standing {
        Standing { asked_at: Instant::now(), tasks: vec![tasks], results: vec![results] }
    }

    /// All tiles of a new job, sent in order.
    fn sent(tiles: u32) -> (Flights, Board) {
        let (mut flights, board) = (Flights::new(tiles), Board::new(tiles));
        for offset in 0..tiles {
            let tile = flights.take_next(&board).unwrap();
            assert_eq!(tile, offset);
            flights.sent(tile, flight(offset.into()));
        }
        assert_eq!(flights.take_next(&board), None);
        (flights, board)
    }

    #[test]
    fn a_tile_that_is_about_to_be_sent_is_not_taken_twice() {
        let (mut flights, board) = (Flights::new(1), Board::new(1));
        assert_eq!(flights.take_next(&board), Some(0));
        assert_eq!(flights.take_next(&board), None);
        flights.put_back(0);
        assert_eq!(flights.take_next(&board), Some(0));
    }

    #[test]
    fn a_landed_tile_frees_its_credit_and_tells_its_time() {
        let (mut flights, mut board) = sent(2);
        board.set(1);
        let later = Instant::now() + Duration::from_secs(1);
        assert!(flights.observe(&board, later).landed[0] >= Duration::from_secs(1));
        assert_eq!((flights.in_flight().tiles, flights.in_flight().bytes), (1, 10));
    }

    #[test]
    fn a_tile_whose_task_is_not_committed_is_never_lost() {
        let (mut flights, board) = sent(1);
        let standing = standing(progress(0, 1), progress(50, 50));
        flights.settle(&standing);
        assert_eq!(flights.find_lost(&board, &standing), 0);
    }

    #[test]
    fn a_tile_that_was_sent_after_the_question_is_not_lost_by_its_answer() {
        let asked = standing(progress(0, 0), progress(0, 0));
        let (mut flights, board) = sent(1);
        flights.settle(&asked);
        assert_eq!(flights.find_lost(&board, &asked), 0);
    }

    #[test]
    fn a_tile_whose_result_may_still_be_in_the_queue_is_not_lost() {
        let (mut flights, board) = sent(1);
        let committed = |results| standing(progress(1, 1), results);
        flights.settle(&committed(progress(3, 5)));
        assert_eq!(flights.find_lost(&board, &committed(progress(4, 9))), 0);
        assert_eq!(flights.find_lost(&board, &committed(progress(5, 9))), 1);
        assert_eq!(flights.take_next(&board), Some(0));
    }

    #[test]
    fn a_tile_whose_topic_ends_before_it_is_lost() {
        let (mut flights, board) = sent(3);
        // The newest of three records is gone, then the topics are made anew.
        let shorter = standing(progress(0, 2), progress(5, 5));
        flights.settle(&shorter);
        assert_eq!(flights.find_lost(&board, &shorter), 1);
        assert_eq!(flights.take_next(&board), Some(2));
        let anew = |results| standing(progress(0, 0), results);
        flights.settle(&anew(progress(5, 5)));
        assert_eq!(flights.find_lost(&board, &anew(progress(0, 1))), 0);
        assert_eq!(flights.find_lost(&board, &anew(progress(1, 1))), 2);
    }

    #[test]
    fn a_tile_whose_partition_is_gone_is_lost() {
        let (mut flights, board) = sent(2);
        let none = Standing { asked_at: Instant::now(), tasks: Vec::new(), results: Vec::new() };
        flights.settle(&none);
        assert_eq!(flights.find_lost(&board, &none), 2);
    }

    #[test]
    fn a_failed_attempt_is_sent_again_at_once() {
        let (mut flights, mut board) = sent(2);
        let attempt = FailedAttempt { attempt: 1, worker: WorkerId::new("w"), cause: "c".into() };
        board.fail(0, attempt);
        flights.observe(&board, Instant::now());
        assert_eq!(flights.take_next(&board), Some(0));
        assert_eq!(board.next_attempt(0), 2);
    }

    #[test]
    fn a_tile_that_was_put_off_is_sent_again_after_a_pause_that_doubles() {
        let (mut flights, mut board) = sent(1);
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            board.put_off(0, "too old".into());
            flights.observe(&board, now);
            now += Duration::from_millis(seconds * 1000 - 1);
            flights.observe(&board, now);
            assert_eq!(flights.take_next(&board), None);
            now += Duration::from_millis(1);
            flights.observe(&board, now);
            assert_eq!(flights.take_next(&board), Some(0));
            flights.sent(0, Flight { put_off: board.times_put_off(0), ..flight(0) });
        }
        assert_eq!(board.next_attempt(0), 1);
    }

    #[test]
    fn a_board_that_forgets_its_tiles_gets_them_again() {
        let (mut flights, mut full) = sent(3);
        (0..3).for_each(|tile| assert!(full.set(tile)));
        flights.observe(&full, Instant::now());
        assert_eq!(flights.take_next(&full), None);
        assert_eq!(flights.take_next(&Board::new(3)), Some(0));
    }

    #[test]
    fn tiles_that_are_on_an_adopted_board_are_not_sent() {
        let mut board = Board::new(3);
        board.set(0);
        board.set(1);
        assert_eq!(Flights::new(3).take_next(&board), Some(2));
    }
}
