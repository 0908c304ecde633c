//! Counts the tiles of one job that are in flight, altogether and by partition of the task topic.

use super::window::InFlight;

/// The tiles of a job that are in flight, as numbers.
#[derive(Debug, Default)]
pub(super) struct Load {
    all: InFlight,
    by_partition: Vec<u32>,
}

impl Load {
    /// All of them.
    pub(super) fn in_flight(&self) -> InFlight {
        self.all
    }

    /// The number of those through `partition`.
    pub(super) fn count_in(&self, partition: u32) -> u32 {
        self.by_partition.get(partition as usize).copied().unwrap_or_default()
    }

    /// Notes that a tile of `bytes` was sent through `partition`.
    pub(super) fn add(&mut self, partition: u32, bytes: u64) {
        self.all.add(bytes);
        *self.counter(partition) += 1;
    }

    /// Notes that a tile of `bytes`, which was sent through `partition`, is no longer in flight.
    pub(super) fn remove(&mut self, partition: u32, bytes: u64) {
        self.all.remove(bytes);
        *self.counter(partition) -= 1;
    }

    fn counter(&mut self, partition: u32) -> &mut u32 {
        let index = partition as usize;
        if index >= self.by_partition.len() {
            self.by_partition.resize(index + 1, 0);
        }
        &mut self.by_partition[index]
    }
}

#[cfg(test)]
mod tests {
    use super::{InFlight, Load};

    #[test]
    fn tiles_are_counted_altogether_and_by_their_partition() {
        let mut load = Load::default();
        load.add(2, 10);
        load.add(0, 5);
        load.add(2, 10);
        assert_eq!(load.in_flight(), InFlight { tiles: 3, bytes: 25 });
        assert_eq!([0, 1, 2, 3].map(|partition| load.count_in(partition)), [1, 0, 2, 0]);
        load.remove(2, 10);
        assert_eq!(load.in_flight(), InFlight { tiles: 2, bytes: 15 });
        assert_eq!(load.count_in(2), 1);
    }
}
