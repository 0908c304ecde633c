//! A budget of memory that concurrent decoders share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit.
const MEBIBYTE: u64 = 1 << 20;

/// The budget. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Memory {
    permits: Arc<Semaphore>,
    all: u64,
}

impl Memory {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self { permits: Arc::new(Semaphore::new(mebibytes(bytes) as usize)), all: bytes }
    }

    /// Waits for `bytes` of the budget, held until the permit is dropped. More than the whole budget counts as all of
    /// it.
    pub(super) async fn take(&self, bytes: u64) -> OwnedSemaphorePermit {
        let permits = Arc::clone(&self.permits);
        let taken = permits.acquire_many_owned(mebibytes(bytes.min(self.all))).await;
        taken.expect("the semaphore is never closed")
    }
}

/// Bytes in whole mebibytes, rounded up: at least 1, and at most what a semaphore can count.
fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MEBIBYTE)).unwrap_or(u32::MAX).clamp(1, 1 << 28)
}
