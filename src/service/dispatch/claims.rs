//! Which jobs are this server's: those with its files that no other server owns.

use std::sync::Arc;

use tracing::warn;

use super::active::Active;
use crate::model::job::{JobId, Plan, StorageId};
use crate::state::{ServerId, State, StateError};

/// The claims of one server.
pub(super) struct Claims {
    server: ServerId,
    storage: StorageId,
    state: Arc<dyn State>,
}

impl Claims {
    /// The claims of `server`, whose files are in `storage`.
    pub(super) fn new(server: ServerId, storage: StorageId, state: Arc<dyn State>) -> Self {
        Self { server, storage, state }
    }

    /// Whether the files of a job are where this server's are.
    pub(super) fn has_files_of(&self, plan: &Plan) -> bool {
        plan.storage == self.storage
    }

    /// Makes this server the owner of a job, or keeps it that. Returns whether it is.
    pub(super) async fn claim(&self, job: JobId) -> Result<bool, StateError> {
        self.state.claim(job, &self.server).await
    }

    /// Renews all claims. Returns the jobs that another server has taken over, while this one could not do so.
    pub(super) async fn renew(&self, jobs: &[Active]) -> Result<Vec<JobId>, StateError> {
        let mut lost = Vec::new();
        for active in jobs {
            if !self.claim(active.id()).await? {
                lost.push(active.id());
            }
        }
        for job in &lost {
            warn!(%job, "another server has taken over");
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::{Process, Role};
    use crate::model::report::Report;
    use crate::state::embedded::EmbeddedState;

    #[tokio::test]
    async fn a_job_of_another_server_that_is_alive_is_not_ours() {
        let state = Arc::new(EmbeddedState::default());
        let here = StorageId("here".into());
        let [ours, theirs] = ["a", "b"].map(|server| {
            let state = Arc::clone(&state) as Arc<dyn State>;
            Claims::new(ServerId(server.into()), here.clone(), state)
        });
        let [host, version] = ["h", "1"].map(String::from);
        let (role, id) = (Role::Serve, "b".to_owned());
        let (storage, collects, report) = (None, Vec::new(), Report::default());
        let other = Process { role, id, host, version, storage, collects, report };
        state.keep_alive(&other).await.unwrap();
        let jobs = [Active::example(), Active::example()];
        assert!(theirs.claim(jobs[1].id()).await.unwrap());
        assert_eq!(ours.renew(&jobs).await.unwrap(), [jobs[1].id()]);
        assert_eq!(theirs.renew(&jobs[1..]).await.unwrap(), []);
        assert!(ours.has_files_of(jobs[0].plan()));
    }
}
