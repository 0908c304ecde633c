//! What a server knows of its jobs: their plans and outcomes, kept in memory, read from storage.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tracing::warn;

use crate::model::job::{JobId, Outcome, Plan};
use crate::storage::{Storage, StorageError};

/// The jobs of a storage. The storage stays the truth: what is here was read or written there.
pub struct Ledger {
    storage: Arc<dyn Storage>,
    entries: RwLock<BTreeMap<JobId, Entry>>,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is to be done.
    pub plan: Arc<Plan>,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
}

impl Ledger {
    /// Reads all jobs. One whose plan does not parse is left out, and the log says so.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self, StorageError> {
        let ledger = Self { storage, entries: RwLock::default() };
        for job in ledger.storage.jobs().await? {
            match ledger.read(job).await {
                Ok(entry) => ledger.put(job, entry),
                Err(error) => {
                    warn!(%job, error = &error as &dyn std::error::Error, "left out a job");
                }
            }
        }
        Ok(ledger)
    }

    async fn read(&self, job: JobId) -> Result<Entry, StorageError> {
        let plan = Arc::new(self.storage.plan(job).await?);
        Ok(Entry { plan, outcome: self.storage.outcome(job).await? })
    }

    fn put(&self, job: JobId, entry: Entry) {
        self.write().insert(job, entry);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<JobId, Entry>> {
        // No code that can panic runs under the lock, so the map is whole even if poisoned.
        self.entries.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn entries(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<JobId, Entry>> {
        self.entries.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds a job whose plan has just been stored.
    pub fn add(&self, plan: Arc<Plan>) {
        self.put(plan.id, Entry { plan, outcome: None });
    }

    /// One job.
    #[must_use]
    pub fn get(&self, job: JobId) -> Option<Entry> {
        self.entries().get(&job).cloned()
    }

    /// Jobs from newest to oldest, `count` of them behind the first `skip`; and how many there are.
    #[must_use]
    pub fn newest(&self, skip: usize, count: usize) -> (Vec<Entry>, usize) {
        let entries = self.entries();
        let page = entries.values().rev().skip(skip).take(count).cloned().collect();
        (page, entries.len())
    }

    /// The jobs without an outcome, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Arc<Plan>> {
        let entries = self.entries();
        let open = entries.values().filter(|entry| entry.outcome.is_none());
        open.map(|entry| Arc::clone(&entry.plan)).collect()
    }

    /// Looks in the storage whether a job has ended.
    pub async fn refresh(&self, job: JobId) -> Result<Option<Outcome>, StorageError> {
        let outcome = self.storage.outcome(job).await?;
        self.note(job, outcome.as_ref());
        Ok(outcome)
    }

    /// Ends a job. Returns the outcome that stands.
    pub async fn conclude(&self, job: JobId, outcome: Outcome) -> Result<Outcome, StorageError> {
        let stands = self.storage.conclude(job, outcome).await?;
        self.note(job, Some(&stands));
        Ok(stands)
    }

    fn note(&self, job: JobId, outcome: Option<&Outcome>) {
        // Outcomes never go away: a look that began before one was written knows less.
        if let Some(entry) = self.write().get_mut(&job) {
            entry.outcome = outcome.cloned().or(entry.outcome.take());
        }
    }

    /// Removes a job and its files.
    pub async fn remove(&self, job: JobId) -> Result<(), StorageError> {
        self.write().remove(&job);
        self.storage.remove(job).await
    }
}
