//! The notes that the owner of a partition commits beside its offsets, so that a message that kills its
//! process does so only a few times.
//!
//! A message is handed out only after a commit has said so. A member that takes over a partition whose
//! last owner died reads in the note which messages that owner may have had, and hands them out one at a
//! time, each after a commit that counts the try. A process dies with all its partitions, so a message
//! that was tried before is a suspect: it is handed out alone in its process, and no other message is
//! blamed for it. An owner that is alive when it gives a partition away takes the count back, since no
//! process died. Messages that it still has in hand are then lent: it may yet die of one, which the next
//! owner would not learn, so the next owner is careful with them at once.

use std::fmt;
use std::str::FromStr;

use crate::queue::policy::MAX_TRIES;

/// How many messages one commit covers, so that commits are fewer than messages.
const AHEAD: u64 = 32;

/// The note that is committed beside an offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::queue::kafka) enum Note {
    /// No message is in hand.
    #[default]
    Free,
    /// Messages below `until` may be in hand.
    Held { until: u64 },
    /// Messages below `until` may be in the hands of a former owner that is alive.
    Lent { until: u64 },
    /// The message at `offset` is in hand, alone in its partition and for the `tries`th time; those below
    /// `until` may have been in hand before.
    Trying { offset: u64, tries: u32, until: u64 },
}

/// Whether a message may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::queue::kafka) enum Verdict {
    /// It may.
    Deliver,
    /// Only after a commit, or after an ack of the message before it.
    Wait,
    /// Never: so many processes have died of it since the first.
    Deadly(u32),
}

/// Decides which messages one owner of a partition may hand out.
#[derive(Debug)]
pub(super) struct Caution {
    /// The note of the previous owner.
    found: Note,
    /// The note of the next commit.
    said: Note,
    /// The note of the last commit; `None` if it is unknown.
    stored: Option<Note>,
    /// The notes just before and just after the partition was handed over.
    handed_over: Option<(Note, Note)>,
}

impl Caution {
    /// For a partition with `found` as its last committed note.
    pub(super) fn new(found: Note) -> Self {
        Self { found, said: found, stored: Some(found), handed_over: None }
    }

    /// Judges the message at `offset`, the next in its partition. `alone` means that no other is in hand.
    pub(super) fn judge(&mut self, offset: u64, alone: bool) -> Verdict {
        let careful_until = self.found.until();
        if offset >= careful_until {
            // The last suspect may still be in hand: its note stands until it is dealt with.
            if !alone && matches!(self.said, Note::Trying { .. }) {
                return Verdict::Wait;
            }
            return self.judge_freely(offset);
        }
        if !alone {
            return Verdict::Wait;
        }
        let tries = self.found.tries_of(offset);
        if tries >= MAX_TRIES {
            return Verdict::Deadly(tries);
        }
        self.said = Note::Trying { offset, tries: tries + 1, until: careful_until };
        if self.stored == Some(self.said) { Verdict::Deliver } else { Verdict::Wait }
    }

    fn judge_freely(&mut self, offset: u64) -> Verdict {
        // Renewed long before it is used up, so that no message waits for a commit.
        let is_used_up = offset.saturating_add(AHEAD / 2) >= self.said.until();
        if is_used_up || !matches!(self.said, Note::Held { .. }) {
            self.said = Note::Held { until: offset.saturating_add(AHEAD) };
        }
        match self.stored {
            Some(Note::Held { until }) if offset < until => Verdict::Deliver,
            _ => Verdict::Wait,
        }
    }

    /// Whether the previous owner died with the message at `offset` in hand, or about to be.
    pub(super) fn is_inherited(&self, offset: u64) -> bool {
        offset < self.found.until() && !matches!(self.found, Note::Lent { .. })
    }

    /// Whether a message is being tried that another owner had in hand before.
    pub(super) fn is_trying(&self) -> bool {
        matches!(self.said, Note::Trying { .. })
    }

    /// Whether a process died while it tried the message at `offset`, and the message may be tried again, alone.
    pub(super) fn is_suspect(&self, offset: u64) -> bool {
        (1..MAX_TRIES).contains(&self.found.tries_of(offset))
    }

    /// The note of the next commit.
    pub(super) fn said(&self) -> Note {
        self.said
    }

    /// Whether the last commit has the note of the next one.
    pub(super) fn is_stored(&self) -> bool {
        self.stored == Some(self.said)
    }

    /// Sets the note of the last commit; `None` if it is unknown.
    pub(super) fn stored(&mut self, note: Option<Note>) {
        self.stored = note;
    }

