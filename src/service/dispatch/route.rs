//! Chooses the partition of the result topic that a job's results go through.
//!
//! A plan names one. If mills with different storages share the topics, the collector assigned to that partition may
//! not see the job's files. Then the results go through another one, so that each storage needs only one collector.

use std::collections::BTreeSet;

use crate::model::job::{JobId, StorageId};
use crate::model::process::{Process, Role};

/// The partitions, by whether their collector sees the files of this server.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Those of collectors that see the files.
    ours: BTreeSet<u32>,
    /// Those of collectors that do not.
    others: BTreeSet<u32>,
    /// The number of partitions, if it is known. A topic that was made anew may have fewer than before.
    count: Option<u32>,
}

impl Routes {
    /// The routes by the partitions that running collectors report, for a server with the files of `storage`.
    pub(super) fn of(processes: &[Process], storage: &StorageId, count: Option<u32>) -> Self {
        let mut routes = Self { count, ..Self::default() };
        for process in processes.iter().filter(|process| process.role == Role::Collect) {
            let sees = process.storage.as_ref() == Some(storage);
            let partitions = if sees { &mut routes.ours } else { &mut routes.others };
            partitions.extend(&process.collects);
        }
        routes
    }

    /// The partition for a job whose results go through `now`. It changes only if `now` does not exist, or certainly
    /// belongs to a collector that does not see the files: during a rebalance, no collector may have it for a moment.
    pub(super) fn choose(&self, job: JobId, now: u32) -> u32 {
        let is_hopeless =
            self.others.contains(&now) || self.count.is_some_and(|count| now >= count);
        if self.ours.contains(&now) || !is_hopeless || self.ours.is_empty() {
            return now;
        }
        let count = self.ours.len() as u64;
        let index = usize::try_from(job.spread() % count).expect("it is below a length");
        self.ours.iter().nth(index).copied().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::Routes;
    use crate::model::job::{JobId, StorageId};
    use crate::model::process::{Process, Role};
    use crate::model::report::Report;

    fn collector(storage: &str, collects: &[u32]) -> Process {
        let [id, host, version] = ["c", "h", "1"].map(String::from);
        let (role, storage) = (Role::Collect, Some(StorageId(storage.into())));
        Process {
            role,
            id,
            host,
            version,
            storage,
            collects: collects.to_vec(),
            report: Report::default(),
        }
    }

    #[test]
    fn results_leave_a_partition_only_if_it_is_collected_by_somebody_who_does_not_see_the_files() {
        let [ours, other] = ["a", "b"].map(|name| StorageId(name.into()));
        let job = JobId::generate();
        let both = [collector("a", &[0, 2]), collector("b", &[1])];
        assert_eq!(Routes::of(&both, &ours, Some(3)).choose(job, 2), 2);
        assert!([0, 2].contains(&Routes::of(&both, &ours, Some(3)).choose(job, 1)));
        assert!(
            [0, 2].contains(&Routes::of(&both, &ours, Some(3)).choose(job, 3)),
            "there is none"
        );
        assert_eq!(Routes::of(&both, &other, Some(3)).choose(job, 0), 1);
        for nobody_better in [vec![], vec![collector("a", &[0])], vec![collector("b", &[1])]] {
            assert_eq!(Routes::of(&nobody_better, &ours, Some(3)).choose(job, 1), 1);
        }
    }
}
