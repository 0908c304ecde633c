//! Locks a mutex, also after a panic under the lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what no code that can panic runs under: the value is whole even where the mutex is poisoned.
pub(crate) trait Locked<T> {
    /// The value, once no other thread has it.
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> Locked<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
