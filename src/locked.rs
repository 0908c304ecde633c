//! Locks a mutex, also after a panic under the lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a value that is whole even if a thread panicked while it had the lock: no code that can panic runs under it, or
/// none that would leave the value half changed.
pub(crate) trait Locked<T> {
    /// The value, once no other thread has it.
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> Locked<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
