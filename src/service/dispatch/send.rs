//! Chooses the tiles to send next, and sends them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};

use super::Dispatcher;
use super::flights::Flight;
use super::resting::Refusals;
use super::source;
use super::window::InFlight;
use crate::queue::QueueError;
use crate::service::PortError;

/// The most tiles that are cut and sent together, between two looks at the boards.
const BATCH: usize = 16;

/// A tile that is about to be sent.
pub(super) struct Pick {
    job: usize,
    tile: u32,
    attempt: u32,
    put_off: u32,
    partition: u32,
    bytes: u64,
}

/// Why a tile was not sent.
enum SendError {
    /// The decoded image cannot be read again.
    Cut(io::Error),
    /// The queue did not take it.
    Queue(QueueError),
}

/// What a job has to send when it is its turn.
enum Choice {
    Pick(Pick),
    /// It has nothing to send now.
    Nothing,
    /// It has a tile, but the server's bounds have no room for it.
    NoRoom,
}

impl Dispatcher {
    /// Chooses tiles to send now.
    pub(super) fn pick(&mut self) -> Vec<Pick> {
        let mut picks = Vec::new();
        let mut in_flight = self.in_flight();
        let mut idle = BTreeSet::new();
        while picks.len() < BATCH {
            let Some(job) = self.next_job(&picks, &idle) else { break };
            match self.pick_from(job, in_flight, &picks) {
                Choice::Pick(pick) => {
                    self.turn = job + 1;
                    in_flight.tiles += 1;
                    in_flight.bytes += pick.bytes;
                    picks.push(pick);
                }
                Choice::Nothing => {
                    idle.insert(job);
                }
                // The next room is for this job, or a large tile would starve behind small ones.
                Choice::NoRoom => break,
            }
        }
        picks
    }

    /// The job with the fewest tiles in flight, so that a job with quick tiles does not wait for one
    /// with slow tiles; among equals, the one whose turn comes first.
    fn next_job(&self, picks: &[Pick], idle: &BTreeSet<usize>) -> Option<usize> {
        let jobs = self.active.len();
        let in_turn = (0..jobs).map(|step| (self.turn + step) % jobs);
        in_turn.filter(|job| !idle.contains(job)).min_by_key(|job| self.on_way(*job, picks))
    }

    /// The tiles of a job that are in flight or picked.
    fn on_way(&self, job: usize, picks: &[Pick]) -> u32 {
        let picked = picks.iter().filter(|pick| pick.job == job).map(|_| 1).sum::<u32>();
        self.active[job].flights.in_flight().tiles + picked
    }

    fn pick_from(&mut self, job: usize, in_flight: InFlight, picks: &[Pick]) -> Choice {
        let on_way = self.on_way(job, picks);
        let active = &mut self.active[job];
        let Some(board) = &active.board else { return Choice::Nothing };
        if !active.window.has_room(on_way, &self.bounds) {
            return Choice::Nothing;
        }
        let Some(tile) = active.flights.take_next(board) else { return Choice::Nothing };
        if !active.can_cut(tile) {
            active.flights.put_back(tile);
            return Choice::Nothing;
        }
        let (attempt, put_off) = (board.next_attempt(tile), board.times_put_off(tile));
        let bytes = active.bytes_of(tile);
        if !self.bounds.have_room(in_flight, bytes) {
            active.flights.put_back(tile);
            return Choice::NoRoom;
        }
        let partition = self.emptiest_partition(picks);
        Choice::Pick(Pick { job, tile, attempt, put_off, partition, bytes })
    }

    pub(super) fn in_flight(&self) -> InFlight {
        self.active.iter().fold(InFlight::default(), |sum, active| {
            let own = active.flights.in_flight();
            InFlight { tiles: sum.tiles + own.tiles, bytes: sum.bytes + own.bytes }
        })
    }

    /// The partition of the task topic with the fewest tiles in flight, preferably one that is not resting.
    fn emptiest_partition(&self, picks: &[Pick]) -> u32 {
        let load = |partition: &u32| {
            let picked = picks.iter().filter(|pick| pick.partition == *partition).count();
            let flying: u32 = self.active.iter().map(|a| a.flights.count_in(*partition)).sum();
            flying as usize + picked
        };
        let now = Instant::now();
        let order = |partition: &u32| (self.resting.rests(*partition, now), load(partition));
        (0..self.partitions).min_by_key(order).unwrap_or_default()
    }

    /// Cuts tiles and sends them, several at a time.
    pub(super) async fn send(&mut self, picks: Vec<Pick>) -> Result<(), PortError> {
        let sends: Vec<_> = picks.into_iter().map(|pick| self.cut_and_send(pick)).collect();
        let mut sent = stream::iter(sends).buffer_unordered(BATCH);
        let mut failed = None;
        while let Some((pick, result)) = sent.next().await {
            let active = &mut self.active[pick.job];
            match result {
                Ok(flight) => {
                    self.refusals = Refusals::default();
                    self.resting.took(pick.partition);
                    self.meters.sent();
                    active.flights.sent(pick.tile, flight);
                }
                Err(error) => {
                    active.flights.put_back(pick.tile);
                    match error {
                        SendError::Cut(error) => active.failure = Some(source::unkept(&error)),
                        SendError::Queue(error) => {
                            // This tile and all others would be refused until a person fixes the cause.
                            if matches!(error, QueueError::Refused(_)) {
                                self.refusals.note(Instant::now());
                            }
                            self.resting.refused(pick.partition, Instant::now());
                            failed = Some(error);
                        }
                    }
                }
            }
        }
        self.record_failures().await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn cut_and_send(
        &self,
        pick: Pick,
    ) -> impl Future<Output = (Pick, Result<Flight, SendError>)> + use<> {
        let cut = self.active[pick.job].cut(pick.tile, pick.attempt);
        let results_partition = self.active[pick.job].results_partition;
        let (pool, tasks) = (Arc::clone(&self.pool), Arc::clone(&self.ports.tasks));
        async move {
            let cut = cut.expect("tiles are picked from jobs with an image");
            let cut = pool.run(cut).await.expect("windows of a plan lie in its image");
            let sent_at = Instant::now();
            let sent = match cut {
                Ok(task) => tasks.send(pick.partition, task).await.map_err(SendError::Queue),
                Err(error) => Err(SendError::Cut(error)),
            };
            let flight = sent.map(|offset| Flight {
                sent_at,
                partition: pick.partition,
                offset,
                attempt: pick.attempt,
                put_off: pick.put_off,
                bytes: pick.bytes,
                results_partition,
                results_end: None,
            });
            (pick, flight)
        }
    }
}
