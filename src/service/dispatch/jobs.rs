//! The jobs in work: begins those that wait, drops those that have ended, and ends those that have to fail.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};

use super::active::Active;
use super::claims::Claims;
use super::decodes::Decodes;
use super::news::News;
use super::records::JobRecords;
use super::route::Router;
use super::source::Arrival;
use crate::causes;
use crate::model::event::Look;
use crate::model::job::{Failure, JobId, Plan, Step};
use crate::raster;
use crate::service::{PortError, Troubles};
use crate::storage::Storage;

/// The jobs in work of one server.
pub(super) struct JobsInWork {
    jobs: Vec<Active>,
    /// The most jobs in work.
    places: usize,
    /// Jobs that may have begun or ended since the last look.
    news: News,
    claims: Claims,
    records: JobRecords,
}

impl JobsInWork {
    /// No job yet, of at most `places`.
    pub(super) fn new(places: usize, claims: Claims, records: JobRecords) -> Self {
        Self { jobs: Vec::new(), places, news: News::Everything, claims, records }
    }

    pub(super) fn all(&self) -> &[Active] {
        &self.jobs
    }

    pub(super) fn all_mut(&mut self) -> &mut [Active] {
        &mut self.jobs
    }

    fn has(&self, job: JobId) -> bool {
        self.jobs.iter().any(|active| active.id() == job)
    }

    /// Notes a signal, or that some were missed.
    pub(super) fn note(&mut self, look: &Result<Look, RecvError>) {
        match look {
            Ok(Look::Job(job)) => self.news.add(*job),
            Ok(Look::Board(_) | Look::Workers) => {}
            Err(_) => self.news = News::Everything,
        }
    }

    /// Drops jobs that have ended, and begins others in their places, if there is news. An error of a single job
    /// does not hold up the others.
    pub(super) async fn follow_news(
        &mut self,
        router: &Router,
        decodes: &Decodes,
    ) -> Result<(), PortError> {
        let news = std::mem::take(&mut self.news);
        if matches!(news, News::None) {
            return Ok(());
        }
        let Err(error) = self.follow(&news, router, decodes).await else { return Ok(()) };
        if error.is_away() {
            self.news = News::Everything;
            return Err(error);
        }
        // Retried at the next look at all jobs. The others go on.
        warn!(error = causes::field(&error), "a job gives trouble");
        Ok(())
    }

    async fn follow(
        &mut self,
        news: &News,
        router: &Router,
        decodes: &Decodes,
    ) -> Result<(), PortError> {
        let dropped = self.drop_ended(news).await;
        self.begin_waiting(router, decodes).await.and(dropped)
    }

    /// Drops the jobs in `news` that have ended.
    async fn drop_ended(&mut self, news: &News) -> Result<(), PortError> {
        let about: Vec<JobId> =
            self.jobs.iter().map(Active::id).filter(|id| news.is_about(*id)).collect();
        let mut troubles = Troubles::default();
        for job in about {
            troubles.note(self.drop_if_ended(job).await)?;
        }
        troubles.end()
    }

    async fn drop_if_ended(&mut self, job: JobId) -> Result<(), PortError> {
        if self.records.has_ended(job).await? {
            self.records.count_times(job).await;
            self.jobs.retain(|active| active.id() != job);
            self.records.forget(job).await?;
        }
        Ok(())
    }

