//! Assigns partitions to members: Kafka's `range` and `roundrobin`, as its own clients compute them.

use std::collections::BTreeMap;
use std::iter;

/// The topics that each member wants, by the member's id.
pub(super) type Members = BTreeMap<String, Vec<String>>;
/// The number of partitions of each topic.
pub(super) type Counts = BTreeMap<String, u32>;
/// The partitions that one member gets, by topic.
pub(super) type Share = BTreeMap<String, Vec<u32>>;

/// A strategy for sharing partitions out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignor {
    /// Each member gets neighbouring partitions of each topic.
    Range,
    /// Partition by partition, in turn.
    RoundRobin,
}

impl Assignor {
    /// All, the preferred one first.
    pub(super) const ALL: [Self; 2] = [Self::Range, Self::RoundRobin];

    /// Its name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
        }
    }

    /// The assignor of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares all partitions out among the members that want their topic.
    pub(super) fn assign(self, members: &Members, counts: &Counts) -> BTreeMap<String, Share> {
        let mut shares = members.keys().map(|id| (id.clone(), Share::new())).collect();
        match self {
            Self::Range => range(members, counts, &mut shares),
            Self::RoundRobin => round_robin(members, counts, &mut shares),
        }
        shares
    }
}

fn range(members: &Members, counts: &Counts, shares: &mut BTreeMap<String, Share>) {
    for (topic, count) in counts {
        let takers: Vec<_> = takers(members, topic).collect();
        let mut first = 0;
        for (index, id) in (0..).zip(&takers) {
            let number = u32::try_from(takers.len()).expect("a group is not that large");
            let length = count / number + u32::from(index < count % number);
            if length > 0 {
                give(shares, id, topic, first..first + length);
            }
            first += length;
        }
    }
}

fn round_robin(members: &Members, counts: &Counts, shares: &mut BTreeMap<String, Share>) {
    let mut turns = members.iter().cycle();
    for (topic, count) in counts {
        if takers(members, topic).next().is_none() {
            continue;
        }
        for partition in 0..*count {
            let taker = turns.find(|(_, topics)| topics.contains(topic));
            let (id, _) = taker.expect("a member wants the topic");
            give(shares, id, topic, iter::once(partition));
        }
    }
}

fn takers<'a>(members: &'a Members, topic: &'a str) -> impl Iterator<Item = &'a String> {
    members.iter().filter(move |(_, topics)| topics.iter().any(|t| t == topic)).map(|(id, _)| id)
}

fn give(
    shares: &mut BTreeMap<String, Share>,
    id: &str,
    topic: &str,
    partitions: impl Iterator<Item = u32>,
) {
    let share = shares.get_mut(id).expect("each member has a share");
    share.entry(topic.to_owned()).or_default().extend(partitions);
}

#[cfg(test)]
mod tests {
    use super::{Assignor, Counts, Members};

    fn members(wants: &[(&str, &[&str])]) -> Members {
        let topics = |topics: &[&str]| topics.iter().map(ToString::to_string).collect();
        wants.iter().map(|(id, wanted)| ((*id).to_owned(), topics(wanted))).collect()
    }

    fn counts(counts: &[(&str, u32)]) -> Counts {
        counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    /// The shares as text, such as `a{t:[0,1]}b{t:[2]}`.
    fn shares(assignor: Assignor, wants: &[(&str, &[&str])], topics: &[(&str, u32)]) -> String {
        let shares = assignor.assign(&members(wants), &counts(topics));
        let texts = shares.iter().map(|(id, share)| format!("{id}{share:?}"));
        texts.collect::<String>().replace(['"', ' '], "")
    }

    // The examples in the documentation of Kafka's RangeAssignor and RoundRobinAssignor.
    #[test]
    fn shares_are_those_of_kafkas_own_clients() {
        let both: &[(&str, &[&str])] = &[("C0", &["t0", "t1"]), ("C1", &["t0", "t1"])];
        let topics = [("t0", 3), ("t1", 3)];
        assert_eq!(
            shares(Assignor::Range, both, &topics),
            "C0{t0:[0,1],t1:[0,1]}C1{t0:[2],t1:[2]}"
        );
        assert_eq!(
            shares(Assignor::RoundRobin, both, &topics),
            "C0{t0:[0,2],t1:[1]}C1{t0:[1],t1:[0,2]}"
        );
        let uneven: &[(&str, &[&str])] =
            &[("C0", &["t0"]), ("C1", &["t0", "t1"]), ("C2", &["t0", "t1", "t2"])];
        assert_eq!(
            shares(Assignor::RoundRobin, uneven, &[("t0", 1), ("t1", 2), ("t2", 3)]),
            "C0{t0:[0]}C1{t1:[0]}C2{t1:[1],t2:[0,1,2]}"
        );
    }

    #[test]
    fn members_beyond_the_partitions_and_unwanted_topics_are_left_out() {
        let wants: &[(&str, &[&str])] = &[("a", &["t"]), ("b", &["t"]), ("c", &["t"])];
        for assignor in Assignor::ALL {
            assert_eq!(shares(assignor, wants, &[("t", 2), ("u", 5)]), "a{t:[0]}b{t:[1]}c{}");
        }
    }
}
