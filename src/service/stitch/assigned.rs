//! The partitions of the result topic that this collector reads.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The partitions of one collector.
pub(super) struct Assigned {
    partitions: BTreeSet<u32>,
    /// Publishes them to others.
    told: watch::Sender<Vec<u32>>,
}

impl Assigned {
    /// No partition yet.
    pub(super) fn new(told: watch::Sender<Vec<u32>>) -> Self {
        Self { partitions: BTreeSet::new(), told }
    }

    /// Whether the results in `partition` come here.
    pub(super) fn has(&self, partition: u32) -> bool {
        self.partitions.contains(&partition)
    }

    /// Takes `partitions` in place of those before.
    pub(super) fn replace(&mut self, partitions: Vec<u32>) {
        self.partitions = partitions.into_iter().collect();
    }

    /// Publishes them.
    pub(super) fn tell(&self) {
        self.told.send_replace(self.partitions.iter().copied().collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_of_the_partitions_in_order() {
        let (told, heard) = watch::channel(Vec::new());
        let mut assigned = Assigned::new(told);
        assigned.replace(vec![3, 1]);
        assert!(assigned.has(1) && assigned.has(3) && !assigned.has(2));
        assert!(heard.borrow().is_empty());
        assigned.tell();
        assert_eq!(*heard.borrow(), [1, 3]);
        assigned.replace(vec![2]);
        assert!(assigned.has(2) && !assigned.has(1));
    }
}