    /// Begins jobs that wait, oldest first, as long as there are places for them.
    async fn begin_waiting(&mut self, router: &Router, decodes: &Decodes) -> Result<(), PortError> {
        if self.jobs.len() >= self.places {
            return Ok(());
        }
        for plan in self.records.unfinished() {
            let ours = !self.has(plan.id) && self.claims.has_files_of(&plan);
            if ours && self.claims.claim(plan.id).await? {
                self.begin(plan, router, decodes).await?;
                if self.jobs.len() >= self.places {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        plan: Arc<Plan>,
        router: &Router,
        decodes: &Decodes,
    ) -> Result<(), PortError> {
        self.records.begun(&plan);
        info!(job = %plan.id, size = %plan.size, tiles = plan.tiles(), filters = %plan.filters, "begun");
        let mut active = Active::new(Arc::clone(&plan), decodes.split(plan.id));
        active.go_through(router.choose(plan.id, plan.results_partition));
        self.records.activate(&active).await?;
        match other_revision(&plan) {
            Some(failure) => active.fail(failure),
            None => active.expect(decodes.begin(plan)),
        }
        self.jobs.push(active);
        self.record_failures().await
    }

    /// Decodes the images again that were released, and from which tiles have to be cut after all.
    pub(super) fn decode_again(&mut self, decodes: &Decodes) {
        for active in self.jobs.iter_mut().filter(|active| active.lacks_image()) {
            let image = decodes.begin(Arc::clone(active.plan()));
            active.expect(image);
        }
    }

    /// Clears the start counts of images that are being decoded: they are not to blame when a process is stopped in
    /// good order.
    pub(super) async fn forgive_decodes(&self, storage: &dyn Storage) {
        for active in self.jobs.iter().filter(|active| active.is_decoding()) {
            let _ = storage.clear_starts(active.id(), Step::Decode).await;
        }
    }

    /// Takes in the progress of decoding an image, or fails the job if that has failed.
    pub(super) async fn take_in(&mut self, job: JobId, arrival: Arrival) -> Result<(), PortError> {
        let Some(active) = self.jobs.iter_mut().find(|active| active.id() == job) else {
            return Ok(());
        };
        active.take_in(arrival);
        self.record_failures().await
    }

    /// Ends the jobs that have to fail. One that cannot be ended now is ended at a later look, and does not
    /// hold up the others.
    pub(super) async fn record_failures(&mut self) -> Result<(), PortError> {
        let mut troubles = Troubles::default();
        for active in &mut self.jobs {
            let Some(failure) = active.failure() else { continue };
            match self.records.fail(active.id(), failure).await {
                Ok(()) => {
                    active.failure_recorded();
                    self.news.add(active.id());
                }
                Err(error) => troubles.note(Err(error.into()))?,
            }
        }
        if let Err(error) = troubles.end() {
            warn!(error = causes::field(&error), "a job cannot be ended yet");
        }
        Ok(())
    }

    /// Looks at all jobs next time, whether or not there are signals.
    pub(super) fn expect_news(&mut self) {
        self.news = News::Everything;
    }

    /// Drops jobs that another server has taken over.
    pub(super) async fn keep_own(&mut self) -> Result<(), PortError> {
        let lost = self.claims.renew(&self.jobs).await?;
        self.jobs.retain(|active| !lost.contains(&active.id()));
        Ok(())
    }

    /// Publishes the active jobs, and ends jobs that are too old, whether they are in work or waiting.
    pub(super) async fn publish(&mut self) -> Result<(), PortError> {
        for active in &mut self.jobs {
            self.records.publish(active).await?;
            active.fail_if_overdue(|plan| self.records.overdue(plan));
        }
        self.record_failures().await?;
        let is_waiting = |plan: &Plan| self.claims.has_files_of(plan) && !self.has(plan.id);
        self.records.end_overdue(is_waiting).await
    }
}

/// Why a job of another revision fails: parts of its result may have the bytes of that revision already.
fn other_revision(plan: &Plan) -> Option<Failure> {
    let (theirs, ours) = (plan.revision, raster::REVISION);
    (theirs != ours).then(|| {
        Failure::of_job(format!(
            "this job was accepted by a version of tilemill that gives other bytes (revision \
             {theirs}, here it is {ours}); retry it to have it done by this one"
        ))
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::{Config, Seconds};
    use crate::meters::Meters;
    use crate::queue::embedded::EmbeddedTopic;
    use crate::service::dispatch::source::Decoder;
    use crate::service::example;
    use crate::service::ledger::Ledger;
    use crate::state::embedded::EmbeddedState;
    use crate::state::{ServerId, State};
    use crate::storage::ResultStorage;
    use crate::storage::files::FileStorage;

    /// The jobs in work of a server with two jobs that wait, and what it needs to begin them.
    struct Server {
        jobs: JobsInWork,
        router: Router,
        decodes: Decodes,
        ledger: Arc<Ledger>,
        _directory: TempDir,
    }

    impl Server {
        async fn start(places: usize, max_age: Seconds) -> Self {
            let directory = TempDir::new().unwrap();
            let storage = Arc::new(FileStorage::open(directory.path()).unwrap());
            for _ in 0..2 {
                example::accepted(&storage).await;
            }
            let (state, id) = (Arc::new(EmbeddedState::default()), storage.id().clone());
            let state = || Arc::clone(&state) as Arc<dyn State>;
            let files = Arc::clone(&storage) as Arc<dyn Storage>;
            let ledger = Arc::new(Ledger::load(files, Meters::default()).await.unwrap());
            let claims = Claims::new(ServerId("server".into()), id.clone(), state());
            let records = JobRecords::new(Arc::clone(&ledger), state(), Meters::default(), max_age);
            let scratch = directory.path().to_owned();
            Self {
                jobs: JobsInWork::new(places, claims, records),
                router: Router::new(state(), Arc::new(EmbeddedTopic::new(1)), id),
                decodes: Decodes::new(Decoder::new(storage, &Config::default(), scratch)),
                ledger,
                _directory: directory,
            }
        }

        async fn follow_news(&mut self) -> Vec<JobId> {
            self.jobs.follow_news(&self.router, &self.decodes).await.unwrap();
            self.jobs.all().iter().map(Active::id).collect()
        }
    }

    #[tokio::test]
    async fn a_job_that_fails_makes_room_for_the_next_one() {
        let mut server = Server::start(1, Seconds::new(60)).await;
        let waiting: Vec<JobId> = server.ledger.unfinished().iter().map(|plan| plan.id).collect();
        assert_eq!(server.follow_news().await, waiting[..1]);
        let failed = Arrival::Ended(Err(Failure::of_job("as intended")));
        server.jobs.take_in(waiting[0], failed).await.unwrap();
        assert!(server.ledger.get(waiting[0]).unwrap().outcome.is_some());
        assert_eq!(server.follow_news().await, waiting[1..]);
    }

    #[tokio::test]
    async fn jobs_in_work_and_waiting_ones_end_when_they_are_too_old() {
        let mut server = Server::start(1, Seconds::new(0)).await;
        assert_eq!(server.follow_news().await.len(), 1);
        server.jobs.publish().await.unwrap();
        assert!(server.ledger.unfinished().is_empty());
        assert!(server.follow_news().await.is_empty());
    }
}
