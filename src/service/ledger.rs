//! The jobs of a server: their plans and outcomes, read from storage and kept in memory.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tracing::warn;

use crate::causes;
use crate::locked::Locked;
use crate::meters::Meters;
use crate::model::batch::BatchId;
use crate::model::job::{JobId, Outcome, Plan};
use crate::storage::{Kept, Storage, StorageError};

/// The jobs of a storage. The storage stays the truth: everything here was read from it or written to it.
pub struct Ledger {
    storage: Arc<dyn Storage>,
    jobs: RwLock<Jobs>,
    /// Jobs that this process accepted and that have not begun. Only their waiting times are known: another process may
    /// have begun the others.
    waiting: Mutex<BTreeSet<JobId>>,
    meters: Meters,
}

#[derive(Default)]
struct Jobs {
    entries: BTreeMap<JobId, LedgerEntry>,
    /// The jobs of each batch that has any.
    batches: BTreeMap<BatchId, BTreeSet<JobId>>,
}

impl Jobs {
    fn insert(&mut self, job: JobId, entry: LedgerEntry) {
        if let Some(batch) = entry.plan.batch {
            self.batches.entry(batch).or_default().insert(job);
        }
        self.entries.insert(job, entry);
    }

    fn remove(&mut self, job: JobId) -> Option<LedgerEntry> {
        let removed = self.entries.remove(&job)?;
        if let Some(batch) = removed.plan.batch
            && let btree_map::Entry::Occupied(mut jobs) = self.batches.entry(batch)
        {
            jobs.get_mut().remove(&job);
            if jobs.get().is_empty() {
                jobs.remove();
            }
        }
        Some(removed)
    }

    /// The jobs of a batch, oldest first.
    fn of(&self, batch: BatchId) -> impl DoubleEndedIterator<Item = &LedgerEntry> {
        let jobs = self.batches.get(&batch).into_iter().flatten();
        jobs.filter_map(|job| self.entries.get(job))
    }
}

/// One job.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Its outcome, once it has ended.
    pub outcome: Option<Outcome>,
    /// The files that are kept.
    pub kept: Kept,
}

impl Ledger {
    /// Reads all jobs; `meters` counts what becomes of them. A job that cannot be read, such as one whose plan does not
    /// parse, is left out and logged.
    pub async fn load(storage: Arc<dyn Storage>, meters: Meters) -> Result<Self, StorageError> {
        let (jobs, waiting) = (RwLock::default(), Mutex::default());
        let ledger = Self { storage, jobs, waiting, meters };
        for job in ledger.storage.jobs().await? {
            match ledger.read(job).await {
                Ok(entry) => ledger.put(job, entry),
                Err(error) => {
                    warn!(%job, error = causes::field(&error), "left out a job");
                }
            }
        }
        Ok(ledger)
    }

    async fn read(&self, job: JobId) -> Result<LedgerEntry, StorageError> {
        let plan = Arc::new(self.storage.plan(job).await?);
        let outcome = self.storage.outcome(job).await?;
        let kept = self.storage.kept(&plan).await?;
        Ok(LedgerEntry { plan, outcome, kept })
    }

    fn put(&self, job: JobId, entry: LedgerEntry) {
        self.write().insert(job, entry);
    }

