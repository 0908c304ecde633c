//! A fixed number of named threads for work that computes, so that the async threads never do.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A pool of threads. Dropping it finishes what was begun, forgets the rest and joins the threads.
pub struct Pool {
    shared: Arc<Shared>,
    name: String,
    size: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
    /// Threads that were replaced while they did not come back; each ends when it does.
    given_up: usize,
}

/// The work panicked; the thread that ran it goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {0}")]
pub struct Panicked(pub String);

/// Why there is no answer to some work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// It panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// It took longer than it may.
    #[error("not finished in time")]
    TimedOut,
}

impl Pool {
    /// Starts `threads` threads whose names begin with `name`.
    pub fn new(name: &str, threads: NonZeroUsize) -> io::Result<Self> {
        let (name, size) = (name.to_owned(), threads.get());
        let pool = Self { shared: Arc::default(), name, size, threads: Mutex::default() };
        (0..size).try_for_each(|index| pool.spawn(index))?;
        Ok(pool)
    }

    fn spawn(&self, index: usize) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name(format!("{}-{index}", self.name));
        let thread = builder.spawn(move || shared.work())?;
        self.handles().push(thread);
        Ok(())
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        // Nothing that can panic runs under the lock.
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.size
    }

    /// Runs `work`, which has `limit` from when it begins. A thread that does not come back by then is
    /// given up, and another takes its place: nothing can stop a thread that computes.
    pub async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let (begin, begun) = oneshot::channel();
        let answer = self.run(move || {
            // Nobody waiting for the beginning is nobody to tell.
            let _ = begin.send(());
            work()
        });
        let over = async {
            if begun.await.is_ok() {
                tokio::time::sleep(limit).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            answer = answer => Ok(answer?),
            () = over => {
                self.replace_thread();
                Err(Unfinished::TimedOut)
            }
        }
    }

    fn replace_thread(&self) {
        self.shared.lock().given_up += 1;
        if let Err(error) = self.spawn(self.size) {
            tracing::error!(%error, pool = self.name, "could not replace a thread");
        }
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
            if self.is_given_up() {
                return;
            }
        }
    }

    /// Whether there is a thread too many: one of those that were given up has come back.
    fn is_given_up(&self) -> bool {
        let mut queue = self.lock();
        let too_many = queue.given_up > 0;
        queue.given_up -= usize::from(too_many);
        too_many
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
        let stuck = queue.given_up > 0;
        drop(queue);
        self.shared.changed.notify_all();
        if stuck {
            // One that never comes back cannot be waited for.
            return;
        }
        for thread in self.handles().drain(..) {
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
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{Panicked, Pool, Unfinished};

    #[tokio::test]
    async fn a_panic_is_answered_and_the_thread_goes_on() {
        let pool = Pool::new("test", NonZeroUsize::MIN).unwrap();
        let failed: Result<(), _> = pool.run(|| panic!("as intended")).await;
        assert_eq!(failed, Err(Panicked("as intended".into())));
        assert_eq!(pool.run(|| 2 + 2).await, Ok(4));
    }

    #[tokio::test]
    async fn a_thread_that_does_not_come_back_is_replaced_and_ends_when_it_does() {
        let pool = Pool::new("test", NonZeroUsize::MIN).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let late = pool.run_within(Duration::from_millis(1), move || released.recv());
        assert_eq!(late.await, Err(Unfinished::TimedOut));
        assert_eq!(pool.run(|| 2 + 2).await, Ok(4));
        drop(release);
        // One thread is left: work that waits for other work would wait for ever on none.
        assert_eq!(pool.run_within(Duration::from_mins(1), || 1).await, Ok(1));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn work_runs_on_threads_with_the_pools_name() {
        let pool = Pool::new("mill", NonZeroUsize::MIN).unwrap();
        let name = pool.run(|| std::thread::current().name().map(String::from)).await;
        assert_eq!(name, Ok(Some("mill-0".into())));
    }
}
