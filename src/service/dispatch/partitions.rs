//! Chooses the partition of the task topic that a tile is sent to.

use std::time::Instant;

use super::resting::Resting;

/// The partitions of the task topic.
pub(super) struct Partitions {
    count: u32,
    resting: Resting,
}

impl Default for Partitions {
    fn default() -> Self {
        Self { count: 1, resting: Resting::default() }
    }
}

impl Partitions {
    /// Notes how many there are now.
    pub(super) fn set_count(&mut self, count: u32) {
        self.count = count;
    }

    /// The one with the smallest `load`, preferably one that is not resting.
    pub(super) fn emptiest(&self, load: impl Fn(u32) -> usize) -> u32 {
        let now = Instant::now();
        let order = |partition: &u32| (self.resting.rests(*partition, now), load(*partition));
        (0..self.count).min_by_key(order).unwrap_or_default()
    }

    /// Notes that one took a tile.
    pub(super) fn took(&mut self, partition: u32) {
        self.resting.took(partition);
    }

    /// Notes that one took nothing.
    pub(super) fn refused(&mut self, partition: u32) {
        self.resting.refused(partition, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::Partitions;

    #[test]
    fn a_tile_goes_where_the_fewest_are_unless_that_one_takes_nothing() {
        let mut partitions = Partitions::default();
        let load = |partition| [5, 2, 1, 0][partition as usize];
        assert_eq!(partitions.emptiest(load), 0);
        partitions.set_count(3);
        assert_eq!(partitions.emptiest(load), 2);
        partitions.refused(2);
        assert_eq!(partitions.emptiest(load), 1);
        partitions.refused(0);
        partitions.refused(1);
        assert_eq!(partitions.emptiest(load), 2, "all are resting");
        partitions.set_count(0);
        assert_eq!(partitions.emptiest(load), 0);
    }
}