    fn write(&self) -> RwLockWriteGuard<'_, Jobs> {
        // No code that can panic runs under the lock, so the maps are whole even if poisoned.
        self.jobs.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn jobs(&self) -> RwLockReadGuard<'_, Jobs> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.waiting.locked()
    }

    /// Adds a job whose plan has just been stored.
    pub fn add(&self, plan: Arc<Plan>) {
        let kept = Kept { original: Some(plan.original_bytes), result: None };
        self.waiting().insert(plan.id);
        self.put(plan.id, LedgerEntry { plan, outcome: None, kept });
        self.meters.accepted();
    }

    /// One job.
    #[must_use]
    pub fn get(&self, job: JobId) -> Option<LedgerEntry> {
        self.jobs().entries.get(&job).cloned()
    }

    /// At most `count` jobs from newest to oldest after the first `skip`, and the number of all jobs; only those of
    /// `batch`, if one is given.
    #[must_use]
    pub fn newest(
        &self,
        batch: Option<BatchId>,
        skip: usize,
        count: usize,
    ) -> (Vec<LedgerEntry>, usize) {
        let jobs = self.jobs();
        let Some(batch) = batch else {
            let page = jobs.entries.values().rev().skip(skip).take(count).cloned().collect();
            return (page, jobs.entries.len());
        };
        let page = jobs.of(batch).rev().skip(skip).take(count).cloned().collect();
        (page, jobs.batches.get(&batch).map_or(0, BTreeSet::len))
    }

    /// The jobs of a batch, oldest first.
    #[must_use]
    pub fn batch(&self, batch: BatchId) -> Vec<LedgerEntry> {
        self.jobs().of(batch).cloned().collect()
    }

    /// The jobs without an outcome, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Arc<Plan>> {
        let jobs = self.jobs();
        let open = jobs.entries.values().filter(|entry| entry.outcome.is_none());
        open.map(|entry| Arc::clone(&entry.plan)).collect()
    }

    /// How many jobs have no outcome.
    #[must_use]
    pub fn count_unfinished(&self) -> usize {
        self.jobs().entries.values().filter(|entry| entry.outcome.is_none()).count()
    }

    /// Notes that a job has begun.
    pub fn begun(&self, plan: &Plan) {
        if self.waiting().remove(&plan.id) {
            self.meters.begun(plan);
        }
    }

    /// The bytes of all originals and of all results that are kept.
    #[must_use]
    pub fn stored_bytes(&self) -> [u64; 2] {
        self.jobs().entries.values().fold(
            [0, 0],
            |[originals, results], LedgerEntry { kept, .. }| {
                [originals + kept.original.unwrap_or(0), results + kept.result.unwrap_or(0)]
            },
        )
    }

    /// The jobs that have ended, oldest first.
    #[must_use]
    pub fn ended(&self) -> Vec<LedgerEntry> {
        self.jobs().entries.values().filter(|entry| entry.outcome.is_some()).cloned().collect()
    }

    /// Reads from the storage whether a job has ended.
    pub async fn refresh(&self, job: JobId) -> Result<Option<Outcome>, StorageError> {
        let outcome = self.storage.outcome(job).await?;
        self.note(job, outcome.as_ref());
        Ok(outcome)
    }

    /// Ends a job. Returns the outcome that stands, which is the first one that was written.
    pub async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome, StorageError> {
        let stands = self.storage.conclude(job, outcome).await?;
        self.note(job, Some(&stands));
        Ok(stands)
    }

    fn note(&self, job: JobId, outcome: Option<&Outcome>) {
        // An outcome is never taken back: a look without one began before it was written.
        let Some(outcome) = outcome else { return };
        if let Some(entry) = self.write().entries.get_mut(&job)
            && entry.outcome.is_none()
        {
            entry.outcome = Some(outcome.clone());
            if let Outcome::Complete { bytes, .. } = outcome {
                entry.kept.result = Some(*bytes);
            }
            self.count_end(job, outcome);
        }
    }

    /// Counts the end of a job. Called once for each: only for the first outcome, or for a job removed without one.
    fn count_end(&self, job: JobId, outcome: &Outcome) {
        self.waiting().remove(&job);
        self.meters.ended(outcome);
    }

    /// Removes the original of a job that has ended.
    pub async fn remove_original(&self, job: JobId) -> Result<(), StorageError> {
        self.storage.remove_original(job).await?;
        self.write().entries.entry(job).and_modify(|entry| entry.kept.original = None);
        Ok(())
    }

    /// Removes the final image of a job that has ended.
    pub async fn remove_result(&self, plan: &Plan) -> Result<(), StorageError> {
        self.storage.remove_final(plan.id).await?;
        self.write().entries.entry(plan.id).and_modify(|entry| entry.kept.result = None);
        Ok(())
    }

    /// The files of a job that its storage has now.
    pub async fn kept(&self, plan: &Plan) -> Result<Kept, StorageError> {
        self.storage.kept(plan).await
    }

    /// Removes a job and its files. If that fails, the job stays in the ledger, so that it can be retried.
    pub async fn remove(&self, job: JobId) -> Result<(), StorageError> {
        self.storage.remove(job).await?;
        let removed = self.write().remove(job);
        if removed.is_some_and(|entry| entry.outcome.is_none()) {
            self.count_end(job, &Outcome::cancelled());
        }
        Ok(())
    }
}
