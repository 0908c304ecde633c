//! Reuses the memory of large answers for the next ones: fresh memory comes from the system page by page, each of them
//! cleared, which takes as long as reading the answer.

use std::sync::{Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};

use crate::locked::Locked;

/// The memory of smaller answers is not kept.
const LEAST: usize = 256 << 10;
/// Capacities are multiples of this, so that answers of about the same length can reuse each other's memory.
const STEP: usize = 1 << 20;
/// The most answers that are tracked.
const MOST: usize = 32;

/// The answers that one consumer's readers got. The memory of an answer is free again when no part of it is in use.
#[derive(Default)]
pub(super) struct Buffers {
    lent: Mutex<Vec<Bytes>>,
}

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.lent.locked()
    }

    /// A buffer for an answer of this length.
    pub(super) fn take(&self, length: usize) -> BytesMut {
        if length < LEAST {
            return BytesMut::with_capacity(length);
        }
        let mut lent = self.lock();
        while let Some(at) = lent.iter().position(Bytes::is_unique) {
            // It is unique, so no part of it can have been cloned meanwhile.
            let Ok(mut free) = lent.swap_remove(at).try_into_mut() else { continue };
            if free.capacity() >= length {
                free.clear();
                return free;
            }
        }
        drop(lent);
        BytesMut::with_capacity(length.next_multiple_of(STEP))
    }

    /// Tracks an answer, so that its memory can be reused once no part of it is in use.
    pub(super) fn lend(&self, answer: &Bytes) {
        let mut lent = self.lock();
        if answer.len() >= LEAST && lent.len() < MOST {
            lent.push(answer.clone());
        }
    }

    /// Frees unused memory, and stops tracking all answers.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Buffers, LEAST, MOST, STEP};

    fn answer(buffers: &Buffers, length: usize, byte: u8) -> Bytes {
        let mut room = buffers.take(length);
        assert!(room.is_empty(), "{length}");
        room.resize(length, byte);
        let answer = room.freeze();
        buffers.lend(&answer);
        answer
    }

    #[test]
    fn memory_is_used_again_when_nothing_of_an_answer_is_in_use() {
        let buffers = Buffers::default();
        let (first, second) = (answer(&buffers, STEP + 1, 1), answer(&buffers, STEP + 1, 2));
        let places = [first.as_ptr(), second.as_ptr()];
        let record = first.slice(10..20);
        drop((first, second));
        let third = answer(&buffers, 2 * STEP, 3);
        assert_eq!(third.as_ptr(), places[1]);
        assert!(record.iter().all(|byte| *byte == 1));
        drop(record);
        let fourth = answer(&buffers, LEAST, 4);
        assert_eq!(fourth.as_ptr(), places[0]);
        assert!(third.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn memory_that_is_too_small_is_given_back() {
        let buffers = Buffers::default();
        drop(answer(&buffers, LEAST, 1));
        let longer = answer(&buffers, STEP + 1, 2);
        assert!(longer.iter().all(|byte| *byte == 2));
        assert_eq!(buffers.lock().len(), 1);
    }

    #[test]
    fn small_answers_and_too_many_are_not_followed() {
        let buffers = Buffers::default();
        let _small = answer(&buffers, LEAST - 1, 1);
        assert_eq!(buffers.lock().len(), 0);
        let _many: Vec<Bytes> = (0..=MOST).map(|_| answer(&buffers, LEAST, 1)).collect();
        assert_eq!(buffers.lock().len(), MOST);
        buffers.clear();
        assert_eq!(buffers.lock().len(), 0);
    }
}