    /// Takes the count back, as this owner is alive and may be about to lose the partition. `offset` is what it
    /// commits; the messages in hand that it goes on with end at `in_hand_until`.
    pub(super) fn hand_over(&mut self, offset: Option<u64>, in_hand_until: Option<u64>) {
        let blameless = match (self.said, self.found) {
            (Note::Trying { offset, tries, until }, Note::Trying { .. })
                if self.said != self.found =>
            {
                Note::Trying { offset, tries: tries.saturating_sub(1), until }
            }
            (Note::Trying { .. }, found) => found,
            (other, _) => other,
        };
        let careful = offset.is_some_and(|offset| offset < self.found.until());
        let lent = in_hand_until.map_or(Note::Free, |until| Note::Lent { until });
        let before = std::mem::replace(&mut self.said, if careful { blameless } else { lent });
        // If joining again takes several attempts, the note before the first one counts.
        self.handed_over = self.handed_over.or(Some((before, self.said)));
    }

    /// Restores the count, as the partition stays with this owner, which can still die of a message in hand.
    pub(super) fn keep(&mut self, in_hand: bool) {
        if let Some((before, then)) = self.handed_over.take()
            && in_hand
            && self.said == then
        {
            self.said = before;
        }
    }
}

impl Note {
    fn until(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Held { until } | Self::Lent { until } | Self::Trying { until, .. } => until,
        }
    }

    fn tries_of(self, message: u64) -> u32 {
        match self {
            Self::Trying { offset, tries, .. } if offset == message => tries,
            _ => 0,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => Ok(()),
            Self::Held { until } => write!(f, "held {until}"),
            Self::Lent { until } => write!(f, "lent {until}"),
            Self::Trying { offset, tries, until } => write!(f, "try {offset} {tries} {until}"),
        }
    }
}

