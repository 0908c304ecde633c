//! Chooses the tiles to send next: of the job with the fewest tiles in flight, among equals in turn.

use std::collections::BTreeSet;

use super::active::{Active, Choice, NextTile};
use super::partitions::Partitions;
use super::window::{Bounds, InFlight};

/// The most tiles that are cut and sent together, between two looks at the boards.
pub(super) const BATCH: usize = 16;

/// A tile that is about to be sent.
pub(super) struct Pick {
    /// The index of its job.
    pub(super) job: usize,
    pub(super) next: NextTile,
    /// The partition of the task topic that it goes to.
    pub(super) partition: u32,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The job that may send the next tile, among equals.
    next: usize,
}

impl Turns {
    /// Chooses tiles to send now.
    pub(super) fn pick(
        &mut self,
        jobs: &mut [Active],
        bounds: &Bounds,
        partitions: &Partitions,
    ) -> Vec<Pick> {
        let mut picks = Vec::new();
        let mut in_flight: InFlight = jobs.iter().map(Active::in_flight).sum();
        let mut idle = BTreeSet::new();
        while picks.len() < BATCH {
            let Some(job) = self.next_job(jobs, &picks, &idle) else { break };
            match jobs[job].choose(picked(job, &picks), bounds, in_flight) {
                Choice::Tile(next) => {
                    self.next = job + 1;
                    in_flight.add(next.bytes);
                    let partition = partitions.emptiest(|partition| load(partition, jobs, &picks));
                    picks.push(Pick { job, next, partition });
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
    fn next_job(&self, jobs: &[Active], picks: &[Pick], idle: &BTreeSet<usize>) -> Option<usize> {
        let in_turn = (0..jobs.len()).map(|step| (self.next + step) % jobs.len());
        let on_way = |job: &usize| jobs[*job].in_flight().tiles + picked(*job, picks);
        in_turn.filter(|job| !idle.contains(job)).min_by_key(on_way)
    }
}

/// The picked tiles of a job.
fn picked(job: usize, picks: &[Pick]) -> u32 {
    picks.iter().filter(|pick| pick.job == job).map(|_| 1).sum()
}

/// The tiles that are in flight through a partition, or picked for it.
fn load(partition: u32, jobs: &[Active], picks: &[Pick]) -> usize {
    let picked = picks.iter().filter(|pick| pick.partition == partition).count();
    let flying: u32 = jobs.iter().map(|active| active.count_in(partition)).sum();
    flying as usize + picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs_of(picks: &[Pick]) -> Vec<usize> {
        picks.iter().map(|pick| pick.job).collect()
    }

    #[test]
    fn jobs_take_turns_and_their_tiles_are_spread_over_the_partitions() {
        let mut jobs = [Active::example(), Active::example()];
        let mut partitions = Partitions::default();
        partitions.set_count(4);
        let (mut turns, bounds) = (Turns::default(), Bounds::new(5, u64::MAX));
        let picks = turns.pick(&mut jobs, &bounds, &partitions);
        assert_eq!(jobs_of(&picks), [0, 1, 0, 1, 0], "all together have room for five");
        let tiles: Vec<u32> = picks.iter().map(|pick| pick.next.tile).collect();
        assert_eq!(tiles, [0, 0, 1, 1, 2]);
        let partitions: Vec<u32> = picks.iter().map(|pick| pick.partition).collect();
        assert_eq!(partitions, [0, 1, 2, 3, 0]);
        let picks = turns.pick(&mut jobs, &bounds, &Partitions::default());
        assert_eq!(jobs_of(&picks)[..2], [1, 0], "it is the turn of the other job");
    }

    #[test]
    fn a_batch_is_bounded_and_no_jobs_give_no_tiles() {
        let mut bounds = Bounds::new(1000, u64::MAX);
        bounds.serve(2, 100);
        let partitions = Partitions::default();
        let picks = Turns::default().pick(&mut [Active::example()], &bounds, &partitions);
        assert_eq!(picks.len(), BATCH);
        assert!(Turns::default().pick(&mut [], &bounds, &partitions).is_empty());
    }
}
