//! Soft state in the memory of this process, for one machine without Redis.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::watch::{self, Watch};
use super::{
    ACTIVE_TTL, ActiveJob, BOARD_TTL, Counters, DEAD_WORKER_TTL, LAST_LOOK, SERVER_TTL, ServerId,
    State, StateError,
};
use crate::locked::Locked;
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::JobId;
use crate::model::mosaic::{Mosaic, Slot};
use crate::model::process::{Process, Role};
use crate::model::worker::{Heartbeat, Phase, WorkerId, WorkerView};

/// How many signals a receiver may fall behind before it has to look at everything.
const SIGNAL_CAPACITY: usize = 1024;

/// A map in memory whose entries expire by tokio's clock.
pub struct EmbeddedState {
    maps: Mutex<Maps>,
    looks: broadcast::Sender<Look>,
}

#[derive(Default)]
struct Maps {
    processes: Expiring<(Role, String), Process>,
    monitored: Option<Monitored>,
    owners: Expiring<JobId, ServerId>,
    active: Expiring<JobId, ActiveJob>,
    boards: Expiring<JobId, Board>,
    mosaics: Expiring<JobId, Mosaic>,
    workers: BTreeMap<WorkerId, Worker>,
}

/// The last span of time in which a monitor listened without a break.
#[derive(Clone, Copy)]
struct Monitored {
    since: Instant,
    last: Instant,
}

struct Worker {
    heartbeat: Heartbeat,
    arrived: Instant,
    dead_after: Duration,
}

/// Entries that expire.
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

    /// Changes an entry if there is one, and keeps it for `ttl` from now. Returns whether there was one.
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
        self.maps.locked()
    }
}

impl Monitored {
    fn now(before: Option<Self>) -> Self {
        let now = Instant::now();
        let unbroken = before.filter(|before| before.last.elapsed() < SERVER_TTL);
        Self { since: unbroken.map_or(now, |before| before.since), last: now }
    }

    fn watch(self) -> Watch {
        Watch { since: Some(self.since.elapsed()), last: self.last.elapsed() }
    }
}

#[async_trait]
impl State for EmbeddedState {
    async fn keep_alive(&self, process: &Process) -> Result<(), StateError> {
        let maps = &mut *self.lock();
        let key = (process.role, process.id.clone());
        maps.processes.put(key, process.clone(), SERVER_TTL);
        if process.role == Role::Monitor {
            maps.monitored = Some(Monitored::now(maps.monitored));
        }
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<Process>, StateError> {
        let mut processes = self.lock().processes.values();
        processes.sort();
        Ok(processes)
    }

    async fn end(&self, process: &Process) -> Result<(), StateError> {
        self.lock().processes.0.remove(&(process.role, process.id.clone()));
        Ok(())
    }

    async fn claim(&self, job: JobId, server: &ServerId) -> Result<bool, StateError> {
        let maps = &mut *self.lock();
        let lives =
            |ServerId(id): &ServerId| maps.processes.get(&(Role::Serve, id.clone())).is_some();
        if maps.owners.get(&job).is_some_and(|owner| owner != *server && lives(&owner)) {
            return Ok(false);
        }
        maps.owners.put(job, server.clone(), ACTIVE_TTL);
        Ok(true)
    }

    async fn activate(&self, job: ActiveJob) -> Result<(), StateError> {
        self.lock().active.put(job.id, job, ACTIVE_TTL);
        Ok(())
    }

    async fn forget(&self, job: JobId) -> Result<(), StateError> {
        let maps = &mut *self.lock();
        maps.owners.0.remove(&job);
        maps.active.0.remove(&job);
        maps.boards.0.remove(&job);
        maps.mosaics.change(&job, LAST_LOOK, |_| ());
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
        let watch = maps.monitored.map(Monitored::watch);
        let known = maps.workers.values().map(|worker| (worker, worker.arrived.elapsed()));
        let shown = known.filter(|(worker, age)| *age < worker.dead_after + DEAD_WORKER_TTL);
        Ok(shown
            .map(|(worker, age)| {
                watch::view(worker.heartbeat.clone(), age, watch, [late_after, worker.dead_after])
            })
            .collect())
    }

    async fn remove_worker(&self, id: &WorkerId) -> Result<(), StateError> {
        self.lock().workers.remove(id);
        Ok(())
    }

    async fn signal(&self, look: Look) -> Result<(), StateError> {
        // It fails only if there is no receiver.
        let _ = self.looks.send(look);
        Ok(())
    }

    fn looks(&self) -> broadcast::Receiver<Look> {
        self.looks.subscribe()
    }

    async fn probe(&self) -> Result<(), StateError> {
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters { refused: 0, evicted: Some(0) }
    }
}
