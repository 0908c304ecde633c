//! A fixed number of named threads for computing, so that async threads never compute.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use tokio::sync::oneshot;

/// A unit of work. Returns `Break` if its thread was given up meanwhile.
type Work = Box<dyn FnOnce() -> ControlFlow<()> + Send>;

/// A pool of threads. Dropping it finishes work that has begun, drops the rest and joins the threads,
/// except for those that were given up.
pub struct Pool {
    backlog: Arc<Backlog>,
    name: String,
    size: usize,
    /// Without those that were given up.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Backlog {
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

/// Why work has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// It panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// It took longer than its limit.
    #[error("not finished in time")]
    TimedOut,
}

impl Pool {
    /// Starts `threads` threads whose names begin with `name`.
    pub fn new(name: &str, threads: NonZeroUsize) -> io::Result<Self> {
        let (name, size) = (name.to_owned(), threads.get());
        let pool = Self { backlog: Arc::default(), name, size, threads: Mutex::default() };
        (0..size).try_for_each(|index| pool.spawn(index))?;
        Ok(pool)
    }

    fn spawn(&self, index: usize) -> io::Result<()> {
        let backlog = Arc::clone(&self.backlog);
        let builder = thread::Builder::new().name(format!("{}-{index}", self.name));
        // Locked before the thread starts: it may be given up at once, and must be in the list by then.
        let mut handles = self.handles();
        handles.push(builder.spawn(move || backlog.work())?);
        Ok(())
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        // The list is consistent even if poisoned: a handle is in it or not.
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.size
    }

    /// Runs `work`, which may take `limit` from its beginning. A thread that takes longer is given up
    /// and replaced, since nothing can stop a thread that computes.
    pub async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let over = Arc::default();
        let (begin, begun) = oneshot::channel();
        let mut answer = pin!(self.settle(Arc::clone(&over), move || {
            // Fails if the caller has dropped the future, which is no error.
            let _ = begin.send(thread::current().id());
            work()
        }));
        let late = async {
            let Ok(thread) = begun.await else { return std::future::pending().await };
            tokio::time::sleep(limit).await;
            thread
        };
        let thread = tokio::select! {
            answer = &mut answer => return Ok(answer?),
            thread = late => thread,
        };
        if over.swap(true, Relaxed) {
            // The work ended just in time.
            return Ok(answer.await?);
        }
        self.replace(thread, &over);
        Err(Unfinished::TimedOut)
    }

    /// Starts another thread in place of one that may never return.
    fn replace(&self, thread: ThreadId, over: &AtomicBool) {
        // From now on it is not joined, not even when the pool is dropped.
        self.handles().retain(|handle| handle.thread().id() != thread);
        if let Err(error) = self.spawn(self.size) {
            tracing::error!(%error, pool = self.name, "could not replace a thread");
            // The old thread keeps its place, in case it returns.
            over.store(false, Relaxed);
        }
    }

    /// Runs `work` on one of the threads, in the order of the calls.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        self.settle(Arc::default(), work).await
    }

    /// As [`Self::run`]. Both the thread and `run_within` set `over`, when the work ends and when it
    /// is given up. The first one decides: if that is `run_within`, the thread that ran the work ends.
    async fn settle<T: Send + 'static>(
        &self,
        over: Arc<AtomicBool>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (answer, answered) = oneshot::channel();
        let caught = move || catch_unwind(AssertUnwindSafe(work)).map_err(|cause| words(&*cause));
        self.backlog.lock().waiting.push_back(Box::new(move || {
            let result = caught();
            let given_up = over.swap(true, Relaxed);
            // Fails if the caller has dropped the future, which is no error.
            let _ = answer.send(result);
            if given_up { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }));
        self.backlog.changed.notify_one();
        answered.await.unwrap_or_else(|_| Err(Panicked("the pool was closed".into())))
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent even if poisoned: work runs outside the lock.
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(work) = self.next() {
            if work().is_break() {
                return;
            }
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
        let mut queue = self.backlog.lock();
        queue.closed = true;
        queue.waiting.clear();
        drop(queue);
        self.backlog.changed.notify_all();
        for thread in self.handles().drain(..) {
            // Never fails: panics of work are caught.
            let _ = thread.join();
        }
    }
}

fn words(cause: &(dyn Any + Send)) -> Panicked {
    let text = cause
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| cause.downcast_ref::<String>().cloned());
    Panicked(text.unwrap_or_else(|| "a panic without a message".into()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::num::NonZeroUsize;
    use std::sync::{Arc, Barrier, mpsc};
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::{Panicked, Pool, Unfinished};

    thread_local! {
        /// Dropped when its thread ends.
        static ALIVE: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
    }

    /// A pool that has given up one thread. The thread's work returns when the sender is dropped, and
    /// the receiver is closed when the thread ends.
    async fn with_one_given_up(threads: usize) -> (Pool, mpsc::Sender<()>, mpsc::Receiver<()>) {
        let pool = Pool::new("test", NonZeroUsize::new(threads).unwrap()).unwrap();
        let (release, released) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let late = pool.run_within(Duration::from_millis(1), move || {
            ALIVE.set(Some(alive));
            released.recv()
        });
        assert_eq!(late.await, Err(Unfinished::TimedOut));
        (pool, release, ended)
    }

    /// Keeps all threads busy at the same time: with one fewer, it would wait for ever.
    async fn fill(pool: &Pool) {
        let all = Arc::new(Barrier::new(pool.threads()));
        let works = (0..pool.threads()).map(|_| {
            let all = Arc::clone(&all);
            pool.run(move || all.wait())
        });
        assert!(join_all(works).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_thread_goes_on() {
        let pool = Pool::new("test", NonZeroUsize::MIN).unwrap();
        let failed: Result<(), _> = pool.run(|| panic!("as intended")).await;
        assert_eq!(failed, Err(Panicked("as intended".into())));
        assert_eq!(pool.run(|| 2 + 2).await, Ok(4));
    }

    #[tokio::test]
    async fn a_thread_that_does_not_come_back_is_replaced_and_ends_when_it_does() {
        for threads in [1, 2] {
            let (pool, release, ended) = with_one_given_up(threads).await;
            // Repeated, since no other thread may end in its place.
            for _ in 0..3 {
                fill(&pool).await;
            }
            drop(release);
            assert_eq!(ended.recv(), Err(mpsc::RecvError));
            fill(&pool).await;
            assert_eq!(pool.run_within(Duration::from_mins(1), || 1).await, Ok(1));
        }
    }

    #[tokio::test]
    async fn a_pool_that_is_dropped_does_not_wait_for_a_thread_that_was_given_up() {
        let (pool, release, ended) = with_one_given_up(1).await;
        fill(&pool).await;
        drop(pool);
        drop(release);
        assert_eq!(ended.recv(), Err(mpsc::RecvError));
    }

    #[tokio::test]
    async fn work_runs_on_threads_with_the_pools_name() {
        let pool = Pool::new("mill", NonZeroUsize::MIN).unwrap();
        let name = pool.run(|| std::thread::current().name().map(String::from)).await;
        assert_eq!(name, Ok(Some("mill-0".into())));
    }
}
