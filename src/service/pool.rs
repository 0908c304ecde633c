//! A fixed number of named threads for work that computes, so that the async threads never do.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A pool of threads. Dropping it finishes what was begun, forgets the rest and joins the threads.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    closed: bool,
}

/// The work panicked; the thread that ran it goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {0}")]
pub struct Panicked(pub String);

impl Pool {
    /// Starts `threads` threads whose names begin with `name`.
    pub fn new(name: &str, threads: NonZeroUsize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let spawn = |index| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("{name}-{index}")).spawn(move || shared.work())
        };
        let threads = (0..threads.get()).map(spawn).collect::<io::Result<_>>()?;
        Ok(Self { shared, threads })
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Runs `work` on one of the threads, in the order of the calls.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (answer, answered) = oneshot::channel();
        let caught = move || catch_unwind(AssertUnwindSafe(work)).map_err(|cause| words(&*cause));
        self.shared.lock().waiting.push_back(Box::new(move || {
            // Nobody waiting for the answer is nobody to tell.
            let _ = answer.send(caught());
        }));
        self.shared.changed.notify_one();
        answered.await.unwrap_or_else(|_| Err(Panicked("the pool was closed".into())))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole even if poisoned: work runs outside the lock.
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(work) = self.next() {
            work();
        }
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(work) = queue.waiting.pop_front() {
                return Some(work);
            }
            queue = self.changed.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.waiting.clear();
        drop(queue);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Work that panics is caught, so a thread ends only by returning.
            let _ = thread.join();
        }
    }
}

fn words(cause: &(dyn Any + Send)) -> Panicked {
    let text = cause
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| cause.downcast_ref::<String>().cloned());
    Panicked(text.unwrap_or_else(|| "a panic without words".into()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::{Panicked, Pool};

    #[tokio::test]
    async fn a_panic_is_answered_and_the_thread_goes_on() {
        let pool = Pool::new("test", NonZeroUsize::MIN).unwrap();
        let failed: Result<(), _> = pool.run(|| panic!("as intended")).await;
        assert_eq!(failed, Err(Panicked("as intended".into())));
        assert_eq!(pool.run(|| 2 + 2).await, Ok(4));
    }

    #[tokio::test]
    async fn work_runs_on_threads_with_the_pools_name() {
        let pool = Pool::new("mill", NonZeroUsize::MIN).unwrap();
        let name = pool.run(|| std::thread::current().name().map(String::from)).await;
        assert_eq!(name, Ok(Some("mill-0".into())));
    }
}
