//! Soft state in the memory of this process, for one machine without Redis.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{
    ACTIVE_TTL, ActiveJob, BOARD_TTL, DEAD_WORKER_TTL, SERVER_TTL, ServerId, State, StateError,
};
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::JobId;
use crate::model::mosaic::{Mosaic, Slot};
use crate::model::worker::{Heartbeat, Liveness, Phase, WorkerId, WorkerView};

/// Signals that a slow receiver may fall behind by before it has to look at everything.
const SIGNAL_CAPACITY: usize = 1024;

/// A map in memory whose entries expire by tokio's clock.
pub struct EmbeddedState {
    maps: Mutex<Maps>,
    looks: broadcast::Sender<Look>,
}

#[derive(Default)]
struct Maps {
    servers: Expiring<ServerId, ()>,
    owners: HashMap<JobId, ServerId>,
    active: Expiring<JobId, ActiveJob>,
    boards: Expiring<JobId, Board>,
    mosaics: Expiring<JobId, Mosaic>,
    workers: BTreeMap<WorkerId, Worker>,
}

struct Worker {
    heartbeat: Heartbeat,
    arrived: Instant,
    dead_after: Duration,
}

/// Entries that are gone once their time is over.
struct Expiring<K, V>(HashMap<K, (Instant, V)>);

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Clone> Expiring<K, V> {
    fn put(&mut self, key: K, value: V, ttl: Duration) {
        let now = Instant::now();
        self.0.retain(|_, (end, _)| *end > now);
        self.0.insert(key, (now + ttl, value));
    }

    fn get(&self, key: &K) -> Option<V> {
        let live = self.0.get(key).filter(|(end, _)| *end > Instant::now());
        live.map(|(_, value)| value.clone())
    }

    /// Changes an entry that is there, and keeps it for `ttl` from now. Returns whether it was there.
    fn change(&mut self, key: &K, ttl: Duration, change: impl FnOnce(&mut V)) -> bool {
        let now = Instant::now();
        let live = self.0.get_mut(key).filter(|(end, _)| *end > now);
        live.map(|(end, value)| {
            *end = now + ttl;
            change(value);
        })
        .is_some()
    }

    fn values(&self) -> Vec<V> {
        let now = Instant::now();
        self.0.values().filter(|(end, _)| *end > now).map(|(_, value)| value.clone()).collect()
    }
}

impl Default for EmbeddedState {
    fn default() -> Self {
        Self { maps: Mutex::default(), looks: broadcast::channel(SIGNAL_CAPACITY).0 }
    }
}

impl EmbeddedState {
    fn lock(&self) -> MutexGuard<'_, Maps> {
        // No code that can panic runs under the lock, so the maps are whole even if poisoned.
        self.maps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Worker {
    fn liveness(&self, late_after: Duration) -> Liveness {
        let silent = self.arrived.elapsed();
        if silent >= self.dead_after {
            Liveness::Dead
        } else if self.heartbeat.phase == Phase::Leaving {
            Liveness::Leaving
        } else if silent >= late_after {
            Liveness::Late
        } else {
            Liveness::Live
        }
    }

    fn view(&self, late_after: Duration) -> WorkerView {
        WorkerView {
            heartbeat: self.heartbeat.clone(),
            state: self.liveness(late_after),
            last_seen: self.arrived.elapsed().as_secs(),
        }
    }
}

#[async_trait]
impl State for EmbeddedState {
    async fn keep_alive(&self, server: &ServerId) -> Result<(), StateError> {
        self.lock().servers.put(server.clone(), (), SERVER_TTL);
        Ok(())
    }

    async fn claim(&self, job: JobId, server: &ServerId) -> Result<bool, StateError> {
        let maps = &mut *self.lock();
        let owner = maps.owners.get(&job).filter(|owner| maps.servers.get(owner).is_some());
        if owner.is_some_and(|owner| owner != server) {
            return Ok(false);
        }
        maps.owners.insert(job, server.clone());
        Ok(true)
    }

    async fn activate(&self, job: ActiveJob) -> Result<(), StateError> {
        self.lock().active.put(job.id, job, ACTIVE_TTL);
        Ok(())
    }

    async fn forget(&self, job: JobId) -> Result<(), StateError> {
        let maps = &mut *self.lock();
        maps.owners.remove(&job);
        maps.active.0.remove(&job);
        maps.boards.0.remove(&job);
        maps.mosaics.0.remove(&job);
        Ok(())
    }

    async fn active(&self) -> Result<Vec<ActiveJob>, StateError> {
        Ok(self.lock().active.values())
    }

    async fn publish_board(&self, job: JobId, board: Board) -> Result<(), StateError> {
        self.lock().boards.put(job, board, BOARD_TTL);
        Ok(())
    }

    async fn board(&self, job: JobId) -> Result<Option<Board>, StateError> {
        Ok(self.lock().boards.get(&job))
    }

    async fn publish_mosaic(&self, job: JobId, mosaic: Mosaic) -> Result<(), StateError> {
        self.lock().mosaics.put(job, mosaic, BOARD_TTL);
        Ok(())
    }

    async fn paint(&self, job: JobId, slots: Vec<Slot>) -> Result<bool, StateError> {
        let paint = |mosaic: &mut Mosaic| slots.into_iter().for_each(|slot| mosaic.paint(slot));
        Ok(self.lock().mosaics.change(&job, BOARD_TTL, paint))
    }

    async fn mosaic(&self, job: JobId) -> Result<Option<Mosaic>, StateError> {
        Ok(self.lock().mosaics.get(&job))
    }

    async fn beat(&self, heartbeat: Heartbeat, dead_after: Duration) -> Result<(), StateError> {
        if heartbeat.phase == Phase::Gone {
            return self.remove_worker(&heartbeat.id).await;
        }
        let workers = &mut self.lock().workers;
        workers.retain(|_, worker| worker.arrived.elapsed() < worker.dead_after + DEAD_WORKER_TTL);
        let worker = Worker { heartbeat, arrived: Instant::now(), dead_after };
        workers.insert(worker.heartbeat.id.clone(), worker);
        Ok(())
    }

    async fn workers(&self, late_after: Duration) -> Result<Vec<WorkerView>, StateError> {
        let maps = self.lock();
        let shown = maps
            .workers
            .values()
            .filter(|worker| worker.arrived.elapsed() < worker.dead_after + DEAD_WORKER_TTL);
        Ok(shown.map(|worker| worker.view(late_after)).collect())
    }

    async fn remove_worker(&self, id: &WorkerId) -> Result<(), StateError> {
        self.lock().workers.remove(id);
        Ok(())
    }

    async fn signal(&self, look: Look) -> Result<(), StateError> {
        // Nobody listening is nobody to tell.
        let _ = self.looks.send(look);
        Ok(())
    }

    fn looks(&self) -> broadcast::Receiver<Look> {
        self.looks.subscribe()
    }
}
