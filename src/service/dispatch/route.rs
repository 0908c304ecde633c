//! Chooses the partition of the result topic that a job's results go through.
//!
//! A plan names one. If mills with different storages share the topics, the collector assigned to that partition may
//! not see the job's files. Then the results go through another one, so that each storage needs only one collector.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::info;

use super::active::Active;
use crate::model::job::{JobId, StorageId};
use crate::model::process::{Process, Role};
use crate::model::tile::TileResult;
use crate::queue::Topic;
use crate::state::{State, StateError};

/// Routes the results of the jobs of one server to collectors that see its files.
pub(super) struct Router {
    state: Arc<dyn State>,
    results: Arc<dyn Topic<TileResult>>,
    storage: StorageId,
    routes: Routes,
}

impl Router {
    /// The router of a server with the files of `storage`, before any collector is known.
    pub(super) fn new(
        state: Arc<dyn State>,
        results: Arc<dyn Topic<TileResult>>,
        storage: StorageId,
    ) -> Self {
        Self { state, results, storage, routes: Routes::default() }
    }

    /// The partition for a job whose results go through `now`.
    pub(super) fn choose(&self, job: JobId, now: u32) -> u32 {
        self.routes.choose(job, now)
    }

    /// Finds out which collectors there are, and routes the results of `jobs` to them.
    pub(super) async fn route(&mut self, jobs: &mut [Active]) -> Result<(), StateError> {
        let processes = self.state.processes().await?;
        // Unknown while the topic is being made anew.
        let partitions = self.results.partitions().await.ok();
        self.routes = Routes::of(&processes, &self.storage, partitions);
        for active in jobs {
            let (job, from) = (active.id(), active.results_partition());
            let to = self.choose(job, from);
            if to != from {
                info!(%job, from, to, "its results go through another partition");
                active.go_through(to);
            }
        }
        Ok(())
    }
}

/// The partitions, by whether their collector sees the files of this server.
#[derive(Debug, Default)]
struct Routes {
    /// Those of collectors that see the files.
    ours: BTreeSet<u32>,
    /// Those of collectors that do not.
    others: BTreeSet<u32>,
    /// The number of partitions, if it is known. A topic that was made anew may have fewer than before.
    count: Option<u32>,
}

impl Routes {
    /// The routes by the partitions that running collectors report, for a server with the files of `storage`.
    fn of(processes: &[Process], storage: &StorageId, count: Option<u32>) -> Self {
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
    fn choose(&self, job: JobId, now: u32) -> u32 {
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
    use super::*;
    use crate::model::report::Report;
    use crate::queue::embedded::EmbeddedTopic;
    use crate::state::embedded::EmbeddedState;

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
    fn results_leave_a_partition_only_if_its_collector_does_not_see_the_files() {
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

    #[tokio::test]
    async fn a_job_leaves_the_partition_of_a_collector_that_does_not_see_its_files() {
        let (state, results) = (Arc::new(EmbeddedState::default()), EmbeddedTopic::new(3));
        let shared = Arc::clone(&state) as Arc<dyn State>;
        let mut router = Router::new(shared, Arc::new(results), StorageId("a".into()));
        let mut jobs = [Active::example()];
        let planned = jobs[0].results_partition();
        router.route(&mut jobs).await.unwrap();
        assert_eq!(jobs[0].results_partition(), planned, "no collector is known");
        for other in [collector("b", &[planned]), collector("a", &[planned + 1])] {
            let id = format!("{:?}", other.storage);
            state.keep_alive(&Process { id, ..other }).await.unwrap();
        }
        router.route(&mut jobs).await.unwrap();
        assert_eq!(jobs[0].results_partition(), planned + 1);
        assert_eq!(router.choose(jobs[0].id(), planned), planned + 1);
    }
}
