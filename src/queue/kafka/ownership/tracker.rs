//! Tracks which offset of a partition may be committed, while deliveries are acked in any order.

use std::collections::BTreeSet;

/// The deliveries of one partition, from the moment it was assigned.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// The offset after the last delivery. Offsets have gaps, so there may be no message with it.
    position: Option<u64>,
    unacked: BTreeSet<u64>,
}

impl Tracker {
    /// A tracker for a partition in which everything below `position` has been dealt with.
    pub(super) fn new(position: Option<u64>) -> Self {
        Self { position, unacked: BTreeSet::new() }
    }

    /// Notes that everything below `offset` that is not in hand has been dealt with, or never existed.
    pub(super) fn reach(&mut self, offset: u64) {
        self.position = self.position.max(Some(offset));
    }

    /// Whether nothing is in hand.
    pub(super) fn is_idle(&self) -> bool {
        self.unacked.is_empty()
    }

    /// The offset after the last message in hand.
    pub(super) fn in_hand_until(&self) -> Option<u64> {
        self.unacked.last().map(|offset| offset.saturating_add(1))
    }

    /// Notes that a message is handed out, for the first time or again.
    pub(super) fn deliver(&mut self, offset: u64) {
        self.unacked.insert(offset);
        self.position = self.position.max(Some(offset.saturating_add(1)));
    }

    /// Notes that a message has been dealt with. All messages below it have been dealt with or delivered.
    pub(super) fn ack(&mut self, offset: u64) {
        self.unacked.remove(&offset);
        self.position = self.position.max(Some(offset.saturating_add(1)));
    }

    /// The highest offset below which everything is acked, if a position is known.
    pub(super) fn committable(&self) -> Option<u64> {
        self.unacked.first().copied().or(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Tracker;

    proptest! {
        #[test]
        fn the_committed_offset_never_passes_an_unacked_message(
            gaps in prop::collection::vec(1..5_u64, 1..50),
            acks in prop::collection::vec(any::<prop::sample::Index>(), 0..50),
        ) {
            let offsets: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut tracker = Tracker::new(Some(0));
            for offset in &offsets {
                tracker.deliver(*offset);
            }
            let mut open: BTreeSet<u64> = offsets.iter().copied().collect();
            let mut last = 0;
            for ack in acks {
                let offset = *ack.get(&offsets);
                tracker.ack(offset);
                open.remove(&offset);
                let committable = tracker.committable().unwrap();
                prop_assert!(open.first().is_none_or(|first| committable <= *first));
                prop_assert!(committable >= last);
                last = committable;
            }
            for offset in &offsets {
                tracker.ack(*offset);
            }
            prop_assert_eq!(tracker.committable(), offsets.last().map(|offset| offset + 1));
        }
    }

    #[test]
    fn nothing_is_committed_before_a_position_is_known() {
        let mut tracker = Tracker::new(None);
        assert_eq!(tracker.committable(), None);
        tracker.deliver(7);
        assert_eq!(tracker.committable(), Some(7));
        tracker.ack(7);
        assert_eq!(tracker.committable(), Some(8));
    }
}