impl FromStr for Note {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| word.parse().map_err(|_| text.to_owned());
        match words[..] {
            [] => Ok(Self::Free),
            ["held", until] => Ok(Self::Held { until: number(until)? }),
            ["lent", until] => Ok(Self::Lent { until: number(until)? }),
            ["try", offset, tries, until] => Ok(Self::Trying {
                offset: number(offset)?,
                // Larger numbers than fit count as the maximum.
                tries: u32::try_from(number(tries)?).unwrap_or(MAX_TRIES),
                until: number(until)?,
            }),
            _ => Err(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Caution, MAX_TRIES, Note, Verdict};

    /// Commits the note, as the member does.
    fn commit(caution: &mut Caution) -> Note {
        caution.stored(Some(caution.said()));
        caution.said()
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        for (note, text) in [
            (Note::Free, ""),
            (Note::Held { until: 7 }, "held 7"),
            (Note::Lent { until: 7 }, "lent 7"),
            (Note::Trying { offset: 5, tries: 2, until: 7 }, "try 5 2 7"),
        ] {
            assert_eq!(note.to_string(), text);
            assert_eq!(text.parse(), Ok(note));
        }
        for strange in ["held", "held x", "try 1 2", "hello", "held -1"] {
            assert_eq!(strange.parse::<Note>(), Err(strange.to_owned()));
        }
    }

    #[test]
    fn nothing_is_handed_out_before_a_commit_has_said_so() {
        let mut caution = Caution::new(Note::Free);
        assert_eq!(caution.judge(10, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Held { until: 42 });
        for offset in 10..42 {
            assert_eq!(caution.judge(offset, false), Verdict::Deliver, "{offset}");
        }
        assert_eq!(caution.judge(42, false), Verdict::Wait);
        // If each note is committed in time, no message waits.
        let mut caution = Caution::new(Note::Free);
        assert_eq!(caution.judge(0, true), Verdict::Wait);
        for offset in 0..1000 {
            commit(&mut caution);
            assert_eq!(caution.judge(offset, false), Verdict::Deliver, "{offset}");
        }
    }

    #[test]
    fn what_a_dead_owner_may_have_had_goes_out_one_at_a_time() {
        let mut caution = Caution::new(Note::Held { until: 12 });
        assert_eq!(caution.judge(10, false), Verdict::Wait);
        assert_eq!(caution.judge(10, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Trying { offset: 10, tries: 1, until: 12 });
        assert_eq!(caution.judge(10, true), Verdict::Deliver);
        assert_eq!(caution.judge(11, false), Verdict::Wait);
        assert_eq!(caution.judge(11, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Trying { offset: 11, tries: 1, until: 12 });
        assert_eq!(caution.judge(11, true), Verdict::Deliver);
        // The rest is not suspect, but the message before it may still kill its process.
        assert_eq!(caution.judge(12, false), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Trying { offset: 11, tries: 1, until: 12 });
        assert_eq!(caution.judge(12, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Held { until: 44 });
        assert_eq!(caution.judge(12, false), Verdict::Deliver);
    }

    #[test]
    fn a_message_that_kills_its_owner_is_deadly_after_four_deaths() {
        let mut left = Note::Held { until: 12 };
        for _ in 0..MAX_TRIES {
            let mut caution = Caution::new(left);
            assert_eq!(caution.judge(10, true), Verdict::Wait);
            left = commit(&mut caution);
            assert_eq!(caution.judge(10, true), Verdict::Deliver);
        }
        let mut caution = Caution::new(left);
        assert_eq!(caution.judge(10, true), Verdict::Deadly(3));
        // The next is another message.
        assert_eq!(caution.judge(11, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Trying { offset: 11, tries: 1, until: 12 });
    }

    #[test]
    fn what_is_in_hand_is_counted_again_when_the_partition_is_kept() {
        for (found, said, handed_over) in [
            (
                Note::Held { until: 12 },
                Note::Trying { offset: 10, tries: 1, until: 12 },
                Note::Held { until: 12 },
            ),
            (
                Note::Lent { until: 11 },
                Note::Trying { offset: 10, tries: 1, until: 11 },
                Note::Lent { until: 11 },
            ),
            (Note::Free, Note::Held { until: 42 }, Note::Lent { until: 11 }),
        ] {
            let mut caution = Caution::new(found);
            assert_eq!(caution.judge(10, true), Verdict::Wait);
            assert_eq!(commit(&mut caution), said);
            assert_eq!(caution.judge(10, true), Verdict::Deliver);
            // The first attempt to join failed.
            for _ in 0..2 {
                caution.hand_over(Some(10), Some(11));
                assert_eq!(commit(&mut caution), handed_over);
            }
            caution.keep(true);
            assert_eq!(commit(&mut caution), said);
            caution.hand_over(Some(10), Some(11));
            caution.keep(false);
            assert_eq!(commit(&mut caution), handed_over);
        }
    }

    #[test]
    fn what_a_living_owner_still_has_in_hand_is_counted_by_the_next() {
        let mut caution = Caution::new(Note::Free);
        assert_eq!(caution.judge(10, true), Verdict::Wait);
        commit(&mut caution);
        assert_eq!(caution.judge(10, true), Verdict::Deliver);
        caution.hand_over(Some(10), Some(11));
        let mut next = Caution::new(commit(&mut caution));
        assert!(!next.is_inherited(10), "nobody died");
        assert_eq!(next.judge(10, true), Verdict::Wait);
        assert_eq!(commit(&mut next), Note::Trying { offset: 10, tries: 1, until: 11 });
        assert_eq!(next.judge(10, true), Verdict::Deliver);
        assert_eq!(next.judge(11, true), Verdict::Wait);
        assert_eq!(commit(&mut next), Note::Held { until: 43 });
    }

    #[test]
    fn an_owner_that_is_alive_takes_the_count_back() {
        let mut caution = Caution::new(Note::Trying { offset: 10, tries: 2, until: 12 });
        assert_eq!(caution.judge(10, true), Verdict::Wait);
        commit(&mut caution);
        assert_eq!(caution.judge(10, true), Verdict::Deliver);
        caution.hand_over(Some(10), Some(11));
        assert_eq!(commit(&mut caution), Note::Trying { offset: 10, tries: 2, until: 12 });
        // The partition is kept after all: the message is counted again.
        assert_eq!(caution.judge(10, true), Verdict::Wait);
        assert_eq!(commit(&mut caution), Note::Trying { offset: 10, tries: 3, until: 12 });
        caution.hand_over(Some(12), None);
        assert_eq!(commit(&mut caution), Note::Free);
        let left = Note::Trying { offset: 10, tries: 2, until: 12 };
        let mut idle = Caution::new(left);
        idle.hand_over(Some(10), None);
        assert_eq!(commit(&mut idle), left);
        let mut careless = Caution::new(Note::Free);
        assert_eq!(careless.judge(0, true), Verdict::Wait);
        commit(&mut careless);
        careless.hand_over(Some(0), None);
        assert_eq!(commit(&mut careless), Note::Free);
        assert_eq!(careless.judge(1, true), Verdict::Wait);
    }
}
